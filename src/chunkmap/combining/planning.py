"""Making a plan, from headers and coordinate values only, before a single chunk is moved.

The plan names for every array of the result the inputs that it comes from and the cells of the grid that each takes.
What does not fit is found here, all of it: a combine refuses it, a diagnosis reports it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from chunkmap.combining.alignment import Places
from chunkmap.combining.axes import Axis, find_axis, make_axes
from chunkmap.combining.coverage import Coverage, check_missing, find_overlap
from chunkmap.combining.differences import with_widest_packing
from chunkmap.combining.eras import eras_of
from chunkmap.combining.findings import Finding, Findings, refusal
from chunkmap.combining.in_order import check_order
from chunkmap.combining.inputs import Inputs
from chunkmap.combining.on_grid import fit
from chunkmap.combining.pixels import check_pixels
from chunkmap.combining.plan import ArrayPlan, Part, Plan, Repeat
from chunkmap.combining.recipe import VARIABLES, Recipe
from chunkmap.combining.request import Found, Request
from chunkmap.combining.same_metadata import compare, compare_identical
from chunkmap.combining.same_values import check_identical, check_named, check_repeats
from chunkmap.combining.selectors import Reader, evaluate
from chunkmap.combining.uneven import plan_apart, together
from chunkmap.combining.usable import check_usable
from chunkmap.combining.variants import as_variants
from chunkmap.errors import CombineError, Remedy
from chunkmap.model import ArrayMeta, ManifestArray

__all__ = ["make_plan", "survey"]


def make_plan(inputs: Inputs, recipe: Recipe, read: Reader) -> Plan:
    """Plan a combine. Raises CombineError for what does not fit."""
    plan, findings = survey(inputs, recipe, read)
    refused = [finding for finding in findings if finding.refused]
    if refused:
        raise refusal(refused)
    return replace(plan, notes=findings)


def survey(inputs: Inputs, recipe: Recipe, read: Reader) -> tuple[Plan, tuple[Finding, ...]]:
    """Look at everything, whatever is found on the way: a plan of what fits, and all findings.

    Inputs of which it is not known where they stand, and arrays that do not fit, are not in the plan.
    """
    if not len(inputs):
        raise CombineError("expected reference sets to combine, found none")
    inputs = together(inputs, recipe)
    findings = Findings(inputs)
    check_usable(inputs, findings)
    check_named(inputs, recipe, findings)
    eras = eras_of(inputs, recipe, findings)
    axes, names = _axes(inputs, recipe, read, findings, eras)
    places = {path: Places(axis) for path, axis in axes.items()}
    for place in places.values():
        check_pixels(place.axis, inputs, findings)
        check_order(place.axis, recipe, findings)
    request = Request(inputs, recipe, places, names, eras, findings)
    made = {path: _plan_array(request, path, found) for path, found in _contributions(request).items()}
    arrays = {path: plan for path, plan in made.items() if plan is not None}
    check_repeats(arrays.values(), read, findings)
    if "identical" not in recipe.waive:
        check_identical(arrays.values(), recipe, read, findings)
    used = {(path.rpartition("/")[0], dim) for path, plan in arrays.items() for dim in plan.meta.dims or ()}
    named = {id(axis) for group, dim in used if (axis := find_axis(axes, f"{group}/{dim}", dim)) is not None}
    axes = {path: axis for path, axis in axes.items() if axis.dim in recipe.dims or id(axis) in named}
    chosen = tuple(sorted({name for name in names if name is not None}))
    return plan_apart(Plan(inputs, recipe, axes, arrays, _groups(request), chosen)), findings.done()


def _axes(
    inputs: Inputs, recipe: Recipe, read: Reader, findings: Findings, eras: Sequence[str]
) -> tuple[dict[str, Axis], list[str | None]]:
    """The axes of the result, and the names that inputs give their data variables; the values of each input are let
    go of here.
    """
    columns, names = evaluate(inputs, recipe, read, findings, eras)
    return make_axes(columns, findings), names


def _groups(request: Request) -> dict[str, Mapping[str, object]]:
    groups: dict[str, Mapping[str, object]] = {}
    for refs, era in zip(request.inputs, request.eras, strict=True):
        groups.setdefault("", refs.attrs)
        for path, attrs in refs.groups.items():
            groups.setdefault("/".join(part for part in (era, path) if part), attrs)
    return groups


def _contributions(request: Request) -> dict[str, Found]:
    """Path in the result -> the inputs that have it."""
    found: dict[str, Found] = {}
    identical = set(request.recipe.identical_dims)
    coordinates = {path for path, place in request.places.items() if not place.axis.in_order}
    for index, refs in enumerate(request.inputs):
        if index in request.findings.lost:
            continue
        era, new = request.eras[index], request.names[index]
        dims = set() if new is None else {dim for array in refs.arrays.values() for dim in array.meta.dims or ()}
        for path, array in refs.arrays.items():
            target = path
            if new is not None:
                name = path.rpartition("/")[2]
                if name not in dims and path not in identical and name not in identical:
                    target = path[: len(path) - len(name)] + new
            if era:
                target = f"{era}/{target}"
            if path in coordinates or target in coordinates:
                continue
            found.setdefault(target, []).append((index, array))
    return found


# ---------------------------------------------------------------------- one array


def _plan_array(request: Request, path: str, found: Found) -> ArrayPlan | None:
    if _is_same_everywhere(request, path, found[0][1].meta):
        return _plan_identical(request, path, found)
    if _is_fixed(request, path, found):
        return _plan_identical(request, path, found)
    found = _with_all_dims(request, path, found)
    found = [(i, array) for i, array in found if 0 not in array.meta.shape] or found[:1]
    found = _with_known_places(request, path, found)
    if not found:
        return None
    found = as_variants(request, path, found)
    first = found[0][1].meta
    places = [request.along(path, dim) for dim in first.dims or ()]
    along = [place for place in places if place is not None]
    if not along and first.nbytes <= request.recipe.load_below:
        return _plan_identical(request, path, found)
    sound, load, units = compare(request, path, found, [place.axis.dim for place in along])
    first = with_widest_packing(first, (array.meta for _, array in found))
    outline = ArrayPlan(path, _outline(first, places), (), load, units)
    plan = fit(request, outline, found, places) if sound else None
    coverage = request.cover(along, tuple(i for i, _ in found))
    if "overlap" not in request.recipe.waive:
        plan, coverage = _without_overlap(request, (outline, plan), coverage, found, places)
    if plan is None or "missing" in request.recipe.waive or coverage.filled == coverage.total:
        return plan
    return replace(plan, meta=check_missing(plan, coverage, _without(request, found, along), request.findings))


def _without_overlap(
    request: Request,
    plans: tuple[ArrayPlan, ArrayPlan | None],
    coverage: Coverage,
    found: Found,
    places: Sequence[Places | None],
) -> tuple[ArrayPlan | None, Coverage]:
    """The plan, and what it covers, with each place taken once; an overlap that may hide something is reported."""
    outline, plan = plans
    overlap = find_overlap(outline.path, plan, coverage, request.findings)
    if overlap is None:
        return plan, coverage
    if plan is not None and not outline.units:
        once, plan = _once(request, (outline, plan), overlap, found, places)
        if len(once) < len(found):
            along = [place for place in places if place is not None]
            return plan, request.cover(along, tuple(index for index, _ in once))
    request.findings.add(overlap)
    return plan, coverage


def _once(
    request: Request,
    plans: tuple[ArrayPlan, ArrayPlan],
    overlap: Finding,
    found: Found,
    places: Sequence[Places | None],
) -> tuple[Found, ArrayPlan | None]:
    """A small array, as bounds are, that several inputs hold at the very same places: each place is taken once, and
    the others are to be compared with it. All of them, and the plan as it is, where more overlaps than that.

    `plans` are its outline, and what came of it.
    """
    outline, plan = plans
    positions = [place.axis.positions for place in places if place is not None]
    firsts: dict[tuple[bytes, ...], int] = {}
    repeated: list[tuple[int, int, ManifestArray]] = []
    for index, array in found:
        first = firsts.setdefault(tuple(at[index].tobytes() for at in positions), index)
        if first != index:
            repeated.append((first, index, array))
    once = [(index, array) for index, array in found if index in firsts.values()]
    if sum(array.meta.nbytes for _, _, array in repeated) > request.recipe.load_below:
        return found, plan
    again = fit(request, outline, once, places)
    along = [place for place in places if place is not None]
    if again is None or request.cover(along, tuple(index for index, _ in once)).clash is not None:
        return found, plan
    kept = dict(once)
    repeats = tuple(Repeat(Part(first, kept[first], ()), index, array) for first, index, array in repeated)
    return once, replace(again, repeats=repeats, overlap=overlap)


def _outline(first: ArrayMeta, places: Sequence[Places | None]) -> ArrayMeta:
    """The metadata of the result, in even chunks along what is combined."""
    shape = tuple(n if place is None else len(place.axis) for place, n in zip(places, first.shape, strict=True))
    own = zip(first.edges, places, strict=True) if first.edges else ()
    return replace(first, shape=shape, edges=tuple(edges if place is None else None for edges, place in own))


def _without(request: Request, found: Found, along: Sequence[Places]) -> list[int]:
    """The inputs that have a part in the axes and do not have the array."""
    have = {index for index, _ in found} | request.findings.lost
    return [i for i in range(len(request.inputs)) if i not in have and all(place.lengths[i] for place in along)]


def _with_all_dims(request: Request, path: str, found: Found) -> Found:
    """The arrays with every dimension that is combined along: those that they do not have lead, one element long."""
    expanded: Found = []
    wanted = tuple(dim for dim in request.recipe.dims if dim != VARIABLES and request.along(path, dim) is not None)
    lacking: dict[tuple[str, ...] | None, tuple[str, ...]] = {}
    for index, array in found:
        dims = array.meta.dims
        if dims is None and array.meta.ndim:
            head = f"its dimensions have no names in {request.inputs.name(index)}, so it cannot be placed"
            request.findings.each(path, "dims", index, head)
            continue
        if dims not in lacking:
            lacking[dims] = tuple(dim for dim in wanted if dim not in (dims or ()))
        expanded.append((index, _expanded(array, lacking[dims]) if lacking[dims] else array))
    return expanded


def _expanded(array: ManifestArray, new: tuple[str, ...]) -> ManifestArray:
    """The array with new leading dimensions, one element long."""
    meta, ones = array.meta, (1,) * len(new)
    return array.in_grid_of(
        replace(
            meta,
            shape=ones + meta.shape,
            chunk_shape=ones + meta.chunk_shape,
            edges=(None,) * len(new) + meta.edges if meta.edges else (),
            dims=new + (meta.dims or ()),
        )
    )


def _is_same_everywhere(request: Request, path: str, meta: ArrayMeta) -> bool:
    """Arrays named as identical, and coordinates of dimensions that are not combined, are taken from the first."""
    name, identical = path.rpartition("/")[2], request.recipe.identical_dims
    if path in identical or name in identical:
        return True
    return meta.dims == (name,) and request.along(path, name) is None


def _is_fixed(request: Request, path: str, found: Found) -> bool:
    """Small arrays that no dimension of the combine touches, of inputs with several values each: a mask, a projection.

    There is no telling at which of its values each would stand, so they are taken once, if all are the same.
    """
    metas = [array.meta for _, array in found]
    wanted = [(dim, request.along(path, dim)) for dim in request.recipe.dims if dim != VARIABLES]
    if any(dim in (meta.dims or ()) for meta in metas for dim, _ in wanted):
        return False
    if max(meta.nbytes for meta in metas) > request.recipe.load_below:
        return False
    return any(place.lengths[index] > 1 for _, place in wanted if place is not None for index, _ in found)


def _plan_identical(request: Request, path: str, found: Found) -> ArrayPlan:
    index, first = found[0]
    same = []
    for other, array in found[1:]:
        if array.meta.shape == first.meta.shape or "identical" in request.recipe.waive:
            same.append((other, array))
            continue
        names = request.findings.names((index, other))
        head = (
            f"taken as identical in all inputs, but its shape is {first.meta.shape} in {names[0]} and"
            f" {array.meta.shape} in {names[1]}"
        )
        waive = Remedy("waive", "identical")
        request.findings.each(
            path,
            "identical",
            other,
            head,
            what="identical shape",
            value=array.meta.shape,
            advice=f"Combine along its dimension, or {waive}",
            first=(index,),
            remedies=(waive,),
        )
    if "identical" not in request.recipe.waive:
        compare_identical(request, path, found)
    cells = tuple(0 for _ in first.meta.shape)
    return ArrayPlan(path, first.meta, (Part(index, first, cells),), same=tuple(same))


def _with_known_places(request: Request, path: str, found: Found) -> Found:
    """Those inputs that say where each element of the array stands; the others are reported."""
    wrong: set[int] = set()
    dims = found[0][1].meta.dims if found else None
    for axis, dim in enumerate(dims or ()):
        place = request.along(path, dim)
        if place is None:
            continue
        lengths = place.lengths
        for index, array in found:
            meta = array.meta
            if lengths[index] != meta.shape[axis] and (meta.dims is dims or meta.dims == dims):
                wrong.add(index)
                _report_length(request, path, index, place, meta.shape[axis])
    return [(index, array) for index, array in found if index not in wrong] if wrong else found


def _report_length(request: Request, path: str, index: int, place: Places, length: int) -> None:
    name, dim, values = request.inputs.name(index), place.axis.dim, place.lengths[index]
    own = request.inputs[index].arrays.get(path)
    if own is not None and dim not in (own.meta.dims or ()):
        head = f"has no dimension {dim}, but {name} has {values} values along it"
        remedy = Remedy("identical_dims")
        advice = f"If it is the same in all inputs, name it in {remedy}"
    elif place.axis.in_order:
        head = f"has {length} elements along {dim} in {name}, where other arrays have {values}"
        remedy = Remedy("identical_dims")
        advice = f"If it is the same in all inputs, name it in {remedy}"
    else:
        head = f"has {length} elements along {dim} in {name}, but {values} values say where they stand"
        remedy = Remedy("coo_map", {dim: "data:..."})
        advice = f"Give as many: {remedy} or a function"
    request.findings.each(
        path, "length", index, head, what=f"length {dim}", value=length, advice=advice, remedies=(remedy,)
    )
