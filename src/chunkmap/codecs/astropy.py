"""The package astropy, whose decoders of compressed tiles and world coordinates some codecs stand on.

It is imported when the first chunk is decoded, not before. It is large, and few files need it: it is no dependency but
an extra, `chunkmap[fits]`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from chunkmap.errors import Unsupported

__all__ = ["require_astropy"]


def require_astropy(module: str, wanted_by: str) -> Any:
    """A module of it. Raises Unsupported saying what to install where it is not there."""
    try:
        return import_module(module)
    except ImportError as error:
        raise Unsupported(
            f"{wanted_by} needs the package astropy, of 7.0 or later, which is not installed;"
            " install it with `pip install 'chunkmap[fits]'`",
            feature="astropy",
        ) from error
