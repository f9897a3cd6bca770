"""The axes of the result: every value that some input has, each once, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chunkmap.combining.findings import Finding, Findings
from chunkmap.combining.positions import Positions
from chunkmap.combining.selectors import Column
from chunkmap.combining.times import in_words, is_time
from chunkmap.errors import CombineError, Remedy

__all__ = ["Axis", "find_axis", "make_axes", "note_gaps"]


@dataclass(frozen=True, slots=True)
class Axis:
    """One dimension of the result, and where each input stands along it."""

    dim: str
    values: NDArray[Any]
    """The coordinate, each value once: rising; falling when the inputs fall; else in the order of the inputs."""
    positions: Positions
    """Input -> position of each of its values; none for inputs that have no part in the axis."""
    attrs: Mapping[str, Any] = field(default_factory=dict)
    """Attributes that belong to the values."""
    origin: Mapping[str, Any] = field(default_factory=dict)
    """Attributes by which numbers are told for times where they are shown."""
    path: str = ""
    """The coordinate in the result: `"time"`, or `"group/time"` in a group that has its own."""
    coordinate: str = ""
    """The coordinate of the same name in the inputs, which may not have it."""
    in_order: bool = False
    """Whether inputs just follow one another: its values are then places, and the result has no coordinate of them."""

    def __len__(self) -> int:
        return len(self.values)

    def in_words(self, which: slice | Sequence[int]) -> list[str]:
        """Some of its values as people say them."""
        return in_words(self.values[which], self.origin)

    @property
    def group(self) -> str:
        """The group of the result whose arrays lie along this axis."""
        return self.path.rpartition("/")[0]


def find_axis(axes: Mapping[str, Axis], path: str, dim: str) -> Axis | None:
    """The axis of a dimension of an array: that of its own group, or of the nearest group above."""
    if not path.count("/"):
        return axes.get(dim)
    group = path.rpartition("/")[0]
    while group:
        found = axes.get(f"{group}/{dim}")
        if found is not None:
            return found
        group = group.rpartition("/")[0]
    return axes.get(dim)


def make_axes(columns: Sequence[Column], findings: Findings) -> dict[str, Axis]:
    """Order the values of every dimension. Inputs with a missing value, or one that stands twice, are lost."""
    while True:
        known = len(findings.lost)
        axes = {column.path: _make_axis(column.without(findings.lost), findings) for column in columns}
        if len(findings.lost) == known:
            return axes


def _make_axis(column: Column, findings: Findings) -> Axis:
    if column.in_order:
        return _one_after_the_other(column)
    dtype = _common_type(column)
    _lose_missing(column, dtype, findings)
    values, positions = _block_by_block(column.values, dtype) or _value_by_value(column, dtype, findings)
    return Axis(column.dim, values, positions, column.attrs, column.origin, column.path, column.coordinate)


def _one_after_the_other(column: Column) -> Axis:
    """The axis of inputs that follow one another as they are given."""
    lengths = [len(block) for block in column.values]
    return Axis(
        column.dim,
        np.arange(sum(lengths)),
        Positions.end_to_end(lengths, range(len(lengths))),
        path=column.path,
        coordinate=column.coordinate,
        in_order=True,
    )


def _block_by_block(blocks: Sequence[NDArray[Any]], dtype: np.dtype[Any]) -> tuple[NDArray[Any], Positions] | None:
    """The axis of inputs that follow one another, in whatever order they were given: it takes no sorting of values.

    None where some inputs interleave, overlap, or do not rise or fall.
    """
    if dtype.kind not in "iufmM":
        return None
    members = [index for index, block in enumerate(blocks) if len(block)]
    falls = any(bool(blocks[index][0] > blocks[index][-1]) for index in members)
    order = np.argsort(np.array([blocks[index][0] for index in members], dtype), kind="stable").tolist()
    order = [members[rank] for rank in (order[::-1] if falls else order)]
    data = b"".join(np.ascontiguousarray(blocks[index], dtype).view(np.uint8).data for index in order)
    values = np.frombuffer(data, dtype) if data else np.empty(0, dtype)  # the bytes that are written, held once
    before, after = values[:-1], values[1:]
    if not bool((before > after if falls else before < after).all()):
        return None
    return values, Positions.end_to_end([len(block) for block in blocks], order)


def _value_by_value(column: Column, dtype: np.dtype[Any], findings: Findings) -> tuple[NDArray[Any], Positions]:
    """The axis of any inputs."""
    blocks = column.values
    values, inverse = np.unique(_concatenated(blocks, dtype), return_inverse=True)
    inverse = inverse.astype(np.int64, copy=False).reshape(-1)
    lengths = np.array([len(block) for block in blocks])
    stops = np.cumsum(lengths)
    positions: Sequence[NDArray[np.int64]] = np.split(inverse, stops[:-1])
    steps = np.diff(inverse)
    inside = np.ones(len(steps), np.bool_)
    inside[stops[:-1][(stops[:-1] > 0) & (stops[:-1] <= len(steps))] - 1] = False
    steps = steps[inside]
    if len(steps) and bool((steps < 0).all()):
        values = values[::-1]
        positions = [len(values) - 1 - p for p in positions]
    elif not bool((steps > 0).all()):
        _lose_repeated(column, positions, findings)
        values, positions = _in_order_of_inputs(values, positions)
    return values, Positions.of(positions)


def _common_type(column: Column) -> np.dtype[Any]:
    """The type that holds the values of all inputs."""
    kinds = {block.dtype.kind for block in column.values if len(block)}
    if kinds & set("SUO") and not kinds <= set("SUO"):
        raise CombineError(f"{column.path}: some inputs give text and others numbers")
    if "O" in kinds or kinds == {"S", "U"}:
        return np.dtype(np.str_)
    return np.concatenate([block[:0] for block in column.values]).dtype


def _concatenated(blocks: Sequence[NDArray[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype == np.dtype(np.str_):
        return np.array([_text(value) for block in blocks for value in block.tolist()], np.str_)
    return np.concatenate(blocks)


def _text(value: object) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


def _lose_missing(column: Column, dtype: np.dtype[Any], findings: Findings) -> None:
    if dtype.kind not in "fmMc":
        return
    for index, block in enumerate(column.values):
        if bool(np.isnan(block).any()):
            name = findings.inputs.name(index)
            head = f"a value of {name} is missing (NaN), so its place along {column.dim} is not known"
            remedy = Remedy("coo_map", {column.dim: ...})
            advice = f"Say where it stands, {remedy}, or leave it out"
            findings.lose(column.path, "missing values", index, head, advice=advice, remedies=(remedy,))


def _lose_repeated(column: Column, positions: Sequence[NDArray[np.int64]], findings: Findings) -> None:
    for index, block in enumerate(positions):
        unique, counts = np.unique(block, return_counts=True)
        if len(unique) != len(block):
            value = column.values[index][block == unique[counts > 1][0]][0]
            head = f"the value {value} stands more than once in {findings.inputs.name(index)}"
            remedy = Remedy("coo_map", {column.dim: ...})
            advice = f"Another coordinate may tell its elements apart: {remedy}"
            findings.lose(column.path, "repeated values", index, head, advice=advice, remedies=(remedy,))


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


def note_gaps(axis: Axis, findings: Findings) -> None:
    """Say where an axis jumps: a step of more than one and a half times the usual one."""
    values = axis.values
    if len(values) < 3 or values.dtype.kind not in "iufmM":
        return
    numbers = values.astype(np.float64) if values.dtype.kind in "iuf" else values.astype("i8").astype(np.float64)
    steps = np.abs(np.diff(numbers))
    usual = float(np.median(steps))
    jumps = np.flatnonzero(steps > 1.5 * usual)
    if not len(jumps) or not usual:
        return
    at = int(jumps[0])
    before, after = (_holder(axis, position) for position in (at, at + 1))
    names = findings.names((before, after))
    in_units = values.dtype.kind in "mM" or is_time(axis.origin.get("units"))
    start, end = axis.in_words(slice(at, at + 2))
    message = (
        f"jumps from {start} ({names[0]}) to {end} ({names[1]}), where the usual step is"
        f" {usual:g}{' in the units of the values' if in_units else ''}."
    )
    if len(jumps) > 1:
        message += f" There are {len(jumps):,} such gaps; the largest step is {steps.max():g}."
    findings.add(Finding("gap", axis.path, message, names, len(jumps), refused=False))


def _holder(axis: Axis, position: int) -> int:
    """The first input that holds a position."""
    positions = axis.positions
    return next(index for index in range(len(positions.lengths)) if bool((positions[index] == position).any()))
