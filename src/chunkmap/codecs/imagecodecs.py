"""The package imagecodecs, which some codecs stand on: imported when the first chunk is decoded, not before.

It is large, and few files need it: it is no dependency but part of the extras `chunkmap[hdf5]` and `chunkmap[tiff]`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from chunkmap.codecs.table import CODECS_BY_ID
from chunkmap.errors import NotInstalled
from chunkmap.packages import require

__all__ = ["decoder_if_there", "require_decoder", "require_imagecodecs"]


def require_imagecodecs(codec: str) -> Any:
    """The module. Raises NotInstalled saying what to install where it is not there."""
    return require("imagecodecs", CODECS_BY_ID[codec].extra, f"the codec {codec!r}")


def decoder_if_there(function: str) -> Callable[..., Any] | None:
    """A function of the module, of which there is a slower one of our own: None where it is not installed."""
    try:
        package: Any = import_module("imagecodecs")
    except ImportError:
        return None
    found: Callable[..., Any] | None = getattr(package, function, None)
    return found


def require_decoder(codec: str, function: str) -> Callable[..., Any]:
    """A function of the module. Raises NotInstalled too where the module is too old to have it."""
    package = require_imagecodecs(codec)
    found: Callable[..., Any] | None = getattr(package, function, None)
    if found is None:
        extra = CODECS_BY_ID[codec].extra
        raise NotInstalled(
            f"the codec {codec!r} needs a newer imagecodecs, found {package.__version__}:"
            f" pip install --upgrade imagecodecs 'chunkmap[{extra}]'",
            feature="imagecodecs",
        )
    return found
