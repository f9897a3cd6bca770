"""The codec `hdf4_szip`: the Rice coding of CCSDS 121.0-B, as compressed elements of HDF4 hold it.

`cszip.c` of the library puts a byte before the stream that is 1 where the data are not compressed, and the length of
the stream (4 bytes, big-endian).
"""

from __future__ import annotations

from typing import Any, Final

from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

from chunkmap.codecs.szip import Szip

__all__ = ["Hdf4Szip"]

_HEAD: Final = 5
_STORED: Final = 1


class Hdf4Szip(Codec):  # type: ignore[misc]
    """szip of `nbytes` bytes; the parameters are those of the coder."""

    codec_id = "hdf4_szip"

    def __init__(
        self, mask: int, pixels_per_block: int, bits_per_pixel: int, pixels_per_scanline: int, nbytes: int
    ) -> None:
        self.mask, self.pixels_per_block = mask, pixels_per_block
        self.bits_per_pixel, self.pixels_per_scanline = bits_per_pixel, pixels_per_scanline
        self.nbytes = nbytes

    def encode(self, buf: Any) -> Any:
        """Stored as it is, which every reader takes."""
        raw = ensure_bytes(buf)
        return bytes([_STORED]) + len(raw).to_bytes(4, "big") + raw

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The bytes. Raises ValueError when they are cut short, RuntimeError when they are damaged."""
        raw = ensure_bytes(buf)
        if len(raw) < _HEAD:
            raise ValueError(f"expected the head of an szip stream ({_HEAD} bytes), found {len(raw)} bytes")
        stream = raw[_HEAD : _HEAD + int.from_bytes(raw[1:_HEAD], "big")]
        if raw[0] == _STORED:
            data = stream
        else:
            way = Szip(self.mask, self.pixels_per_block, self.bits_per_pixel, self.pixels_per_scanline)
            data = way.decoded(self.codec_id, stream, self.nbytes).tobytes()
        if len(data) < self.nbytes:
            raise ValueError(f"expected {self.nbytes} bytes of szip, found {len(data)}")
        return ndarray_copy(data[: self.nbytes], out)
