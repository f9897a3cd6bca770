"""The codec `hdf5_lz4`: HDF5's registered filter 32004.

Format: https://github.com/HDFGroup/hdf5_plugins/blob/master/docs/RegisteredFilterPlugins.md (LZ4 filter): length of the
chunk (8 bytes) and of its blocks (4 bytes), then each block after its stored length (4 bytes), all big-endian. A block
as long as it was is not compressed.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ensure_contiguous_ndarray
from numcodecs.lz4 import decompress
from numpy.typing import NDArray

from chunkmap.io.threads import Memory

__all__ = ["Hdf5Lz4", "lz4_block"]

_HEADER: Final = struct.Struct(">QI")
_LENGTH: Final = struct.Struct(">I")
_NUMCODECS: Final = struct.Struct("<I")
_MEMORY: Final = Memory(most=1 << 20)
"""Where blocks get their size before them."""

_BEST_RATIO: Final = 256
_LARGEST: Final = 2**31 - 1


class Hdf5Lz4(Codec):  # type: ignore[misc]
    """LZ4 in blocks.

    >>> bytes(Hdf5Lz4().decode(Hdf5Lz4().encode(b"some bytes")))
    b'some bytes'
    """

    codec_id = "hdf5_lz4"

    def encode(self, buf: Any) -> Any:
        """One block that has found nothing to compress."""
        raw = ensure_bytes(buf)
        return _HEADER.pack(len(raw), max(len(raw), 1)) + (_LENGTH.pack(len(raw)) + raw if raw else b"")

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The bytes of the chunk. Raises ValueError or RuntimeError for damaged ones."""
        raw = memoryview(ensure_contiguous_ndarray(buf).view("u1"))
        if len(raw) < _HEADER.size:
            raise ValueError("a chunk compressed by LZ4 ends inside its header")
        size, block_size = _HEADER.unpack_from(raw)
        if size > _LARGEST or (size and not block_size):
            raise ValueError(f"a chunk compressed by LZ4 claims {size} bytes in blocks of {block_size}")
        target = np.empty(size, np.uint8) if out is None else ensure_contiguous_ndarray(out).view("u1")
        if len(target) != size:
            raise ValueError(f"expected {len(target)} bytes from a chunk compressed by LZ4, found {size}")
        place, done = _HEADER.size, 0
        while done < size:
            wanted = min(block_size, size - done)
            place += _undo_block(raw, place, target[done : done + wanted])
            done += wanted
        return target if out is None else out


def _undo_block(raw: memoryview, place: int, target: NDArray[np.uint8]) -> int:
    """Undo the block that stands at a place behind its stored length, and give the bytes of both."""
    start = place + _LENGTH.size
    if start > len(raw):
        raise ValueError("a chunk compressed by LZ4 ends before its data do")
    stored: int = _LENGTH.unpack_from(raw, place)[0]
    block = raw[start : start + stored]
    if len(block) < stored:
        raise ValueError("a chunk compressed by LZ4 ends before its data do")
    if stored == len(target):
        target[:] = np.frombuffer(block, np.uint8)
    else:
        lz4_block(block, target)
    return _LENGTH.size + stored


def lz4_block(block: memoryview, target: NDArray[np.uint8]) -> None:
    """Decompress a bare block of LZ4 into an array of as many bytes as it holds. numcodecs wants its size before it."""
    _check_ratio(len(block), len(target))
    behind = _MEMORY.of(_NUMCODECS.size + len(block))
    _NUMCODECS.pack_into(behind, 0, len(target))
    behind[_NUMCODECS.size :] = block
    decompress(behind, target)


def _check_ratio(stored: int, size: int) -> None:
    if size > _BEST_RATIO * (stored + 1):
        raise ValueError(f"a block of LZ4 of {stored} bytes claims to hold {size}")
