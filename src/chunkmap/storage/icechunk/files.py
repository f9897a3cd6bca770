"""What was known of the files when they were scanned, in the document of an array: size, etag and time of change.

Icechunk's own guard is one of them for each reference, which it does not tell again, and a time is "not changed after"
to it: an older file in place of a newer one passes. With these `verify` and `check="etag"` see that.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from typing import Any, Final

import orjson

from chunkmap.errors import StorageError
from chunkmap.model import Target

__all__ = ["packed", "unpacked"]

_MOST_PACKED: Final = 4 << 20
"""Characters, which are part of every snapshot of a repository: some 200,000 files."""

_MOST_UNPACKED: Final = 256 << 20


def packed(targets: Mapping[str, Target]) -> str | None:
    """Columns of JSON, compressed; None for so many files that a document would become too long.

    >>> unpacked(packed({"file:///a.nc": Target(size=10, mtime=1.5)}) or "")
    {'file:///a.nc': Target(size=10, etag=None, mtime=1.5)}
    """
    known = {url: target for url, target in sorted(targets.items()) if target != Target()}
    columns = [list(known), *map(list, zip(*((t.size, t.etag, t.mtime) for t in known.values()), strict=True))]
    text = base64.b64encode(zlib.compress(orjson.dumps(columns))).decode()
    return text if known and len(text) <= _MOST_PACKED else None


def unpacked(text: Any) -> dict[str, Target]:
    """The targets again, by URL. Raises StorageError for what `packed` did not write."""
    try:
        inflate = zlib.decompressobj()
        data = inflate.decompress(base64.b64decode(text, validate=True), _MOST_UNPACKED)
        columns = orjson.loads(data)
        rows = {url: _target(*known) for url, *known in zip(*columns, strict=True)}
    except (zlib.error, binascii.Error, ValueError, TypeError) as error:
        raise StorageError(f"what the repository says of its files does not parse: {error}") from error
    if not all(isinstance(url, str) for url in rows):
        raise StorageError("what the repository says of its files names one by no text")
    return rows


def _target(size: Any, etag: Any, mtime: Any) -> Target:
    kinds = ((size, int | None), (etag, str | None), (mtime, float | int | None))
    if not all(isinstance(value, kind) for value, kind in kinds):
        raise TypeError(f"expected a size, an etag and a time, found {size!r}, {etag!r}, {mtime!r}"[:200])
    return Target(size, etag, mtime)
