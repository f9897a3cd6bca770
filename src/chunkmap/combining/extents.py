"""Where the parts of an array lie in the grid of the result: of all of them at once, by columns.

A part whose cells are neighbours in C order of the result is a run: two numbers say where all its chunks go.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.combining.plan import Part
from chunkmap.model.grid import linear_strides

__all__ = ["Extents", "extents_of"]


class Extents(NamedTuple):
    """Part -> where it lies, in positions of the result."""

    first: NDArray[np.int64]
    """The first position at which a chunk of it may be."""
    stop: NDArray[np.int64]
    """The one after the last; 0 of a part without cells."""
    size: NDArray[np.int64]
    """How many cells it has."""
    is_run: NDArray[np.bool_]
    """Whether its cells are neighbours, from the first position on."""
    fits: NDArray[np.bool_]
    """Whether the grid has all its cells."""

    def overlaps(self, cells: range) -> list[range]:
        """Of each part that is a run, which of its own cells go to a stretch of the result."""
        ends = (np.clip(end - self.first, 0, self.size) for end in (cells.start, cells.stop))
        return list(map(range, *(end.tolist() for end in ends)))


def extents_of(parts: Sequence[Part], grid_shape: tuple[int, ...]) -> Extents:
    """Where the parts of an array lie in its grid."""
    own = _own_grids(parts, len(grid_shape))
    firsts, lasts, is_plain = _ends(parts, own)
    grid, strides = np.array(grid_shape, np.int64), np.array(linear_strides(grid_shape), np.int64)
    long = own != 1
    inner = np.cumsum(long, axis=1) > long  # an axis before this one has several cells, so it must be whole
    is_empty = (own == 0).any(axis=1)
    return Extents(
        firsts @ strides,
        np.where(is_empty, 0, lasts @ strides + 1),
        own.prod(axis=1),
        is_plain & (~inner | (own == grid)).all(axis=1),
        np.asarray(((firsts >= 0) & (lasts < grid)).all(axis=1)),
    )


def _own_grids(parts: Sequence[Part], ndim: int) -> NDArray[np.int64]:
    """Part -> the shape of its own grid: those that are alike mostly have one metadata."""
    grids = {key: meta.grid_shape for key, meta in {id(part.array.meta): part.array.meta for part in parts}.items()}
    return _table([grids[id(part.array.meta)] for part in parts], ndim)


def _ends(
    parts: Sequence[Part], own: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Part -> along each axis the first and the last cell that it takes, and whether it takes all between them."""
    cells = [part.cells for part in parts]
    if set(map(type, chain.from_iterable(cells))) <= {int}:
        firsts = _table(cells, own.shape[1])
        return firsts, firsts + own - 1, np.ones(len(cells), np.bool_)
    lows, highs = own - own, own - own
    for row, of_part in enumerate(cells):
        for axis, cell in enumerate(of_part):
            low, high = (cell, cell + own[row, axis] - 1) if isinstance(cell, int) else _low_and_high(cell)
            lows[row, axis], highs[row, axis] = low, high
    is_plain = [all(isinstance(cell, int) for cell in of_part) for of_part in cells]
    return lows, highs, np.array(is_plain, np.bool_)


def _low_and_high(cells: NDArray[np.int64]) -> tuple[int, int]:
    return (int(cells.min()), int(cells.max())) if len(cells) else (0, -1)


def _table(rows: Sequence[Sequence[Any]], columns: int) -> NDArray[np.int64]:
    return np.fromiter(chain.from_iterable(rows), np.int64, len(rows) * columns).reshape(len(rows), columns)
