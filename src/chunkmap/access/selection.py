"""A part of an array through references: all its chunks located, fetched and decoded together.

zarr-python asks for chunks one at a time, at a third of a millisecond each; here a selection is one round of vectored
reads for every `_BATCH` bytes of values, and chunks are decoded on several threads, straight into the result.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.access.fetching import Fetcher, Stored
from chunkmap.access.values import ChunkDecoder, empty_array, stored_at
from chunkmap.model import ChunkManifest, ReferenceSet
from chunkmap.storage import ParquetReferences

__all__ = ["ArrayReader"]

_BATCH: Final = 128 << 20
"""Bytes of decoded chunks that are fetched in one round."""

_WORTH_THREADS: Final = 1 << 20
"""Bytes of decoded chunks from which on several threads are faster than one."""

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


class ArrayReader:
    """Reads selections of one array of a reference set. Safe to use from many threads."""

    def __init__(self, refs: ReferenceSet | ParquetReferences, path: str, fetcher: Fetcher) -> None:
        self.meta = refs.arrays[path].meta if isinstance(refs, ReferenceSet) else refs.metas[path]
        self._refs, self._path, self._fetcher = refs, path, fetcher

    def read(self, key: tuple[Pick, ...]) -> NDArray[Any]:
        """The elements at the crossings of what is picked of each axis; an axis with a number is dropped.

        Raises FormatError naming the file and the byte when stored bytes do not decode to a chunk.
        """
        meta = self.meta
        axes = [_axis(pick, n, chunk) for pick, n, chunk in zip(key, meta.shape, meta.chunk_shape, strict=True)]
        result = empty_array(meta, tuple(axis.length for axis in axes))
        grid = tuple(len(axis.numbers) for axis in axes)
        step = max(1, _BATCH // max(1, meta.chunk_nbytes))
        for first in range(0, math.prod(grid), step):
            cells = np.arange(first, min(first + step, math.prod(grid)))
            self._read_cells(result, axes, np.unravel_index(cells, grid) if grid else ())
        return result[tuple(0 if isinstance(pick, (int, np.integer)) else slice(None) for pick in key)]

    def _read_cells(self, result: NDArray[Any], axes: Sequence[_Axis], nth: tuple[NDArray[np.int64], ...]) -> None:
        """Read some of the selected chunks, given by which of the chunks of each axis they are."""
        coords = tuple(axis.numbers[n] for axis, n in zip(axes, nth, strict=True))
        positions = np.ravel_multi_index(coords, self.meta.grid_shape) if coords else np.zeros(1, np.int64)
        parts = list(self._locate(positions))
        found = self._fetcher.fetch_many([(chunks, rows) for chunks, rows, _ in parts])
        decoder = ChunkDecoder(self.meta)

        def place(chunk: tuple[ChunkManifest, int, int, Stored]) -> None:
            chunks, row, cell, stored = chunk
            ns = [int(n[cell]) for n in nth]
            values = decoder.decode(stored, stored_at(chunks, row))
            inside = _crossing([axis.inside[n] for axis, n in zip(axes, ns, strict=True)])
            result[_crossing([axis.places[n] for axis, n in zip(axes, ns, strict=True)])] = values[inside]

        work = [
            (chunks, row, cell, data)
            for (chunks, rows, cells), stored in zip(parts, found, strict=True)
            for row, cell, data in zip(rows.tolist(), cells.tolist(), stored, strict=True)
        ]
        if self.meta.codecs and len(work) > 1 and len(work) * self.meta.chunk_nbytes >= _WORTH_THREADS:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                list(pool.map(place, work))
        else:
            for chunk in work:
                place(chunk)

    def _locate(
        self, positions: NDArray[np.int64]
    ) -> Iterator[tuple[ChunkManifest, NDArray[np.int64], NDArray[np.int64]]]:
        """The manifests that hold cells of the grid, the rows in them, and which of the cells these are."""
        if isinstance(self._refs, ReferenceSet):
            chunks = self._refs.arrays[self._path].chunks
            yield chunks, *_rows_at(chunks, positions)
            return
        numbers = positions // self._refs.record_size
        for number in np.unique(numbers).tolist():
            which = np.flatnonzero(numbers == number)
            chunks = self._refs.partition(self._path, number)
            rows, there = _rows_at(chunks, positions[which] - number * self._refs.record_size)
            yield chunks, rows, which[there]


def _rows_at(chunks: ChunkManifest, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows of those cells in which there is a chunk, and which of the cells these are."""
    if chunks.index is None:
        return positions, np.arange(len(positions))
    if not len(chunks):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    rows = np.searchsorted(chunks.index, positions.astype(chunks.index.dtype))
    there = np.flatnonzero(chunks.index[np.minimum(rows, len(chunks) - 1)] == positions)
    return rows[there], there


def _axis(pick: Pick, length: int, chunk: int) -> _Axis:
    """Sort what is picked of an axis by chunk."""
    if isinstance(pick, slice) and pick.indices(length)[2] == 1:
        start, stop, _ = pick.indices(length)
        return _run(start, max(start, stop), chunk)
    if isinstance(pick, slice):
        elements = np.arange(*pick.indices(length))
    else:
        elements = np.atleast_1d(np.asarray(pick, np.int64))
        elements = np.where(elements < 0, elements + length, elements)
    if len(elements) and (int(elements.min()) < 0 or int(elements.max()) >= length):
        raise IndexError(f"index {pick!r} lies outside an axis of {length} elements")
    order = np.argsort(elements // chunk, kind="stable")
    numbers, starts = np.unique((elements // chunk)[order], return_index=True)
    places = np.split(order, starts[1:]) if len(numbers) else []
    inside = [elements[place] - number * chunk for place, number in zip(places, numbers.tolist(), strict=True)]
    return _Axis(len(elements), numbers, places, inside)


def _run(start: int, stop: int, chunk: int) -> _Axis:
    """A run of elements without a gap, sorted by chunk."""
    numbers = np.arange(start // chunk, -(-stop // chunk)) if stop > start else np.empty(0, np.int64)
    bounds = [(max(start, n * chunk), min(stop, (n + 1) * chunk), n * chunk) for n in numbers.tolist()]
    places = [slice(low - start, high - start) for low, high, _ in bounds]
    return _Axis(stop - start, numbers, places, [slice(low - first, high - first) for low, high, first in bounds])


def _crossing(picks: Sequence[slice | NDArray[np.int64]]) -> tuple[Any, ...]:
    """An index of numpy for the crossings of what is picked of each axis."""
    if all(isinstance(pick, slice) for pick in picks):
        return tuple(picks)
    return np.ix_(*(np.arange(p.start, p.stop) if isinstance(p, slice) else p for p in picks))
