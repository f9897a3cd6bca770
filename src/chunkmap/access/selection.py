"""A part of an array through references: all its chunks located, fetched and decoded together.

zarr-python asks for chunks one at a time, at a third of a millisecond each; here a selection is one round of vectored
reads for every `_BATCH` bytes of values, and chunks are decoded on several threads, straight into the result. Much that
is compressed is decoded stream by stream, while the next ones are still under way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.access.fetching import Fetcher, Stored
from chunkmap.access.streams import STREAM, Part, far_streams, sources_of, stored_bytes, streams
from chunkmap.access.strided import even_grid, read_grid
from chunkmap.access.values import decoder_of, empty_array
from chunkmap.io.threads import CORES, Memory, on_threads
from chunkmap.model import ChunkManifest, DeferredArray, Edges, EvenSteps, ReferenceSet

__all__ = ["ArrayReader"]

_BATCH: Final = 128 << 20
"""Bytes of decoded chunks that are fetched in one round."""

_WORTH_THREADS: Final = 1 << 20
"""Bytes of decoded chunks from which on several threads are faster than one."""

_FEW: Final = 8
"""Chunks from which on reading them together is worth finding out whether that can be done."""

_MUCH: Final = 8 << 20
"""Bytes from which on the same is true of fewer chunks."""

_SHARES: Final = 8
"""Portions of the work for each thread: many enough that none waits long for another."""

Pick = int | slice | NDArray[Any]
"""What is selected of one axis: a number, a slice, or numbers in any order."""


@dataclass(frozen=True, slots=True)
class _Axis:
    """What is selected of one axis, by chunk."""

    length: int
    """How many elements are selected."""
    numbers: NDArray[np.int64]
    """The chunks that hold them, rising."""
    places: Sequence[slice | NDArray[np.int64]]
    """Where the elements of each chunk go in the result."""
    inside: Sequence[slice | NDArray[np.int64]]
    """Where they are in the chunk."""
    lengths: NDArray[np.int64]
    """How long each chunk is."""
    is_plain: bool = False
    """Whether everything above is slices."""
    whole: Sequence[bool] = ()
    """Whether all of the chunk is selected, where everything is slices."""


class ArrayReader:
    """Reads selections of one array of a reference set. Safe to use from many threads."""

    def __init__(self, refs: ReferenceSet, path: str, fetcher: Fetcher) -> None:
        self._array, self._fetcher = refs.arrays[path], fetcher
        self.meta = self._array.meta

    @property
    def is_held(self) -> bool:
        """Whether the set has its values in itself. To know it of a set at rest nothing is read: it has those of text
        that nothing compresses, as a store of text would be.
        """
        if isinstance(self._array, DeferredArray):
            return len(self.meta.codecs) == 1
        return bool(self._array.manifest().is_inline.all())

    def read(self, key: tuple[Pick, ...]) -> NDArray[Any]:
        """The elements at the crossings of what is picked of each axis; an axis with a number is dropped.

        Raises FormatError naming the file and the byte when stored bytes do not decode to a chunk.
        """
        meta = self.meta
        axes = [_axis(pick, n, chunks) for pick, n, chunks in zip(key, meta.shape, meta.axes, strict=True)]
        grid = tuple(len(axis.numbers) for axis in axes)
        result = self._read_evenly(axes, grid) if self._may_be_even(axes) else None
        result = self._read_in_rounds(axes, grid) if result is None else result
        picks = [0 if isinstance(pick, (int, np.integer)) else slice(None) for pick in key]
        return result[(*picks, ...)]  # with the dots an array without axes stays one

    def _read_in_rounds(self, axes: Sequence[_Axis], grid: tuple[int, ...]) -> NDArray[Any]:
        """Fetch and decode the selected chunks, so many at a time that what is held of them is bounded."""
        meta, shape = self.meta, tuple(axis.length for axis in axes)
        count, step = math.prod(grid), max(1, _BATCH // max(1, self.meta.chunk_nbytes))
        result: NDArray[Any] | None = None
        for first in range(0, count, step):
            cells = np.arange(first, min(first + step, count))
            nth = np.unravel_index(cells, grid) if grid else ()
            parts = self._parts(axes, nth)
            if result is None:
                every = count <= step and sum(len(part.rows) for part in parts) == count
                result = np.empty(shape, meta.dtype) if every else empty_array(meta, shape)
            self._read_cells(result, axes, nth, parts)
        return empty_array(meta, shape) if result is None else result

    def _may_be_even(self, axes: Sequence[_Axis]) -> bool:
        """Whether the selected chunks are whole, of one shape, and as they are decoded."""
        meta = self.meta
        count = math.prod(len(axis.numbers) for axis in axes)
        return bool(
            axes
            and not meta.codecs
            and not meta.edges
            and not meta.dtype.hasobject
            and all(axis.is_plain and all(axis.whole) for axis in axes)
            and (count >= _FEW or count * meta.chunk_nbytes >= _MUCH)
        )

    def _read_evenly(self, axes: Sequence[_Axis], grid: tuple[int, ...]) -> NDArray[Any] | None:
        """The selected chunks read all at once; None when they are not at even distances in a file of this machine, or
        one after another in the order of the array in another.
        """
        count, found = math.prod(grid), 0
        offsets = np.empty(count, np.int64)
        sources: set[str | bytes | None] = set()
        for chunks, rows, cells in self._parts(axes, np.unravel_index(np.arange(count), grid)):
            if bool((chunks.length[rows] != self.meta.chunk_nbytes).any()):
                return None
            found += len(rows)
            offsets[cells] = chunks.offset[rows].astype(np.int64)
            sources.update(chunks.sources[number] for number in np.unique(chunks.source[rows]).tolist())
        if found < count or len(sources) != 1:
            return None
        even = even_grid(offsets.reshape(grid), self.meta)
        source = None if even is None else self._fetcher.for_even(sources.pop(), in_order=even.is_in_order)
        result = None if source is None or even is None else read_grid(source, even)
        if source is None or result is None:
            return None
        self._fetcher.confirm(source)
        return result.reshape([axis.length for axis in axes])

    def _parts(self, axes: Sequence[_Axis], nth: tuple[NDArray[np.int64], ...]) -> list[Part]:
        """Where some of the selected chunks are, given by which of the chunks of each axis they are."""
        coords = tuple(axis.numbers[n] for axis, n in zip(axes, nth, strict=True))
        positions = np.ravel_multi_index(coords, self.meta.grid_shape) if coords else np.zeros(1, np.int64)
        return list(self._locate(positions))

    def _read_cells(
        self, result: NDArray[Any], axes: Sequence[_Axis], nth: tuple[NDArray[np.int64], ...], parts: Sequence[Part]
    ) -> None:
        """Read some of the selected chunks into their places."""
        place = self._placing(result, axes, nth)
        if sum(int(stored_bytes(part, self.meta.chunk_nbytes).sum()) for part in parts) >= 2 * STREAM:
            self._read_streams(place, parts, result.nbytes)
            return
        found = self._fetcher.fetch_many([(part.chunks, part.rows) for part in parts])
        count = sum(map(len, found))
        workers = CORES if self.meta.codecs and count * self.meta.chunk_nbytes >= _WORTH_THREADS else 1
        share = max(1, count // (_SHARES * workers)) if workers > 1 else max(1, count)
        portions = [
            (part.some(slice(first, first + share)), stored[first : first + share])
            for part, stored in zip(parts, found, strict=True)
            for first in range(0, len(stored), share)
        ]
        on_threads(lambda some: place(*some), portions, workers)

    def _read_streams(
        self, place: Callable[[Part, Sequence[Stored]], None], parts: Sequence[Part], nbytes: int
    ) -> None:
        """Chunks in the order in which their files have them, a few megabytes at a time: some are decoded while others
        are under way.
        """
        is_far = any(map(self._fetcher.is_far, sources_of(parts)))
        memory = None if self.meta.dtype.hasobject else Memory()  # objects may keep what they are made from

        def read(stream: Sequence[Part]) -> None:
            found = self._fetcher.fetch_many([(part.chunks, part.rows) for part in stream], memory)
            for part, stored in zip(stream, found, strict=True):
                place(part, stored)

        whole = self.meta.chunk_nbytes
        on_threads(read, *(far_streams(parts, nbytes, whole) if is_far else (streams(parts, STREAM, whole), CORES)))

    def _placing(
        self, result: NDArray[Any], axes: Sequence[_Axis], nth: tuple[NDArray[np.int64], ...]
    ) -> Callable[[Part, Sequence[Stored]], None]:
        """Decodes the stored bytes of some chunks into their places."""
        result = _as_bytes(result)
        decode, copy = decoder_of(self.meta, passing=True).decode, _copier(result, axes)
        slot_of = _slots(result, axes)

        def place(part: Part, stored: Sequence[Stored]) -> None:
            coords = zip(*(n[part.cells].tolist() for n in nth), strict=True) if nth else [()]
            shapes: Iterable[tuple[int, ...]] = repeat(self.meta.chunk_shape, len(part.cells))
            if self.meta.edges:
                lengths = (axis.lengths[n[part.cells]].tolist() for axis, n in zip(axes, nth, strict=True))
                shapes = zip(*lengths, strict=True)
            for row, data, coord, shape in zip(part.rows.tolist(), stored, coords, shapes, strict=True):
                slot = slot_of(coord)
                values = decode(data, part.chunks, row, shape, slot)
                if slot is None:
                    copy(_as_bytes(values), coord)
                elif values is not slot:
                    slot[...] = _as_bytes(values)

        return place

    def _locate(self, positions: NDArray[np.int64]) -> Iterator[Part]:
        """Look cells up, stretch by stretch of the grid; mostly they are all in one."""
        stretch = self._array.stretch
        if int(positions.min()) // stretch == int(positions.max()) // stretch:
            number = int(positions[0]) // stretch
            chunks = self._array.in_stretch(number)
            yield Part(chunks, *_rows_at(chunks, positions - number * stretch if number else positions))
            return
        numbers = positions // stretch
        for number in np.unique(numbers).tolist():
            which = np.flatnonzero(numbers == number)
            chunks = self._array.in_stretch(number)
            rows, there = _rows_at(chunks, positions[which] - number * stretch)
            yield Part(chunks, rows, which[there])


def _rows_at(chunks: ChunkManifest, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows of those cells in which there is a chunk, and which of the cells these are."""
    if chunks.index is None:
        return positions, np.arange(len(positions))
    if not len(chunks):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    rows = np.searchsorted(chunks.index, positions.astype(chunks.index.dtype))
    there = np.flatnonzero(chunks.index[np.minimum(rows, len(chunks) - 1)] == positions)
    return rows[there], there


