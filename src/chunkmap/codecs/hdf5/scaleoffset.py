"""The codec `hdf5_scaleoffset`: HDF5's filter 6, which stores the distance of each number from the least of its chunk.

HDF5 reference manual, H5Pset_scaleoffset. A chunk: bits of a number (4 bytes), size of the minimum (1), minimum (8),
reserved up to byte 21; then the numbers, so many bits each, the most significant first. The largest of them stands
for the fill value, where there is one. Floats are whole numbers of units of 10^-factor above their minimum.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy
from numpy.typing import NDArray

__all__ = ["Hdf5ScaleOffset"]

_PARAMETERS: Final = 8
_HEADER: Final = 21
_FLOAT_DECIMAL, _FLOAT_BINARY, _INTEGER = 0, 1, 2


class Hdf5ScaleOffset(Codec):  # type: ignore[misc]
    """Offsets from a minimum in few bits. `parameters` are the filter's client data.

    These are: scale type, factor, number of elements, class (1: float), size, signed, byte order (1: big-endian),
    whether there is a fill value, and that.
    """

    codec_id = "hdf5_scaleoffset"

    def __init__(self, parameters: Sequence[int]) -> None:
        self.parameters = list(parameters)
        if len(self.parameters) < _PARAMETERS:
            raise ValueError(f"expected client data of the filter scaleoffset, found {self.parameters}")
        kind, factor, count, is_float, size, _, order, has_fill = self.parameters[:_PARAMETERS]
        if size not in ((4, 8) if is_float else (1, 2, 4, 8)) or kind == _FLOAT_BINARY:
            raise ValueError(f"no filter scaleoffset has numbers of {size} bytes and scale type {kind}")
        self._count, self._size, self._swaps = count, size, order == 1
        self._decimals = None if not is_float else factor - (1 << 32 if factor >> 31 else 0)
        self._is_whole = kind == _INTEGER and factor == 8 * size
        fill = b"".join(struct.pack("<I", word) for word in self.parameters[_PARAMETERS:])
        self._fill = fill.ljust(size, b"\0")[:size] if has_fill else None

    def encode(self, buf: Any) -> Any:
        """All bits of every number."""
        values = np.frombuffer(ensure_bytes(buf), f"{'>' if self._swaps else '<'}u{self._size}")
        if self._is_whole:
            return values.tobytes()
        header = struct.pack("<IBQ", 8 * self._size, 8, 0).ljust(_HEADER, b"\0")
        return header + values.astype(f"<u{self._size}").tobytes()

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The numbers in the byte order of the dataset. Raises ValueError for damaged bytes."""
        raw = ensure_bytes(buf)
        if self._is_whole:
            return ndarray_copy(raw, out)
        if len(raw) < _HEADER - 8:
            raise ValueError("a chunk of the filter scaleoffset ends inside its header")
        bits, width = struct.unpack_from("<IB", raw)
        minimum = raw[5 : 5 + min(width, 8)].ljust(8, b"\0")
        if bits > 8 * self._size:
            raise ValueError(f"a chunk of the filter scaleoffset has {bits} bits for numbers of {self._size} bytes")
        stored = self._unpack(raw[_HEADER:], bits)
        values = stored if bits == 8 * self._size else self._values(stored, bits, minimum)
        return ndarray_copy((values.byteswap() if self._swaps else values).tobytes(), out)

    def _unpack(self, data: bytes, bits: int) -> NDArray[Any]:
        """Unsigned numbers of so many bits; all bits are the numbers as they are in memory."""
        count, size = self._count, self._size
        if 8 * len(data) < count * bits:
            raise ValueError(f"expected {count * bits} bits from the filter scaleoffset, found {8 * len(data)}")
        if bits == 8 * size:
            whole: NDArray[Any] = np.frombuffer(data, f"<u{size}", count)
            return whole
        wide = np.zeros((count, 8 * size), np.uint8)
        if bits:
            packed = np.frombuffer(data, np.uint8)
            wide[:, 8 * size - bits :] = np.unpackbits(packed, count=count * bits).reshape(count, bits)
        values: NDArray[Any] = np.packbits(wide, axis=1).view(f">u{size}")[:, 0].astype(f"<u{size}")
        return values

    def _values(self, stored: NDArray[Any], bits: int, minimum: bytes) -> NDArray[Any]:
        size = self._size
        if self._decimals is None:
            values = stored + np.frombuffer(minimum[:size], f"<u{size}")[0]
        else:
            float_type = np.dtype(f"<f{size}")
            least = np.frombuffer(minimum[:size], float_type)[0]
            unit = float_type.type(10.0) ** float_type.type(self._decimals)
            values = (stored.view(f"<i{size}").astype(float_type) / unit + least).astype(float_type)
        if self._fill is not None:
            is_fill = stored == stored.dtype.type((1 << bits) - 1)
            values = np.where(is_fill, np.frombuffer(self._fill, values.dtype)[0], values).astype(values.dtype)
        found: NDArray[Any] = values
        return found
