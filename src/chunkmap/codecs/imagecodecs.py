"""The package imagecodecs, which some codecs stand on: imported when the first chunk is decoded, not before.

It is large, and few files need it: it is no dependency but part of the extras `chunkmap[hdf5]` and `chunkmap[tiff]`.
"""

from __future__ import annotations

from typing import Any

from chunkmap.codecs.table import CODECS_BY_ID
from chunkmap.packages import require

__all__ = ["require_imagecodecs"]


def require_imagecodecs(codec: str) -> Any:
    """The module. Raises NotInstalled saying what to install where it is not there."""
    return require("imagecodecs", CODECS_BY_ID[codec].extra, f"the codec {codec!r}")
