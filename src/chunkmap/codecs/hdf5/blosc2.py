"""The codec `hdf5_blosc2`: HDF5's registered filter 32026.

A chunk is a contiguous frame, https://github.com/Blosc/c-blosc2/blob/main/README_CFRAME_FORMAT.rst, of one Blosc2
chunk. Chunks of more than one axis are laid out in blocks, which the metalayer `b2nd` describes:
https://github.com/Blosc/c-blosc2/blob/main/README_B2ND_METALAYER.rst.
"""

from __future__ import annotations

import math
import struct
from typing import Any, Final, NamedTuple

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

from chunkmap.codecs.imagecodecs import require_imagecodecs

__all__ = ["Hdf5Blosc2"]

_SIGNATURE: Final = b"\x9e\xa8b2frame\0"
_SIZES: Final = 11  # header size, after its type
_METALAYER: Final = b"\xa4b2nd\xd2"
_LARGEST: Final = 2**31 - 1
_MOST_AXES: Final = 16
_ZEROS, _NANS, _UNINITIALISED = 1, 2, 4


_INDEX: Final = 8
"""Bytes of the index of one chunk."""


class _Frame(NamedTuple):
    header: int
    """Bytes of the header."""
    size: int
    """Bytes of the data."""
    stored: int
    """Bytes of the chunks."""
    element: int
    """Bytes of an element."""
    chunk: int
    """Bytes of a chunk."""


class Hdf5Blosc2(Codec):  # type: ignore[misc]
    """Frames of Blosc2 that hold one chunk."""

    codec_id = "hdf5_blosc2"

    def encode(self, buf: Any) -> Any:
        """Frames are read, never written."""
        raise NotImplementedError("frames of Blosc2 are read, never written")

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The bytes of the chunk. Raises ValueError or RuntimeError for damaged ones."""
        raw = ensure_bytes(buf)
        frame = _parse_frame(raw)
        data = _chunk(raw, frame)
        layout = _block_layout(raw[: frame.header])
        return ndarray_copy(data if layout is None else _unblock(data, frame.element, *layout), out)


def _parse_frame(raw: bytes) -> _Frame:
    """Signature, header size, frame size, flags, uncompressed size, compressed size, type size, block size, chunk size.

    Each after one byte of MessagePack that says what it is.
    """
    if raw[: len(_SIGNATURE)] != _SIGNATURE or len(raw) < 62:
        raise ValueError("expected a frame of Blosc2")
    (header,) = struct.unpack_from(">i", raw, _SIZES)
    size, stored = struct.unpack_from(">q", raw, 30)[0], struct.unpack_from(">q", raw, 39)[0]
    element, chunk = struct.unpack_from(">i", raw, 48)[0], struct.unpack_from(">i", raw, 58)[0]
    if not (62 <= header <= len(raw) and 0 <= size <= _LARGEST and 0 <= stored <= len(raw) - header and element > 0):
        raise ValueError(f"a frame of Blosc2 claims {size} bytes in {stored} after a header of {header}")
    if size and size != chunk:
        raise ValueError(f"expected one chunk in a frame of Blosc2, found {size} bytes in chunks of {chunk}")
    return _Frame(header, size, stored, element, chunk)


def _chunk(raw: bytes, frame: _Frame) -> bytes:
    """The only chunk; one that is the same throughout stands in the index of offsets alone."""
    decode = require_imagecodecs(Hdf5Blosc2.codec_id).blosc2_decode
    if frame.stored:
        data = bytes(decode(_saying(raw[frame.header : frame.header + frame.stored], frame.size)))
    else:
        index = bytes(decode(_saying(raw[frame.header :], _INDEX)))
        special = struct.unpack_from("<Q", index)[0] >> 56 & 7
        if special not in (_ZEROS, _UNINITIALISED, _NANS):
            raise ValueError(f"expected a special chunk in a frame of Blosc2, found {special}")
        nan = np.full(1, np.nan, f"<f{frame.element}").tobytes() if special == _NANS else bytes(frame.element)
        data = nan * (frame.size // frame.element)
    if len(data) != frame.size:
        raise ValueError(f"expected {frame.size} bytes from a frame of Blosc2, found {len(data)}")
    return data


def _saying(chunk: bytes, nbytes: int) -> bytes:
    """A chunk of Blosc. Raises ValueError where its head says that it becomes more bytes, or fewer."""
    told = int.from_bytes(chunk[4:8], "little")
    if told != nbytes:
        raise ValueError(f"expected a chunk of {nbytes} bytes in a frame of Blosc2, found one of {told}")
    return chunk


def _block_layout(header: bytes) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Chunk shape and block shape of a frame with axes: version, rank, shape (8 bytes), chunks (4), blocks (4)."""
    found = header.find(_METALAYER)
    if found < 0:
        return None
    (place,) = struct.unpack_from(">i", header, found + len(_METALAYER))
    place += 5 + 1 + 1  # type and length of the metalayer, its array, its version
    rank = header[place]
    if not 0 < rank <= _MOST_AXES:
        raise ValueError(f"a frame of Blosc2 claims {rank} axes")
    place += 1 + (1 if rank < 16 else 3) + 9 * rank
    shapes = []
    for _ in range(2):
        place += 1 if rank < 16 else 3
        shapes.append(tuple(struct.unpack_from(">i", header, place + 5 * axis + 1)[0] for axis in range(rank)))
        place += 5 * rank
    return shapes[0], shapes[1]


def _unblock(data: bytes, element: int, chunk: tuple[int, ...], block: tuple[int, ...]) -> bytes:
    """Blocks one behind the other, the last of an axis padded -> the chunk in C order."""
    if min(chunk) < 1 or min(block) < 1:
        raise ValueError(f"a frame of Blosc2 has chunks of {chunk} in blocks of {block}")
    grid = tuple(-(-c // b) for c, b in zip(chunk, block, strict=True))
    if math.prod(grid) * math.prod(block) * element != len(data):
        raise ValueError(f"a frame of Blosc2 has {len(data)} bytes for chunks of {chunk} in blocks of {block}")
    rank = len(chunk)
    blocks = np.frombuffer(data, f"V{element}").reshape(grid + block)
    order = [axis for pair in zip(range(rank), range(rank, 2 * rank), strict=True) for axis in pair]
    whole = blocks.transpose(order).reshape([g * b for g, b in zip(grid, block, strict=True)])
    return whole[tuple(slice(0, c) for c in chunk)].tobytes()
