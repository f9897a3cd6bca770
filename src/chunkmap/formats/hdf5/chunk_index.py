"""VII and III.A.1: the indexes that find the chunks of a dataset, each decoded to a `ChunkTable` a level at a time.

HDF5's own listing (`H5Dchunk_iter`) is wrong for an extensible array whose unlimited axis is not the first: data read
through these tables, not that listing, is what they are tested against.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import FormatError
from chunkmap.formats.hdf5.btree_v2 import read_btree_v2
from chunkmap.formats.hdf5.chunk_table import (
    ChunkTable,
    Elements,
    Grid,
    empty_table,
    from_few,
    from_numbers,
    from_scaled,
    split_elements,
)
from chunkmap.formats.hdf5.extensible_array import read_extensible_array
from chunkmap.formats.hdf5.file import File, largest, u16
from chunkmap.formats.hdf5.fixed_array import read_fixed_array
from chunkmap.formats.hdf5.layout import Chunked, Index
from chunkmap.formats.hdf5.messages import Dataspace
from chunkmap.io.rounds import Parser

__all__ = ["read_chunk_index"]

_FEW: Final = 32
"""Entries up to which a loop is quicker than numpy."""

_RAW_DATA: Final = 1  # type of a version 1 B-tree node
_UNFILTERED_CHUNKS, _FILTERED_CHUNKS = 10, 11  # types of a version 2 B-tree


def read_chunk_index(file: File, layout: Chunked, space: Dataspace) -> Parser[ChunkTable]:
    """Every chunk of a dataset."""
    if layout.address == file.undefined or not math.prod(space.shape or (0,)):
        return empty_table()
    grid = Grid.of(layout, space)
    if layout.index in _COMPUTED:
        return _COMPUTED[layout.index](file, grid)
    return (yield from _READERS[layout.index](file, grid))


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


def _read_btree_v1(file: File, grid: Grid) -> Parser[ChunkTable]:
    """III.A.1: signature, node type, node level, entries used, siblings (2), then keys and children in turn.

    Key of raw data chunks: size of the chunk in bytes, filter mask, offset of its first element along each axis, and
    0 for the element itself.
    """
    child = f"<u{file.sizes[0]}"
    entry = np.dtype([("size", "<u4"), ("mask", "<u4"), ("offset", "<u8", (grid.rank + 1,)), ("child", child)])
    prefix = _node_prefix(file)
    node_size = prefix + (2 * file.chunk_k + 1) * entry.itemsize - file.sizes[0]
    addresses, above = np.array([grid.layout.address], np.uint64), 256
    nodes = yield file.gather(addresses, node_size)
    root = nodes[0].data
    if root[5] == 0 and u16(root, 6)[0] <= min(_FEW, 2 * file.chunk_k):
        return _from_small_leaf(file, grid, root)
    while True:
        level, used = _check_nodes(file, nodes, above)
        entries = _used_entries(nodes[:, prefix:], used, entry)
        if level == 0:
            return _from_leaves(file, grid, entries)
        addresses, above = entries["child"].astype(np.uint64), level
        nodes = yield file.gather(addresses, node_size)


def _from_small_leaf(file: File, grid: Grid, leaf: memoryview) -> ChunkTable:
    """The chunks of a tree that is one leaf of few entries, as most trees are: there numpy is slower than Python."""
    file.expect(leaf, b"TREE\x01\x00", grid.layout.address)
    entry, prefix = file.fields(f"II{grid.rank + 1}QA"), _node_prefix(file)
    rows = []
    for size, mask, *offsets, address in entry.iter_unpack(leaf[prefix : prefix + entry.size * u16(leaf, 6)[0]]):
        position, inside = 0, True
        for offset, length, cells in zip(offsets, grid.layout.chunk_shape, grid.now, strict=False):
            coord, rest = divmod(offset, length)
            if rest:
                raise _misplaced(file, grid)
            inside = inside and coord < cells
            position = position * cells + coord
        if inside:
            rows.append((position, address, size, mask))
    return from_few(file, rows)


def _node_prefix(file: File) -> int:
    """Bytes of a B-tree node before its entries."""
    return 8 + 2 * file.sizes[0]


def _misplaced(file: File, grid: Grid) -> FormatError:
    return file.error(f"a chunk does not begin at multiples of {grid.layout.chunk_shape}", 0)


def _used_entries(nodes: NDArray[np.uint8], used: NDArray[np.int64], entry: np.dtype[Any]) -> NDArray[Any]:
    """The entries that are in use, of all nodes, in one row."""
    most = largest(used)
    rows = nodes[:, : most * entry.itemsize]
    entries = np.ascontiguousarray(rows).view(entry)
    if len(nodes) == 1 or bool((used == most).all()):
        return entries.ravel()
    there: NDArray[Any] = entries[np.arange(most) < used[:, None]]
    return there


def _check_nodes(file: File, nodes: NDArray[np.uint8], above: int) -> tuple[int, NDArray[np.int64]]:
    """The level of a level's nodes, and how many entries each uses."""
    level = int(nodes[0, 5])
    if nodes[:, :6].tobytes() != (b"TREE\x01" + bytes([level])) * len(nodes) or level >= above:
        raise file.error(f"expected nodes of a chunk B-tree (TREE, type {_RAW_DATA}) below level {above}", 0)
    used = np.ascontiguousarray(nodes[:, 6:8]).view("<u2")[:, 0].astype(np.int64)
    if largest(used) > 2 * file.chunk_k:
        raise file.error(f"a node of a chunk B-tree claims {largest(used)} entries of {2 * file.chunk_k}", 0)
    return level, used


def _from_leaves(file: File, grid: Grid, entries: NDArray[Any]) -> ChunkTable:
    shape = np.array(grid.layout.chunk_shape, np.uint64)
    offsets = entries["offset"][:, : grid.rank]
    coords = offsets // shape
    if np.count_nonzero(coords * shape != offsets):
        raise _misplaced(file, grid)
    elements = Elements(entries["child"].astype(np.uint64), entries["size"].astype(np.uint64), entries["mask"])
    return from_scaled(file, grid, coords, elements)


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

_READERS: Final[Mapping[Index, Callable[[File, Grid], Parser[ChunkTable]]]] = {
    Index.BTREE_V1: _read_btree_v1,
    Index.FIXED_ARRAY: _read_fixed_array,
    Index.EXTENSIBLE_ARRAY: _read_extensible_array,
    Index.BTREE_V2: _read_btree_v2,
}
