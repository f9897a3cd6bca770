"""Datasets of strings of variable length: their text lies in the global heap, and is brought into the references."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numcodecs import VLenUTF8

from chunkmap.errors import Unsupported
from chunkmap.formats.hdf5.file import File
from chunkmap.formats.hdf5.fill import fill_missing
from chunkmap.formats.hdf5.filters import decode
from chunkmap.formats.hdf5.global_heap import heap_references, read_heap_objects
from chunkmap.formats.hdf5.stored import Stored, chunk_bytes
from chunkmap.io.rounds import Parser
from chunkmap.model import ChunkManifest, CodecConfig

__all__ = ["VLEN_UTF8", "embed_strings"]

VLEN_UTF8: Final[CodecConfig] = {"id": "vlen-utf8"}

_LONGEST_FILL: Final = 1 << 20
"""Strings of a chunk of fill values."""


def embed_strings(file: File, stored: Stored, native: bytes | None) -> Parser[ChunkManifest]:
    """The chunks of a dataset of strings, each encoded with `vlen-utf8` and held inline."""
    chunks = stored.chunks
    rows = list(range(len(chunks)))
    raw = yield from chunk_bytes(file, chunks, rows)
    pieces = yield from _encode(file, [decode(stored.codecs, data) for data in raw])
    if rows:
        chunks = chunks.with_inline(np.arange(len(chunks)), pieces)
    if len(chunks) == chunks.size or native is None or not any(native):
        return chunks
    (blob,) = yield from _encode(file, [native * min(math.prod(stored.chunk_shape), _LONGEST_FILL)])
    filled = fill_missing(chunks, blob) if math.prod(stored.chunk_shape) <= _LONGEST_FILL else None
    if filled is None:
        raise Unsupported("too much of it was never written to hold its fill value inline", feature="fill value")
    return filled


def _encode(file: File, contents: list[bytes]) -> Parser[list[bytes]]:
    """Stored elements to text, chunk by chunk."""
    references = [heap_references(data) for data in contents]
    objects = yield from read_heap_objects(file, [r for group in references for r in group])
    codec, pieces = VLenUTF8(), []
    for group in references:
        texts = [bytes(next(objects)[: r.size]).split(b"\0")[0].decode("utf-8", "replace") for r in group]
        pieces.append(bytes(codec.encode(np.array(texts, object))))
    return pieces
