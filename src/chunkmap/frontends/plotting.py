"""Where in their files the chunks of an array lie, and what reads of it would touch, as numbers to be drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.access.touching import Key, Touch, lengths_of, touch
from chunkmap.combining.times import is_time
from chunkmap.model import ArrayMeta, ReferenceSet

__all__ = ["Plot", "Strip", "plot", "reads_of"]

_CELLS: Final = 240
"""Into so many parts a file is cut: a picture has one for each, a line of text one for several."""

_ALL: Final = slice(None)


@dataclass(frozen=True, slots=True)
class Strip:
    """One file from its first byte to its last, in parts of the same length."""

    url: str
    size: int
    is_size_known: bool
    """Else it ends here with the last chunk."""
    chunks: int
    held: NDArray[np.float64]
    """The share of each part that is chunks of the array."""
    touched: Mapping[str, NDArray[np.float64]]
    """The same of the chunks that each read needs."""


@dataclass(frozen=True, slots=True)
class Plot:
    """One array."""

    path: str
    meta: ArrayMeta
    chunks: int
    inline: int
    missing: int
    stored: int
    """Bytes of its chunks."""
    files: int
    reads: Mapping[str, Touch]
    strips: tuple[Strip, ...]
    """Of the first files."""

    @property
    def lengths(self) -> str:
        """Its dimensions with their lengths, as they are shown."""
        dims = self.meta.dims or ("?",) * self.meta.ndim
        return ", ".join(f"{dim}: {n:,}" for dim, n in zip(dims, self.meta.shape, strict=True))

    @property
    def chunk_lengths(self) -> str:
        """The lengths of a chunk, as they are shown."""
        return " x ".join(map(str, self.meta.chunks)) or "one value"


def reads_of(meta: ArrayMeta, refs: ReferenceSet) -> dict[str, Key]:
    """The reads that people make of an array, by what they are called: one time, a map, a series, everything.

    Time is the axis that is one by its units or its name, else the first of three or more; a map lies on the last two
    others, and a series at one place of it. Of what has two axes and no time, it is a row and a column. Elements are
    taken from the middle of each axis.
    """
    everything: Key = (_ALL,) * meta.ndim
    if meta.ndim < 2:
        return {"everything": everything}
    middle = tuple(n // 2 for n in meta.shape)
    time = _time_axis(meta, refs)
    if time is None:
        return {"a row": (middle[0], _ALL), "a column": (_ALL, middle[1]), "everything": everything}
    flat = [axis for axis in range(meta.ndim) if axis != time][-2:]
    found = {
        f"one {_called(meta, time)}": tuple(middle[a] if a == time else _ALL for a in range(meta.ndim)),
        "a map": tuple(_ALL if a in flat else middle[a] for a in range(meta.ndim)),
        "a series": tuple(_ALL if a == time else middle[a] for a in range(meta.ndim)),
        "everything": everything,
    }
    return {", ".join(name for name, other in found.items() if other == key): key for key in found.values()}


def _time_axis(meta: ArrayMeta, refs: ReferenceSet) -> int | None:
    dims = meta.dims or ()
    for axis, dim in enumerate(dims):
        if dim.lower() in {"time", "t"} or (dim in refs.arrays and is_time(refs.arrays[dim].meta.attrs.get("units"))):
            return axis
    return 0 if meta.ndim > 2 else None


def _called(meta: ArrayMeta, axis: int) -> str:
    return "step" if meta.dims is None else meta.dims[axis]


def plot(refs: ReferenceSet, path: str, *, files: int, cells: int = _CELLS) -> Plot:
    """What there is to draw of an array, with strips of at most so many files, each of so many parts."""
    array = refs.arrays[path]
    meta, chunks = array.meta, array.manifest()
    length = lengths_of(chunks, refs.targets)
    reads = {name: touch(meta, chunks, key, length) for name, key in reads_of(meta, refs).items()}
    inline = chunks.is_inline
    numbers, counts = np.unique(chunks.source[~inline], return_counts=True)

    def strips() -> Iterator[Strip]:
        for number, count in zip(numbers[:files].tolist(), counts[:files].tolist(), strict=True):
            rows = np.flatnonzero(chunks.source == number)
            start = chunks.offset[rows].astype(np.int64)
            stop = start + length[rows].astype(np.int64)
            target = refs.targets.get(str(chunks.sources[number]))
            known = target is not None and target.size is not None
            size = int(target.size) if target is not None and target.size is not None else int(stop.max())
            touched = {
                name: _shares(start[own], stop[own], size, cells)
                for name, one in reads.items()
                for own in (np.isin(rows, one.rows, assume_unique=True),)
            }
            yield Strip(str(chunks.sources[number]), size, known, count, _shares(start, stop, size, cells), touched)

    stored = int(length[~inline].sum())
    missing, held = chunks.size - len(chunks), int(np.count_nonzero(inline))
    return Plot(path, meta, len(chunks), held, missing, stored, len(numbers), reads, tuple(strips()))


def _shares(start: NDArray[np.int64], stop: NDArray[np.int64], size: int, cells: int) -> NDArray[np.float64]:
    """The share of each part of a file that ranges cover.

    >>> _shares(np.array([0, 25]), np.array([10, 50]), 100, 4).tolist()
    [0.4, 1.0, 0.0, 0.0]
    """
    if not len(start) or size < 1:
        return np.zeros(cells)
    order = np.argsort(start, kind="stable")
    start, stop = start[order], np.maximum.accumulate(stop[order])
    start = np.maximum(start, np.concatenate([[0], stop[:-1]]))  # of ranges that overlap, each byte once
    edges = np.arange(cells + 1) * (size / cells)
    before = np.concatenate([[0], np.cumsum(np.maximum(stop - start, 0))])
    number = np.searchsorted(start, edges, side="left")
    last = np.maximum(number - 1, 0)
    covered = before[number] - np.where(number > 0, np.maximum(stop[last] - edges, 0), 0)
    return np.asarray(np.clip(np.diff(covered) / (size / cells), 0, 1))
