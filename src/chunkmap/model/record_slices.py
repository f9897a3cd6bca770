"""Arrays whose elements are a part of each of many records: a chunk is a stretch of records, of which the codec
`record_slice` takes the same bytes of each.

Such chunks can be cut between any two records, down to single ones, which need no codec.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.model.array import ManifestArray
from chunkmap.model.grid import linear, linear_strides
from chunkmap.model.manifest import ChunkManifest
from chunkmap.model.meta import ArrayMeta, CodecConfig, grid_shape_of

__all__ = ["RECORD_SLICE", "Records", "cut_records", "records_of", "slice_of"]

RECORD_SLICE: Final = "record_slice"
"""The id of the codec."""


class Records(NamedTuple):
    """What is known of the records in which the elements of an array stand."""

    record: int
    """Bytes from one record to the next."""
    nbytes: int
    """Bytes of the array in each."""

    def codec(self, rows: int) -> CodecConfig:
        """What takes the bytes of the array out of a chunk of so many records, of which the last has fewer."""
        return {"id": RECORD_SLICE, "record": self.record, "nbytes": self.nbytes, "records": rows}

    def span(self, rows: Any) -> Any:
        """The bytes of so many records, from the first byte of the array to its last."""
        return (rows - 1) * self.record + self.nbytes


def records_of(meta: ArrayMeta) -> Records | None:
    """The records in which the elements of an array stand; None where chunks are anything else."""
    if len(meta.codecs) != 1 or meta.order != "C" or not meta.ndim or meta.edges:
        return None
    [codec] = meta.codecs
    nbytes = math.prod(meta.chunk_shape[1:]) * meta.dtype.itemsize
    if codec.get("id") != RECORD_SLICE or codec.get("offset", 0) or codec.get("nbytes") != nbytes:
        return None
    return Records(int(codec["record"]), nbytes)


def slice_of(meta: ArrayMeta, records: Records, rows: int) -> ArrayMeta:
    """The metadata with so many records in a chunk."""
    codecs = (records.codec(rows),) if rows > 1 else ()
    return replace(meta, chunk_shape=(rows, *meta.chunk_shape[1:]), filters=codecs, compressor=None)


def cut_records(array: ManifestArray, rows: int) -> ManifestArray:
    """The same array with fewer records in a chunk, which divide those that there are.

    Raises ValueError for chunks that are no whole number of records.
    """
    meta, chunks, records = array.meta, array.manifest(), records_of(array.meta)
    if records is None or meta.chunk_shape[0] % rows:
        raise ValueError(f"chunks of {rows} records cannot be cut out of {meta.chunk_shape}")
    held = chunks.length.astype(np.int64) - records.nbytes
    if bool((held % records.record).any()) or bool((held < 0).any()):
        raise ValueError("its chunks are no whole records")
    held = held // records.record + 1
    pieces = meta.chunk_shape[0] // rows
    first = np.arange(pieces, dtype=np.int64) * rows
    left = held[:, None] - first
    there = left > 0
    new = slice_of(meta, records, rows)
    offset = chunks.offset[:, None] + (first * records.record).astype(np.uint64)
    length = records.span(np.clip(left, 1, rows)).astype(np.uint64)
    source = np.broadcast_to(chunks.source[:, None], there.shape)
    columns = (source[there], offset[there], length[there])
    grid_shape = grid_shape_of(meta.shape, new.chunk_shape)
    index = _positions(chunks, grid_shape, pieces)[there]
    return ManifestArray(new, ChunkManifest.from_columns(grid_shape, index, chunks.sources, columns))


def _positions(chunks: ChunkManifest, grid_shape: tuple[int, ...], pieces: int) -> NDArray[np.int64]:
    """Row and piece -> position in the finer grid."""
    coords = np.stack(chunks.coords(), 1)
    coords[:, 0] *= pieces
    return linear(coords, grid_shape)[:, None] + np.arange(pieces) * linear_strides(grid_shape)[0]
