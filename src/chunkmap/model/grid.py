"""Arithmetic of chunk grids: coordinates of cells and their positions in C order."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "block_rows",
    "check_inside",
    "coordinates",
    "index_dtype",
    "linear",
    "linear_cell",
    "linear_strides",
    "moved_positions",
    "printed_cells",
    "rising",
]

_DENSE: Final = 4
"""Cells of a grid for each position, up to which a table of all cells is the quickest way to sort positions."""


def linear(coords: NDArray[Any], grid_shape: Sequence[int]) -> NDArray[np.int64]:
    """Grid coordinates of shape (rows, axes) -> positions, C order. Raises ValueError outside the grid."""
    if not len(coords):
        return np.empty(0, np.int64)
    if len(grid_shape) and bool(((coords < 0) | (coords >= np.asarray(grid_shape))).any()):
        raise ValueError(f"a chunk lies outside the grid {tuple(grid_shape)}")
    position = np.zeros(len(coords), np.int64)
    for axis, n in enumerate(grid_shape):
        position *= n
        position += coords[:, axis]
    return position


def linear_cell(coord: Sequence[int], grid_shape: Sequence[int]) -> int:
    """The position of one cell, C order."""
    position = 0
    for c, n in zip(coord, grid_shape, strict=True):
        position = position * n + c
    return position


def linear_strides(grid_shape: Sequence[int]) -> list[int]:
    """How far apart, in C order, two cells are that are neighbours along each axis."""
    return [math.prod(grid_shape[axis + 1 :]) for axis in range(len(grid_shape))]


def coordinates(position: NDArray[Any], grid_shape: Sequence[int]) -> Iterator[NDArray[np.int64]]:
    """Positions, C order -> grid coordinates, axis by axis."""
    rest = position.astype(np.int64)
    for stride in linear_strides(grid_shape):
        coord = rest // max(stride, 1)
        rest = rest - coord * stride
        yield coord


def block_rows(
    position: NDArray[Any], grid_shape: Sequence[int], start: Sequence[int], stop: Sequence[int]
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """The rows of rising positions that lie in a block of the grid, and their positions in it as a grid of its own."""
    first, last = 0, len(position)
    if grid_shape:
        inner = linear_strides(grid_shape)[0]
        first, last = np.searchsorted(position, [start[0] * inner, stop[0] * inner]).tolist()
    inside, moved = np.ones(last - first, np.bool_), np.zeros(last - first, np.int64)
    for coord, low, high in zip(coordinates(position[first:last], grid_shape), start, stop, strict=True):
        inside &= (coord >= low) & (coord < high)
        moved *= high - low
        moved += coord - low
    rows = np.flatnonzero(inside)
    return rows + first, moved[rows]


def moved_positions(
    position: NDArray[Any], own: Sequence[int], grid_shape: Sequence[int], cells: Sequence[int | NDArray[np.int64]]
) -> NDArray[Any]:
    """Positions in a grid -> those in a larger one, where the cells of the own grid go to `cells` along each axis."""
    dtype = index_dtype(math.prod(grid_shape))
    origin = [cell for cell in cells if isinstance(cell, int)]
    if len(origin) == len(cells) and tuple(grid_shape[1:]) == tuple(own[1:]):
        return np.asarray(position + dtype.type(linear_cell(origin, grid_shape)), dtype)
    moved = np.zeros(len(position), dtype)
    for coord, cell, stride in zip(coordinates(position, own), cells, linear_strides(grid_shape), strict=True):
        places = coord + cell if isinstance(cell, int) else cell[coord]
        moved += (places * stride).astype(dtype)
    return moved


def index_dtype(size: int) -> np.dtype[Any]:
    """The narrowest type that holds every position of a grid of so many cells."""
    return np.dtype(np.uint32 if size <= 2**32 else np.uint64)


def check_inside(own: Sequence[int], grid_shape: Sequence[int], cells: Sequence[int | NDArray[np.int64]]) -> None:
    """Raise ValueError where a grid reaches outside a larger one: `cells` says where its cells go, along each axis."""
    for cell, n, limit in zip(cells, own, grid_shape, strict=True):
        if isinstance(cell, int):
            low, high = cell, cell + n
        else:
            low, high = (int(cell.min()), int(cell.max()) + 1) if len(cell) else (0, 0)
        if n and (low < 0 or high > limit):
            raise ValueError(f"a grid {tuple(own)} reaches outside the grid {tuple(grid_shape)}")


def printed_cells(grid_shape: Sequence[int], prefix: str, separator: str) -> list[str]:
    """The printed coordinates of every cell of a grid that has axes, C order."""
    first, *others = ([str(number) for number in range(n)] for n in grid_shape)
    if not others:
        return [prefix + text for text in first]
    heads = [f"{prefix}{text}{separator}" for text in first]
    tails = list(map(separator.join, itertools.product(*others)))
    return [head + tail for head in heads for tail in tails]


def rising(position: NDArray[Any], size: int) -> NDArray[Any]:
    """The order in which positions in a grid of so many cells rise; of equal ones, all are in it."""
    if size > _DENSE * len(position):
        return np.argsort(position, kind="stable")
    row = np.full(size, -1, np.intp)
    row[position] = np.arange(len(position))
    found = row[row >= 0]
    return found if len(found) == len(position) else np.argsort(position, kind="stable")
