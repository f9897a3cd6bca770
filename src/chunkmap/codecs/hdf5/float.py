"""The codec `hdf5_float`: floating-point numbers of any layout, as HDF5 stores them: bfloat16, of 8 or of 24 bits.

HDF5 File Format Specification, IV.A.2.d, class 1: "sign location", "exponent location" and "size", "mantissa location"
and "size", "exponent bias", of numbers whose most significant mantissa bit "is not stored, but is implied to be set".
What HDF5 reads is the next larger number of IEEE 754.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

__all__ = ["Hdf5Float"]

_LARGEST = 8
_MANTISSA, _EXPONENT = 52, 11  # bits of the largest number that is made of them


class Hdf5Float(Codec):  # type: ignore[misc]
    """Makes numbers of `dtype` of elements of `size` bytes in the same byte order.

    `sign` is the place of a bit; `exponent` and `mantissa` are the place of their lowest bit, and their number of bits.

    >>> bfloat16 = Hdf5Float("<f4", 2, sign=15, exponent=(7, 8), mantissa=(0, 7), bias=127)
    >>> np.frombuffer(bfloat16.decode(bytes.fromhex("c03f")), "<f4")
    array([1.5], dtype=float32)
    """

    codec_id = "hdf5_float"

    def __init__(
        self, dtype: str, size: int, *, sign: int, exponent: Sequence[int], mantissa: Sequence[int], bias: int
    ) -> None:
        self.dtype, self.size, self.sign, self.bias = dtype, size, sign, bias
        self.exponent, self.mantissa = list(exponent), list(mantissa)
        self._dtype = np.dtype(dtype)
        (_, exponent_bits), (_, mantissa_bits) = exponent, mantissa
        ends = (sign + 1, sum(exponent), sum(mantissa))
        if self._dtype.kind != "f" or not 1 <= size <= _LARGEST or min(sign, *exponent, *mantissa, bias) < 0:
            raise ValueError(f"there are no floating-point numbers of {size} bytes in {dtype}")
        if max(ends) > 8 * size or not 0 < exponent_bits <= _EXPONENT or not 0 < mantissa_bits <= _MANTISSA:
            raise ValueError(f"an element of {size} bytes has no such sign, exponent and mantissa")

    def encode(self, buf: Any) -> Any:
        """The elements of these numbers. Raises ValueError for one that this layout does not have."""
        values = np.frombuffer(ensure_bytes(buf), self._dtype).astype(np.float64)
        bits, top = self.mantissa[1], (1 << self.exponent[1]) - 1
        finite, size = np.isfinite(values), np.where(np.isfinite(values), np.abs(values), 0)
        exponent = np.where(size == 0, 0, np.clip(np.frexp(size)[1] - 1 + self.bias, 0, top))
        scaled = np.ldexp(size, bits + self.bias - np.maximum(exponent, 1))
        mantissa = scaled.astype(np.int64) - np.where(exponent == 0, 0, 1 << bits)
        exponent, mantissa = np.where(finite, exponent, top), np.where(np.isnan(values), 1, mantissa * finite)
        stored = np.signbit(values).astype(np.uint64) << np.uint64(self.sign)
        for (place, _), part in ((self.exponent, exponent), (self.mantissa, mantissa)):
            stored |= part.astype(np.uint64) << np.uint64(place)
        elements = stored.astype("<u8").view(np.uint8).reshape(-1, _LARGEST)[:, : self.size]
        data = (elements[:, ::-1] if self.dtype[0] == ">" else elements).tobytes()
        if not np.array_equal(np.frombuffer(self.decode(data), self._dtype), values, equal_nan=True):
            raise ValueError(f"there are numbers that do not fit in {self.size} bytes")
        return data

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The same numbers as numpy has them; an exponent of all bits is infinite, or no number."""
        stored = self._whole(ensure_bytes(buf))
        exponent, mantissa = _cut(stored, *self.exponent), _cut(stored, *self.mantissa)
        _, bits = self.mantissa
        implied = np.where(exponent == 0, 0, 1 << bits)
        power = np.maximum(exponent, 1) - self.bias - bits
        values = np.ldexp((mantissa + implied).astype(np.float64), power)
        special = exponent == (1 << self.exponent[1]) - 1
        values[special] = np.where(mantissa[special] == 0, np.inf, np.nan)
        values = np.copysign(values, np.where(_cut(stored, self.sign, 1) == 1, -1.0, 1.0))
        return ndarray_copy(values.astype(self._dtype).tobytes(), out)

    def _whole(self, data: bytes) -> Any:
        """Each element as one whole number."""
        elements = np.frombuffer(data, np.uint8).reshape(-1, self.size)
        if self.dtype[0] == ">":
            elements = elements[:, ::-1]
        wide = np.zeros((len(elements), _LARGEST), np.uint8)
        wide[:, : self.size] = elements
        return wide.view("<u8")[:, 0]


def _cut(stored: Any, place: int, bits: int) -> Any:
    return (stored >> np.uint64(place) & np.uint64((1 << bits) - 1)).astype(np.int64)
