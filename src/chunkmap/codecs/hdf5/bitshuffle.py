"""The codec `hdf5_bitshuffle`: HDF5's registered filter 32008, with or without compression.

Format: https://github.com/kiyo-masui/bitshuffle (README, "Usage for bitshuffle's HDF5 filter", and src/bshuf_h5filter.c
for the client data). Elements are taken in blocks; in a block, the first bits of all elements stand first, then all
second bits, and so on. Compressed chunks begin with their length (8 bytes) and the length of a block in bytes (4), and
each block with its stored length (4), big-endian. Elements beyond a multiple of eight follow as they are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ensure_contiguous_ndarray, ndarray_copy
from numcodecs.zstd import decompress as decompress_zstd
from numpy.typing import NDArray

from chunkmap.codecs.hdf5.lz4 import lz4_block
from chunkmap.codecs.imagecodecs import decoder_if_there
from chunkmap.io.compressed.zstd_frame import content_size
from chunkmap.io.threads import Memory

__all__ = ["Hdf5Bitshuffle"]

_NONE, _LZ4, _ZSTD = 0, 2, 3
_HEADER: Final = struct.Struct(">QI")
_LENGTH: Final = struct.Struct(">I")
_TARGET: Final = 8192
_LEAST: Final = 128
_LARGEST: Final = 2**31 - 1
_MEMORY: Final = Memory(most=1 << 20)
"""Where blocks stand until they are put in order."""


class Hdf5Bitshuffle(Codec):  # type: ignore[misc]
    """Bits transposed; `compression` is the filter's number for what follows: 0 nothing, 2 LZ4, 3 Zstd.

    `blocksize` counts elements; 0 is the default of the filter.
    """

    codec_id = "hdf5_bitshuffle"

    def __init__(self, elementsize: int, blocksize: int = 0, compression: int = _NONE) -> None:
        if elementsize < 1 or blocksize < 0 or blocksize % 8 or compression not in (_NONE, _LZ4, _ZSTD):
            raise ValueError(
                f"no bitshuffle has elements of {elementsize} bytes, blocks of {blocksize}, compression {compression}"
            )
        self.elementsize, self.blocksize, self.compression = elementsize, blocksize, compression

    def encode(self, buf: Any) -> Any:
        """Transposed, where nothing compresses it. Raises NotImplementedError where something does."""
        if self.compression != _NONE:
            raise NotImplementedError("compressed bitshuffle is read, never written")
        raw = ensure_bytes(buf)
        sizes, rest = self._blocks(len(raw), self._block_bytes())
        parts, place = [], 0
        for size in sizes:
            parts.append(_transpose(raw[place : place + size], self.elementsize))
            place += size
        return b"".join(parts) + raw[place : place + rest]

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The bytes of the chunk. Raises ValueError or RuntimeError for damaged ones."""
        raw = memoryview(ensure_contiguous_ndarray(buf).view("u1"))
        if self.compression == _NONE:
            return self._restored(np.frombuffer(raw, np.uint8), self._block_bytes(), out)
        if len(raw) < _HEADER.size:
            raise ValueError("a chunk of bitshuffle ends inside its header")
        size, block = _HEADER.unpack_from(raw)
        if size > _LARGEST or not block or block % (8 * self.elementsize):
            raise ValueError(f"a chunk of bitshuffle claims {size} bytes in blocks of {block}")
        if out is not None and ensure_contiguous_ndarray(out).nbytes != size:
            raise ValueError(f"expected other than {size} bytes from a chunk of bitshuffle")
        planes = np.frombuffer(_MEMORY.of(size), np.uint8)
        self._decompress(raw, block, planes)
        return self._restored(planes, block, out)

    def _block_bytes(self) -> int:
        default = max(_TARGET // self.elementsize // 8 * 8, _LEAST)
        return (self.blocksize or default) * self.elementsize

    def _blocks(self, size: int, block: int) -> tuple[list[int], int]:
        """The length of each block in bytes, and what is left over at the end."""
        whole, left = divmod(size, block)
        last = left // (8 * self.elementsize) * 8 * self.elementsize
        return [block] * whole + [last] * (last > 0), left - last

    def _decompress(self, raw: memoryview, block: int, planes: NDArray[np.uint8]) -> None:
        """The blocks, still transposed, into an array of as many bytes as all of them."""
        sizes, rest = self._blocks(len(planes), block)
        place, done = _HEADER.size, 0
        for size in sizes:
            stored = _LENGTH.unpack_from(raw, place)[0] if place + _LENGTH.size <= len(raw) else 0
            start = place + _LENGTH.size
            place = start + stored
            if not stored or place > len(raw):
                raise ValueError("a chunk of bitshuffle ends before its data do")
            self._undo(raw[start:place], planes[done : done + size])
            done += size
        if len(raw) - place < rest:
            raise ValueError("a chunk of bitshuffle ends before its data do")
        planes[done:] = np.frombuffer(raw[place : place + rest], np.uint8)

    def _undo(self, block: memoryview, target: NDArray[np.uint8]) -> None:
        if self.compression == _LZ4:
            lz4_block(block, target)
            return
        size = content_size(block)
        if size is not None and size != len(target):
            raise ValueError(f"expected a block of {len(target)} bytes in bitshuffle, found {size}")
        decompress_zstd(block, target)

    def _restored(self, planes: NDArray[np.uint8], block: int, out: Any) -> Any:
        """The elements of all blocks."""
        if _NATIVE is not None and len(planes) and not len(planes) % self.elementsize:
            target = np.empty(len(planes), np.uint8) if out is None else ensure_contiguous_ndarray(out).view("u1")
            _NATIVE(planes.data, itemsize=self.elementsize, blocksize=block // self.elementsize, out=target)
            return target if out is None else out
        unit = 8 * self.elementsize
        parts = _cut(planes.tobytes(), self._blocks(len(planes), block)[0])
        return ndarray_copy(
            b"".join(_restore(b, self.elementsize) if b and not len(b) % unit else b for b in parts), out
        )


_NATIVE: Final = decoder_if_there("bitshuffle_decode")
"""It takes a fiftieth of the time."""


def _cut(raw: bytes, sizes: list[int]) -> Iterator[bytes]:
    place = 0
    for size in sizes:
        yield raw[place : place + size]
        place += size
    yield raw[place:]


def _transpose(block: bytes, size: int) -> bytes:
    bits = np.unpackbits(np.frombuffer(block, np.uint8), bitorder="little").reshape(-1, 8 * size)
    turned: NDArray[np.uint8] = np.packbits(np.ascontiguousarray(bits.T), bitorder="little")
    return turned.tobytes()


def _restore(block: bytes, size: int) -> bytes:
    bits = np.unpackbits(np.frombuffer(block, np.uint8), bitorder="little").reshape(8 * size, -1)
    turned: NDArray[np.uint8] = np.packbits(np.ascontiguousarray(bits.T), bitorder="little")
    return turned.tobytes()
