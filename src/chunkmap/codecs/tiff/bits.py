"""The codecs `tiff_bits` and `tiff_float24`: numbers whose count of bits is that of no type.

TIFF 6.0, BitsPerSample: numbers stand one behind the other, the most significant bit first, and rows begin at bytes.
Adobe's technical note on floating point: a float of 24 bits has 1 bit of sign, 7 of exponent and 16 of mantissa.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy
from numpy.typing import NDArray

__all__ = ["TiffBits", "TiffFloat24"]

_MOST_BITS: Final = 32


class TiffBits(Codec):  # type: ignore[misc]
    """Rows of `run` numbers of `bits` bits, each number into one of `dtype`.

    >>> TiffBits(bits=4, run=3, dtype="|u1").decode(bytes.fromhex("12304560")).tolist()
    [1, 2, 3, 4, 5, 6]
    """

    codec_id = "tiff_bits"

    def __init__(self, bits: int, run: int, dtype: str) -> None:
        self.bits, self.run, self.dtype = int(bits), int(run), str(dtype)
        if not 0 < self.bits < _MOST_BITS or self.run < 1:
            raise ValueError(f"expected rows of numbers of 1 to {_MOST_BITS - 1} bits, found {self.run} of {self.bits}")

    def encode(self, buf: Any) -> Any:
        """The bits that count."""
        values = np.frombuffer(ensure_bytes(buf), self.dtype).astype(">u4").reshape(-1, self.run)
        every = np.unpackbits(np.ascontiguousarray(values).view(np.uint8).reshape(len(values), -1), axis=1)
        kept = every.reshape(len(values), self.run, 32)[..., 32 - self.bits :]
        return np.packbits(kept.reshape(len(values), -1), axis=1).tobytes()

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The numbers. Raises ValueError when the bytes are no whole number of rows."""
        raw = np.frombuffer(ensure_bytes(buf), np.uint8)
        row = -(-self.bits * self.run // 8)
        if len(raw) % row:
            raise ValueError(f"expected rows of {row} bytes, found {len(raw)} bytes")
        return ndarray_copy(self._numbers(raw.reshape(-1, row)).reshape(-1), out)

    def _numbers(self, rows: NDArray[np.uint8]) -> NDArray[Any]:
        dtype = np.dtype(self.dtype)
        if self.bits in (1, 2, 4):
            return self._parts_of_bytes(rows).astype(dtype)
        starts = np.arange(self.run, dtype=np.int64) * self.bits
        first, last = starts // 8, (starts + self.bits - 1) // 8
        found = np.zeros((len(rows), self.run), np.uint64)
        for step in range(int((last - first).max()) + 1):
            at = first + step
            byte = np.where(at <= last, rows[:, np.minimum(at, last)], 0).astype(np.uint64)
            found = np.where(at <= last, (found << np.uint64(8)) | byte, found)
        unused = (8 * (last + 1) - starts - self.bits).astype(np.uint64)
        return ((found >> unused) & np.uint64((1 << self.bits) - 1)).astype(dtype)

    def _parts_of_bytes(self, rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Numbers of which none crosses a byte."""
        if self.bits == 1:
            return np.unpackbits(rows, axis=1, count=self.run)
        shifts = np.arange(8 - self.bits, -1, -self.bits, dtype=np.uint8)
        parts = (rows[..., None] >> shifts) & np.uint8((1 << self.bits) - 1)
        return parts.reshape(len(rows), -1)[:, : self.run]


class TiffFloat24(Codec):  # type: ignore[misc]
    """Floats of 24 bits, as those of 32. `byteorder` is that of the file.

    >>> TiffFloat24("<").decode(bytes.fromhex("00003f")).tolist()
    [1.0]
    """

    codec_id = "tiff_float24"

    def __init__(self, byteorder: str) -> None:
        if byteorder not in ("<", ">"):
            raise ValueError(f"expected the byte order < or >, found {byteorder!r}")
        self.byteorder = byteorder

    def encode(self, buf: Any) -> Any:
        """Such floats are read, never written."""
        raise NotImplementedError("floats of 24 bits are read, never written")

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The floats, little-endian. Raises ValueError when the bytes are no whole number of them."""
        raw = np.frombuffer(ensure_bytes(buf), np.uint8)
        if len(raw) % 3:
            raise ValueError(f"expected floats of 3 bytes, found {len(raw)} bytes")
        parts = raw.reshape(-1, 3).astype(np.uint32)
        low, middle, high = parts.T if self.byteorder == "<" else parts.T[::-1]
        sign, exponent, mantissa = high >> 7, high & 0x7F, (middle << 8) | low
        usual = ((exponent + 64) << 23) | (mantissa << 7)
        endless = (np.uint32(0xFF) << 23) | (mantissa << 7)
        tiny = (mantissa.astype(np.float32) * np.float32(2.0**-78)).view(np.uint32)
        bits = np.where(exponent == 0, tiny, np.where(exponent == 0x7F, endless, usual)) | (sign << 31)
        return ndarray_copy(bits.astype("<u4").view("<f4"), out)
