"""Carrying out a plan: table arithmetic on manifests, and the few values that are kept inline."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chunkmap.combining.axes import Axis
from chunkmap.combining.plan import ArrayPlan, Part, Plan
from chunkmap.combining.selectors import Reader
from chunkmap.combining.times import TimeUnits, in_units
from chunkmap.errors import CombineError
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, Placement, place
from chunkmap.model.array import manifests_of
from chunkmap.model.portable import spelled

__all__ = ["assemble", "carry_out", "coordinate_array", "inline_array"]

_TOGETHER = 256
"""Inputs at rest whose chunks are fetched together: what they share is held once for each of them while it is."""


def carry_out(plan: Plan, read: Reader) -> dict[str, ManifestArray]:
    """The arrays of the result, coordinates first."""
    arrays = {path: coordinate_array(plan, axis) for path, axis in plan.coordinates.items()}
    loaded = [array_plan for array_plan in plan.arrays.values() if array_plan.load is not None]
    values = iter(read([part.array for array_plan in loaded for part in array_plan.parts])) if loaded else iter(())
    for path, array_plan in plan.arrays.items():
        if array_plan.load is not None:
            arrays[path] = assemble(plan, array_plan, [next(values) for _ in array_plan.parts])
        else:
            arrays[path] = _place(plan, array_plan)
    return arrays


def coordinate_array(plan: Plan, axis: Axis) -> ManifestArray:
    """The values of an axis as an array held inline, with the attributes that the first input gives them."""
    attrs: dict[str, Any] = {}
    members = (plan.inputs[index] for index in np.flatnonzero(axis.positions.lengths).tolist())
    own = next((refs.arrays[axis.coordinate] for refs in members if axis.coordinate in refs.arrays), None)
    if own is not None:
        attrs = dict(own.meta.attrs)
        if axis.values.dtype.kind in "MU":
            attrs = {key: value for key, value in attrs.items() if key not in ("units", "calendar")}
    attrs |= axis.attrs
    return inline_array(
        axis.values, (axis.dim,), attrs if plan.strict_json is None else spelled(attrs, plan.strict_json)
    )


def inline_array(values: NDArray[Any], dims: tuple[str, ...], attrs: dict[str, Any]) -> ManifestArray:
    """An array whose values are held inline, as one chunk without codecs; objects are texts, encoded as such."""
    shape = values.shape
    text = values.dtype.kind == "O"
    meta = ArrayMeta(
        shape=shape,
        chunk_shape=tuple(max(n, 1) for n in shape),
        dtype=values.dtype,
        filters=({"id": "vlen-utf8"},) if text else (),
        dims=dims,
        attrs=attrs,
    )
    if not values.size:
        return ManifestArray(meta, ChunkManifest.empty(meta.grid_shape))
    data = _vlen_utf8(values) if text else _bytes_of(values)
    return ManifestArray(meta, ChunkManifest.single(data, 0, len(data), values.ndim))


def _bytes_of(values: NDArray[Any]) -> bytes:
    """The bytes of values in C order: those that they stand in, where they are all of these, and not a copy."""
    own: object = values.base
    if isinstance(own, bytes) and values.flags.c_contiguous and values.nbytes == len(own):
        return own
    return values.tobytes()


def _vlen_utf8(values: NDArray[Any]) -> bytes:
    """Texts as numcodecs' codec of this name stores them: their number, then the length and the bytes of each."""
    texts = [str(value).encode() for value in values.reshape(-1).tolist()]
    return struct.pack("<I", len(texts)) + b"".join(struct.pack("<I", len(text)) + text for text in texts)


def _place(plan: Plan, array_plan: ArrayPlan) -> ManifestArray:
    meta, parts = array_plan.meta, array_plan.parts
    last_wins = "overlap" in plan.recipe.waive
    placements = _placements(parts if last_wins else _in_order(parts))
    try:
        chunks = place(meta.grid_shape, placements, last_wins=last_wins)
    except ValueError as error:
        names = [plan.inputs.name(part.index) for part in parts[:3]]
        raise CombineError(f"{array_plan.path}: {error}", inputs=names) from error
    return ManifestArray(meta, chunks)


def _placements(parts: Sequence[Part]) -> list[Placement]:
    """Where the chunks of all parts go; those at rest are fetched for many parts at once."""
    groups = (parts[first : first + _TOGETHER] for first in range(0, len(parts), _TOGETHER))
    return [
        Placement(chunks, part.cells)
        for some in groups
        for part, chunks in zip(some, manifests_of([part.array for part in some]), strict=True)
    ]


def _in_order(parts: Sequence[Part]) -> Sequence[Part]:
    """Parts in the order of their cells, where each has a first one: so they follow one another, if they do at all."""
    if all(isinstance(cell, int) for part in parts for cell in part.cells):
        return sorted(parts, key=lambda part: part.cells)
    return parts


# ---------------------------------------------------------------------- values that are read


def assemble(plan: Plan, array_plan: ArrayPlan, values: Sequence[NDArray[Any]]) -> ManifestArray:
    """Put the values of all inputs together, times brought to the first one's units, and hold them inline."""
    meta = array_plan.meta
    if array_plan.units:
        values = _in_first_units(plan, array_plan, values)
    fill, dtype = meta.missing, values[0].dtype
    empty: Any = "" if dtype.kind == "O" else np.zeros(1, dtype)[0]
    out = np.full(meta.shape, empty if fill is None else fill, dtype)
    for part, block in zip(array_plan.parts, values, strict=True):
        where = np.ix_(
            *(_positions(plan, array_plan, part, dim, n) for dim, n in zip(meta.dims or (), meta.shape, strict=True))
        )
        out[where] = block.reshape(out[where].shape)
    array = inline_array(out, meta.dims or (), dict(meta.attrs))
    return array.with_meta(fill_value=meta.fill_value)


def _in_first_units(plan: Plan, array_plan: ArrayPlan, values: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    try:
        units = [
            TimeUnits.parse(own, _calendar(plan, part, array_plan.path))
            for own, part in zip(array_plan.units, array_plan.parts, strict=True)
        ]
        return in_units(values, units, units[0])
    except ValueError as error:
        names = [plan.inputs.name(part.index) for part in array_plan.parts[:3]]
        raise CombineError(
            f"{array_plan.path}: its times cannot be brought to one unit: {error}", inputs=names
        ) from error


def _calendar(plan: Plan, part: Part, path: str) -> object:
    if "calendar" in part.array.meta.attrs:
        return part.array.meta.attrs["calendar"]
    name = path.rpartition("/")[2]
    parents = (array for array in plan.inputs[part.index].arrays.values() if array.meta.attrs.get("bounds") == name)
    return next((parent.meta.attrs.get("calendar") for parent in parents), None)


def _positions(plan: Plan, array_plan: ArrayPlan, part: Part, dim: str, length: int) -> NDArray[np.int64]:
    axis = plan.axis(array_plan.path, dim)
    return np.arange(length) if axis is None else axis.positions[part.index]
