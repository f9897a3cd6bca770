"""Datasets of strings of variable length: their text lies in the global heap, and is brought into the references."""

from __future__ import annotations

from typing import Final

import numpy as np
from numcodecs import VLenUTF8

from chunkmap.errors import Unsupported
from chunkmap.formats.hdf5.file import File
from chunkmap.formats.hdf5.filters import decode
from chunkmap.formats.hdf5.global_heap import heap_references, read_heap_objects
from chunkmap.formats.hdf5.stored import Stored, chunk_bytes
from chunkmap.io.rounds import Parser
from chunkmap.model import ChunkManifest, CodecConfig

__all__ = ["VLEN_UTF8", "embed_strings"]

VLEN_UTF8: Final[CodecConfig] = {"id": "vlen-utf8"}


def embed_strings(file: File, stored: Stored, native: bytes | None) -> Parser[ChunkManifest]:
    """The chunks of a dataset of strings, each encoded with `vlen-utf8` and held inline."""
    if native is not None and any(native):
        raise Unsupported("its fill value is a string of variable length", feature="variable-length fill value")
    chunks = stored.chunks
    rows = list(range(len(chunks)))
    raw = yield from chunk_bytes(file, chunks, rows)
    references = [heap_references(decode(stored.codecs, data)) for data in raw]
    objects = yield from read_heap_objects(file, [r for group in references for r in group])
    codec, pieces = VLenUTF8(), []
    for group in references:
        texts = [bytes(next(objects)[: r.length]).split(b"\0")[0].decode("utf-8", "replace") for r in group]
        pieces.append(bytes(codec.encode(np.array(texts, object))))
    return chunks.with_inline(np.arange(len(chunks)), pieces) if rows else chunks
