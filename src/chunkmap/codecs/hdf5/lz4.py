"""The codec `hdf5_lz4`: HDF5's registered filter 32004.

Format: https://github.com/HDFGroup/hdf5_plugins/blob/master/docs/RegisteredFilterPlugins.md (LZ4 filter): length of the
chunk (8 bytes) and of its blocks (4 bytes), then each block after its stored length (4 bytes), all big-endian. A block
as long as it was is not compressed.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy
from numcodecs.lz4 import decompress

__all__ = ["Hdf5Lz4", "lz4_block"]

_HEADER: Final = struct.Struct(">QI")
_LENGTH: Final = struct.Struct(">I")
_BEST_RATIO: Final = 256
_LARGEST: Final = 2**31 - 1


class Hdf5Lz4(Codec):  # type: ignore[misc]
    """LZ4 in blocks.

    >>> Hdf5Lz4().decode(Hdf5Lz4().encode(b"some bytes"))
    b'some bytes'
    """

    codec_id = "hdf5_lz4"

    def encode(self, buf: Any) -> Any:
        """One block that has found nothing to compress."""
        raw = ensure_bytes(buf)
        return _HEADER.pack(len(raw), max(len(raw), 1)) + (_LENGTH.pack(len(raw)) + raw if raw else b"")

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The bytes of the chunk. Raises ValueError or RuntimeError for damaged ones."""
        raw = ensure_bytes(buf)
        if len(raw) < _HEADER.size:
            raise ValueError("a chunk compressed by LZ4 ends inside its header")
        size, block_size = _HEADER.unpack_from(raw)
        if size > _LARGEST or (size and not block_size):
            raise ValueError(f"a chunk compressed by LZ4 claims {size} bytes in blocks of {block_size}")
        parts, place, left = [], _HEADER.size, size
        while left:
            wanted = min(block_size, left)
            if place + _LENGTH.size > len(raw):
                raise ValueError("a chunk compressed by LZ4 ends before its data do")
            (stored,) = _LENGTH.unpack_from(raw, place)
            block = raw[place + _LENGTH.size : place + _LENGTH.size + stored]
            parts.append(block if stored == wanted else lz4_block(block, wanted))
            place, left = place + _LENGTH.size + stored, left - wanted
        data = b"".join(parts)
        if len(data) != size:
            raise ValueError(f"expected {size} bytes from a chunk compressed by LZ4, found {len(data)}")
        return ndarray_copy(data, out)


def lz4_block(block: bytes, size: int) -> bytes:
    """Decompress one bare block of LZ4 that holds `size` bytes. numcodecs wants the size before it."""
    if size > _BEST_RATIO * (len(block) + 1):
        raise ValueError(f"a block of LZ4 of {len(block)} bytes claims to hold {size}")
    data: bytes = decompress(struct.pack("<I", size) + block)
    return data
