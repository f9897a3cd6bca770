"""The codec `hdf4_rle`: run-length coding of HDF4, of compressed elements and of old raster images.

HDF Specification and Developer's Guide, "run-length encoding". A byte with its high bit set stands before one byte
that is repeated, any other before bytes as they are. Compressed elements count runs from 3 and bytes from 1; images
of the tag DFTAG_RLE count both from 0.
"""

from __future__ import annotations

from typing import Any

from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

__all__ = ["Hdf4Rle"]


class Hdf4Rle(Codec):  # type: ignore[misc]
    """Expands runs to `nbytes` bytes; `image` is the way of counting of old raster images.

    >>> Hdf4Rle(nbytes=6).decode(bytes([0x81, 7, 1, 8, 9])).hex()
    '070707070809'
    """

    codec_id = "hdf4_rle"

    def __init__(self, nbytes: int, *, image: bool = False) -> None:
        self.nbytes, self.image = nbytes, image

    def encode(self, buf: Any) -> Any:
        """All bytes as they are, in stretches of at most 127."""
        raw = ensure_bytes(buf)
        pieces = [raw[start : start + 127] for start in range(0, len(raw), 127)]
        return b"".join(bytes([len(piece) - (not self.image)]) + piece for piece in pieces)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The bytes. Raises ValueError when there are fewer than expected."""
        raw = ensure_bytes(buf)
        run, literal = (0, 0) if self.image else (3, 1)
        pieces, place, left = list[bytes](), 0, self.nbytes
        while left > 0 and place < len(raw):
            control = raw[place]
            if control & 0x80:
                count = (control & 0x7F) + run
                pieces.append(raw[place + 1 : place + 2] * count)
                place += 2
            else:
                count = control + literal
                pieces.append(raw[place + 1 : place + 1 + count])
                place += 1 + count
            left -= len(pieces[-1])
        data = b"".join(pieces)
        if len(data) < self.nbytes:
            raise ValueError(f"expected {self.nbytes} bytes of run-length coding, found {len(data)}")
        return ndarray_copy(data[: self.nbytes], out)
