"""The codec `hdf4_jpeg`: raster images that HDF4 holds as JPEG streams.

HDF Specification and Developer's Guide: DFTAG_JPEG5, DFTAG_GREYJPEG5 and the coder COMP_CODE_JPEG.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

from chunkmap.codecs.imagecodecs import require_imagecodecs

__all__ = ["Hdf4Jpeg"]


class Hdf4Jpeg(Codec):  # type: ignore[misc]
    """Decodes a JPEG stream to its pixels, the components of a pixel side by side."""

    codec_id = "hdf4_jpeg"

    def encode(self, buf: Any) -> Any:
        """JPEG would not give back what it was given."""
        raise NotImplementedError("JPEG images are read, never written")

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The pixels."""
        pixels = require_imagecodecs(self.codec_id).jpeg8_decode(ensure_bytes(buf))
        return ndarray_copy(np.ascontiguousarray(pixels), out)
