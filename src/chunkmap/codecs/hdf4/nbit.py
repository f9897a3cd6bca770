"""The codec `hdf4_nbit`: integers of which only some bits are stored.

HDF Reference Manual, SDsetnbitdataset: the bits from `start_bit` down, most significant first, one element behind the
other. Those below are zeros or ones; those above too, or copies of the highest bit that is stored.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

__all__ = ["Hdf4Nbit"]


class Hdf4Nbit(Codec):  # type: ignore[misc]
    """Unpacks big-endian integers of `itemsize` bytes, `nbytes` in all.

    >>> Hdf4Nbit(itemsize=1, start_bit=3, bits=4, nbytes=2, sign_extend=True).decode(bytes([0x7F])).hex()
    '07ff'
    """

    codec_id = "hdf4_nbit"

    def __init__(
        self,
        itemsize: int,
        start_bit: int,
        bits: int,
        nbytes: int,
        *,
        sign_extend: bool = False,
        fill_one: bool = False,
    ) -> None:
        if not (0 < itemsize <= 8 and 0 <= start_bit < 8 * itemsize and 0 < bits <= start_bit + 1):
            raise ValueError(f"there are no {bits} bits from bit {start_bit} on in {itemsize} bytes")
        self.itemsize, self.start_bit, self.bits, self.nbytes = itemsize, start_bit, bits, nbytes
        self.sign_extend, self.fill_one = sign_extend, fill_one

    def encode(self, buf: Any) -> Any:
        """The bits that are stored."""
        raw = np.frombuffer(ensure_bytes(buf), np.uint8).reshape(-1, self.itemsize)
        return np.packbits(np.unpackbits(raw, axis=1)[:, self._kept()]).tobytes()

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The integers. Raises ValueError when bits are missing."""
        raw = ensure_bytes(buf)
        count = self.nbytes // self.itemsize
        if 8 * len(raw) < count * self.bits:
            raise ValueError(f"expected {count * self.bits} bits, found {8 * len(raw)}")
        stored = np.unpackbits(np.frombuffer(raw, np.uint8), count=count * self.bits).reshape(count, self.bits)
        bits = np.full((count, 8 * self.itemsize), self.fill_one, np.uint8)
        kept = self._kept()
        bits[:, kept] = stored
        if self.sign_extend:
            bits[:, : kept.start] = stored[:, :1]
        return ndarray_copy(np.packbits(bits, axis=1).tobytes(), out)

    def _kept(self) -> slice:
        first = 8 * self.itemsize - 1 - self.start_bit
        return slice(first, first + self.bits)
