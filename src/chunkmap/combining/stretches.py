"""Carrying out a plan stretch by stretch: every stretch of the result once, from the inputs that touch it.

What is held at one time is a stretch of one array, however many references the result has. The result is the one that
`carry_out` gives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.combining.placing import assemble, coordinate_array
from chunkmap.combining.plan import ArrayPlan, Part, Plan
from chunkmap.combining.selectors import Reader
from chunkmap.errors import CombineError, Remedy, StorageError
from chunkmap.model import (
    ArrayInStretches,
    ArrayMeta,
    ChunkManifest,
    DeferredArray,
    ManifestArray,
    Placement,
    Stretch,
    in_one_stretch,
    place,
)
from chunkmap.model.array import fetched_together
from chunkmap.model.grid import index_dtype
from chunkmap.model.placement import Cells
from chunkmap.model.wording import counted

__all__ = [
    "Census",
    "Count",
    "Empty",
    "StretchPlan",
    "carry_out_in_stretches",
    "refused",
    "stays",
    "stretches",
    "touched",
    "whole_arrays",
]


class Count(NamedTuple):
    """How many chunks came of a stretch."""

    claimed: int
    """Chunks of all inputs that go there."""
    placed: int
    """Chunks that are there now: fewer where the last one wins."""


@dataclass(frozen=True, slots=True)
class StretchPlan:
    """A stretch of one array of the result, and the inputs that touch it. It can be pickled, and placed anywhere."""

    grid_shape: tuple[int, ...]
    cells: range
    """The stretch, in C order of the grid."""
    parts: tuple[Part, ...]
    last_wins: bool = False

    def place(self) -> tuple[ChunkManifest, Count]:
        """Its chunks, as a grid of one axis. Raises ValueError where two parts claim one cell."""
        placements = list[Placement]()
        found = ((part, _run_at_rest(part, self.grid_shape)) for part in self.parts)
        for is_moved, group in groupby(found, lambda pair: pair[1] is None):
            some = list(group)
            runs = [run for _, run in some if run is not None]
            placements += [self._moved(part) for part, _ in some] if is_moved else self._fetched(runs)
        chunks = place((len(self.cells),), placements, last_wins=self.last_wins)
        return chunks, Count(sum(len(part.chunks) for part in placements), len(chunks))

    def trimmed(self) -> StretchPlan:
        """The same, with only those chunks of each part that may go here: what is sent to a worker."""
        parts = tuple(
            part
            if isinstance(part.array, DeferredArray)
            else replace(part, array=part.array.trimmed(*_own_range(part, self.grid_shape, self.cells)))
            for part in self.parts
        )
        return replace(self, parts=parts)

    def _fetched(self, runs: Sequence[tuple[DeferredArray, int]]) -> Iterator[Placement]:
        """The chunks of parts at rest, each from a cell of the result on: all of them are fetched together."""
        wanted, cells = list[tuple[DeferredArray, range]](), list[range]()
        for array, first in runs:
            own = _overlap(first, math.prod(array.meta.grid_shape), self.cells)
            if own:
                wanted.append((array, own))
                begin = first - self.cells.start
                cells.append(range(begin + own.start, begin + own.stop))
        if wanted:
            yield Placement(fetched_together(wanted), (_one_after_the_other(cells),))

    def _moved(self, part: Part) -> Placement:
        """The chunks of a part that go here."""
        start, stop = _own_range(part, self.grid_shape, self.cells)
        chunks = part.array.between(start, stop)
        position = chunks.positions_in(self.grid_shape, part.cells).astype(np.int64)
        inside = (position >= self.cells.start) & (position < self.cells.stop)
        rows: slice | NDArray[np.bool_] = slice(None) if bool(inside.all()) else inside
        index = (position[rows] - self.cells.start).astype(index_dtype(len(self.cells)))
        return Placement(chunks.of_rows((len(self.cells),), rows, index), (0,))


class Empty(NamedTuple):
    """Cells of an input that is itself the result of a combine, in which no chunk is."""

    cells: int
    """All of them."""
    absent_in_inputs: int
    """Those that an input of that combine covered and had no chunk in; the others are in none of its inputs."""


@dataclass(slots=True)
class Census:
    """What must be known of all stretches of an array before its metadata is."""

    plan: Plan
    array_plan: ArrayPlan
    before: Empty | None = None
    """Of the set that is appended to, where it remembers how it was made."""
    counts: list[Count] = field(default_factory=list)

    def absent(self) -> int:
        """Cells of the result in which no chunk is."""
        return math.prod(self.array_plan.meta.grid_shape) - sum(count.placed for count in self.counts)

    def absent_in_inputs(self) -> int:
        """Cells in which the inputs that cover them have no chunk.

        Two files of 10 cells with 9 and 10 chunks: 20 - 19 = 1. Appended to a set of 30 cells with 25 chunks, which
        remembers that 2 of its 5 empty cells were empty in a file: 50 - 44 - 5 + 2 = 3.
        """
        covered = sum(math.prod(part.array.meta.grid_shape) for part in self.array_plan.parts)
        empty = covered - sum(count.claimed for count in self.counts)
        return empty if self.before is None else empty - self.before.cells + self.before.absent_in_inputs

    def meta(self) -> ArrayMeta:
        """What the array is: as planned, and where more is appended, with a value for cells that no input ever had.

        Raises CombineError where such cells cannot be told from those that an input leaves out.
        """
        meta, recipe = self.array_plan.meta, self.plan.recipe
        if not self.plan.inputs.combined or meta.missing is not None or "missing" in recipe.waive:
            return meta
        absent, own = self.absent(), self.absent_in_inputs()
        if absent <= own:
            return meta
        if meta.dtype.kind == "f" and not own:
            return replace(meta, fill_value=meta.dtype.type(np.nan))
        waive = Remedy("waive", "missing")
        raise CombineError(
            f"{self.array_plan.path}: {counted(absent - own, 'chunk', 'is')} in none of the inputs, and"
            f" {meta.dtype.str} has no fill value to say so: they would read as zeros. Give all inputs, or {waive}"
        ).helped_by(waive)


def refused(array_plan: ArrayPlan, error: ValueError) -> CombineError:
    """What could not be placed: parts claim one cell, which the plan did not see."""
    return CombineError(f"{array_plan.path}: {error}")


def whole_arrays(plan: Plan, read: Reader) -> Iterator[tuple[str, ManifestArray]]:
    """The arrays of the result that are held inline: coordinates, and what the plan has read."""
    for dim, axis in plan.coordinates.items():
        yield dim, coordinate_array(plan, axis)
    for path, array_plan in plan.arrays.items():
        if array_plan.load is not None:
            yield path, _loaded(plan, array_plan, read)


def _loaded(plan: Plan, array_plan: ArrayPlan, read: Reader) -> ManifestArray:
    return assemble(plan, array_plan, read([part.array for part in array_plan.parts]))


def carry_out_in_stretches(
    plan: Plan, read: Reader, *, rows: int, multiple: int, only: Callable[[str], Collection[int] | None] | None = None
) -> Iterator[tuple[ArrayInStretches, Census | None]]:
    """The arrays of the result, one after the other, each stretch by stretch.

    A stretch has about `rows` chunks, and is a whole number of partitions of `multiple` cells. `only` tells, of an
    array, the partitions that are wanted, or None for all of them.
    """
    for dim, axis in plan.coordinates.items():
        yield in_one_stretch(dim, coordinate_array(plan, axis)), None
    for path, array_plan in plan.arrays.items():
        if array_plan.load is not None:
            yield in_one_stretch(path, _loaded(plan, array_plan, read)), None
            continue
        census = Census(plan, array_plan)
        wanted = None if only is None else only(path)
        filled = _filled(census, stretches(plan, array_plan, rows=rows, multiple=multiple, only=wanted))
        yield ArrayInStretches(path, array_plan.meta.grid_shape, filled, census.meta), census


def _filled(census: Census, plans: Iterator[StretchPlan]) -> Iterator[Stretch]:
    for plan in plans:
        try:
            chunks, count = plan.place()
        except StorageError:  # what is at rest cannot be read: that is no matter of places
            raise
        except ValueError as error:
            raise refused(census.array_plan, error) from error
        census.counts.append(count)
        yield Stretch(plan.cells.start, chunks)


def stretches(
    plan: Plan, array_plan: ArrayPlan, *, rows: int, multiple: int, only: Collection[int] | None = None
) -> Iterator[StretchPlan]:
    """The stretches of one array that some input touches, in rising order. See `carry_out_in_stretches`."""
    grid_shape, parts = array_plan.meta.grid_shape, array_plan.parts
    bounds = np.array([_bounds(part, grid_shape) for part in parts], np.int64).reshape(-1, 2)
    for cells in _ranges(array_plan, rows, multiple, only):
        touching = np.flatnonzero((bounds[:, 0] < cells.stop) & (bounds[:, 1] > cells.start))
        if len(touching):
            chosen = tuple(parts[number] for number in touching.tolist())
            yield StretchPlan(grid_shape, cells, chosen, "overlap" in plan.recipe.waive)


def _ranges(array_plan: ArrayPlan, rows: int, multiple: int, only: Collection[int] | None) -> Iterator[range]:
    size = math.prod(array_plan.meta.grid_shape)
    most = sum(part.array.most_chunks for part in array_plan.parts)
    step = size if most <= rows else int(rows * (size / most)) // multiple * multiple
    step = max(step, multiple)
    if only is None:
        yield from (range(start, min(start + step, size)) for start in range(0, size, step))
        return
    for first, stop in _runs(sorted(only)):
        for start in range(first * multiple, min(stop * multiple, size), step):
            yield range(start, min(start + step, stop * multiple, size))


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Rising numbers as half-open runs.

    >>> list(_runs([1, 2, 5]))
    [(1, 3), (5, 6)]
    """
    breaks = [0, *(i for i in range(1, len(numbers)) if numbers[i] != numbers[i - 1] + 1), len(numbers)]
    for low, high in pairwise(breaks):
        if low < high:
            yield numbers[low], numbers[high - 1] + 1


