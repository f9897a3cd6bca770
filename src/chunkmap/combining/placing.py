"""Carrying out a plan: table arithmetic on manifests, and the few values that are kept inline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chunkmap.combining.axes import Axis
from chunkmap.combining.plan import ArrayPlan, Part, Plan
from chunkmap.combining.recipe import Recipe
from chunkmap.combining.selectors import Reader
from chunkmap.combining.times import TimeUnits, in_units, is_time
from chunkmap.errors import CombineError
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, Placement, place

__all__ = ["carry_out", "coordinate_array", "inline_array"]


def carry_out(plan: Plan, read: Reader) -> dict[str, ManifestArray]:
    """The arrays of the result, coordinates first."""
    arrays = {dim: coordinate_array(plan, axis) for dim, axis in plan.axes.items()}
    _check_identical(plan, read)
    loaded = [array_plan for array_plan in plan.arrays.values() if array_plan.load is not None]
    values = iter(read([part.array for array_plan in loaded for part in array_plan.parts])) if loaded else iter(())
    for path, array_plan in plan.arrays.items():
        if array_plan.load is not None:
            arrays[path] = _assemble(plan, array_plan, [next(values) for _ in array_plan.parts])
        else:
            arrays[path] = _place(plan, array_plan)
    return arrays


def coordinate_array(plan: Plan, axis: Axis) -> ManifestArray:
    """The values of an axis as an array held inline, with the attributes that the first input gives them."""
    attrs: dict[str, Any] = {}
    own = next((refs.arrays[axis.dim] for refs in plan.inputs if axis.dim in refs.arrays), None)
    if own is not None:
        attrs = dict(own.meta.attrs)
        if axis.values.dtype.kind in "MU":
            attrs = {key: value for key, value in attrs.items() if key not in ("units", "calendar")}
    return inline_array(axis.values, (axis.dim,), {**attrs, **axis.attrs})


def inline_array(values: NDArray[Any], dims: tuple[str, ...], attrs: dict[str, Any]) -> ManifestArray:
    """An array whose values are held inline, as one chunk without codecs."""
    shape = values.shape
    meta = ArrayMeta(
        shape=shape, chunk_shape=tuple(max(n, 1) for n in shape), dtype=values.dtype, dims=dims, attrs=attrs
    )
    if not values.size:
        return ManifestArray(meta, ChunkManifest.empty(meta.grid_shape))
    data = np.ascontiguousarray(values).tobytes()
    return ManifestArray(meta, ChunkManifest.single(data, 0, len(data), values.ndim))


def _place(plan: Plan, array_plan: ArrayPlan) -> ManifestArray:
    meta, parts = array_plan.meta, array_plan.parts
    grid_shape = meta.grid_shape
    placements = [Placement(part.array.chunks, part.cells) for part in parts]
    try:
        chunks = place(grid_shape, placements, last_wins="overlap" in plan.recipe.waive)
    except ValueError as error:
        raise _overlap(plan, array_plan, placements) from error
    return ManifestArray(_fill_for_missing(plan, array_plan, chunks), chunks)


def _fill_for_missing(plan: Plan, array_plan: ArrayPlan, chunks: ChunkManifest) -> ArrayMeta:
    """Cells that no input holds must read as missing, not as zeros."""
    meta = array_plan.meta
    absent = chunks.size - len(chunks)
    own = sum(part.array.chunks.size - len(part.array.chunks) for part in array_plan.parts)
    if absent <= own or meta.fill_value is not None or "missing" in plan.recipe.waive:
        return meta
    if meta.dtype.kind == "f" and own == 0:
        return replace(meta, fill_value=meta.dtype.type(np.nan))
    names = [plan.inputs.name(part.index) for part in array_plan.parts[:3]]
    raise CombineError(
        f"{array_plan.path}: {absent - own} of {chunks.size} chunks are in none of the inputs, and {meta.dtype.str} has"
        f" no fill value to say so: they would read as zeros. Give all inputs, or waive 'missing'",
        inputs=names,
    )


def _overlap(plan: Plan, array_plan: ArrayPlan, placements: Sequence[Placement]) -> CombineError:
    """Name two inputs that claim one cell, the value they share, and a coordinate that would tell them apart."""
    meta = array_plan.meta
    owner: dict[int, Part] = {}
    for part, (chunks, cells) in zip(array_plan.parts, placements, strict=True):
        for position in chunks.positions_in(meta.grid_shape, cells).tolist():
            if position not in owner:
                owner[position] = part
                continue
            names = [plan.inputs.name(p.index) for p in (owner[position], part)]
            cell = np.unravel_index(position, meta.grid_shape)
            at = ", ".join(
                f"{dim} = {plan.axes[dim].values[int(c) * n]}"
                for dim, c, n in zip(meta.dims or (), cell, meta.chunk_shape, strict=True)
                if dim in plan.axes
            )
            return CombineError(
                f"{array_plan.path}: {names[0]} and {names[1]} both hold {at}; one would hide the other."
                f" {_advice(plan, owner[position].index, part.index)}",
                inputs=names,
            )
    raise AssertionError(f"{array_plan.path}: no two inputs claim one cell")


def _advice(plan: Plan, first: int, second: int) -> str:
    """What would tell two inputs apart: another time along the same dimension, where there is one."""
    leave = "leave one of them out, or waive 'overlap' to let the later one win"
    for dim in plan.axes:
        for path, array in plan.inputs[first].arrays.items():
            time = is_time(array.meta.attrs.get("units")) and array.meta.dims == (dim,)
            if time and path != dim and path in plan.inputs[second].arrays:
                return f"Another time may tell them apart: pass coo_map={{{dim!r}: 'cf:{path}'}}; otherwise {leave}"
    return f"Say with coo_map what tells them apart along {', '.join(plan.axes)}; otherwise {leave}"


# ---------------------------------------------------------------------- values that are read


def _assemble(plan: Plan, array_plan: ArrayPlan, values: Sequence[NDArray[Any]]) -> ManifestArray:
    """Put the values of all inputs together, times brought to the first one's units, and hold them inline."""
    meta = array_plan.meta
    if array_plan.units:
        values = _in_first_units(plan, array_plan, values)
    fill = meta.fill_value
    out = np.zeros(meta.shape, values[0].dtype) if fill is None else np.full(meta.shape, fill, values[0].dtype)
    seen = np.zeros(meta.shape, np.bool_)
    for part, block in zip(array_plan.parts, values, strict=True):
        where = np.ix_(*(_positions(plan, part, dim, n) for dim, n in zip(meta.dims or (), meta.shape, strict=True)))
        if bool(seen[where].any()) and "overlap" not in plan.recipe.waive:
            raise CombineError(
                f"{array_plan.path}: {plan.inputs.name(part.index)} holds what an earlier input holds as well."
                f" {_advice(plan, array_plan.parts[0].index, part.index)}",
                inputs=[plan.inputs.name(part.index)],
            )
        out[where] = block.reshape(out[where].shape)
        seen[where] = True
    if not bool(seen.all()) and fill is None and "missing" not in plan.recipe.waive:
        if out.dtype.kind != "f":
            raise CombineError(
                f"{array_plan.path}: some elements are in none of the inputs. Give all, or waive 'missing'"
            )
        out[~seen] = np.nan
    array = inline_array(out, meta.dims or (), dict(meta.attrs))
    return array.with_meta(fill_value=fill)


