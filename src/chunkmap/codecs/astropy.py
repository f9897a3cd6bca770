"""The package astropy, whose decoders of compressed tiles and world coordinates some codecs stand on.

It is imported when the first chunk is decoded, not before. It is large, and few files need it: it is no dependency but
an extra, `chunkmap[fits]`.
"""

from __future__ import annotations

from typing import Any

from chunkmap.packages import require

__all__ = ["require_astropy"]


def require_astropy(module: str, wanted_by: str) -> Any:
    """A module of it. Raises NotInstalled saying what to install where it is not there."""
    return require(module, "fits", wanted_by)
