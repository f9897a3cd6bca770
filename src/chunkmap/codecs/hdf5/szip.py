"""The codec `hdf5_szip`: HDF5's filter 4, the Rice coding of CCSDS 121.0-B.

HDF5 File Format Specification, IV.A.2.l (filter 4), and its reference manual, H5Pset_szip: the stream follows the
length of the decoded chunk (4 bytes, little-endian).
"""

from __future__ import annotations

from typing import Any, Final

from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

from chunkmap.codecs.imagecodecs import require_imagecodecs
from chunkmap.codecs.szip import Szip

__all__ = ["Hdf5Szip"]

_LENGTH: Final = 4


class Hdf5Szip(Codec):  # type: ignore[misc]
    """szip; the parameters are the filter's client data in its order."""

    codec_id = "hdf5_szip"

    def __init__(self, mask: int, pixels_per_block: int, bits_per_pixel: int, pixels_per_scanline: int) -> None:
        self.mask, self.pixels_per_block = mask, pixels_per_block
        self.bits_per_pixel, self.pixels_per_scanline = bits_per_pixel, pixels_per_scanline

    def encode(self, buf: Any) -> Any:
        """The stream after its length."""
        return require_imagecodecs(self.codec_id).szip_encode(ensure_bytes(buf), *self._parameters(), header=True)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The bytes of the chunk. Raises ValueError or RuntimeError for damaged ones."""
        raw = ensure_bytes(buf)
        if len(raw) < _LENGTH:
            raise ValueError("a chunk of szip ends inside its length")
        size = int.from_bytes(raw[:_LENGTH], "little")
        return ndarray_copy(self._parameters().decoded(self.codec_id, raw[_LENGTH:], size), out)

    def _parameters(self) -> Szip:
        return Szip(self.mask, self.pixels_per_block, self.bits_per_pixel, self.pixels_per_scanline)
