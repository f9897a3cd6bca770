"""Where the chunks of a dataset are, as columns: what every chunk index is decoded to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import TruncatedFile
from chunkmap.formats.hdf5.structures.file import File, little_endian
from chunkmap.formats.hdf5.structures.layout import Chunked
from chunkmap.formats.hdf5.structures.messages import Dataspace
from chunkmap.model.meta import grid_shape_of

__all__ = [
    "ChunkTable",
    "Elements",
    "Grid",
    "empty_table",
    "finish",
    "from_numbers",
    "from_scaled",
    "in_order",
    "join",
    "split_elements",
]


class ChunkTable(NamedTuple):
    """Chunks inside the dataset."""

    positions: NDArray[Any]
    """Position of the chunk in the grid of the dataset as it is now, C order."""
    addresses: NDArray[np.uint64]
    sizes: NDArray[np.uint64]
    """Bytes as they are stored."""
    masks: NDArray[np.uint32] | None = None
    """Bit n set: filter n of the pipeline was skipped; None when no chunk skips any."""

    def part(self, start: int, stop: int) -> ChunkTable:
        """Some rows, as views."""
        rows = slice(start, stop)
        masks = None if self.masks is None else self.masks[rows]
        return ChunkTable(self.positions[rows], self.addresses[rows], self.sizes[rows], masks)


class Elements(NamedTuple):
    """The elements of an array index: addresses, stored sizes and filter masks (None when nothing is filtered)."""

    addresses: NDArray[np.uint64]
    sizes: NDArray[np.uint64]
    masks: NDArray[np.uint32] | None


class Grid(NamedTuple):
    """The chunk grid of a dataset: as it is, and as it may become."""

    layout: Chunked
    now: tuple[int, ...]
    most: tuple[int, ...]
    """Chunks along each axis at most; 0 for an unlimited axis."""
    unlimited: int | None
    """The first axis without a limit."""

    @classmethod
    def of(cls, layout: Chunked, space: Dataspace) -> Grid:
        """The grid of a chunked dataset, whose dataspace is not null."""
        assert space.shape is not None
        now = grid_shape_of(space.shape, layout.chunk_shape)
        if space.maximum == space.shape:
            return cls(layout, now, now, None)
        most = grid_shape_of(tuple(m or 0 for m in space.maximum), layout.chunk_shape)
        return cls(layout, now, most, space.maximum.index(None) if None in space.maximum else None)

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.now)


def empty_table() -> ChunkTable:
    """No chunk at all."""
    return ChunkTable(np.empty(0, np.int64), np.empty(0, np.uint64), np.empty(0, np.uint64))


def split_elements(file: File, rows: NDArray[np.uint8], chunk_nbytes: int) -> Elements:
    """VII: an element is an address, or (filtered) an address, a stored size and a filter mask of 4 bytes."""
    width, start = rows.shape[1], file.sizes[0]
    addresses = file.addresses(rows)
    if width == start:
        return Elements(addresses, np.full(len(rows), chunk_nbytes, np.uint64), None)
    if not start + 5 <= width <= start + 12:
        raise ValueError(f"elements of {width} bytes in a chunk index")
    masks = np.ascontiguousarray(rows[:, width - 4 :]).view("<u4")[:, 0]
    return Elements(addresses, little_endian(rows[:, start : width - 4]), masks)


def from_numbers(file: File, grid: Grid, numbers: NDArray[np.uint64], elements: Elements) -> ChunkTable:
    """Elements of an array index, numbered over the *maximum* grid.

    "The chunks are ordered with the unlimited dimension changing slowest" (VII.D): where that is not the first axis,
    the numbering has it moved to the front.
    """
    addresses, sizes, masks = elements
    written = addresses != np.uint64(file.undefined)
    if not written.all():
        numbers, addresses, sizes = numbers[written], addresses[written], sizes[written]
        masks = None if masks is None else masks[written]
    first = grid.unlimited or 0
    if first == 0 and grid.now[1:] == grid.most[1:]:
        positions, inside = numbers, numbers < np.uint64(math.prod(grid.now))
    else:
        order = [first, *(axis for axis in range(grid.rank) if axis != first)]
        positions, inside = _renumber(grid, numbers, order)
    return in_order(file, grid, finish(file, positions, inside, Elements(addresses, sizes, masks)))


def _renumber(
    grid: Grid, numbers: NDArray[np.uint64], order: list[int]
) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Numbers over the maximum grid, whose axes stand in `order`, to positions in the grid as it is."""
    positions, inside = np.zeros(len(numbers), np.uint64), np.ones(len(numbers), np.bool_)
    rest = numbers
    for axis in reversed(order):
        if axis == order[0]:
            coord = rest
        else:
            rest, coord = np.divmod(rest, np.uint64(max(grid.most[axis], 1)))
        inside &= coord < np.uint64(grid.now[axis])
        positions += coord * np.uint64(math.prod(grid.now[axis + 1 :]))
    return positions, inside


