"""Codecs that references need and numcodecs does not have: one file each, and one row in `chunkmap.codecs.table`.

numcodecs finds them by their entry points; `register` makes them known where the package is not installed, or where
another package has codecs of the same ids.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint

from numcodecs import registry

from chunkmap.codecs.table import CODECS

__all__ = ["register"]


def register() -> None:
    """Make every codec of this package known to numcodecs by its id; each is imported when it is asked for."""
    for row in CODECS:
        known = registry.codec_registry.get(row.id)
        if known is not None and known.__module__ != row.entry_point.partition(":")[0]:
            del registry.codec_registry[row.id]
        registry.entries[row.id] = EntryPoint(row.id, row.entry_point, "numcodecs.codecs")
