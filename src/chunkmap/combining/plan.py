"""What a combine will do, made from headers and coordinate values only, before a single chunk is moved.

The plan names for every array of the result the inputs that it comes from and the cells of the grid that each takes.
What does not fit is found here, and refused with the names of the inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chunkmap.combining.axes import Axis, make_axis
from chunkmap.combining.compatible import WAIVABLE, Difference, differences
from chunkmap.combining.inputs import Inputs
from chunkmap.combining.recipe import VARIABLES, Recipe
from chunkmap.combining.selectors import Reader, evaluate
from chunkmap.combining.times import is_time
from chunkmap.errors import CombineError
from chunkmap.model import ArrayMeta, ManifestArray, ReferenceSet

__all__ = ["ArrayPlan", "Part", "Plan", "make_plan"]

Cells = int | NDArray[np.int64]
"""Where the chunks of an input go along one axis: from a first cell on, or cell by cell."""


@dataclass(frozen=True, slots=True)
class Part:
    """One input's share of an array."""

    index: int
    """The input."""
    array: ManifestArray
    cells: tuple[Cells, ...]
    """Where its chunks go, an entry for each axis of the result."""


@dataclass(frozen=True, slots=True)
class ArrayPlan:
    """How one array of the result comes about."""

    path: str
    meta: ArrayMeta
    parts: tuple[Part, ...]
    load: str | None = None
    """Why the values are read and held inline instead of being referred to; None when they are not."""
    units: tuple[str | None, ...] = ()
    """Units of time of each part, where they differ and the values are brought to the first one's."""
    same: tuple[tuple[int, ManifestArray], ...] = ()
    """The other inputs that have this array too, of which the first one's is taken."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The result in outline: its axes, and where every array comes from."""

    inputs: Inputs
    recipe: Recipe
    axes: Mapping[str, Axis]
    arrays: Mapping[str, ArrayPlan]
    groups: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Request:
    """The recipe, the inputs, and where every input stands."""

    inputs: Inputs
    recipe: Recipe
    axes: Mapping[str, Axis]
    names: Sequence[str | None]
    """What each input's data variable is called in the result; None for its own name."""


def make_plan(inputs: Inputs, recipe: Recipe, read: Reader) -> Plan:
    """Plan a combine. Raises CombineError for what does not fit."""
    if not len(inputs):
        raise CombineError("expected reference sets to combine, found none")
    columns, names = evaluate(inputs, recipe, read)
    axes = {dim: make_axis(inputs, column) for dim, column in columns.items()}
    groups: dict[str, Mapping[str, Any]] = {}
    for refs in inputs:
        for path, attrs in refs.groups.items():
            groups.setdefault(path, attrs)
    request = _Request(inputs, recipe, axes, names)
    arrays = {path: _plan_array(request, path, found) for path, found in _contributions(request).items()}
    used = {dim: axis for dim, axis in axes.items() if dim in recipe.dims or _uses(arrays, dim)}
    return Plan(inputs, recipe, used, arrays, groups)


def _contributions(request: _Request) -> dict[str, list[tuple[int, ManifestArray]]]:
    """Path in the result -> the inputs that have it."""
    found: dict[str, list[tuple[int, ManifestArray]]] = {}
    for index, refs in enumerate(request.inputs):
        dims = {dim for array in refs.arrays.values() for dim in array.meta.dims or ()}
        for path, array in refs.arrays.items():
            if path in request.axes:
                continue
            name = path.rpartition("/")[2]
            new = request.names[index]
            data = name not in dims and not {path, name} & set(request.recipe.identical_dims)
            target = path if new is None or not data else path[: len(path) - len(name)] + new
            found.setdefault(target, []).append((index, array))
    return found


def _uses(arrays: Mapping[str, ArrayPlan], dim: str) -> bool:
    return any(dim in (plan.meta.dims or ()) for plan in arrays.values())


# ---------------------------------------------------------------------- one array


def _plan_array(request: _Request, path: str, found: list[tuple[int, ManifestArray]]) -> ArrayPlan:
    if _is_same_everywhere(request, path, found[0][1].meta):
        return _plan_identical(request, path, found)
    found = [(index, _with_new_dims(request, path, index, array)) for index, array in found]
    found = [(index, array) for index, array in found if array.meta.size or not array.meta.ndim] or found[:1]
    first = found[0][1].meta
    dims = first.dims or ()
    load, units = _compare(request, path, found, [dim for dim in dims if dim in request.axes])
    shape = tuple(len(request.axes[d]) if d in request.axes else n for d, n in zip(dims, first.shape, strict=True))
    meta = replace(first, shape=shape)
    if load is None:
        load = _misaligned(request, meta, found)
    if load is not None:
        _refuse_large(request, path, meta, load)
        return ArrayPlan(path, meta, tuple(Part(index, array, ()) for index, array in found), load, units)
    return ArrayPlan(path, meta, tuple(Part(index, array, _cells(request, meta, index)) for index, array in found))