def _axis(pick: Pick, length: int, chunks: EvenSteps | Edges) -> _Axis:
    """Sort what is picked of an axis by chunk."""
    if isinstance(pick, slice) and pick.indices(length)[2] == 1:
        start, stop, _ = pick.indices(length)
        return _run(start, max(start, stop), chunks)
    if isinstance(pick, slice):
        elements = np.arange(*pick.indices(length))
    else:
        elements = np.atleast_1d(np.asarray(pick, np.int64))
        elements = np.where(elements < 0, elements + length, elements)
    if len(elements) and (int(elements.min()) < 0 or int(elements.max()) >= length):
        raise IndexError(f"index {pick!r} lies outside an axis of {length} elements")
    holding = chunks.holding(elements)
    order = np.argsort(holding, kind="stable")
    numbers, starts = np.unique(holding[order], return_index=True)
    places = np.split(order, starts[1:]) if len(numbers) else []
    firsts = chunks.starts(numbers).tolist()
    inside = [elements[place] - first for place, first in zip(places, firsts, strict=True)]
    return _Axis(len(elements), numbers, places, inside, chunks.lengths(numbers))


def _run(start: int, stop: int, chunks: EvenSteps | Edges) -> _Axis:
    """A run of elements without a gap, sorted by chunk."""
    numbers = chunks.touched(start, stop) if stop > start else np.empty(0, np.int64)
    first, lengths = chunks.starts(numbers), chunks.lengths(numbers)
    low, high = np.maximum(start, first), np.minimum(stop, first + lengths)
    places = list(map(slice, (low - start).tolist(), (high - start).tolist()))
    inside = list(map(slice, (low - first).tolist(), (high - first).tolist()))
    whole = (high - low == lengths).tolist()
    return _Axis(stop - start, numbers, places, inside, lengths, is_plain=True, whole=whole)


