"""Text of fixed length that is not padded with NUL: which codec it needs to read as HDF5 reads it.

What follows the NUL of a NUL-terminated text is mostly nothing: where the data are few they are looked at, and need no
codec when so. Text that is padded with spaces always has one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from chunkmap.codecs.hdf5_text import Hdf5Text
from chunkmap.errors import Unsupported
from chunkmap.formats.hdf5.stored import Stored, chunk_bytes, is_own
from chunkmap.formats.hdf5.structures.datatype import Datatype
from chunkmap.formats.hdf5.structures.file import File
from chunkmap.formats.hdf5.structures.filters import decode
from chunkmap.io.rounds import Parser

__all__ = ["with_text_codec"]

_NUL_TERMINATED, _SPACE_PADDED = 0, 2
_MOST_READ: Final = 64 << 10
"""Bytes of text that are looked at."""

_MOST_TEXTS: Final = 1000


def with_text_codec(file: File, stored: Stored, datatype: Datatype, native: bytes | None) -> Parser[Stored]:
    """The same data, decoded to text padded with NUL."""
    texts = list(_texts(datatype, 0)) if datatype.has_text else []
    if not texts:
        return stored
    codec = Hdf5Text(datatype.size, texts)
    can_be_clean = all(padding == _NUL_TERMINATED for _, _, padding in texts)
    if can_be_clean and (yield from _is_clean(file, stored, codec, native)):
        return stored
    return replace(stored, codecs=({"id": codec.codec_id, "size": codec.size, "texts": codec.texts}, *stored.codecs))


def _texts(datatype: Datatype, offset: int) -> Iterator[tuple[int, int, int]]:
    """Offset, length and padding of every text that may need care."""
    if datatype.is_string:
        padding, size = datatype.padding, datatype.size
        if padding == _SPACE_PADDED or (padding == _NUL_TERMINATED and size > 1):
            yield offset, size, padding
        return
    for _, start, member in datatype.members:
        yield from _texts(member, offset + start)
    if datatype.shape and datatype.base is not None:
        inner = list(_texts(datatype.base, 0))
        count = math.prod(datatype.shape) if inner else 0
        if count * len(inner) > _MOST_TEXTS:
            raise Unsupported(f"its elements have more than {_MOST_TEXTS} texts", feature="text in large arrays")
        for number in range(count):
            for start, size, padding in inner:
                yield offset + number * datatype.base.size + start, size, padding


def _is_clean(file: File, stored: Stored, codec: Hdf5Text, native: bytes | None) -> Parser[bool]:
    """Whether all text reads the same with and without the codec."""
    chunk = math.prod(stored.chunk_shape) * codec.size
    if not is_own(file, stored.chunks):
        return False
    if len(stored.chunks) * chunk > _MOST_READ or int(stored.chunks.length.sum()) > _MOST_READ:
        return False
    raw = yield from chunk_bytes(file, stored.chunks, range(len(stored.chunks)))
    contents = [decode(stored.codecs, data) for data in raw]
    contents += [native] if native else []
    return all(np.array_equal(np.frombuffer(codec.decode(c), np.uint8), np.frombuffer(c, np.uint8)) for c in contents)
