"""Whether a file is still the one that was scanned."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from chunkmap.errors import SourceError
from chunkmap.io import Source
from chunkmap.model import Target

__all__ = ["check_unchanged", "difference"]

_SAME_TIME: Final = 1e-3
"""Seconds by which two times of change may differ and be one: systems round them."""


def difference(recorded: Target, found: Target) -> str | None:
    """How a file differs from what was recorded of it; None when it is the same as far as both tell.

    The etag decides where both have one: it names the content, which a time of change does not.

    >>> difference(Target(size=10, etag="a"), Target(size=10, etag="b"))
    "expected etag 'a', found 'b'"
    >>> difference(Target(size=10, etag="a", mtime=0.0), Target(size=10, etag="a", mtime=9.0))
    """
    if recorded.size is not None and found.size is not None and recorded.size != found.size:
        return f"expected {recorded.size} bytes, found {found.size}"
    if recorded.etag is not None and found.etag is not None:
        return None if recorded.etag == found.etag else f"expected etag {recorded.etag!r}, found {found.etag!r}"
    if recorded.mtime is not None and found.mtime is not None and abs(recorded.mtime - found.mtime) > _SAME_TIME:
        return f"expected that it was changed at {_date(recorded.mtime)}, found {_date(found.mtime)}"
    return None


def _date(seconds: float) -> str:
    """A time of change as a date.

    >>> _date(0.5), _date(1e300)
    ('1970-01-01 00:00:00.500 UTC', '1e+300 seconds since 1970')
    """
    try:
        date = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{seconds} seconds since 1970"
    return f"{date:%Y-%m-%d %H:%M:%S}.{date.microsecond // 1000:03d} UTC"


def check_unchanged(source: Source, expected: Mapping[str, Target]) -> None:
    """Raise SourceError when a file is not the one that was scanned, or when nothing was recorded of it."""
    recorded = expected.get(source.url)
    if recorded is None or recorded == Target():
        raise SourceError(
            "whether it changed since the scan cannot be told, because the set does not say what it was like"
            " (other tools write no such sets, nor did chunkmap 0.1 as JSON); scan it again, or open it without check",
            url=source.url,
        )
    changed = difference(recorded, source.target())
    if changed is not None:
        raise SourceError(f"changed since it was scanned: {changed}; scan it again", url=source.url)
