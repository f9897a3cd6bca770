"""Whether a URL stands below another: how it is said which files may be opened."""

from __future__ import annotations

import os

from chunkmap.io.names import LOCAL, local_path, protocol_of

__all__ = ["begins", "parent"]


def begins(url: str, prefix: str) -> bool:
    """Whether a URL is a prefix, or stands below it: `/data` is not the beginning of `/data-2`."""
    if protocol_of(url) in LOCAL:
        if protocol_of(prefix) not in LOCAL:
            return False
        url, prefix = _real(url), _real(prefix)
    elif prefix.endswith("://"):
        return url.startswith(prefix)
    return url == prefix or url.startswith(f"{prefix.rstrip('/')}/")


def parent(url: str) -> str:
    """What to allow for a URL to be: the directory it is in, or itself where it is in none.

    >>> parent("s3://bucket/a/b.nc"), parent("data:,x")
    ('s3://bucket/a/', 'data:,x')
    """
    protocol = protocol_of(url)
    path = _real(url) if protocol in LOCAL else url
    return path[: path.rfind("/") + 1] or url


def _real(url: str) -> str:
    """The path of a local file, with links followed, so that none leads out of what is allowed."""
    return os.path.realpath(local_path(url) or "/")
