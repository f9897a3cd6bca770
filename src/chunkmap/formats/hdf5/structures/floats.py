"""IV.A.2.d, class 1: floating-point numbers of any layout, as the numbers of IEEE 754 that h5py reads them as."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from chunkmap.codecs import make
from chunkmap.model import CodecConfig

__all__ = ["FloatLayout", "float_codec", "float_layout"]

# size -> bit offset, precision, exponent location and size, mantissa location and size, exponent bias; sign location
_IEEE: Final[Mapping[int, tuple[tuple[int, ...], int]]] = {
    2: ((0, 16, 10, 5, 0, 10, 15), 15),
    4: ((0, 32, 23, 8, 0, 23, 127), 31),
    8: ((0, 64, 52, 11, 0, 52, 1023), 63),
}

# size -> bits of the mantissa, largest and smallest exponent
_RANGES: Final[Mapping[int, tuple[int, int, int]]] = {2: (10, 16, -14), 4: (23, 128, -126), 8: (52, 1024, -1022)}

# those of x86, and of 128 bits
_LONG: Final = frozenset({((0, 80, 64, 15, 0, 64, 16383), 79), ((0, 128, 112, 15, 0, 112, 16383), 127)})

_VAX: Final = 0x40
_IMPLIED: Final = 2  # the most significant bit of the mantissa is not stored
_LARGEST: Final = 8
_MOST_EXPONENT: Final = 11


class FloatLayout(NamedTuple):
    """What the numbers are."""

    dtype: np.dtype[Any] | None = None
    bits: tuple[int, ...] | None = None
    """Where they are not stored as numpy has them: bytes, place of the sign, place and size of the exponent, place and
    size of the mantissa, exponent bias."""
    lacks: str = ""
    """What they are, where numpy has no such numbers."""


def float_layout(size: int, flags: int, properties: tuple[int, ...]) -> FloatLayout:
    """Flags: bits 0 and 6: byte order; 4-5: mantissa normalization; 8-15: location of the sign."""
    sign, order = flags >> 8 & 255, ">" if flags & 1 else "<"
    if flags & _VAX:
        return FloatLayout(lacks="VAX floating-point number")
    if size > _LARGEST:
        bits = (size, sign, *properties[2:]) if (properties, sign) in _LONG else None
        return FloatLayout(bits=bits, lacks=f"long double ({properties[1]} bits in {size} bytes)")
    if flags >> 4 & 3 != _IMPLIED:
        return FloatLayout(lacks="floating-point number without an implied bit")
    if _IEEE.get(size) == (properties, sign):
        return FloatLayout(np.dtype(f"{order}f{size}"))
    larger = _smallest_that_holds(properties)
    if larger is None:
        return FloatLayout(lacks=f"floating-point number of {size} bytes that no other holds")
    bits = (size, sign, *properties[2:])
    make(float_codec(f"{order}f{larger}", bits))  # which checks that all is in the element
    return FloatLayout(np.dtype(f"{order}f{larger}"), bits)


def _smallest_that_holds(properties: tuple[int, ...]) -> int | None:
    """Bytes of the smallest number of IEEE 754 with as large a mantissa, and with all the exponents."""
    *_, exponent, _, mantissa, bias = properties
    if exponent > _MOST_EXPONENT:
        return None
    highest, lowest = (1 << exponent) - bias - 1, 1 - bias
    sizes = (
        s for s, (bits, most, least) in _RANGES.items() if mantissa <= bits and highest <= most and least <= lowest
    )
    return next(sizes, None)


def float_codec(dtype: str, bits: tuple[int, ...]) -> CodecConfig:
    """The codec that makes numbers of `dtype` of those in a file."""
    size, sign, *places, bias = bits
    if size > _LARGEST:
        return {"id": "hdf5_long_double", "dtype": dtype, "size": size, "bits": sign + 1}
    fields = {"sign": sign, "exponent": places[:2], "mantissa": places[2:], "bias": bias}
    return {"id": "hdf5_float", "dtype": dtype, "size": size, **fields}
