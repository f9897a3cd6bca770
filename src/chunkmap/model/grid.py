"""Arithmetic of chunk grids: coordinates of cells and their positions in C order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["index_dtype", "linear", "linear_cell", "linear_strides"]


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


def index_dtype(size: int) -> np.dtype[Any]:
    """The narrowest type that holds every position of a grid of so many cells."""
    return np.dtype(np.uint32 if size <= 2**32 else np.uint64)
