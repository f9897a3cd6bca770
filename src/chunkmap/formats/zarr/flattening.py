"""From shards to the chunks in them: the index of every shard, as columns.

All shards of one shape are worked on together, level by level: what a store of shards costs is one read a shard, all of
them at once, for each level.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import FormatError, Unsupported
from chunkmap.formats.zarr.sharding import ABSENT, Level
from chunkmap.io.rounds import Parser
from chunkmap.io.rounds.folders import Pieces
from chunkmap.model.edges import Edges
from chunkmap.model.grid import index_dtype

__all__ = ["Shards", "flattened", "shards_at"]

_MOST_BYTES: Final = 256 << 20
"""Bytes of indexes that are held at once."""

_BLOCK: Final = 1 << 15
"""Chunks whose index is worked on at once: what is made on the way stays in the cache of the processor."""


@dataclass(frozen=True, slots=True)
class Shards:
    """Some shards, or in the end some chunks: a row each."""

    first: NDArray[np.int64]
    """Row -> the first element that it holds, along each axis; shape (rows, axes)."""
    shape: NDArray[np.int64]
    """Row -> how many elements it holds, along each axis."""
    file: NDArray[np.int64]
    """Row -> number of its file."""
    offset: NDArray[np.uint64]
    length: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.file)

    def take(self, rows: Any) -> Shards:
        """Some of them."""
        return Shards(self.first[rows], self.shape[rows], self.file[rows], self.offset[rows], self.length[rows])


def shards_at(
    axes: Sequence[Any], grid_shape: Sequence[int], position: NDArray[np.int64], sizes: NDArray[np.uint64]
) -> Shards:
    """Files that are shards, a row each, from where they are in the grid of shards."""
    coords = np.unravel_index(position, grid_shape) if grid_shape else ()
    rows = len(position)
    first, shape = np.zeros((rows, len(axes)), np.int64), np.zeros((rows, len(axes)), np.int64)
    for at, (axis, coord) in enumerate(zip(axes, coords, strict=True)):
        first[:, at], shape[:, at] = axis.starts(coord), axis.lengths(coord)
    return Shards(first, shape, np.arange(rows), np.zeros(rows, np.uint64), sizes)


def check_divides(axes: Sequence[Any], levels: Sequence[Level]) -> None:
    """Raise Unsupported unless the chunks divide every shard, so that they are a regular grid together."""
    for at, axis in enumerate(axes):
        outer = np.unique(axis.lengths(np.arange(len(axis)))) if isinstance(axis, Edges) else np.array([axis.length])
        for level in levels:
            length = level.chunk_shape[at]
            if bool((outer % length).any()):
                raise Unsupported(
                    f"shards of {outer.tolist()[:5]} elements along axis {at} are not divided by chunks of {length}",
                    feature="sharding_indexed",
                )
            outer = np.array([length])


def flattened(
    names: Sequence[str], shards: Shards, levels: Sequence[Level], shape: Sequence[int]
) -> Parser[tuple[NDArray[Any], NDArray[np.uint32], NDArray[np.uint64], NDArray[np.uint64]]]:
    """Position in the grid of the innermost chunks, file, offset and length of every chunk that is there."""
    for level in levels[:-1]:
        opened = yield from _opened(names, shards, level)
        shards = _joined([_inside(part, level, shape) for part in opened.blocks()], len(shape))
    level = levels[-1]
    opened = yield from _opened(names, shards, level)
    grid_size = math.prod(-(-n // chunk) for n, chunk in zip(shape, level.chunk_shape, strict=True))
    columns = _Columns(opened.chunks, index_dtype(grid_size))
    for part in opened.blocks():
        columns.add(*_placed(part, level, shape))
    return columns.filled()


class _Columns:
    """Columns that are filled block by block: position, file, offset and length."""

    def __init__(self, most: int, position: np.dtype[Any]) -> None:
        kinds = (position, np.uint32, np.uint64, np.uint64)
        self._columns: list[NDArray[Any]] = [np.empty(most, kind) for kind in kinds]
        self._rows = 0

    def add(self, *columns: NDArray[Any]) -> None:
        """Some rows more; a column of one row for each shard is said again for every chunk in it."""
        shape = np.broadcast_shapes(*(column.shape for column in columns))
        rows = slice(self._rows, self._rows + math.prod(shape))
        for own, column in zip(self._columns, columns, strict=True):
            own[rows].reshape(shape)[...] = column
        self._rows = rows.stop

    def filled(self) -> tuple[NDArray[Any], NDArray[np.uint32], NDArray[np.uint64], NDArray[np.uint64]]:
        """What they hold; where that is little, no more memory is kept for it."""
        position, file, offset, length = (
            own[: self._rows].copy() if 2 * self._rows < len(own) else own[: self._rows] for own in self._columns
        )
        return position, file, offset, length


@dataclass(frozen=True, slots=True)
class _Opened:
    """Shards of one shape, and their indexes."""

    shards: Shards
    counts: tuple[int, ...]
    """Chunks in a shard, along each axis."""
    offset: NDArray[np.uint64]
    """Of every chunk, of shape (shards, chunks): from the first byte of the file on."""
    length: NDArray[np.uint64]
    present: NDArray[np.bool_]

    def cells(self, level: Level) -> list[NDArray[np.int64]]:
        """Which chunk of its shard each chunk is, along each axis of the array, in the order of the index."""
        order = level.order
        found = np.unravel_index(np.arange(self.offset.shape[1]), [self.counts[axis] for axis in order])
        return [found[order.index(axis)].astype(np.int64) for axis in range(len(order))]


class _Indexes:
    """The bytes of the indexes of shards, which are decoded block by block."""

    def __init__(self, names: Sequence[str], level: Level) -> None:
        self._names, self._level = names, level
        self._raw: list[tuple[Shards, tuple[int, ...], NDArray[np.uint8]]] = []
        self.chunks = 0
        """How many may be there."""

    def add(self, some: Shards, counts: tuple[int, ...], raw: NDArray[np.uint8]) -> None:
        """Shards of one shape, with so many chunks along each axis."""
        self._raw.append((some, counts, raw))
        self.chunks += len(some) * math.prod(counts)

    def blocks(self) -> Iterator[_Opened]:
        """The indexes, some shards at a time. Raises FormatError for one that is damaged."""
        level = self._level
        for some, counts, raw in self._raw:
            step = max(_BLOCK // max(math.prod(counts), 1), 1)
            for start in range(0, len(some), step):
                rows = slice(start, start + step)
                own, block = _files(self._names, some, rows), some.take(rows)
                index = level.index.decode(raw[rows], [counts[axis] for axis in level.order], own)
                yield _checked(own, block, counts, index)


def _files(names: Sequence[str], shards: Shards, rows: slice = slice(None)) -> list[str]:
    return [names[file] for file in shards.file[rows].tolist()]


def _opened(names: Sequence[str], shards: Shards, level: Level) -> Parser[_Indexes]:
    found = _Indexes(names, level)
    for some in _alike(shards, level):
        counts = tuple(int(n) // chunk for n, chunk in zip(some.shape[0], level.chunk_shape, strict=True))
        nbytes = level.index.nbytes(math.prod(counts))
        own = _files(names, some)
        _check_long_enough(own, some, nbytes)
        starts = some.offset if level.index.at_start else some.offset + some.length - np.uint64(nbytes)
        raw = yield Pieces(own, starts, nbytes)
        found.add(some, counts, raw)
    return found


def _alike(shards: Shards, level: Level) -> Iterator[Shards]:
    """Shards of one shape, so many at a time that their indexes fit into memory."""
    if not len(shards):
        return
    shapes, kind = np.unique(shards.shape, axis=0, return_inverse=True)
    for number, shape in enumerate(shapes):
        rows = np.flatnonzero(kind.ravel() == number)
        count = math.prod(int(n) // chunk for n, chunk in zip(shape, level.chunk_shape, strict=True))
        step = max(_MOST_BYTES // level.index.nbytes(count), 1)
        for start in range(0, len(rows), step):
            yield shards.take(rows[start : start + step])


def _check_long_enough(names: Sequence[str], shards: Shards, nbytes: int) -> None:
    short = np.flatnonzero(shards.length < np.uint64(nbytes))
    if len(short):
        row = int(short[0])
        raise FormatError(
            f"expected a shard with an index of {nbytes} bytes, found {int(shards.length[row])} bytes", url=names[row]
        )


def _checked(names: Sequence[str], shards: Shards, counts: tuple[int, ...], index: NDArray[np.uint64]) -> _Opened:
    """The index of shards, every chunk of which lies inside of its shard."""
    offset, length = index[..., 0], index[..., 1]
    present = offset != ABSENT
    stop = offset + length
    wrong = (stop > shards.length[:, None]) | (stop < offset)
    if not present.all():
        wrong = np.where(present, wrong, length != ABSENT)
    if wrong.any():
        row, chunk = map(int, np.argwhere(wrong)[0])
        raise FormatError(
            f"chunk {chunk} of a shard is said to have {int(length[row, chunk])} bytes at byte"
            f" {int(offset[row, chunk])}, but the shard has {int(shards.length[row])}",
            url=names[row],
        )
    if shards.offset.any():
        offset = offset + shards.offset[:, None]
    return _Opened(shards, counts, offset, length, present)


def _inside(part: _Opened, level: Level, shape: Sequence[int]) -> Shards:
    """The chunks of shards that are shards themselves; those wholly outside of the array are not looked at."""
    chunk = np.array(level.chunk_shape, np.int64)
    cells = np.stack(part.cells(level), axis=-1) * chunk if level.chunk_shape else np.zeros((1, 0), np.int64)
    first = part.shards.first[:, None, :] + cells[None, :, :]
    kept = part.present & (first < np.array(shape, np.int64)).all(axis=-1)
    file = np.broadcast_to(part.shards.file[:, None], kept.shape)
    rows = int(np.count_nonzero(kept))
    return Shards(first[kept], np.tile(chunk, (rows, 1)), file[kept], part.offset[kept], part.length[kept])


def _joined(parts: Sequence[Shards], ndim: int) -> Shards:
    if not parts:
        nothing = np.empty((0, ndim), np.int64)
        return Shards(nothing, nothing, np.empty(0, np.int64), np.empty(0, np.uint64), np.empty(0, np.uint64))
    return Shards(
        np.concatenate([part.first for part in parts]),
        np.concatenate([part.shape for part in parts]),
        np.concatenate([part.file for part in parts]),
        np.concatenate([part.offset for part in parts]),
        np.concatenate([part.length for part in parts]),
    )


def _placed(part: _Opened, level: Level, shape: Sequence[int]) -> tuple[NDArray[Any], ...]:
    """The columns of the chunks of shards; those wholly outside of the array are left out."""
    grid = [-(-n // chunk) for n, chunk in zip(shape, level.chunk_shape, strict=True)]
    base = np.zeros(len(part.shards), np.int64)
    inner = np.zeros(part.offset.shape[1], np.int64)
    kept = part.present
    for axis, (chunk, cells, count) in enumerate(zip(level.chunk_shape, part.cells(level), grid, strict=True)):
        first = part.shards.first[:, axis] // chunk
        base, inner = base * count + first, inner * count + cells
        over = first + part.counts[axis] > count
        if bool(over.any()):
            kept = kept & (first[:, None] + cells[None, :] < count)
    position = base[:, None] + inner[None, :]
    file = part.shards.file[:, None]
    if kept.all():
        return position, file, part.offset, part.length
    return position[kept], np.broadcast_to(file, kept.shape)[kept], part.offset[kept], part.length[kept]
