"""Whether a URL stands below another: how it is said which files may be opened."""

from __future__ import annotations

import os
from typing import Final

from fsspec.core import split_protocol
from fsspec.implementations.local import LocalFileSystem

__all__ = ["LOCAL", "begins", "parent"]

LOCAL: Final = frozenset({None, "file", "local"})
"""Protocols of files on this machine."""


def begins(url: str, prefix: str) -> bool:
    """Whether a URL is a prefix, or stands below it: `/data` is not the beginning of `/data-2`."""
    if split_protocol(url)[0] in LOCAL:
        if split_protocol(prefix)[0] not in LOCAL:
            return False
        url, prefix = _real(url), _real(prefix)
    elif prefix.endswith("://"):
        return url.startswith(prefix)
    return url == prefix or url.startswith(f"{prefix.rstrip('/')}/")


def parent(url: str) -> str:
    """What to allow for a URL to be: the directory it is in."""
    protocol = split_protocol(url)[0]
    path = _real(url) if protocol in LOCAL else url
    return path[: path.rfind("/") + 1]


def _real(url: str) -> str:
    """The path of a local file, with links followed, so that none leads out of what is allowed."""
    return os.path.realpath(LocalFileSystem._strip_protocol(url) or "/")  # noqa: SLF001 - how fsspec finds the file
