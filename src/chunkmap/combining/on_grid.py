"""Where the chunks of the inputs go in an array of the result, and what becomes of those that do not fit its grid.

Chunks that fall on the grid of the first input are placed there. Where some do not, they are cut to a common grid or
put into one of their own lengths, if the caller asks for it; small arrays are read and held inline; all else is
refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chunkmap.combining.alignment import MOST_CHUNKS, Places, common_chunks
from chunkmap.combining.findings import Finding
from chunkmap.combining.plan import ArrayPlan, Cause, Part, Reason
from chunkmap.combining.recipe import Recipe
from chunkmap.combining.rectilinear import own_grid
from chunkmap.combining.request import Found, Request
from chunkmap.errors import Remedy
from chunkmap.model import ArrayMeta
from chunkmap.model.edits import subchunk_array
from chunkmap.model.record_slices import records_of
from chunkmap.model.trimming import trim_axis, trimmed_as

__all__ = ["fit"]

Along = Sequence[Places | None]
"""Where the inputs stand along each axis; None where each lies along all of it."""


@dataclass(frozen=True, slots=True)
class _NoGrid:
    """There is no rectilinear grid in which every chunk keeps its length."""

    why: str


def fit(request: Request, plan: ArrayPlan, found: Found, places: Along) -> ArrayPlan | None:
    """The plan with its parts; None where they do not fit, which is reported."""
    reason, misfits = plan.load, [found[0][0]]
    results = [(index, array) for index, array in found if array.meta.edges or trim_axis(array.meta) is not None]
    plan = replace(plan, meta=trimmed_as(plan.meta, (array.meta for _, array in results)))
    if reason is None:
        reason, misfits = _ragged(request, results, places) or _misaligned(request, plan.meta, found, places)
    if reason is None:
        return _placed(request, plan, found, places)
    of_records = any(records_of(array.meta) for _, array in found) and not _is_small(request, plan.meta)
    if reason.cause is not Cause.UNITS and (request.recipe.split or of_records):
        cut = _cut(request, plan, found, places)
        if cut is not None:
            own = cut[0][1].meta
            meta = replace(plan.meta, chunk_shape=own.chunk_shape, filters=own.filters, compressor=own.compressor)
            return _placed(request, replace(plan, meta=meta, load=None, is_cut=True), cut, places)
    if _is_small(request, plan.meta) and not request.recipe.strict:
        message = f"{reason}: it is read, and held inline ({plan.meta.nbytes:,} bytes)"
        names = request.findings.names(misfits[:3])
        request.findings.add(Finding("inline", plan.path, message, names, len(misfits), refused=False))
        return replace(plan, parts=tuple(Part(index, array, ()) for index, array in found), load=reason)
    keeping = _in_own_grid(request, plan, found, places, reason)
    if isinstance(keeping, ArrayPlan) and request.recipe.zarr_format == 3:
        _note_own_grid(request, keeping, reason, misfits)
        return keeping
    _refuse(request, plan, reason, misfits, keeping)
    return None


def _placed(request: Request, plan: ArrayPlan, found: Found, places: Along) -> ArrayPlan:
    """Every chunk in the cell of a regular grid that it falls on."""
    zeros = [0] * len(request.inputs)
    columns = [
        zeros if place is None else place.cells(chunk)
        for place, chunk in zip(places, plan.meta.chunk_shape, strict=True)
    ]
    cells = list(zip(*columns, strict=True)) if columns else [()] * len(request.inputs)
    return replace(plan, parts=tuple(Part(index, array, cells[index]) for index, array in found))


def _cut(request: Request, plan: ArrayPlan, found: Found, places: Along) -> Found | None:
    """The arrays in chunks of a common grid; None where they cannot be cut."""
    grid = common_chunks({index: array.meta for index, array in found}, plan.meta.shape, places)
    if grid is None:
        return None
    cut: Found = []
    for index, array in found:
        try:
            cut.append((index, subchunk_array(array, grid, plan.path)))
        except ValueError as error:
            head = f"the chunks of {request.inputs.name(index)} cannot be cut: {error}"
            request.findings.each(plan.path, "split", index, head, refused=False)
            return None
    return cut


def _in_own_grid(request: Request, plan: ArrayPlan, found: Found, places: Along, reason: Reason) -> ArrayPlan | _NoGrid:
    """Every chunk in a cell of its own length; or why there is no such grid."""
    if reason.cause is Cause.UNITS:
        return _NoGrid("they must be read")
    try:
        grid = own_grid(plan.meta, dict(found), places, request.inputs.name)
    except ValueError as error:
        return _NoGrid(str(error))
    parts = tuple(Part(index, array, grid.cells[index]) for index, array in grid.arrays.items())
    return replace(plan, meta=grid.meta, parts=parts, load=None)


def _ragged(request: Request, results: Found, places: Along) -> tuple[Reason, list[int]] | None:
    """Why results of earlier combines, in grids of their own, do not fit a regular one, and which of them."""
    cut = {axis: index for index, array in results if (axis := trim_axis(array.meta)) is not None}
    if len(cut) > 1:
        names = " and ".join(request.findings.names(cut.values()))
        return Reason(Cause.GRID, f"decoded chunks are cut along other axes in {names}"), list(cut.values())
    along = [axis for axis, place in enumerate(places) if place is not None]
    own = [i for i, array in results if array.meta.edges and any(array.meta.edges[axis] for axis in along)]
    if not own:
        return None
    return Reason(Cause.CHUNKS, f"chunks are of several lengths in {request.inputs.name(own[0])}"), own


def _misaligned(request: Request, meta: ArrayMeta, found: Found, places: Along) -> tuple[Reason | None, list[int]]:
    """Why whole chunks of the inputs are not whole cells of the grid, and which inputs are to blame."""
    for place, chunk in zip(places, meta.chunk_shape, strict=True):
        bad = frozenset() if place is None else place.misfits(chunk)
        misfits = [index for index, _ in found if index in bad] if bad else []
        if misfits and place is not None:
            start, stop = place.extent(misfits[0])
            more = f" and so do {len(misfits) - 1:,} more inputs" if len(misfits) > 1 else ""
            text = (
                f"{request.inputs.name(misfits[0])} covers {place.axis.dim} {start} to {stop} of {len(place.axis)},"
                f" which does not fall on chunks of {chunk}{more}"
            )
            return Reason(Cause.GRID, text), misfits
    return None, []


def _is_small(request: Request, meta: ArrayMeta) -> bool:
    """Whether an array may be read and held inline."""
    return _is_readable(meta) and meta.nbytes <= request.recipe.load_below


def _is_readable(meta: ArrayMeta) -> bool:
    """Whether values can be written inline again: numbers, and objects that are texts."""
    if meta.dtype.kind == "O":
        return [codec.get("id") for codec in meta.codecs[:1]] == ["vlen-utf8"]
    return meta.dtype.fields is None


def _note_own_grid(request: Request, plan: ArrayPlan, reason: Reason, misfits: Sequence[int]) -> None:
    message, apart = (
        f"{reason}: its chunks keep their lengths, in a rectilinear grid of Zarr v3",
        Remedy("uneven_group"),
    )
    if request.recipe.uneven_group is None:
        message += (
            ", which hides its whole group from readers without zarr's option array.rectilinear_chunks;"
            f" {apart} puts it beside the others"
        )
    if trim_axis(plan.meta) is not None:
        message += (
            ". Those that hang over the end of an input are cut when they are decoded, by a codec that other readers"
            " than chunkmap find where it is installed"
        )
    names = request.findings.names(misfits[:3])
    remedies = (apart,) if str(apart) in message else ()
    request.findings.add(
        Finding("rectilinear", plan.path, message, names, len(misfits), refused=False, remedies=remedies)
    )


def _refuse(
    request: Request, plan: ArrayPlan, reason: Reason, misfits: Sequence[int], own: ArrayPlan | _NoGrid
) -> None:
    """Report an array whose chunks do not fit, and what would help."""
    recipe, names = request.recipe, request.findings.names(misfits[:3])
    message, remedies = f"{reason}. Its chunks cannot be referred to as they are", list[Remedy]()
    keep = Remedy("zarr_format", 3)
    kept = f"keep their lengths in a rectilinear grid of Zarr v3 ({keep})"
    if isinstance(own, ArrayPlan):
        remedies.append(keep)
    if _is_readable(plan.meta):
        ways, more = _ways(plan.meta, reason, split=recipe.split)
        ways += [kept] if isinstance(own, ArrayPlan) else []
        too_large, instead, limits = _limit(recipe, plan.meta)
        remedies += [*more, *limits]
        message += f", and {too_large}. {', '.join(ways)}, or {instead}"
    else:
        message += f", and values of type {plan.meta.dtype} are not cut"
        message += f"; {kept}" if isinstance(own, ArrayPlan) else ""
    if isinstance(own, _NoGrid) and recipe.zarr_format == 3:
        message += f". There is no rectilinear grid of them: {own.why}"
    finding = Finding("alignment", plan.path, message, names, len(misfits), remedies=tuple(remedies))
    request.findings.add(finding)


def _limit(recipe: Recipe, meta: ArrayMeta) -> tuple[str, str, list[Remedy]]:
    """Why values are not read and held inline, what to do for it, and the arguments that this speaks of."""
    limit, raised, strict = Remedy("load_below", recipe.load_below), Remedy("load_below"), Remedy("strict", True)
    if meta.nbytes <= recipe.load_below:
        return (
            f"{strict} refuses to read its {meta.nbytes:,} bytes and keep them inline",
            f"leave {strict} out",
            [strict],
        )
    return f"it is larger than {limit} allows to be read and kept inline", f"raise {raised}", [limit, raised]


def _ways(meta: ArrayMeta, reason: Reason, *, split: bool) -> tuple[list[str], list[Remedy]]:
    """What would make chunks fit that may be read, and the arguments for it."""
    ways, remedies = ["Put the input that is short last"], list[Remedy]()
    if reason.cause is Cause.CHUNKS:
        remedies = [Remedy("eras", True)]
        ways = [f"Put inputs of other chunks into groups of their own ({remedies[0]})"]
    if not meta.codecs and not split:
        remedies.append(Remedy("split", True))
        ways.append(f"cut them to a common grid ({remedies[-1]})")
    elif not meta.codecs:
        ways.append(f"combine apart: no common grid has fewer than {MOST_CHUNKS:,} chunks")
    return ways, remedies
