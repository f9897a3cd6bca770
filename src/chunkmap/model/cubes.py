"""Chunks that lie in any order, each with keys that say where it belongs: placed on the grid that the keys span.

The messages of a GRIB file and the images of a TIFF series are such chunks. All of it is arithmetic on columns: a key
is a column with a value for each row; an axis is what is distinct in it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Coded", "Cube", "cube_of", "grouped"]


class Coded(NamedTuple):
    """A column that says for each row which of a few values it has.

    >>> Coded(np.array([0, 1, 0], np.uint8), np.array([500.0, 850.0])).at(np.array([1, 2])).tolist()
    [850.0, 500.0]
    """

    codes: NDArray[Any]
    values: NDArray[Any]
    """Two of them may be equal."""

    def at(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """The values of some rows."""
        found: NDArray[Any] = self.values[self.codes[rows]]
        return found

    def of(self, rows: NDArray[np.int64]) -> Coded:
        """The column of some rows."""
        return Coded(self.codes[rows], self.values)

    def spread(self) -> NDArray[Any]:
        """The value of each row."""
        found: NDArray[Any] = self.values[self.codes]
        return found

    def used(self) -> NDArray[np.int64]:
        """The numbers of the values that some row has."""
        return np.flatnonzero(np.bincount(self.codes, minlength=len(self.values)))


@dataclass(frozen=True, slots=True, eq=False)
class Cube:
    """A grid over the distinct values of some keys, and for each row its cell.

    >>> cube = cube_of({"time": np.array([6, 0, 6]), "level": np.array([500, 500, 850])}, falling=["level"])
    >>> cube.shape, cube.cells.tolist(), cube.axes["level"].tolist()
    ((2, 2), [3, 1, 2], [850, 500])
    """

    axes: Mapping[str, NDArray[Any]]
    """Distinct values of each key, in order."""
    cells: NDArray[Any]
    """Row -> position in the grid, C order; integers of 4 bytes where the grid has no more cells than they count."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of distinct values of each key."""
        return tuple(map(len, self.axes.values()))

    def along(self, key: str) -> NDArray[np.int64]:
        """Row -> its place on one axis."""
        number = list(self.axes).index(key)
        places = self.cells // math.prod(self.shape[number + 1 :]) % max(self.shape[number], 1)
        return places.astype(np.int64)

    def last_in_cell(self) -> NDArray[np.int64]:
        """The rows of which no later one stands in the same cell, in order of cells."""
        order = np.argsort(self.cells, kind="stable")
        cells = self.cells[order]
        return order[np.append(cells[1:] != cells[:-1], np.True_)] if len(order) else order

    def crowded(self) -> NDArray[np.int64]:
        """The rows that share their cell with another, those of one cell side by side."""
        cells = np.sort(self.cells)
        if not bool((cells[1:] == cells[:-1]).any()):
            return np.empty(0, np.int64)
        _, cell, count = np.unique(self.cells, return_inverse=True, return_counts=True)
        rows = np.flatnonzero(count[cell] > 1)
        return np.asarray(rows[np.argsort(self.cells[rows], kind="stable")], np.int64)


def cube_of(keys: Mapping[str, NDArray[Any] | Coded], *, falling: Collection[str] = ()) -> Cube:
    """The grid that keys span, in their order; axes rise, but those that are `falling`.

    A key that is NaN is a value of its own.
    """
    axes: dict[str, NDArray[Any]] = {}
    rows = [len(column.codes) if isinstance(column, Coded) else len(column) for column in keys.values()]
    cells: NDArray[Any] = np.zeros(max(rows, default=0), np.int32)
    for name, column in keys.items():
        values, places = _axis(column)
        if name in falling:
            values, places = values[::-1], len(values) - 1 - places
        count = math.prod(map(len, axes.values())) * len(values)
        if count >= 2**31:
            cells = cells.astype(np.int64, copy=False)
        if count >= 2**62:
            raise ValueError(f"the axes {', '.join([*axes, name])} span more cells than can be numbered")
        axes[name] = values
        cells *= len(values)
        cells += places.astype(cells.dtype, copy=False)
    return Cube(axes, cells)


def _axis(column: NDArray[Any] | Coded) -> tuple[NDArray[Any], NDArray[Any]]:
    """What is distinct in a column, in order, and the place of each row in it."""
    if not isinstance(column, Coded):
        return np.unique(column, return_inverse=True)
    used = column.used()
    values, places = np.unique(column.values[used], return_inverse=True)
    place_of = np.zeros(len(column.values), np.min_scalar_type(max(len(values) - 1, 0)))
    place_of[used] = places
    return values, place_of[column.codes]


def _cells(keys: Collection[NDArray[Any]]) -> NDArray[Any]:
    return cube_of({str(number): key for number, key in enumerate(keys)}).cells


def grouped(keys: Collection[NDArray[Any]]) -> list[NDArray[np.int64]]:
    """The rows of each group of equal keys; groups in the order of their first rows, rows in their own.

    >>> [rows.tolist() for rows in grouped([np.array([7, 3, 7])])]
    [[0, 2], [1]]
    """
    (first, *more) = keys
    cells = first if not more and first.dtype.kind in "iu" else _cells(keys)
    order = np.asarray(np.argsort(cells, kind="stable"), np.int64)
    cells = cells[order]
    starts = np.append(0, np.flatnonzero(cells[1:] != cells[:-1]) + 1)
    return sorted(np.split(order, starts[1:]), key=lambda rows: int(rows[0])) if len(cells) else []
