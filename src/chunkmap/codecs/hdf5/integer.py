"""The codec `hdf5_integer`: whole numbers that fill only some of their bits, as HDF5 stores them.

HDF5 File Format Specification, IV.A.2.d, class 0: "bit offset" of the lowest bit that counts and "bit precision".
What HDF5 reads is the number alone, with its sign.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

__all__ = ["Hdf5Integer"]


class Hdf5Integer(Codec):  # type: ignore[misc]
    """Cuts numbers of `precision` bits out of elements of `dtype`, from bit `offset` on.

    >>> np.frombuffer(Hdf5Integer("<i2", 4, 12).decode(bytes.fromhex("30ff")), "<i2")
    array([-13], dtype=int16)
    """

    codec_id = "hdf5_integer"

    def __init__(self, dtype: str, offset: int, precision: int) -> None:
        self.dtype, self.offset, self.precision = dtype, offset, precision
        self._dtype = np.dtype(dtype)
        self._above = 8 * self._dtype.itemsize - precision - offset
        if self._dtype.kind not in "iu" or precision < 1 or offset < 0 or self._above < 0:
            raise ValueError(f"there are no {precision} bits from bit {offset} on in {dtype}")

    def encode(self, buf: Any) -> Any:
        """The numbers at their place; bits that do not count are zero."""
        values = np.frombuffer(ensure_bytes(buf), self._dtype.str.replace("i", "u"))
        mask = values.dtype.type((1 << self.precision) - 1)
        return ((values & mask) << values.dtype.type(self.offset)).astype(values.dtype).tobytes()

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The numbers, with their sign."""
        stored = np.frombuffer(ensure_bytes(buf), self._dtype)
        up = (stored << stored.dtype.type(self._above)).astype(self._dtype)
        values = (up >> stored.dtype.type(self._above + self.offset)).astype(self._dtype)
        return ndarray_copy(values.tobytes(), out)
