"""Which places of an array the inputs fill: two that claim one, and those that none does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.combining.axes import Axis
from chunkmap.combining.findings import Finding, Findings
from chunkmap.combining.plan import ArrayPlan
from chunkmap.combining.times import is_time
from chunkmap.errors import Remedy
from chunkmap.model import ArrayMeta

__all__ = ["Coverage", "check_missing", "cover", "find_overlap"]

_MOST_COUNTED: Final = 10**8


@dataclass(frozen=True, slots=True)
class Coverage:
    """How inputs fill the product of some axes."""

    axes: tuple[Axis, ...]
    total: int
    """Places that there are."""
    filled: int
    """Places that some input fills."""
    shared: tuple[int, ...] = ()
    """Inputs that claim a place which another claims too, in order."""
    clash: tuple[int, int, int] | None = None
    """The first two of them, and the place."""
    places: int = 0
    """How many places are claimed more than once."""


def cover(axes: tuple[Axis, ...], indexes: Sequence[int]) -> Coverage:
    """Count how inputs fill the product of axes, from the positions of their values alone."""
    total = math.prod(len(axis) for axis in axes)
    apart = axes[0].positions.fill_apart(indexes) if len(axes) == 1 else None
    if apart is not None:
        return Coverage(axes, total, apart)
    blocks = [_product(axes, index) for index in indexes]
    joined = np.concatenate(blocks) if blocks else np.empty(0, np.int64)
    if total <= _MOST_COUNTED:
        counts = np.bincount(joined, minlength=total)
        filled = int(np.count_nonzero(counts))
    else:
        filled = len(np.unique(joined))
    if filled == len(joined):
        return Coverage(axes, total, filled)
    owners = np.repeat(np.array(indexes, np.int64), [len(block) for block in blocks])
    return _with_clash(Coverage(axes, total, filled), joined, owners)


def _product(axes: tuple[Axis, ...], index: int) -> NDArray[np.int64]:
    position = axes[0].positions[index] if axes else np.zeros(1, np.int64)
    for axis in axes[1:]:
        position = (position[:, None] * len(axis) + axis.positions[index]).reshape(-1)
    return position


def _with_clash(coverage: Coverage, claimed: NDArray[Any], owners: NDArray[np.int64]) -> Coverage:
    """Name the inputs that share places: from the places that are claimed, and who claims each."""
    order = np.argsort(claimed, kind="stable")
    same = np.flatnonzero(np.diff(claimed[order].astype(np.int64)) == 0)
    if not len(same):
        return replace(coverage, shared=(), clash=None, places=0)
    pairs = np.stack([owners[order[same]], owners[order[same + 1]]])
    second = int(np.argmin(order[same + 1]))
    place = int(claimed[order[same[second]]])
    return replace(
        coverage,
        shared=tuple(np.unique(pairs).tolist()),
        clash=(int(pairs[0, second]), int(pairs[1, second]), place),
        places=len(np.unique(claimed[order[same]])),
    )


def find_overlap(path: str, plan: ArrayPlan | None, coverage: Coverage, findings: Findings) -> Finding | None:
    """Find two inputs that hold one chunk of an array: one would hide the other.

    Values that are read clash by element, and so do those of an array that has no plan because its chunks do not fit.
    Chunks clash only where both inputs have one: a place that an input declares and never wrote hides nothing.
    """
    if coverage.clash is None:
        return None
    if plan is not None and plan.load is None:
        found = _clash_of_chunks(plan, coverage)
        if found is None:
            return None
    else:
        first, second, place = coverage.clash
        found = first, second, _values(coverage.axes, np.unravel_index(place, [len(axis) for axis in coverage.axes]))
    first, second, at = found
    names = findings.names((first, second))
    many = ""
    if coverage.places > 1:
        many = f" {coverage.places:,} places are claimed more than once, by {len(coverage.shared):,} inputs."
    advice, remedies = _advice(findings, coverage.axes, first, second)
    message = f"{names[0]} and {names[1]} both hold {at or 'it'}; one would hide the other.{many} {advice}"
    return Finding("overlap", path, message, names, len(coverage.shared), remedies=remedies)


def _clash_of_chunks(plan: ArrayPlan, coverage: Coverage) -> tuple[int, int, str] | None:
    shared = set(coverage.shared)
    parts = [part for part in plan.parts if part.index in shared]
    grid = plan.meta.grid_shape
    claimed = [part.array.manifest().positions_in(grid, part.cells) for part in parts]
    owners = np.repeat(np.array([part.index for part in parts], np.int64), [len(c) for c in claimed])
    clash = _with_clash(coverage, np.concatenate(claimed), owners).clash
    if clash is None:
        return None
    first, second, position = clash
    dims = plan.meta.dims or ()
    coord = [int(n) for n in np.unravel_index(position, grid)]
    held = dict(zip(dims, plan.meta.elements_of_chunk(coord), strict=True))
    return first, second, _values(coverage.axes, [held[axis.dim].start for axis in coverage.axes])


def _values(axes: Sequence[Axis], position: Sequence[Any]) -> str:
    return ", ".join(f"{axis.dim} = {axis.in_words([int(at)])[0]}" for axis, at in zip(axes, position, strict=True))


def _advice(findings: Findings, axes: Sequence[Axis], first: int, second: int) -> tuple[str, tuple[Remedy, ...]]:
    """What would tell two inputs apart: another time along the same dimension, where there is one."""
    waive = Remedy("waive", "overlap")
    leave = f"leave one of them out, or {waive} to let the later one win"
    inputs = findings.inputs
    for axis in axes:
        for path, array in inputs[first].arrays.items():
            time = is_time(array.meta.attrs.get("units")) and array.meta.dims == (axis.dim,)
            if time and path != axis.coordinate and path in inputs[second].arrays:
                remedy = Remedy("coo_map", {axis.dim: f"cf:{path}"})
                return f"Another time may tell them apart: pass {remedy}; otherwise {leave}", (remedy, waive)
    along = ", ".join(axis.dim for axis in axes) or "a dimension"
    remedy = Remedy("coo_map")
    return f"Say with {remedy} what tells them apart along {along}; otherwise {leave}", (remedy, waive)


def check_missing(plan: ArrayPlan, coverage: Coverage, without: Sequence[int], findings: Findings) -> ArrayMeta:
    """Metadata under which places that no input fills read as missing; refused where they would read as zeros.

    `without` are inputs that do not have the array.
    """
    meta, absent = plan.meta, coverage.total - coverage.filled
    if not absent:
        return meta
    along = " x ".join(axis.dim for axis in coverage.axes)
    message = f"{absent:,} of {coverage.total:,} places along {along} are in none of the inputs"
    if without:
        listed = ", ".join(findings.names(without[:3])) + (
            f" and {len(without) - 3:,} more" if len(without) > 3 else ""
        )
        message += f": {listed} do not have it" if len(without) > 1 else f": {listed} does not have it"
    waive = Remedy("waive", "missing")
    names, refused = findings.names(without[:3] or [part.index for part in plan.parts[:3]]), False
    # In a result of an earlier combine, chunks may be missing because no input had them.
    inputs = (part.array for part in plan.parts if part.index >= findings.inputs.combined)
    own = any(len(chunks) < chunks.size for chunks in (array.manifest() for array in inputs))
    if meta.missing is not None:
        message += f". They read as the fill value, {meta.missing}"
    elif meta.dtype.kind == "f" and not own:
        message += ". They read as NaN"
        meta = replace(meta, fill_value=meta.dtype.type(np.nan))
    else:
        refused = True
        message += (
            f", and {meta.dtype.str} has no fill value to say so: they would read as zeros. Give all inputs, or {waive}"
        )
    remedies = (waive,) if refused else ()
    findings.add(Finding("missing", plan.path, message, names, len(without), refused, remedies=remedies))
    return meta
