"""The codec `hdf5_nbit`: HDF5's filter 5, which stores of each number only the bits that its type says it has.

HDF5 reference manual, H5Pset_nbit. The bits of all elements stand one behind the other, the most significant first.
The client data describe the type: 1 a number (size, byte order, precision, offset), 2 an array (size, element),
3 a compound (size, number of members; offset and type of each), 4 anything else (size), kept whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

__all__ = ["Hdf5Nbit"]

_NUMBER, _ARRAY, _COMPOUND, _OTHER = 1, 2, 3, 4
_BIG_ENDIAN: Final = 1
_MOST_BITS: Final = 1 << 20
_DEEPEST: Final = 32


class Hdf5Nbit(Codec):  # type: ignore[misc]
    """Only the significant bits. `parameters` are the filter's client data.

    Two numbers of 12 bits, at bit 4 of 2 bytes:

    >>> codec = Hdf5Nbit([8, 0, 2, 1, 2, 0, 12, 4])
    >>> codec.decode(bytes.fromhex("123abc")).hex()
    '3012c0ab'
    """

    codec_id = "hdf5_nbit"

    def __init__(self, parameters: Sequence[int]) -> None:
        self.parameters = list(parameters)
        if len(self.parameters) < 5:
            raise ValueError(f"expected client data of the filter nbit, found {self.parameters}")
        self._is_whole, self._count = bool(self.parameters[1]), self.parameters[2]
        self._size = self.parameters[4]
        self._bits = np.array([] if self._is_whole else _bits(self.parameters, 3, 0, _DEEPEST)[0], np.int64)
        if len(self._bits) and int(self._bits.max()) >= 8 * self._size:
            raise ValueError("the filter nbit has a member that reaches past the end of its type")

    def encode(self, buf: Any) -> Any:
        """The bits that count."""
        raw = np.frombuffer(ensure_bytes(buf), np.uint8)
        if self._is_whole:
            return raw.tobytes()
        return np.packbits(np.unpackbits(raw.reshape(self._count, self._size), axis=1)[:, self._bits]).tobytes()

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The elements in their full size; other bits are zero. Raises ValueError when bits are missing."""
        raw = ensure_bytes(buf)
        if self._is_whole:
            return ndarray_copy(raw, out)
        wanted = self._count * len(self._bits)
        if 8 * len(raw) < wanted:
            raise ValueError(f"expected {wanted} bits from the filter nbit, found {8 * len(raw)}")
        stored = np.unpackbits(np.frombuffer(raw, np.uint8), count=wanted).reshape(self._count, -1)
        bits = np.zeros((self._count, 8 * self._size), np.uint8)
        bits[:, self._bits] = stored
        return ndarray_copy(np.packbits(bits, axis=1).tobytes(), out)


def _bits(parameters: Sequence[int], place: int, start: int, depth: int) -> tuple[list[int], int]:
    """Where the stored bits of a type belong, counted over an element of bytes whose most significant bit is first.

    Gives also the place after the type's parameters.
    """
    kind, size = parameters[place], parameters[place + 1]
    if not depth or not 0 < 8 * size <= _MOST_BITS:
        raise ValueError(f"the filter nbit describes a type of {size} bytes, nested {_DEEPEST - depth} times")
    if kind == _NUMBER:
        order, precision, offset = parameters[place + 2 : place + 5]
        if not 0 < precision + offset <= 8 * size:
            raise ValueError(f"the filter nbit describes a number of {precision} bits in {size} bytes")
        rising = range(offset + precision - 1, offset - 1, -1)
        byte = [size - 1 - bit // 8 if order == _BIG_ENDIAN else bit // 8 for bit in rising]
        return [start + 8 * b + 7 - bit % 8 for b, bit in zip(byte, rising, strict=True)], place + 5
    if kind == _ARRAY:
        element = parameters[place + 3]
        one, after = _bits(parameters, place + 2, start, depth - 1)
        if element < 1 or size % element:
            raise ValueError(f"the filter nbit describes an array of {size} bytes of elements of {element}")
        return [bit + 8 * element * number for number in range(size // element) for bit in one], after
    if kind == _COMPOUND:
        found, after = list[int](), place + 3
        for _ in range(parameters[place + 2]):
            member, after = _bits(parameters, after + 1, start + 8 * parameters[after], depth - 1)
            found += member
        return found, after
    if kind == _OTHER:
        return list(range(start, start + 8 * size)), place + 2
    raise ValueError(f"the filter nbit describes a type of class {kind}")