def from_scaled(file: File, grid: Grid, coords: NDArray[np.uint64], elements: Elements) -> ChunkTable:
    """Elements whose grid coordinates the index says: a row for each, a column an axis."""
    within = coords < np.array(grid.now, np.uint64)
    strides = [math.prod(grid.now[axis + 1 :]) for axis in range(grid.rank)]
    positions = coords @ np.array(strides, np.uint64) if grid.rank else np.zeros(len(coords), np.uint64)
    everything = np.count_nonzero(within) == within.size
    inside: NDArray[np.bool_] | None = None if everything else np.logical_and.reduce(within, axis=1)
    return in_order(file, grid, finish(file, positions, inside, elements))


def finish(
    file: File, positions: NDArray[np.uint64], inside: NDArray[np.bool_] | None, elements: Elements
) -> ChunkTable:
    """Chunks outside the dataset, left over from when it was larger, do not count; all others must be in the file."""
    addresses, sizes, masks = elements
    if inside is not None and not inside.all():
        positions, addresses, sizes = positions[inside], addresses[inside], sizes[inside]
        masks = None if masks is None else masks[inside]
    if len(addresses):
        room = np.uint64(file.size - file.base)
        bad = (addresses > room) | (sizes > room - addresses)
        if np.count_nonzero(bad):
            row = int(np.flatnonzero(bad)[0])
            raise _cut_short(file, int(addresses[row]), int(sizes[row]))
    return ChunkTable(positions, addresses, sizes, masks if masks is not None and np.count_nonzero(masks) else None)


def join(tables: Sequence[ChunkTable]) -> ChunkTable:
    """The rows of all tables."""
    if len(tables) == 1:
        return tables[0]
    masks = [np.zeros(len(t.sizes), np.uint32) if t.masks is None else t.masks for t in tables]
    return ChunkTable(
        np.concatenate([t.positions for t in tables]),
        np.concatenate([t.addresses for t in tables]),
        np.concatenate([t.sizes for t in tables]),
        np.concatenate(masks) if any(t.masks is not None for t in tables) else None,
    )


def in_order(file: File, grid: Grid, table: ChunkTable) -> ChunkTable:
    """In order of position; raises FormatError for two chunks in one place."""
    positions = table.positions
    if not np.count_nonzero(positions[1:] <= positions[:-1]):
        return table
    order = np.argsort(positions, kind="stable")
    positions = positions[order]
    if np.count_nonzero(positions[1:] == positions[:-1]):
        raise file.error("two chunks stand in one cell of the grid", grid.layout.address)
    masks = None if table.masks is None else table.masks[order]
    return ChunkTable(positions, table.addresses[order], table.sizes[order], masks)


def _cut_short(file: File, address: int, size: int) -> TruncatedFile:
    return TruncatedFile(
        f"expected a chunk of {size} bytes, but the file has only {file.size} in all",
        url=file.url,
        offset=address + file.base,
    )
