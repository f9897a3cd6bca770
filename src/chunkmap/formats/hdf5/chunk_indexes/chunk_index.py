"""VII and III.A.1: the indexes that find the chunks of a dataset, each decoded to a `ChunkTable` a level at a time.

HDF5's own listing (`H5Dchunk_iter`) is wrong for an extensible array whose unlimited axis is not the first: data read
through these tables, not that listing, is what they are tested against.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from chunkmap.formats.hdf5.chunk_indexes.btree_v1 import Leaf, read_btree_v1
from chunkmap.formats.hdf5.chunk_indexes.chunk_table import (
    ChunkTable,
    Elements,
    Grid,
    empty_table,
    from_numbers,
    from_scaled,
    split_elements,
)
from chunkmap.formats.hdf5.chunk_indexes.extensible_array import read_extensible_array
from chunkmap.formats.hdf5.chunk_indexes.fixed_array import read_fixed_array
from chunkmap.formats.hdf5.structures.btree_v2 import read_btree_v2
from chunkmap.formats.hdf5.structures.file import File
from chunkmap.formats.hdf5.structures.layout import Chunked, Index
from chunkmap.formats.hdf5.structures.messages import Dataspace
from chunkmap.io.rounds import Parser

__all__ = ["read_chunk_index"]

_UNFILTERED_CHUNKS, _FILTERED_CHUNKS = 10, 11  # types of a version 2 B-tree


def read_chunk_index(file: File, layout: Chunked, space: Dataspace) -> Parser[ChunkTable | Leaf]:
    """Every chunk of a dataset, or the one leaf that has them all."""
    if layout.address == file.undefined or not math.prod(space.shape or (0,)):
        return empty_table()
    grid = Grid.of(layout, space)
    if layout.indexing in _COMPUTED:
        return _COMPUTED[layout.indexing](file, grid)
    return (yield from _READERS[layout.indexing](file, grid))


def _single(file: File, grid: Grid) -> ChunkTable:
    layout = grid.layout
    size = layout.chunk_nbytes if layout.single_size is None else layout.single_size
    elements = Elements(
        np.array([layout.address], np.uint64), np.array([size], np.uint64), np.array([layout.single_mask], np.uint32)
    )
    return from_scaled(file, grid, np.zeros((1, grid.rank), np.uint64), elements)


def _implicit(file: File, grid: Grid) -> ChunkTable:
    """VII.B: all chunks of the maximum grid, one behind the other; never filtered."""
    layout, count = grid.layout, math.prod(grid.most)
    if layout.address + count * layout.chunk_nbytes > file.size:
        file.span(layout.address, count * layout.chunk_nbytes)
    numbers = np.arange(count, dtype=np.uint64)
    addresses = numbers * np.uint64(layout.chunk_nbytes) + np.uint64(layout.address)
    sizes = np.full(count, layout.chunk_nbytes, np.uint64)
    return from_numbers(file, grid, numbers, Elements(addresses, sizes, None))


def _read_fixed_array(file: File, grid: Grid) -> Parser[ChunkTable]:
    numbers, rows = yield from read_fixed_array(file, grid.layout.address)
    return from_numbers(file, grid, numbers, split_elements(file, rows, grid.layout.chunk_nbytes))


def _read_extensible_array(file: File, grid: Grid) -> Parser[ChunkTable]:
    numbers, rows = yield from read_extensible_array(file, grid.layout.address)
    return from_numbers(file, grid, numbers, split_elements(file, rows, grid.layout.chunk_nbytes))


def _read_btree_v2(file: File, grid: Grid) -> Parser[ChunkTable]:
    """VII.E: records of type 10 and 11: address, (filtered: stored size, filter mask,) scaled offsets."""
    records = yield from read_btree_v2(file, grid.layout.address, (_UNFILTERED_CHUNKS, _FILTERED_CHUNKS))
    split = records.shape[1] - 8 * grid.rank
    if split < file.sizes[0]:
        raise file.error(f"a chunk record of {records.shape[1]} bytes has no room for {grid.rank} axes", 0)
    scaled = np.ascontiguousarray(records[:, split:]).view("<u8")
    elements = split_elements(file, records[:, :split], grid.layout.chunk_nbytes)
    return from_scaled(file, grid, scaled, elements)


_COMPUTED: Final[Mapping[Index, Callable[[File, Grid], ChunkTable]]] = {
    Index.SINGLE: _single,
    Index.IMPLICIT: _implicit,
}
"""Indexes that nothing needs to be read for."""

_READERS: Final[Mapping[Index, Callable[[File, Grid], Parser[ChunkTable] | Parser[ChunkTable | Leaf]]]] = {
    Index.BTREE_V1: read_btree_v1,
    Index.FIXED_ARRAY: _read_fixed_array,
    Index.EXTENSIBLE_ARRAY: _read_extensible_array,
    Index.BTREE_V2: _read_btree_v2,
}