def _in_first_units(plan: Plan, array_plan: ArrayPlan, values: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    units = [
        TimeUnits.parse(own, _calendar(plan, part, array_plan.path))
        for own, part in zip(array_plan.units, array_plan.parts, strict=True)
    ]
    return in_units(values, units, units[0])


def _calendar(plan: Plan, part: Part, path: str) -> object:
    if "calendar" in part.array.meta.attrs:
        return part.array.meta.attrs["calendar"]
    name = path.rpartition("/")[2]
    parents = (array for array in plan.inputs[part.index].arrays.values() if array.meta.attrs.get("bounds") == name)
    return next((parent.meta.attrs.get("calendar") for parent in parents), None)


def _positions(plan: Plan, part: Part, dim: str, length: int) -> NDArray[np.int64]:
    axis = plan.axes.get(dim)
    return np.arange(length) if axis is None else axis.positions[part.index]


def _to_compare(recipe: Recipe, array_plan: ArrayPlan, array: ManifestArray) -> bool:
    """Whether the values must be looked at: they are not the very same bytes, and are not taken on trust."""
    first = array_plan.parts[0].array
    if array.chunks == first.chunks and array.meta.dtype == first.meta.dtype:
        return False
    if {array_plan.path, array_plan.path.rpartition("/")[2]} & set(recipe.identical_dims):
        return array.meta.nbytes < recipe.compare_below
    return True


def _check_identical(plan: Plan, read: Reader) -> None:
    """What is taken from the first input must be the same in the others, bit for bit."""
    if "identical" in plan.recipe.waive:
        return
    wanted = [(array_plan, index, array) for array_plan in plan.arrays.values() for index, array in array_plan.same]
    differing = [
        (array_plan, index, array) for array_plan, index, array in wanted if _to_compare(plan.recipe, array_plan, array)
    ]
    if not differing:
        return
    paths = {array_plan.path: array_plan for array_plan, _, _ in differing}
    firsts = dict(zip(paths, read([p.parts[0].array for p in paths.values()]), strict=True))
    for (array_plan, index, _), values in zip(differing, read([array for _, _, array in differing]), strict=True):
        expected = firsts[array_plan.path]
        if not np.array_equal(expected, values, equal_nan=expected.dtype.kind in "fc"):
            names = [plan.inputs.name(array_plan.parts[0].index), plan.inputs.name(index)]
            raise CombineError(
                f"{array_plan.path}: taken as identical in all inputs, but its values in {names[1]} are not those in"
                f" {names[0]}. Combine along its dimension, or waive 'identical' to use the first one's",
                inputs=names,
            )
