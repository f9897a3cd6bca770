"""Chunks that lie in memory at even distances, copied all at once.

Uncompressed chunks of one file mostly stand in the order of the grid, one after another or a record apart. Then the
whole grid of them is one array with strides over the mapped file, and numpy copies it without a step of Python a chunk.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from chunkmap.model import ArrayMeta

__all__ = ["even_strides", "view_of_grid"]


def even_strides(offsets: NDArray[np.int64]) -> tuple[int, ...] | None:
    """How far chunks are apart along each axis of a grid of offsets; None when that is not the same everywhere.

    >>> even_strides(np.array([[100, 110], [150, 160]])), even_strides(np.array([0, 10, 30]))
    ((50, 10), None)
    """
    first = int(offsets.flat[0])
    strides = [
        int(offsets[tuple(int(a == axis) for a in range(offsets.ndim))]) - first if n > 1 else 0
        for axis, n in enumerate(offsets.shape)
    ]
    expected = np.full(offsets.shape, first, np.int64)
    for axis, (n, stride) in enumerate(zip(offsets.shape, strides, strict=True)):
        expected += (np.arange(n) * stride).reshape([-1 if a == axis else 1 for a in range(offsets.ndim)])
    return tuple(strides) if np.array_equal(expected, offsets) else None


def view_of_grid(
    data: memoryview, offset: int, grid: Sequence[int], strides: Sequence[int], meta: ArrayMeta
) -> NDArray[np.generic]:
    """The chunks of a grid as one array: axis 0 of the grid, axis 0 of a chunk, axis 1 of the grid...

    Raises ValueError when the chunks reach out of the data.
    """
    ends = [stride * (n - 1) for stride, n in zip(strides, grid, strict=True)]
    low = offset + sum(end for end in ends if end < 0)
    high = offset + sum(end for end in ends if end > 0) + meta.chunk_nbytes
    if low < 0 or high > len(data):
        raise ValueError(f"chunks from byte {low} to {high}, of {len(data)}")
    flat = np.frombuffer(data, np.uint8)
    inside = np.empty(meta.chunk_shape, np.dtype((np.void, meta.dtype.itemsize)), order=meta.order).strides
    shape = tuple(chain.from_iterable(zip(grid, meta.chunk_shape, strict=True)))
    steps = tuple(chain.from_iterable(zip(strides, inside, strict=True)))
    first = flat[offset : offset + meta.dtype.itemsize].view(meta.dtype)
    return np.lib.stride_tricks.as_strided(first, shape, steps, writeable=False)
