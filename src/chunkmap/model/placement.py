"""Manifests side by side in a larger grid: the one operation behind concatenating, stacking and appending."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.model.grid import index_dtype
from chunkmap.model.manifest import ChunkManifest
from chunkmap.model.source_table import SourceTable

__all__ = ["Cells", "Placement", "end_to_end", "place", "rows_of_each"]

Cells = int | NDArray[np.int64]
"""Where the chunks of a manifest go along one axis: from a first cell on, or cell by cell."""

_BLOCK_ROWS: Final = 1 << 16
"""Rows that are worked on together when manifests are joined: enough to hide the cost of a call."""


class Placement(NamedTuple):
    """A manifest, and where its cells go in a larger grid.

    For each axis, the cell at which its own first cell goes; or, where they are scattered, the cell of each.
    """

    chunks: ChunkManifest
    cells: tuple[Cells, ...]


def place(grid_shape: Sequence[int], parts: Sequence[Placement], *, last_wins: bool = False) -> ChunkManifest:
    """Put manifests into a larger grid: the one operation behind concatenating, stacking and appending.

    Raises ValueError where a part reaches outside the grid, or two parts claim one cell, unless the last one
    of them shall win.
    """
    grid_shape = tuple(grid_shape)
    total = sum([len(part.chunks.source) for part in parts])
    table = SourceTable()
    if not last_wins and _end_to_end(grid_shape, parts):
        if len(parts) == 1:
            return parts[0].chunks
        index = None
    else:
        index = np.empty(total, index_dtype(math.prod(grid_shape)))
    source, offset, length = np.empty(total, np.uint32), np.empty(total, np.uint64), np.empty(total, np.uint64)
    stop = 0
    for block in _blocks(parts):
        start, stop = stop, stop + sum([len(part.chunks.source) for part in block])
        if index is not None:
            index[start:stop] = _positions(grid_shape, block)
        source[start:stop] = _renumbered(table, [part.chunks for part in block])
        np.concatenate([part.chunks.offset for part in block], out=offset[start:stop])
        np.concatenate([part.chunks.length for part in block], out=length[start:stop])
    variant = _variants([part.chunks for part in parts], total)
    if index is None:
        return ChunkManifest(grid_shape, table.sources, source, offset, length, variant=variant)
    if last_wins:
        index, rows = _last_of_each(index)
        source, offset, length = source[rows], offset[rows], length[rows]
        variant = None if variant is None else variant[rows]
    return ChunkManifest.from_columns(grid_shape, index, table.sources, (source, offset, length, variant))


def _variants(parts: Sequence[ChunkManifest], total: int) -> NDArray[np.uint16] | None:
    """Row -> number of its variant, for the rows of all parts; None where none of them says one."""
    if all(chunks.variant is None for chunks in parts):
        return None
    out = np.empty(total, np.uint16)
    return np.concatenate([chunks.variants() for chunks in parts], out=out) if parts else out


def end_to_end(several: Sequence[tuple[ChunkManifest, range]]) -> ChunkManifest:
    """The chunks in some cells of each of many manifests, one after the other on one axis.

    >>> manifest = ChunkManifest.from_rows((2, 2), [(0, 0), (1, 0)], ["a.nc"] * 2, [0, 10], [10, 10])
    >>> end_to_end([(manifest, range(2, 4)), (manifest, range(0, 1))]).positions().tolist()
    [0, 2]
    """
    if len(several) < 2:
        return _stretch(*several[0]) if several else ChunkManifest.empty((0,))
    parts = [chunks.between(cells.start, cells.stop) for chunks, cells in several]
    lengths = np.array([len(cells) for _, cells in several], np.int64)
    rows = np.array([len(chunks.source) for chunks in parts], np.int64)
    total, index = int(lengths.sum()), None
    if int(rows.sum()) < total:
        shifts = np.cumsum(lengths) - lengths - np.array([cells.start for _, cells in several], np.int64)
        own = np.concatenate([chunks.positions().astype(np.int64) for chunks in parts])
        index = (own + np.repeat(shifts, rows)).astype(index_dtype(total))
    table = SourceTable()
    source = _renumbered(table, parts)
    offset, length = (np.concatenate(column) for column in ([c.offset for c in parts], [c.length for c in parts]))
    return ChunkManifest((total,), table.sources, source, offset, length, index, _variants(parts, len(source)))


def _stretch(chunks: ChunkManifest, cells: range) -> ChunkManifest:
    """Some cells of a grid as one axis."""
    some = chunks.between(cells.start, cells.stop)
    is_whole = len(some) == len(cells)
    index = None if is_whole else (some.positions() - cells.start).astype(index_dtype(len(cells)))
    return some.of_rows((len(cells),), slice(None), index)


def rows_of_each(chunks: ChunkManifest, lengths: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    """How many chunks stand in each of the runs of cells that make up an axis.

    >>> manifest = ChunkManifest.from_rows((5,), [[0], [1], [4]], ["a.nc"] * 3, [0, 10, 20], [10, 10, 10])
    >>> rows_of_each(manifest, [2, 2, 1]).tolist()
    [2, 0, 1]
    """
    return np.diff(np.searchsorted(chunks.positions(), np.cumsum(lengths)), prepend=0)


def _end_to_end(grid_shape: tuple[int, ...], parts: Sequence[Placement]) -> bool:
    """Whether whole parts follow one another and fill the grid, so that rows need no positions."""
    if not grid_shape:
        return False
    inner, origin, stop = grid_shape[1:], (0,) * len(grid_shape[1:]), 0
    for chunks, cells in parts:
        own = chunks.grid_shape
        if chunks.index is not None or own[1:] != inner or type(cells[0]) is not int or cells[0] != stop:
            return False
        if inner and not (set(map(type, cells)) == {int} and cells[1:] == origin):
            return False
        stop += own[0]
    return stop == grid_shape[0]


def _blocks(parts: Sequence[Placement]) -> Iterator[list[Placement]]:
    """Parts in their order, so many at a time that small ones are handled together and large ones one by one."""
    block: list[Placement] = []
    rows = 0
    for part in parts:
        block.append(part)
        rows += len(part.chunks)
        if rows >= _BLOCK_ROWS:
            yield block
            block, rows = [], 0
    if block:
        yield block


def _positions(grid_shape: Sequence[int], parts: Sequence[Placement]) -> NDArray[Any]:
    """Row -> position in the larger grid, for the rows of all parts."""
    inner = tuple(grid_shape[1:])
    shifts = []
    for chunks, cells in parts:
        if chunks.grid_shape[1:] != inner or not all(isinstance(cell, int) for cell in cells):
            return np.concatenate([chunks.positions_in(grid_shape, cells) for chunks, cells in parts])
        first, last = (cells[0], cells[0] + chunks.grid_shape[0]) if inner or cells else (0, 1)
        if any(cells[1:]) or first < 0 or last > (grid_shape[0] if grid_shape else 1):
            raise ValueError(f"a grid {chunks.grid_shape} reaches outside the grid {tuple(grid_shape)}")
        shifts.append(first * math.prod(inner))
    counts = np.array([len(part.chunks) for part in parts])
    own = np.concatenate([part.chunks.positions() for part in parts])
    return np.asarray(own + np.repeat(np.array(shifts, index_dtype(math.prod(grid_shape))), counts))


def _renumbered(table: SourceTable, manifests: Sequence[ChunkManifest]) -> NDArray[np.uint32]:
    """Row -> number of its source in a common table, for the rows of all manifests."""
    tables = [chunks.sources for chunks in manifests]
    few = [sources.few for sources in tables]
    plain = [some for some in few if some is not None]
    if len(plain) == len(few):
        numbers = np.array([0 if s is None else table.number(s) for some in plain for s in some], np.uint32)
    else:
        numbers = np.concatenate([table.numbers(sources) for sources in tables])
    if len(manifests) == 1:
        return np.asarray(numbers[manifests[0].source], np.uint32)
    sizes = np.array(list(map(len, plain if len(plain) == len(few) else tables)), np.uint32)
    first = np.repeat(np.cumsum(sizes, dtype=np.uint32) - sizes, [len(chunks.source) for chunks in manifests])
    own = np.concatenate([chunks.source for chunks in manifests])
    return np.asarray(numbers[own + first], np.uint32)


def _last_of_each(index: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Each position once, with the last row that claims it."""
    unique, first = np.unique(index[::-1], return_index=True)
    return unique, len(index) - 1 - first
