"""Text of fixed length that is not padded with NUL: which codec it needs to read as HDF5 reads it.

What follows the NUL of a NUL-terminated text is mostly nothing: where the data are few they are looked at, and need no
codec when so. Text that is padded with spaces always has one.
"""

from __future__ import annotations

import math
from typing import Final

from chunkmap.codecs.hdf5.padding import check_texts, nul_padded
from chunkmap.formats.hdf5.stored import Stored, chunk_bytes, is_own
from chunkmap.formats.hdf5.structures.datatype import Datatype
from chunkmap.formats.hdf5.structures.file import File
from chunkmap.formats.hdf5.structures.filters import decode
from chunkmap.formats.hdf5.structures.text_members import texts_in
from chunkmap.io.rounds import Parser

__all__ = ["with_text_codec"]

_NUL_TERMINATED: Final = 0
_MOST_READ: Final = 64 << 10
"""Bytes of text that are looked at."""


def with_text_codec(file: File, stored: Stored, datatype: Datatype, native: bytes | None) -> Parser[Stored]:
    """The same data, decoded to text padded with NUL."""
    texts = texts_in(datatype)
    if not texts:
        return stored
    check_texts(datatype.size, texts)
    can_be_clean = all(padding == _NUL_TERMINATED for _, _, padding in texts)
    if can_be_clean and (yield from _is_clean(file, stored, datatype, native)):
        return stored
    codec = {"id": "hdf5_text", "size": datatype.size, "texts": [list(text) for text in texts]}
    return stored._replace(codecs=(codec, *stored.codecs))


def _is_clean(file: File, stored: Stored, datatype: Datatype, native: bytes | None) -> Parser[bool]:
    """Whether all text reads the same with and without the codec."""
    chunk = math.prod(stored.chunk_shape) * datatype.size
    if not is_own(file, stored.chunks):
        return False
    if len(stored.chunks) * chunk > _MOST_READ or int(stored.chunks.length.sum()) > _MOST_READ:
        return False
    raw = yield from chunk_bytes(file, stored.chunks, range(len(stored.chunks)))
    contents = [decode(stored.codecs, data) for data in raw]
    contents += [native] if native else []
    texts = texts_in(datatype)
    return all(nul_padded(content, datatype.size, texts) == bytes(content) for content in contents)
