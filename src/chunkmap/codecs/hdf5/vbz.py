"""The codec `hdf5_vbz`: HDF5's registered filter 32020, VBZ, in which Oxford Nanopore keeps signals.

Format: https://github.com/nanoporetech/vbz_compression. The length of the chunk in bytes (4, little-endian), then a
frame of Zstandard (none at level 0) of integers as Stream VByte has them (https://arxiv.org/abs/1709.08990): a code of
2 bits for each, the least significant first, then the bytes that are not left out. Codes say 1 to 4 bytes; in version
1, where integers are of one byte, 0, 1, 2 or 4 half bytes, the low one first. With `zigzag` the integers are the
differences of neighbours, their sign in the lowest bit.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy
from numcodecs.zstd import compress, decompress
from numpy.typing import NDArray

from chunkmap.io.compressed.zstd_frame import content_size, is_one_frame

__all__ = ["Hdf5Vbz"]

_HEADER: Final = 4
_WHOLE_BYTES: Final = np.array([1, 2, 3, 4])
_HALF_BYTES: Final = np.array([0, 1, 2, 4])


class Hdf5Vbz(Codec):  # type: ignore[misc]
    """VBZ, of integers of `size` bytes (1, 2 or 4).

    >>> codec = Hdf5Vbz(version=0, size=2, zigzag=True, zstd=False)
    >>> np.frombuffer(codec.decode(codec.encode(np.array([500, 501, -3], "<i2"))), "<i2").tolist()
    [500, 501, -3]
    """

    codec_id = "hdf5_vbz"

    def __init__(self, *, version: int, size: int, zigzag: bool, zstd: bool) -> None:
        if version not in (0, 1) or size not in (1, 2, 4):
            raise ValueError(f"there is no version {version} of VBZ for integers of {size} bytes")
        self.version, self.size, self.zigzag, self.zstd = version, size, zigzag, zstd

    def encode(self, buf: Any) -> Any:
        """A valid chunk, each integer in as many bytes as any may have."""
        raw = ensure_bytes(buf)
        values = np.frombuffer(raw, f"<i{self.size}").astype("<i4")
        if self.zigzag:
            moved = np.diff(values.view("<u4"), prepend=np.uint32(0)).astype("<u4").view("<i4")
            values = (moved << 1) ^ (moved >> 31)
        if self._is_halved:
            values = values.astype("<i2")
        codes = np.full(-(-len(values) // 4), 0xFF, np.uint8)
        stream = codes.tobytes() + values.tobytes()
        return len(raw).to_bytes(_HEADER, "little") + (bytes(compress(stream, 1)) if self.zstd else stream)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The bytes of the chunk. Raises ValueError for damaged ones."""
        raw = ensure_bytes(buf)
        nbytes, body = int.from_bytes(raw[:_HEADER], "little"), raw[_HEADER:]
        count, most = nbytes // self.size, nbytes * 5 + 1
        if len(raw) < _HEADER or nbytes % self.size:
            raise ValueError(f"expected a chunk of integers of {self.size} bytes, found {len(raw)} bytes of VBZ")
        if self.zstd:
            found = content_size(memoryview(body))
            if found is None or found > most or not is_one_frame(memoryview(body)):
                raise ValueError(
                    f"expected at most {most} bytes in one frame of Zstandard in a chunk of VBZ, found {found}"
                )
            body = bytes(decompress(body))
        values = self._values(body, count)
        if self.zigzag:
            values = np.cumsum((values >> 1) ^ (np.uint32(0) - (values & 1)), dtype=np.uint32)
        return ndarray_copy(values.astype(f"<u{self.size}").tobytes(), out)

    @property
    def _is_halved(self) -> bool:
        return self.version == 1 and self.size == 1

    def _values(self, body: bytes, count: int) -> NDArray[np.uint32]:
        """The integers of a stream of codes and bytes, or half bytes."""
        ahead = -(-count // 4)
        codes, units = np.frombuffer(body[:ahead], np.uint8), np.frombuffer(body[ahead:], np.uint8)
        if len(codes) < ahead:
            raise ValueError(f"expected codes of {count} integers in a chunk of VBZ, found {len(codes)} bytes")
        each = (codes[:, None] >> np.array([0, 2, 4, 6], np.uint8) & 3).reshape(-1)[:count]
        lengths, width = _WHOLE_BYTES[each], 8
        if self._is_halved:
            lengths, width = _HALF_BYTES[each], 4
            units = np.column_stack([units & 15, units >> 4]).reshape(-1)
        starts = np.cumsum(lengths) - lengths
        if count and int(starts[-1] + lengths[-1]) > len(units):
            raise ValueError("a chunk of VBZ ends before its integers do")
        values = np.zeros(count, np.uint32)
        for place in range(4):
            longer = lengths > place
            values[longer] |= units[starts[longer] + place].astype(np.uint32) << np.uint32(width * place)
        return values
