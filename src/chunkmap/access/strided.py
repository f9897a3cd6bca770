"""Chunks that stand in a file at even distances, read all at once.

Uncompressed chunks of one file mostly stand in the order of the grid, one after another or a record apart. Then the
whole grid of them is one array with strides over the file. It is read a portion at a time, straight into the result
where the order is the same, else into memory that stays in the cache of a core, from where numpy puts the elements in
order: no step of Python a chunk. Where much else stands between the chunks, each run of near ones is read by a call of
its own. The file is not mapped: one that is cut short meanwhile would end the process.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain, product
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.access.streams import AT_ONCE, portion
from chunkmap.io import Source
from chunkmap.io.threads import CORES, on_threads
from chunkmap.model import ArrayMeta

__all__ = ["EvenGrid", "even_grid", "read_grid"]

_PORTION: Final = 1 << 20
"""Bytes of the file that are put in order at once: they fit in the cache of a core."""

_LONG_PORTION: Final = 8 << 20
"""The same where nothing is to be put in order; and most that one portion may be."""

_NEAR: Final = 8 << 10
"""Bytes between two chunks up to which to read them too takes no longer than another call."""

_WORTH_THREADS: Final = 8 << 20
"""Bytes from which on several threads are faster than one."""


class EvenGrid(NamedTuple):
    """Chunks of one file at even distances: those of a whole grid, or of a part of one."""

    offset: int
    """Where the first chunk begins."""
    grid: tuple[int, ...]
    """How many chunks there are along each axis."""
    strides: tuple[int, ...]
    """How far they are apart in the file, along each axis; 0 where there is one."""
    meta: ArrayMeta

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the chunks as one array: axis 0 of the grid, axis 0 of a chunk, axis 1 of the grid..."""
        return tuple(chain.from_iterable(zip(self.grid, self.meta.chunk_shape, strict=True)))

    @property
    def steps(self) -> tuple[int, ...]:
        """Bytes from one element to the next along each axis of that shape."""
        lengths, is_c = self.meta.chunk_shape, self.meta.order == "C"
        inside = [
            self.meta.dtype.itemsize * math.prod(lengths[axis + 1 :] if is_c else lengths[:axis])
            for axis in range(len(lengths))
        ]
        return tuple(chain.from_iterable(zip(self.strides, inside, strict=True)))

    @property
    def extent(self) -> tuple[int, int]:
        """The bytes of the file in which all chunks are: first, and past the last."""
        ends = [stride * (n - 1) for stride, n in zip(self.strides, self.grid, strict=True)]
        low, high = sum(min(end, 0) for end in ends), sum(max(end, 0) for end in ends)
        return self.offset + low, self.offset + high + self.meta.chunk_nbytes

    @property
    def runs(self) -> tuple[int, int]:
        """The first axis along which chunks are near each other, as they are along all that follow it, and the bytes
        from the first of them to the end of the last: what is read by one call.
        """
        axis, span = len(self.grid), self.meta.chunk_nbytes
        while axis and abs(self.strides[axis - 1]) <= span + max(span, _NEAR):
            axis -= 1
            span += abs(self.strides[axis]) * (self.grid[axis] - 1)
        return axis, span

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where each run begins in the file."""
        axis, _ = self.runs
        starts = np.full(self.grid[:axis], self.offset - self.gathered.offset, np.int64)
        for number, stride in enumerate(self.strides[:axis]):
            starts += np.arange(self.grid[number]).reshape([-1 if a == number else 1 for a in range(axis)]) * stride
        return starts.reshape(-1)

    @property
    def gathered(self) -> EvenGrid:
        """The chunks as they stand when the runs are put one after another."""
        axis, span = self.runs
        before = sum(min(s * (n - 1), 0) for s, n in zip(self.strides[axis:], self.grid[axis:], strict=True))
        steps = [span * math.prod(self.grid[number + 1 : axis]) for number in range(axis)]
        return self._replace(offset=-before, strides=(*steps, *self.strides[axis:]))

    @property
    def is_in_order(self) -> bool:
        """Whether the elements stand in the file as they stand in the array."""
        expected = self.meta.dtype.itemsize
        for n, step in zip(reversed(self.shape), reversed(self.steps), strict=True):
            if n > 1 and step != expected:
                return False
            expected *= n
        return True

    def part(self, picks: Sequence[slice]) -> EvenGrid:
        """The chunks of some of each axis of the grid."""
        first = sum(pick.start * stride for pick, stride in zip(picks, self.strides, strict=True))
        return self._replace(offset=self.offset + first, grid=tuple(pick.stop - pick.start for pick in picks))

    def view(self, data: NDArray[np.uint8]) -> NDArray[np.generic]:
        """The chunks as one array over bytes."""
        first = data[self.offset : self.offset + self.meta.dtype.itemsize].view(self.meta.dtype)
        return np.lib.stride_tricks.as_strided(first, self.shape, self.steps, writeable=False)


def even_grid(offsets: NDArray[np.int64], meta: ArrayMeta) -> EvenGrid | None:
    """The grid of chunks at these offsets; None when they are not at even distances.

    >>> meta = ArrayMeta(shape=(4, 4), chunk_shape=(2, 2), dtype=np.dtype("i2"))
    >>> even_grid(np.array([[100, 110], [150, 160]]), meta).strides
    (50, 10)
    >>> even_grid(np.array([[0, 10], [30, 60]]), meta)
    """
    first = int(offsets.flat[0])
    strides = tuple(
        int(offsets[tuple(int(a == axis) for a in range(offsets.ndim))]) - first if n > 1 else 0
        for axis, n in enumerate(offsets.shape)
    )
    if max(map(abs, strides), default=0) > np.iinfo(np.int64).max:
        return None
    expected = np.full(offsets.shape, first, np.int64)
    for axis, (n, stride) in enumerate(zip(offsets.shape, strides, strict=True)):
        expected += (np.arange(n) * stride).reshape([-1 if a == axis else 1 for a in range(offsets.ndim)])
    return EvenGrid(first, offsets.shape, strides, meta) if np.array_equal(expected, offsets) else None


def read_grid(source: Source, chunks: EvenGrid) -> NDArray[np.generic] | None:
    """All chunks as one array, of the shape of the grid and its chunks in turn; None when they reach out of the file.

    Raises TruncatedFile when the file is cut short meanwhile.
    """
    first, last = chunks.extent
    if first < 0 or last > source.size():
        return None
    result = np.empty(chunks.shape, chunks.meta.dtype)
    if chunks.is_in_order:
        _read_in_order(source, chunks.offset, result)
        return result

    def read(picks: Sequence[slice]) -> None:
        _read_portion(source, chunks.part(picks), result[_in_result(picks)])

    on_threads(read, list(_portions(chunks.grid, _steps(chunks))), _worth(result.nbytes, CORES))
    return result


def _read_in_order(source: Source, offset: int, result: NDArray[np.generic]) -> None:
    flat = result.reshape(-1).view(np.uint8)
    step, workers = (_LONG_PORTION, CORES) if source.is_in_memory else (portion(len(flat)), AT_ONCE)

    def read(start: int) -> None:
        source.read_into(offset + start, flat[start : start + step].data)

    on_threads(read, range(0, len(flat), step), _worth(len(flat), workers))


def _read_portion(source: Source, chunks: EvenGrid, into: NDArray[np.generic]) -> None:
    starts, gathered = chunks.starts, chunks.gathered
    if gathered.is_in_order and into.flags.c_contiguous:
        _read_runs(source, starts, into.reshape(len(starts), -1).view(np.uint8))
        return
    held = np.empty((len(starts), chunks.runs[1]), np.uint8)
    _read_runs(source, starts, held)
    np.copyto(into, gathered.view(held.reshape(-1)))


def _read_runs(source: Source, starts: NDArray[np.int64], rows: NDArray[np.uint8]) -> None:
    for start, row in zip(starts.tolist(), rows, strict=True):
        source.read_into(start, row.data)


def _steps(chunks: EvenGrid) -> tuple[int, ...]:
    """How many chunks of each axis make a portion: all of the last axes, some of one, and one of those before."""
    steps, held = [1] * len(chunks.grid), chunks.meta.chunk_nbytes
    for axis, stride in reversed(list(enumerate(chunks.gathered.strides))):
        n = chunks.grid[axis]
        if held + abs(stride) * (n - 1) > _PORTION and stride:
            steps[axis] = min(n, max(1, (_PORTION - held) // abs(stride) + 1))
            break
        steps[axis], held = n, held + abs(stride) * (n - 1)
    return tuple(steps)


def _portions(grid: Sequence[int], steps: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    axes = [
        [slice(start, min(start + step, n)) for start in range(0, n, step)] for n, step in zip(grid, steps, strict=True)
    ]
    return product(*axes)


def _in_result(picks: Sequence[slice]) -> tuple[slice, ...]:
    """Where chunks stand in an array of the shape of the grid and its chunks in turn."""
    return tuple(chain.from_iterable((pick, slice(None)) for pick in picks))


def _worth(nbytes: int, workers: int) -> int:
    """So many workers, or one where they would have little to do."""
    return workers if nbytes >= _WORTH_THREADS else 1
