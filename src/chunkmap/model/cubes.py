"""Chunks that lie in any order, each with keys that say where it belongs: placed on the grid that the keys span.

The messages of a GRIB file and the images of a TIFF series are such chunks. All of it is arithmetic on columns: a key
is a column with a value for each row; an axis is what is distinct in it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chunkmap.model.manifest import ChunkManifest

__all__ = ["Cube", "cube_of", "grouped"]

Columns = tuple[NDArray[np.uint64], NDArray[np.uint64]]


@dataclass(frozen=True, slots=True, eq=False)
class Cube:
    """A grid over the distinct values of some keys, and for each row its cell.

    >>> cube = cube_of({"time": np.array([6, 0, 6]), "level": np.array([500, 500, 850])}, falling=["level"])
    >>> cube.shape, cube.cells.tolist(), cube.axes["level"].tolist()
    ((2, 2), [3, 1, 2], [850, 500])
    """

    axes: Mapping[str, NDArray[Any]]
    """Distinct values of each key, in order."""
    cells: NDArray[np.int64]
    """Row -> position in the grid, C order."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of distinct values of each key."""
        return tuple(map(len, self.axes.values()))

    def along(self, key: str) -> NDArray[np.int64]:
        """Row -> its place on one axis."""
        number = list(self.axes).index(key)
        return np.asarray(np.unravel_index(self.cells, self.shape)[number], np.int64)

    def last_in_cell(self) -> NDArray[np.int64]:
        """The rows of which no later one stands in the same cell, in order of cells."""
        _, last = np.unique(self.cells[::-1], return_index=True)
        return np.asarray(len(self.cells) - 1 - last, np.int64)

    def crowded(self) -> NDArray[np.int64]:
        """The rows that share their cell with another, those of one cell side by side."""
        _, cell, count = np.unique(self.cells, return_inverse=True, return_counts=True)
        rows = np.flatnonzero(count[cell] > 1)
        return np.asarray(rows[np.argsort(self.cells[rows], kind="stable")], np.int64)

    def manifest(self, url: str, chunks: Columns, rows: NDArray[np.int64], *, inner: int) -> ChunkManifest:
        """The chunks of some rows, offsets and lengths of one file; `inner` axes of one cell each follow the keys."""
        offset, length = chunks
        return ChunkManifest.from_columns(
            (*self.shape, *(1,) * inner),
            self.cells[rows],
            (None, url),
            (np.ones(len(rows), np.uint32), offset[rows], length[rows]),
        )


def cube_of(keys: Mapping[str, NDArray[Any]], *, falling: Collection[str] = ()) -> Cube:
    """The grid that keys span, in their order; axes rise, but those that are `falling`.

    A key that is NaN is a value of its own.
    """
    axes: dict[str, NDArray[Any]] = {}
    cells: NDArray[np.int64] = np.zeros(max(map(len, keys.values()), default=0), np.int64)
    for name, column in keys.items():
        values, places = np.unique(column, return_inverse=True)
        if name in falling:
            values, places = values[::-1], len(values) - 1 - places
        if math.prod(map(len, axes.values())) * len(values) >= 2**62:
            raise ValueError(f"the axes {', '.join([*axes, name])} span more cells than can be numbered")
        axes[name] = values
        cells = cells * len(values) + places
    return Cube(axes, cells)


def grouped(keys: Collection[NDArray[Any]]) -> list[NDArray[np.int64]]:
    """The rows of each group of equal keys; groups in the order of their first rows, rows in their own.

    >>> [rows.tolist() for rows in grouped([np.array([7, 3, 7])])]
    [[0, 2], [1]]
    """
    cells = cube_of({str(number): key for number, key in enumerate(keys)}).cells
    order = np.asarray(np.argsort(cells, kind="stable"), np.int64)
    starts = np.flatnonzero(np.diff(cells[order], prepend=-1))
    return sorted(np.split(order, starts[1:]), key=lambda rows: int(rows[0])) if len(cells) else []