# ---------------------------------------------------------------------- where a part lies


def _start_if_contiguous(part: Part, grid_shape: tuple[int, ...]) -> int | None:
    """The position of the first cell of a part whose cells are neighbours in C order of the result."""
    own = part.array.meta.grid_shape
    axis = next((axis for axis, n in enumerate(own) if n != 1), len(own))
    if own[axis + 1 :] != grid_shape[axis + 1 :]:
        return None
    start = 0
    for cell, n in zip(part.cells, grid_shape, strict=True):
        if not isinstance(cell, int):
            return None
        start = start * n + cell
    return start


def _run_at_rest(part: Part, grid_shape: tuple[int, ...]) -> tuple[DeferredArray, int] | None:
    """A part that has yet to be fetched and whose cells are neighbours in the result, and where the first is there."""
    if not isinstance(part.array, DeferredArray) or not part.array.at_rest:
        return None
    start = _start_if_contiguous(part, grid_shape)
    return None if start is None else (part.array, start)


def _one_after_the_other(runs: Sequence[range]) -> Cells:
    """Where cells go that go to some runs: each of them, unless every run begins where the one before it ends."""
    if all(run.stop == following.start for run, following in pairwise(runs)):
        return runs[0].start
    return np.concatenate([np.arange(run.start, run.stop) for run in runs])


