"""How a dataset's data lies in the file, whatever its layout: a grid of chunks, and the codecs that decode them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import Unsupported
from chunkmap.formats.hdf5.chunk_indexes.chunk_table import ChunkTable
from chunkmap.formats.hdf5.objects import Dataset, Stored
from chunkmap.formats.hdf5.structures.datatype import number_codec
from chunkmap.formats.hdf5.structures.file import File
from chunkmap.formats.hdf5.structures.filters import codecs_of, decode, encode
from chunkmap.formats.hdf5.structures.layout import Chunked, Compact, Contiguous, Virtual
from chunkmap.io.rounds import Parser
from chunkmap.model import ChunkManifest, CodecConfig, Sources
from chunkmap.model.grid import index_dtype
from chunkmap.model.meta import grid_shape_of

__all__ = ["Stored", "chunk_bytes", "cut_rows", "grown", "inline_values", "is_own", "read_stored"]

_FEW = 1024
"""Chunks of an array that shares its column of sources with others."""

_MOST_REWRITTEN = 1 << 20
"""Bytes of chunks with a filter mask of their own that are decoded and held inline."""


def read_stored(file: File, dataset: Dataset, *, unlike: bool = False) -> Parser[Stored]:
    """Where the data is. Chunks that skip filters are encoded anew, or where they are many, if they may be unlike the
    rest, variants.

    Raises Unsupported where the data is in no range of this file, or no codec decodes it.
    """
    layout = dataset.layout
    if dataset.refused is not None:
        raise dataset.refused
    if dataset.elsewhere is not None:
        return dataset.elsewhere
    if dataset.external or isinstance(layout, Virtual):
        raise Unsupported("its data is in other files, which are not looked for here", feature="data in other files")
    if dataset.space.shape is None:
        raise Unsupported("it has a null dataspace: a type, but no element", feature="null dataspace")
    if isinstance(layout, Chunked):
        stored = yield from _read_chunked(file, dataset, layout, unlike=unlike)
    else:
        stored = Stored(tuple(max(n, 1) for n in dataset.shape), (), _one_block(file, dataset, layout))
    codec = number_codec(dataset.datatype)
    if codec is None:
        return stored
    variants = tuple((codec, *own) for own in stored.variants)
    return stored._replace(codecs=(codec, *stored.codecs), variants=variants)


def chunk_bytes(file: File, chunks: ChunkManifest, rows: Sequence[int]) -> Parser[list[bytes | memoryview]]:
    """The stored bytes of some rows, whether they are ranges of the file or inline."""
    inline = chunks.is_inline
    spans = [file.span(int(chunks.offset[row]) - file.base, int(chunks.length[row])) for row in rows if not inline[row]]
    fetched = iter((yield spans) if spans else [])
    return [chunks.inline_bytes(row) if inline[row] else next(fetched) for row in rows]


def _one_block(file: File, dataset: Dataset, layout: Compact | Contiguous) -> ChunkManifest:
    shape = dataset.shape
    size = math.prod(shape) * dataset.datatype.size
    grid = grid_shape_of(shape, tuple(max(n, 1) for n in shape))
    if isinstance(layout, Compact):
        if size and len(layout.data) < size:
            raise file.error(f"expected {size} bytes of compact data, found {len(layout.data)}", dataset.address)
        return ChunkManifest.single(layout.data[:size], 0, size, len(shape)) if size else ChunkManifest.empty(grid)
    if layout.address == file.undefined or not size:
        return ChunkManifest.empty(grid)
    if layout.size is not None and layout.size < size:
        raise file.error(f"expected {size} bytes of contiguous data, found {layout.size}", dataset.address)
    offset = file.span(layout.address, size).offset
    return ChunkManifest.single(file.url, offset, size, len(shape))


def _read_chunked(file: File, dataset: Dataset, layout: Chunked, *, unlike: bool) -> Parser[Stored]:
    table = dataset.chunks
    assert isinstance(table, ChunkTable)
    grid = grid_shape_of(dataset.shape, layout.chunk_shape)
    masks = _masks(dataset, layout, table, grid)
    common = _most_common(masks)
    codecs = codecs_of(dataset.filters, common)
    if not codecs and np.count_nonzero(table.sizes != layout.chunk_nbytes):
        odd = masks == common if masks is not None else np.ones(len(table.sizes), np.bool_)
        if not (table.sizes[odd] == layout.chunk_nbytes).all():
            raise file.error(f"expected chunks of {layout.chunk_nbytes} bytes, found others", dataset.address)
    chunks = _manifest(file, grid, table)
    if masks is not None and (masks != common).any():
        rows = np.flatnonzero(masks != common)
        if unlike and len(rows) * layout.chunk_nbytes > _MOST_REWRITTEN:
            return _apart(file, dataset, Stored(layout.chunk_shape, codecs, chunks), masks)
        chunks = yield from _rewrite(file, dataset, chunks, masks, codecs)
    return Stored(layout.chunk_shape, codecs, chunks)


def _manifest(file: File, grid: tuple[int, ...], table: ChunkTable) -> ChunkManifest:
    """The chunks of a table that is sorted, all of them inside the grid."""
    size = math.prod(grid)
    return ChunkManifest(
        grid,
        _sources(file.url),
        _ones(len(table.sizes)) if len(table.sizes) <= _FEW else np.ones(len(table.sizes), np.uint32),
        table.addresses + np.uint64(file.base) if file.base else table.addresses,
        table.sizes,
        None if len(table.positions) == size else table.positions.astype(index_dtype(size)),
    )


@lru_cache(maxsize=8)
def _sources(url: str) -> Sources:
    """The table of a file whose chunks are all its own: one for all its arrays."""
    return Sources((None, url))


@lru_cache(maxsize=64)
def _ones(count: int) -> NDArray[np.uint32]:
    """So many times source 1: the columns of manifests are read-only, and many arrays have as many chunks."""
    return np.ones(count, np.uint32)


def _masks(dataset: Dataset, layout: Chunked, table: ChunkTable, grid: tuple[int, ...]) -> NDArray[np.uint32] | None:
    """Which filters each chunk skips; None when none skips any. Bits beyond the pipeline mean nothing."""
    if not dataset.filters:
        return None
    every = np.uint32((1 << len(dataset.filters)) - 1)
    masks = None if table.masks is None else table.masks & every
    if layout.edges_unfiltered:
        masks = np.zeros(len(table.sizes), np.uint32) if masks is None else masks
        coords = np.unravel_index(table.positions.astype(np.int64), grid)
        for coord, length, chunk, cells in zip(coords, dataset.shape, layout.chunk_shape, grid, strict=True):
            if length % chunk:
                masks[coord == cells - 1] = every
    return masks if masks is not None and masks.any() else None


def _most_common(masks: NDArray[np.uint32] | None) -> int:
    if masks is None:
        return 0
    values, counts = np.unique(masks, return_counts=True)
    return int(values[np.argmax(counts)])


def _rewrite(
    file: File,
    dataset: Dataset,
    chunks: ChunkManifest,
    masks: NDArray[np.uint32],
    codecs: tuple[CodecConfig, ...],
) -> Parser[ChunkManifest]:
    """Chunks that skip other filters than most are decoded, encoded as the others are, and held inline."""
    rows = np.flatnonzero(masks != _most_common(masks))
    assert isinstance(dataset.layout, Chunked)
    if len(rows) * dataset.layout.chunk_nbytes > _MOST_REWRITTEN:
        raise Unsupported(
            f"{len(rows)} of its chunks skip other filters than the rest (filter mask), too many to hold inline",
            feature="filter mask",
        )
    stored = yield from chunk_bytes(file, chunks, rows.tolist())
    pieces = []
    for row, data in zip(rows.tolist(), stored, strict=True):
        own = codecs_of(dataset.filters, int(masks[row]))
        pieces.append(encode(codecs, decode(own, data)))
    return chunks.with_inline(rows, pieces)


def _apart(file: File, dataset: Dataset, stored: Stored, masks: NDArray[np.uint32]) -> Stored:
    """Chunks that skip other filters than most as they are, each with the number of how it is decoded."""
    assert isinstance(dataset.layout, Chunked)
    values, numbers = np.unique(masks, return_inverse=True)
    variants = tuple(codecs_of(dataset.filters, int(mask)) for mask in values)
    plain = np.array([not codecs for codecs in variants])[numbers]
    if (stored.chunks.length[plain] != dataset.layout.chunk_nbytes).any():
        raise file.error(f"expected chunks of {dataset.layout.chunk_nbytes} bytes, found others", dataset.address)
    return stored._replace(chunks=replace(stored.chunks, variant=numbers.astype(np.uint16)), variants=variants)


def is_own(file: File, chunks: ChunkManifest) -> bool:
    """Whether all chunks that are not inline are in this file."""
    return chunks.sources == (None, file.url) or all(url == file.url for url in chunks.urls)


def cut_rows(stored: Stored, shape: tuple[int, ...], element: int, rows: int) -> Stored:
    """One block without a codec, as chunks of so many rows; the last chunk must be whole too."""
    chunks = stored.chunks
    chunk_shape = (rows, *stored.chunk_shape[1:])
    grid = grid_shape_of(shape, chunk_shape)
    if not len(chunks) or rows == stored.chunk_shape[0]:
        return Stored(chunk_shape, (), chunks if len(chunks) else ChunkManifest.empty(grid))
    size = math.prod(chunk_shape) * element
    offsets = int(chunks.offset[0]) + np.arange(grid[0], dtype=np.uint64) * np.uint64(size)
    columns = (np.full(grid[0], chunks.source[0]), offsets, np.full(grid[0], size, np.uint64))
    return Stored(chunk_shape, (), ChunkManifest.from_columns(grid, np.arange(grid[0]), chunks.sources, columns))


def inline_values(dataset: Dataset, values: bytes) -> Stored:
    """All values of a dataset as one chunk held inline, without a codec."""
    shape = tuple(max(n, 1) for n in dataset.shape)
    return Stored(shape, (), ChunkManifest.single(values, 0, len(values), len(shape)))


def grown(stored: Stored, shape: tuple[int, ...]) -> Stored:
    """The same chunks in the grid of a longer shape."""
    grid = grid_shape_of(shape, stored.chunk_shape)
    if grid == stored.chunks.grid_shape:
        return stored
    index = stored.chunks.positions_in(grid, (0,) * len(grid))
    chunks = stored.chunks
    moved = ChunkManifest.from_columns(grid, index, chunks.sources, chunks.columns(slice(None)))
    return stored._replace(chunks=moved)
