"""Zarr stores, of version 2 or 3 -> reference sets.

A store is a folder: of a disk, of an object store, of an archive, or of a server that does not tell what is in it.
"""

from chunkmap.formats.zarr.scanner import Options, parse

__all__ = ["Options", "parse"]
