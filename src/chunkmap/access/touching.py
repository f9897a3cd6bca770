"""What a read would touch, without reading: which chunks, in how many requests, and how many bytes for those wanted.

Ranges are joined as they are when chunks are fetched from a server: see `chunkmap.io.joining`. Everything is done on
columns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chunkmap.io.joining import cost_of
from chunkmap.model import WHOLE_FILE, ArrayMeta, ChunkManifest, Target

__all__ = ["Key", "Touch", "lengths_of", "spoken", "touch"]

Key = tuple[int | slice, ...]
"""What is read of each axis: one element, or all."""


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
    requests, read = cost_of(source, offset, length[rows].astype(np.int64))
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
