"""The package imagecodecs, which some codecs stand on: imported when the first chunk is decoded, not before.

It is large, and few files need it: it is no dependency but part of the extras `chunkmap[hdf5]` and `chunkmap[tiff]`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from chunkmap.codecs.table import CODECS_BY_ID
from chunkmap.errors import Unsupported

__all__ = ["require_imagecodecs"]


def require_imagecodecs(codec: str) -> Any:
    """The module. Raises Unsupported saying what to install where it is not there."""
    try:
        return import_module("imagecodecs")
    except ImportError as error:
        raise Unsupported(
            f"the codec {codec!r} decodes with the package imagecodecs, which is not installed;"
            f" install it with `pip install 'chunkmap[{CODECS_BY_ID[codec].extra}]'`",
            feature="codec",
        ) from error
