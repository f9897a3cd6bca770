"""The codec `fits_image`: a compressed image of FITS as a whole, with the header that says how it is compressed.

FITS standard 4.0, section 10.1. As all that varies from file to file stands in the chunk, images of many files are
chunks of one array. astropy decodes them.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

from chunkmap.codecs.astropy import require_astropy

__all__ = ["FitsImage"]

_BLOCK: Final = 2880
_TYPES: Final = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}


class FitsImage(Codec):  # type: ignore[misc]
    """The pixels of one header-and-data unit: as they are stored, before BSCALE and BZERO."""

    codec_id = "fits_image"

    def __init__(self, shape: Sequence[int], bitpix: int) -> None:
        if bitpix not in _TYPES:
            raise ValueError(f"there are no pixels of {bitpix} bits")
        self.shape, self.bitpix = list(shape), bitpix

    def encode(self, buf: Any) -> Any:
        """What else stands in a header is not known."""
        raise NotImplementedError("compressed images of FITS are read, never written")

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The pixels, big-endian. Raises ValueError for bytes that are no such image."""
        fits = require_astropy("astropy.io.fits", "a compressed image")
        raw = ensure_bytes(buf)
        primary = fits.PrimaryHDU().header.tostring().encode("latin-1")
        whole = primary + raw + bytes(-len(raw) % _BLOCK)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about headers that astropy mends
            try:
                with fits.open(io.BytesIO(whole), memmap=False, do_not_scale_image_data=True) as file:
                    pixels = self._pixels(fits, file[1])
            except (
                OSError,
                EOFError,
                LookupError,
                TypeError,
                RuntimeError,
                ArithmeticError,
                fits.VerifyError,
            ) as error:
                raise ValueError(f"expected a compressed image of FITS: {error}") from error
        return ndarray_copy(pixels, out)

    def _pixels(self, fits: Any, hdu: Any) -> bytes:
        if not isinstance(hdu, fits.CompImageHDU) or list(hdu.shape) != self.shape:
            raise ValueError(f"expected a compressed image of {self.shape}, found {hdu!r}")
        return np.asarray(hdu.data).astype(_TYPES[self.bitpix], copy=False).tobytes()
