"""Codecs that references need and numcodecs does not have: one file each, and one row in `chunkmap.codecs.table`.

numcodecs finds them by their entry points; `register` makes them known where the package is not installed, or where
another package has codecs of the same ids. numcodecs takes longer to load than a small file to scan, so who scans asks
for a codec by `make`, which loads numcodecs for the first; names and configurations of codecs need none.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

from chunkmap.codecs.table import CODECS

__all__ = ["make", "numcodecs", "register"]


def make(config: Mapping[str, Any]) -> Any:
    """The codec of a configuration, an object of numcodecs. Raises what numcodecs does where there is none.

    >>> make({"id": "zlib", "level": 4})
    Zlib(level=4)
    """
    return numcodecs().get_codec(dict(config))


@cache
def numcodecs() -> Any:
    """numcodecs, which knows the codecs of this package, loaded when the first codec is needed."""
    register()
    return import_module("numcodecs")


def register() -> None:
    """Make every codec of this package known to numcodecs by its id; each is imported when it is asked for."""
    registry = import_module("numcodecs.registry")
    entry_point = import_module("importlib.metadata").EntryPoint  # which numcodecs has loaded
    for row in CODECS:
        known = registry.codec_registry.get(row.id)
        if known is not None and known.__module__ != row.entry_point.partition(":")[0]:
            del registry.codec_registry[row.id]
        registry.entries[row.id] = entry_point(row.id, row.entry_point, "numcodecs.codecs")
