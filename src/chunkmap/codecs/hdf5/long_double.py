"""The codec `hdf5_long_double`: long doubles of x86, of 80 bits, and of IEEE 754, of 128 bits, as numbers of 64 bits.

HDF5 File Format Specification, IV.A.2.d, class 1. Numbers are rounded to the nearest that 64 bits hold, so a scan uses
this only where one asks for it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy
from numpy.typing import NDArray

__all__ = ["Hdf5LongDouble"]

_WIDE: Final = 16
_BIAS, _TOP = 16383, 0x7FFF
_EXTENDED, _QUADRUPLE = 80, 128


class Hdf5LongDouble(Codec):  # type: ignore[misc]
    """Makes numbers of `dtype`, `<f8` or `>f8`, of elements of `size` bytes in the same byte order.

    `bits` is 80 for x86, whose mantissa has its first bit written, or 128.

    >>> np.frombuffer(Hdf5LongDouble("<f8", 16, 80).decode(bytes.fromhex("00000000000000c0ff3f" + 12 * "0")), "<f8")
    array([1.5])
    """

    codec_id = "hdf5_long_double"

    def __init__(self, dtype: str, size: int, bits: int) -> None:
        self.dtype, self.size, self.bits = dtype, size, bits
        if dtype not in ("<f8", ">f8") or bits not in (_EXTENDED, _QUADRUPLE) or not bits // 8 <= size <= _WIDE:
            raise ValueError(f"there are no long doubles of {bits} bits in {size} bytes")

    def encode(self, buf: Any) -> Any:
        """The elements of these numbers, each of which they hold."""
        values = np.frombuffer(ensure_bytes(buf), self.dtype).astype(np.float64)
        finite = np.isfinite(values)
        part, power = np.frexp(np.where(finite, np.abs(values), 1))
        whole = np.ldexp(part, 53).astype(np.uint64)
        exponent = np.where(whole == 0, 0, power - 1 + _BIAS)
        exponent, whole = np.where(finite, exponent, _TOP), np.where(np.isnan(values), 3 << 51, whole)
        top = exponent.astype(np.uint64) | np.signbit(values).astype(np.uint64) << np.uint64(15)
        if self.bits == _EXTENDED:
            low, high = whole << np.uint64(11), top
        else:
            low, high = (
                whole << np.uint64(60),
                top << np.uint64(48) | (whole & np.uint64((1 << 52) - 1)) >> np.uint64(4),
            )
        elements = np.stack([low, high], 1).astype("<u8").view(np.uint8).reshape(-1, _WIDE)[:, : self.size]
        return (elements[:, ::-1] if self.dtype[0] == ">" else elements).tobytes()

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The nearest numbers of 64 bits; infinite where those end."""
        low, high = self._halves(ensure_bytes(buf))
        top = high & np.uint64(0xFFFF) if self.bits == _EXTENDED else high >> np.uint64(48)
        exponent = (top & np.uint64(_TOP)).astype(np.int64)
        upper, lower, place = _extended(low) if self.bits == _EXTENDED else _quadruple(low, high, exponent)
        power = np.maximum(exponent, 1) - _BIAS
        with np.errstate(over="ignore", under="ignore"):
            values = np.ldexp(upper.astype(np.float64), power - place[0])
            values += np.ldexp(lower.astype(np.float64), power - place[1])
        special = exponent == _TOP
        fraction = low << np.uint64(1) if self.bits == _EXTENDED else low | high << np.uint64(16)
        values[special] = np.where(fraction[special] == 0, np.inf, np.nan)
        values = np.copysign(values, np.where(top >> np.uint64(15) & np.uint64(1), -1.0, 1.0))
        return ndarray_copy(values.astype(self.dtype).tobytes(), out)

    def _halves(self, data: bytes) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """The lower and the higher 64 bits of each element."""
        elements = np.frombuffer(data, np.uint8).reshape(-1, self.size)
        wide = np.zeros((len(elements), _WIDE), np.uint8)
        wide[:, : self.size] = elements[:, ::-1] if self.dtype[0] == ">" else elements
        halves = wide.view("<u8").astype(np.uint64)
        return halves[:, 0], halves[:, 1]


_Parts = tuple[NDArray[np.uint64], NDArray[np.uint64], tuple[int, int]]
"""Two parts of a mantissa, each of which 64 bits hold without rounding, and how many bits of it are below the point."""


def _extended(low: NDArray[np.uint64]) -> _Parts:
    return low >> np.uint64(32), low & np.uint64(0xFFFFFFFF), (31, 63)


def _quadruple(low: NDArray[np.uint64], high: NDArray[np.uint64], exponent: NDArray[np.int64]) -> _Parts:
    """The first bit is implied. What 53 bits do not hold of the lower part becomes one bit, so that all rounds once."""
    implied = (exponent > 0).astype(np.uint64) << np.uint64(48)
    kept, lost = low >> np.uint64(12), low & np.uint64(0xFFF)
    return (
        high & np.uint64((1 << 48) - 1) | implied,
        kept << np.uint64(1) | (lost != 0).astype(np.uint64),
        (48, 101),
    )
