"""What a read would touch, without reading: which chunks, in how many requests, and how many bytes for those wanted.

Ranges are joined as they are when chunks are fetched from a server (`io/joining`): near ones are one request, the gap
between them is read in vain, and long ones are several. Everything is done on columns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chunkmap.io.joining import GAP, LONGEST
from chunkmap.model import WHOLE_FILE, ArrayMeta, ChunkManifest, ReferenceSet, Target

__all__ = ["Touch", "lengths_of", "reads_of", "spoken", "touch"]

Key = tuple[int | slice, ...]
"""What is read of each axis: one element, or all."""

_ALL = slice(None)


@dataclass(frozen=True, slots=True)
class Touch:
    """What one read touches."""

    key: Key
    rows: NDArray[np.int64]
    """The rows of the manifest that it needs from files: chunks that are inline or missing are not among them."""
    files: int
    requests: int
    """After joining; of files of this machine, which are mapped into memory, none is made."""
    read: int
    """Bytes that are fetched, what lies between joined ranges included."""
    wanted: int
    """Bytes of the values that were asked for, decoded."""

    @property
    def times(self) -> float:
        """How many bytes are fetched for each that is wanted."""
        return self.read / self.wanted if self.wanted else math.nan


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
        units = refs.arrays[dim].meta.attrs.get("units") if dim in refs.arrays else None
        if dim.lower() in {"time", "t"} or (isinstance(units, str) and " since " in units):
            return axis
    return 0 if meta.ndim > 2 else None


def _called(meta: ArrayMeta, axis: int) -> str:
    return "step" if meta.dims is None else meta.dims[axis]


def spoken(key: Key) -> str:
    """A key as it is written in Python.

    >>> spoken((4, slice(None), slice(None)))
    '[4, :, :]'
    """
    return f"[{', '.join(':' if isinstance(pick, slice) else str(pick) for pick in key)}]"


def touch(meta: ArrayMeta, chunks: ChunkManifest, key: Key, length: NDArray[np.uint64]) -> Touch:
    """What reading a selection of an array touches. `length` is that of each row, as `lengths_of` gives it."""
    rows = _rows(chunks, _cells(meta, key))
    rows = rows[~chunks.is_inline[rows]]
    source, offset = chunks.source[rows], chunks.offset[rows].astype(np.int64)
    requests, read = joined(source, offset, length[rows].astype(np.int64))
    elements = math.prod(n for n, pick in zip(meta.shape, key, strict=True) if isinstance(pick, slice))
    return Touch(key, rows, len(np.unique(source)), requests, read, elements * meta.dtype.itemsize)


def lengths_of(chunks: ChunkManifest, targets: Mapping[str, Target]) -> NDArray[np.uint64]:
    """The length of each row; of whole files what is known of their size, else 0."""
    whole = chunks.length == np.uint64(WHOLE_FILE)
    if not bool(whole.any()):
        return chunks.length
    sizes = np.zeros(len(chunks.sources), np.uint64)
    for number in np.unique(chunks.source[whole]).tolist():
        target = targets.get(str(chunks.sources[number]))
        sizes[number] = 0 if target is None or target.size is None else target.size
    return np.where(whole, sizes[chunks.source], chunks.length)


def joined(source: NDArray[np.uint32], offset: NDArray[np.int64], length: NDArray[np.int64]) -> tuple[int, int]:
    """How many requests fetch these ranges, and how many bytes they fetch.

    >>> joined(np.zeros(3, "u4"), np.array([0, 100, 900_000]), np.array([50, 50, 50]))
    (2, 200)
    """
    if not len(source):
        return 0, 0
    order = np.lexsort((offset, source))
    source, start = source[order], offset[order]
    stop = start + length[order]
    breaks = np.flatnonzero((source[1:] != source[:-1]) | (start[1:] - stop[:-1] > GAP)) + 1
    first, last = np.concatenate([[0], breaks]), np.concatenate([breaks, [len(source)]])
    spans = stop[last - 1] - start[first]
    long = spans > LONGEST
    requests, read = int(np.count_nonzero(~long)), int(spans[~long].sum())
    for one, after in zip(first[long].tolist(), last[long].tolist(), strict=True):
        more, fetched = _split(start[one:after], stop[one:after])
        requests, read = requests + more, read + fetched
    return requests, read


def _split(start: NDArray[np.int64], stop: NDArray[np.int64]) -> tuple[int, int]:
    """The same of ranges that would be one, if it were not too long: as many together as go into the longest."""
    requests = read = at = 0
    while at < len(start):
        after = max(int(np.searchsorted(stop, start[at] + LONGEST, side="right")), at + 1)
        fetched = int(stop[after - 1] - start[at])
        requests, read, at = requests + -(-fetched // LONGEST), read + fetched, after
    return requests, read


def _cells(meta: ArrayMeta, key: Key) -> NDArray[np.int64]:
    """Positions in the grid of the chunks that a selection needs, C order."""
    numbers: Sequence[NDArray[np.int64]] = [
        np.arange(cells) if isinstance(pick, slice) else steps.holding(np.array([pick]))
        for pick, cells, steps in zip(key, meta.grid_shape, meta.axes, strict=True)
    ]
    position = np.zeros(1, np.int64)
    for own, cells in zip(numbers, meta.grid_shape, strict=True):
        position = (position[:, None] * cells + own).reshape(-1)
    return position


def _rows(chunks: ChunkManifest, position: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows of the chunks at these positions, of those that are there."""
    if chunks.index is None:
        return position
    if not len(chunks):
        return position[:0]
    row = np.minimum(np.searchsorted(chunks.index, position), len(chunks) - 1)
    return np.asarray(row[chunks.index[row] == position], np.int64)
