"""What szip makes of a stream: the Rice coding of CCSDS 121.0-B, as HDF4 and HDF5 have it.

Numbers of 32 and 64 bits are coded byte by byte, all first bytes first; lines that are no whole number of blocks are
coded longer than they are. A stream that ends too early is no error to szip, which gives what happened to stand in
memory behind it. So libaec is asked itself, which tells how much it made.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.codecs.imagecodecs import require_decoder, require_imagecodecs

__all__ = ["Szip"]

_BIG_ENDIAN: Final = (16, 4)
_DIFFERENCES: Final = (32, 8)
"""Bits of szip's mask, and of libaec's flags."""

_LONGEST_LINE: Final = 1 << 18
"""Pixels: libaec has no more blocks in one, of no more pixels."""


class Szip(NamedTuple):
    """Parameters of the coder, in its order."""

    mask: int
    pixels_per_block: int
    bits_per_pixel: int
    pixels_per_scanline: int

    def decoded(self, codec: str, stream: bytes, size: int) -> NDArray[np.uint8]:
        """So many bytes, for a codec of this name. Raises ValueError or RuntimeError for a stream that is damaged."""
        if not self.pixels_per_block > 0 < self.pixels_per_scanline <= _LONGEST_LINE:
            raise ValueError(f"szip has no blocks of {self.pixels_per_block} in lines of {self.pixels_per_scanline}")
        if not size:
            return np.empty(0, np.uint8)
        coded = self._coded(codec, stream, size)
        if coded is None:
            decode = require_imagecodecs(codec).szip_decode
            coded = np.frombuffer(decode(stream, *self, header=False, out=size), np.uint8)
            if len(coded) < size:
                raise ValueError(f"expected {size} bytes of szip, found {len(coded)}")
            return coded
        return coded.reshape(self.bits_per_pixel // 8, -1).T.reshape(-1) if self._is_apart else coded

    @property
    def _is_apart(self) -> bool:
        """Whether numbers are coded byte by byte."""
        return self.bits_per_pixel in (32, 64)

    def _coded(self, codec: str, stream: bytes, size: int) -> NDArray[np.uint8] | None:
        """So many bytes of lines, each as long as it is; None where szip is to be asked itself."""
        bits = 8 if self._is_apart else self.bits_per_pixel
        width = 1 if bits <= 8 else 2 if bits <= 16 else 4
        blocks = -(-self.pixels_per_scanline // self.pixels_per_block)
        line, longer = self.pixels_per_scanline * width, blocks * self.pixels_per_block * width
        lines = -(-size // line)
        try:
            found = self._undone(codec, stream, bits, blocks, lines * longer)
        except (ValueError, RuntimeError):  # it looks behind the last line, too
            return None
        if len(found) < size + (lines - 1) * (longer - line):
            raise ValueError(f"expected {size} bytes from a stream of szip, which ends too early")
        whole = np.frombuffer(found + bytes(lines * longer - len(found)), np.uint8)
        return whole.reshape(-1, longer)[:, :line].reshape(-1)[:size]

    def _undone(self, codec: str, stream: bytes, bits: int, blocks: int, size: int) -> bytes:
        """As much as there is of so many bytes. Raises either error where there is more, or it is damaged."""
        flags = sum(flag for bit, flag in (_BIG_ENDIAN, _DIFFERENCES) if self.mask & bit)
        decode = require_decoder(codec, "aec_decode")
        found: bytes = decode(
            stream, bitspersample=bits, flags=flags, blocksize=self.pixels_per_block, rsi=blocks, out=size
        )
        return found