def _is_same_everywhere(request: _Request, path: str, meta: ArrayMeta) -> bool:
    """Arrays named as identical, and coordinates of dimensions that are not combined, are taken from the first."""
    name = path.rpartition("/")[2]
    if {path, name} & set(request.recipe.identical_dims):
        return True
    return meta.dims == (name,) and name not in request.axes


def _plan_identical(request: _Request, path: str, found: list[tuple[int, ManifestArray]]) -> ArrayPlan:
    index, first = found[0]
    if "identical" not in request.recipe.waive:
        for other, array in found[1:]:
            if array.meta.shape != first.meta.shape:
                names = [request.inputs.name(index), request.inputs.name(other)]
                raise CombineError(
                    f"{path}: taken as identical in all inputs, but its shape is {first.meta.shape} in {names[0]} and"
                    f" {array.meta.shape} in {names[1]}. Combine along its dimension, or waive 'identical'",
                    inputs=names,
                )
    cells = tuple(0 for _ in first.meta.shape)
    return ArrayPlan(path, first.meta, (Part(index, first, cells),), same=tuple(found[1:]))


def _with_new_dims(request: _Request, path: str, index: int, array: ManifestArray) -> ManifestArray:
    """The array with every dimension that is combined along: those that it does not have lead, one element long."""
    meta, name = array.meta, request.inputs.name(index)
    if meta.dims is None and meta.ndim:
        raise CombineError(f"{path}: its dimensions have no names in {name}, so it cannot be placed", inputs=[name])
    dims = meta.dims or ()
    new = tuple(dim for dim in request.recipe.dims if dim not in dims and dim != VARIABLES)
    for dim in new:
        count = len(request.axes[dim].positions[index])
        if count != 1:
            raise CombineError(
                f"{path}: has no dimension {dim}, but {name} has {count} values along it. If it is the same in all"
                f" inputs, name it in identical_dims",
                inputs=[name],
            )
    if not new:
        return array
    ones = (1,) * len(new)
    expanded = replace(meta, shape=ones + meta.shape, chunk_shape=ones + meta.chunk_shape, dims=new + dims)
    return ManifestArray(expanded, array.chunks.reshape_grid(ones + array.chunks.grid_shape))


def _compare(
    request: _Request, path: str, found: list[tuple[int, ManifestArray]], along: Sequence[str]
) -> tuple[str | None, tuple[str | None, ...]]:
    """Refuse what cannot stand under one metadata; say what must be read instead of referred to."""
    first = found[0][1].meta
    units = [_units(request.inputs[index], path, array.meta) for index, array in found]
    load: str | None = None
    for (index, array), own in zip(found, units, strict=True):
        _refuse_other_length(request, path, index, array.meta)
        if own != units[0] and is_time(own) and is_time(units[0]):
            load = "times are re-encoded"
        elif array.meta is first:
            continue
        for difference in differences(first, array.meta, along):
            if difference.check == "chunks" and not request.recipe.same_chunks:
                load = load or f"chunks are {difference.expected} and {difference.found}"
            elif difference.check == "units" and load == "times are re-encoded":
                continue
            elif not set(request.recipe.waive) & {difference.check, "attrs" if difference.check == "units" else ""}:
                raise _refused(request, path, found[0][0], difference, along)
    return load, tuple(units) if load == "times are re-encoded" else ()


def _units(refs: ReferenceSet, path: str, meta: ArrayMeta) -> str | None:
    """Units of an array; bounds have those of the array that they bound (CF section 7.1)."""
    if "units" in meta.attrs or path.endswith("/") or meta.dtype.kind not in "iuf":
        return meta.attrs.get("units")
    name = path.rpartition("/")[2]
    if not name.lower().endswith(("bounds", "bnds", "bound", "bnd", "_b")) and "bounds" not in name.lower():
        return None
    for parent in refs.arrays.values():
        if parent.meta.attrs.get("bounds") == name:
            units = parent.meta.attrs.get("units")
            return None if units is None else str(units)
    return None


