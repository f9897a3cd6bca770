"""The axes of the result: every value that some input has, each once, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chunkmap.combining.inputs import Inputs
from chunkmap.combining.selectors import Column
from chunkmap.errors import CombineError

__all__ = ["Axis", "make_axis"]


@dataclass(frozen=True, slots=True)
class Axis:
    """One dimension of the result, and where each input stands along it."""

    dim: str
    values: NDArray[Any]
    """The coordinate, each value once: rising; falling when the inputs fall; else in the order of the inputs."""
    positions: tuple[NDArray[np.int64], ...]
    """Input -> position of each of its values."""
    attrs: Mapping[str, Any] = field(default_factory=dict)
    """Attributes that belong to the values."""

    def __len__(self) -> int:
        return len(self.values)


def make_axis(inputs: Inputs, column: Column) -> Axis:
    """Order the values of a dimension. Raises CombineError where a value is missing, or stands twice in one input."""
    blocks = column.values
    joined = _joined(column)
    _refuse_missing(inputs, column, joined)
    values, inverse = np.unique(joined, return_inverse=True)
    lengths = np.array([len(block) for block in blocks])
    stops = np.cumsum(lengths)
    positions = np.split(inverse.astype(np.int64).reshape(-1), stops[:-1])
    steps = np.diff(inverse.reshape(-1))
    inside = np.ones(len(steps), np.bool_)
    inside[stops[:-1][(stops[:-1] > 0) & (stops[:-1] <= len(steps))] - 1] = False
    steps = steps[inside]
    if len(steps) and bool((steps < 0).all()):
        values = values[::-1]
        positions = [len(values) - 1 - p for p in positions]
    elif not bool((steps > 0).all()):
        _refuse_repeated(inputs, column, positions)
        values, positions = _in_order_of_inputs(values, positions)
    return Axis(column.dim, values, tuple(positions), column.attrs)


def _joined(column: Column) -> NDArray[Any]:
    kinds = {block.dtype.kind for block in column.values}
    if kinds & set("SUO") and not kinds <= set("SUO"):
        raise CombineError(f"{column.dim}: some inputs give text and others numbers")
    if "O" in kinds:
        return np.array([str(value) for block in column.values for value in block.tolist()])
    return np.concatenate(column.values)


def _refuse_missing(inputs: Inputs, column: Column, joined: NDArray[Any]) -> None:
    if joined.dtype.kind not in "fmMc" or not bool(np.isnan(joined).any()):
        return
    index = next(i for i, block in enumerate(column.values) if bool(np.isnan(block).any()))
    name = inputs.name(index)
    raise CombineError(
        f"{column.dim}: a value of {name} is missing (NaN), so its place along {column.dim} is not known", inputs=[name]
    )


def _refuse_repeated(inputs: Inputs, column: Column, positions: Sequence[NDArray[np.int64]]) -> None:
    for index, block in enumerate(positions):
        unique, counts = np.unique(block, return_counts=True)
        if len(unique) != len(block):
            value = column.values[index][block == unique[counts > 1][0]][0]
            name = inputs.name(index)
            raise CombineError(f"{column.dim}: the value {value} stands more than once in {name}", inputs=[name])


def _in_order_of_inputs(
    values: NDArray[Any], positions: Sequence[NDArray[np.int64]]
) -> tuple[NDArray[Any], list[NDArray[np.int64]]]:
    """Some input neither rises nor falls: keep every input's own order, inputs in the order of the list."""
    joined = np.concatenate(positions)
    _, first = np.unique(joined, return_index=True)
    order = np.argsort(first, kind="stable")
    place = np.empty(len(values), np.int64)
    place[order] = np.arange(len(values))
    return values[order], [place[block] for block in positions]
