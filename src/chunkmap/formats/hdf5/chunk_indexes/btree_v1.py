"""III.A.1: version 1 B-trees of chunks, read one level at a time.

Most trees are one leaf of a few entries. There numpy costs more than it saves, so leaves are kept as they are until
all objects of a file are known, and then decoded together, as if they were one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.formats.hdf5.chunk_indexes.chunk_table import ChunkTable, Elements, Grid, finish, in_order, join
from chunkmap.formats.hdf5.structures.file import File, largest, u16
from chunkmap.io.rounds import Parser, Together

__all__ = ["Leaf", "decode_leaves", "read_btree_v1"]

_AT_ONCE: Final = 512
"""Leaves that are decoded at once: a million nodes are never in memory together, and what is stays in the cache."""

Axes = Sequence[Any]
"""For each axis a number for all entries, or a column of numbers, one for each entry."""


class Leaf(NamedTuple):
    """The entries of a tree that is one leaf, as they stand in the file."""

    grid: Grid
    entries: bytes
    """A copy: a view would hold the block of the file that it lies in, until the last leaf is decoded."""


def read_btree_v1(file: File, grid: Grid) -> Parser[ChunkTable | Leaf]:
    """Every chunk of a dataset, or the one leaf that has them all.

    Node: signature, type, level, entries used, siblings (2), then keys and children in turn.
    """
    entry = _entry(grid.rank, file.sizes[0])
    root = yield file.span(grid.layout.address, _node_size(file, entry))
    level, (count,) = root[5], u16(root, 6)
    if level == 0 and count <= 2 * file.chunk_k:
        file.expect(root, b"TREE\x01", grid.layout.address)
        start = _prefix(file)
        return Leaf(grid, bytes(root[start : start + count * entry.itemsize]))
    nodes = np.frombuffer(root, np.uint8).reshape(1, -1)
    used = _check_nodes(file, nodes, level)
    while level > 1:
        level -= 1
        addresses = _used_entries(file, nodes, used, entry)["child"].astype(np.uint64)
        nodes = yield file.gather(addresses, _node_size(file, entry))
        used = _check_nodes(file, nodes, level)
    leaves = _used_entries(file, nodes, used, entry)["child"].astype(np.uint64)
    file.gather(leaves, _node_size(file, entry))  # refused before any of them is read
    parts = [leaves[start : start + _AT_ONCE] for start in range(0, len(leaves), _AT_ONCE)]
    return in_order(file, grid, join((yield Together([_read_leaves(file, grid, part) for part in parts]))))


def decode_leaves(file: File, leaves: Sequence[Leaf]) -> list[ChunkTable]:
    """The chunks of many datasets, each of which has one leaf."""
    if sum(len(leaf.entries) for leaf in leaves) > file.size:
        raise file.error("the chunk B-trees of a file are longer than the file", 0)
    tables: dict[int, ChunkTable] = {}
    for rank in {leaf.grid.rank for leaf in leaves}:
        numbers = [number for number, leaf in enumerate(leaves) if leaf.grid.rank == rank]
        tables.update(zip(numbers, _decode_together(file, rank, [leaves[n] for n in numbers]), strict=True))
    return [tables[number] for number in range(len(leaves))]


def _decode_together(file: File, rank: int, leaves: Sequence[Leaf]) -> list[ChunkTable]:
    """Leaves of datasets of one rank."""
    entry = _entry(rank, file.sizes[0])
    entries = np.frombuffer(b"".join([leaf.entries for leaf in leaves]), entry)
    owner = np.repeat(np.arange(len(leaves)), [len(leaf.entries) // entry.itemsize for leaf in leaves])
    lengths = np.array([leaf.grid.layout.chunk_shape for leaf in leaves], np.uint64)[owner]
    cells = np.array([leaf.grid.now for leaf in leaves], np.uint64)[owner]
    positions, inside = _positions(file, entries, list(lengths.T), list(cells.T))
    table = finish(file, positions, inside, _elements(entries))
    owner = owner if inside.all() else owner[inside]
    bounds = np.searchsorted(owner, np.arange(len(leaves) + 1)).tolist()
    falls = np.count_nonzero((table.positions[1:] <= table.positions[:-1]) & (owner[1:] == owner[:-1]))
    tables = [table.part(start, stop) for start, stop in pairwise(bounds)]
    return [in_order(file, leaf.grid, t) for leaf, t in zip(leaves, tables, strict=True)] if falls else tables


def _read_leaves(file: File, grid: Grid, addresses: NDArray[np.uint64]) -> Parser[ChunkTable]:
    entry = _entry(grid.rank, file.sizes[0])
    nodes = yield file.gather(addresses, _node_size(file, entry))
    entries = _used_entries(file, nodes, _check_nodes(file, nodes, 0), entry)
    lengths, cells = map(np.uint64, grid.layout.chunk_shape), map(np.uint64, grid.now)
    positions, inside = _positions(file, entries, list(lengths), list(cells))
    return finish(file, positions, inside, _elements(entries))


@lru_cache(maxsize=64)
def _entry(rank: int, width: int) -> np.dtype[Any]:
    """Size of the chunk in bytes, filter mask, offset of its first element along each axis, 0; its address."""
    return np.dtype([("size", "<u4"), ("mask", "<u4"), ("offset", "<u8", (rank + 1,)), ("child", f"<u{width}")])


def _prefix(file: File) -> int:
    """Bytes of a node before its entries."""
    return 8 + 2 * file.sizes[0]


def _node_size(file: File, entry: np.dtype[Any]) -> int:
    """There is one key more than there are children."""
    return _prefix(file) + (2 * file.chunk_k + 1) * entry.itemsize - file.sizes[0]


def _check_nodes(file: File, nodes: NDArray[np.uint8], level: int) -> NDArray[np.int64]:
    """How many entries each node of a level uses."""
    if nodes[:, :6].tobytes() != (b"TREE\x01" + bytes([level])) * len(nodes):
        raise file.error(f"expected nodes of a chunk B-tree (TREE, type 1) of level {level}", 0)
    used = np.ascontiguousarray(nodes[:, 6:8]).view("<u2")[:, 0].astype(np.int64)
    if largest(used) > 2 * file.chunk_k:
        raise file.error(f"a node of a chunk B-tree claims {largest(used)} entries of {2 * file.chunk_k}", 0)
    return used


def _used_entries(file: File, nodes: NDArray[np.uint8], used: NDArray[np.int64], entry: np.dtype[Any]) -> NDArray[Any]:
    """The entries that are in use, of all nodes, in one row. They are copied once."""
    most = largest(used)
    strides = (nodes.strides[0], entry.itemsize)
    entries = np.ndarray((len(nodes), most), entry, nodes, offset=_prefix(file), strides=strides)
    there: NDArray[Any] = entries[np.arange(most) < used[:, None]]
    return there


def _elements(entries: NDArray[Any]) -> Elements:
    return Elements(entries["child"].astype(np.uint64), entries["size"].astype(np.uint64), entries["mask"])


def _positions(
    file: File, entries: NDArray[Any], lengths: Axes, cells: Axes
) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Where chunks stand in grids of so many cells, and whether they do; `lengths` are those of a chunk."""
    positions, inside = np.zeros(len(entries), np.uint64), np.ones(len(entries), np.bool_)
    for axis, (length, many) in enumerate(zip(lengths, cells, strict=True)):
        offsets = entries["offset"][:, axis]
        coord = offsets // length
        if np.count_nonzero(coord * length != offsets):
            raise file.error("a chunk does not begin at a multiple of the length of chunks", 0)
        inside &= coord < many
        positions *= many
        positions += coord
    return positions, inside