def _overlap(first: int, size: int, cells: range) -> range:
    """Which of so many cells, of which the first is a cell of the result, are some of its cells."""
    return range(max(cells.start - first, 0), max(min(cells.stop - first, size), 0))


def _bounds(part: Part, grid_shape: tuple[int, ...]) -> tuple[int, int]:
    """The first position in the result at which a chunk of a part may be, and the one after the last."""
    low = high = 0
    for cell, own, n in zip(part.cells, part.array.meta.grid_shape, grid_shape, strict=True):
        if not own:
            return 0, 0
        first, last = (cell, cell + own - 1) if isinstance(cell, int) else (int(cell.min()), int(cell.max()))
        low, high = low * n + first, high * n + last
    return low, high + 1


def _own_range(part: Part, grid_shape: tuple[int, ...], cells: range) -> tuple[int, int]:
    """Between which of its own cells the chunks of a part lie that go to `cells`; others may lie there too."""
    own = part.array.meta.grid_shape
    size = math.prod(own)
    start = _start_if_contiguous(part, grid_shape)
    if start is not None:
        overlap = _overlap(start, size, cells)
        return overlap.start, overlap.stop
    outer = math.prod(grid_shape[1:])
    low, high = cells.start // outer, (cells.stop - 1) // outer + 1
    first = part.cells[0]
    if isinstance(first, int):
        inside = (max(low - first, 0), max(min(high - first, own[0]), 0))
    else:
        there = np.flatnonzero((first >= low) & (first < high))
        inside = (int(there[0]), int(there[-1]) + 1) if len(there) else (0, 0)
    inner = math.prod(own[1:])
    return inside[0] * inner, inside[1] * inner


def touched(parts: Sequence[Part], grid_shape: tuple[int, ...], multiple: int) -> set[int]:
    """The partitions of `multiple` cells in which chunks of some of the parts may be."""
    found: set[int] = set()
    for part in parts:
        low, high = _bounds(part, grid_shape)
        found.update(range(low // multiple, -(-high // multiple)))
    return found


def stays(part: Part, grid_shape: tuple[int, ...]) -> bool:
    """Whether the chunks of a part keep their positions in the larger grid."""
    return _start_if_contiguous(part, grid_shape) == 0