def _refuse_other_length(request: _Request, path: str, index: int, meta: ArrayMeta) -> None:
    for dim, length in zip(meta.dims or (), meta.shape, strict=True):
        axis = request.axes.get(dim)
        if axis is not None and len(axis.positions[index]) != length:
            name = request.inputs.name(index)
            raise CombineError(
                f"{path}: has {length} elements along {dim} in {name}, but {len(axis.positions[index])} values say"
                f" where they stand. Give as many: coo_map={{{dim!r}: 'data:...'}} or a function",
                inputs=[name],
            )


def _refused(request: _Request, path: str, first: int, difference: Difference, along: Sequence[str]) -> CombineError:
    differing = _differing(request, path, first, difference.what, along)
    names = [request.inputs.name(first), *(request.inputs.name(index) for index in differing[:3])]
    other = names[1] if len(names) > 1 else "another input"
    more = f", and in {len(differing) - 1} more inputs it differs as well" if len(differing) > 1 else ""
    waive = f" To use the first one's all the same, waive {difference.check!r}." if difference.check in WAIVABLE else ""
    kind = "Found chunk size mismatch: " if difference.check == "chunks" else ""
    return CombineError(
        f"{path}: {kind}{difference.what} is {difference.expected} in {names[0]} but {difference.found} in"
        f" {other}{more}. Under one array they would be read wrongly; combine them apart, or convert them.{waive}",
        inputs=names,
    )


def _differing(request: _Request, path: str, first: int, what: str, along: Sequence[str]) -> list[int]:
    """The inputs whose array of this name differs from the first one's in one respect."""
    arrays = {index: refs.arrays[path].meta for index, refs in enumerate(request.inputs) if path in refs.arrays}
    if first not in arrays:
        return []
    return [
        index
        for index, meta in arrays.items()
        if any(difference.what == what for difference in differences(arrays[first], meta, along))
    ]


# ---------------------------------------------------------------------- where its chunks go


def _cells(request: _Request, meta: ArrayMeta, index: int) -> tuple[Cells, ...]:
    """The cells of an input that is known to be aligned."""
    cells: list[Cells] = []
    for dim, chunk in zip(meta.dims or (), meta.chunk_shape, strict=True):
        axis = request.axes.get(dim)
        if axis is None:
            cells.append(0)
            continue
        starts = axis.positions[index][::chunk] // chunk
        contiguous = len(starts) < 2 or bool((np.diff(starts) == 1).all())
        cells.append(int(starts[0]) if contiguous else starts)
    return tuple(cells)


def _misaligned(request: _Request, meta: ArrayMeta, found: list[tuple[int, ManifestArray]]) -> str | None:
    """Why the chunks of some input fall between cells of the grid; None when all fall on them."""
    for dim, chunk, length in zip(meta.dims or (), meta.chunk_shape, meta.shape, strict=True):
        axis = request.axes.get(dim)
        if axis is None or chunk == 1:
            continue
        for index, _ in found:
            if not _aligned(axis.positions[index], chunk, length):
                start, stop = int(axis.positions[index].min()), int(axis.positions[index].max()) + 1
                return (
                    f"{request.inputs.name(index)} covers {dim} {start} to {stop} of {length}, which does not fall on"
                    f" chunks of {chunk}"
                )
    return None


def _aligned(positions: NDArray[np.int64], chunk: int, length: int) -> bool:
    """Whether whole chunks of an input are whole cells of the grid."""
    n = len(positions)
    if not n:
        return True
    blocks = -(-n // chunk)
    starts = positions[::chunk]
    if bool((starts % chunk).any()):
        return False
    within = np.arange(n) - np.repeat(np.arange(blocks) * chunk, chunk)[:n]
    if not bool((positions == np.repeat(starts, chunk)[:n] + within).all()):
        return False
    last = n - (blocks - 1) * chunk
    return last == chunk or int(positions[-1]) == length - 1


def _refuse_large(request: _Request, path: str, meta: ArrayMeta, why: str) -> None:
    if meta.nbytes <= request.recipe.load_below and meta.dtype.kind != "O" and meta.dtype.fields is None:
        return
    raise CombineError(
        f"{path}: {why}. Its chunks cannot be referred to as they are, and its {meta.nbytes} bytes are more than"
        f" load_below={request.recipe.load_below} allows to be read and kept inline. Put the input that is short last,"
        f" split the chunks (uncompressed data), or raise load_below",
        inputs=[request.inputs.name(0)],
    )