def _as_bytes(values: NDArray[Any]) -> NDArray[Any]:
    """Records as so many bytes each, of which numpy copies all at once, where it copies records member by member."""
    is_records = values.dtype.names is not None and not values.dtype.hasobject
    return values.view(np.dtype((np.void, values.dtype.itemsize))) if is_records else values


def _slots(result: NDArray[Any], axes: Sequence[_Axis]) -> Callable[[tuple[int, ...]], NDArray[Any] | None]:
    """The part of the result that is one whole chunk, given by which it is along each axis; None for other chunks."""
    places, wholes = zip(*((a.places, a.whole) for a in axes), strict=True) if axes else ((), ())

    def slot(nth: tuple[int, ...]) -> NDArray[Any] | None:
        if not all([w[n] for w, n in zip(wholes, nth, strict=True)]):  # noqa: C419 - a list is faster, and this is hot
            return None
        found: NDArray[Any] = result[(*[p[n] for p, n in zip(places, nth, strict=True)], ...)]
        return found

    return slot if all(axis.is_plain for axis in axes) else lambda _nth: None


def _copier(result: NDArray[Any], axes: Sequence[_Axis]) -> Callable[[NDArray[Any], tuple[int, ...]], None]:
    """Puts what is selected of a chunk, given by which it is along each axis, into its place in the result."""
    places, insides = zip(*((a.places, a.inside) for a in axes), strict=True) if axes else ((), ())

    def copy(values: NDArray[Any], nth: tuple[int, ...]) -> None:
        result[_crossing([p[n] for p, n in zip(places, nth, strict=True)])] = values[
            _crossing([i[n] for i, n in zip(insides, nth, strict=True)])
        ]

    return copy


def _crossing(picks: Sequence[slice | NDArray[np.int64]]) -> tuple[Any, ...]:
    """An index of numpy for the crossings of what is picked of each axis."""
    if all(isinstance(pick, slice) for pick in picks):
        return tuple(picks)
    return np.ix_(*(np.arange(p.start, p.stop) if isinstance(p, slice) else p for p in picks))
