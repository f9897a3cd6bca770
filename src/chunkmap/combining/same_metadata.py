"""One array of many inputs: whether all can stand under the first one's metadata, and what is said where not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from chunkmap.combining.differences import WAIVABLE, Difference, differences, masks_nothing
from chunkmap.combining.plan import Cause, Reason
from chunkmap.combining.request import Found, Request
from chunkmap.combining.times import calendar_name, is_time, may_join
from chunkmap.combining.variants import are_times, why_apart
from chunkmap.errors import Remedy
from chunkmap.model import ArrayMeta, ManifestArray, ReferenceSet
from chunkmap.model.packing import PACKING_ATTRS
from chunkmap.model.wording import shortened

__all__ = ["compare", "compare_identical"]


def compare(
    request: Request, path: str, found: Found, along: Sequence[str]
) -> tuple[bool, Reason | None, tuple[str | None, ...]]:
    """Whether all inputs can stand under one metadata, and what must be read instead of referred to."""
    index, first = found[0][0], found[0][1].meta
    own = _units_of_times(request, path, found)
    re_encode = _are_other_times(found, own)
    load = Reason(Cause.UNITS, "times are re-encoded") if re_encode else None
    sound, others = True, []
    for other, array in found:
        meta = array.meta
        if meta is first:
            continue
        for difference in differences(first, meta, along):
            if difference.check == "chunks" and not request.recipe.same_chunks:
                others.append((other, difference))
            elif (re_encode and _is_re_encoded(difference, meta)) or _is_whole(difference, found[0][1], array):
                continue
            elif difference.check in _ENCODING and _was_read(request, found[0]):
                others.append((other, difference))
            else:
                sound &= _report(request, path, (index, other), difference, found)
    if others and load is None:
        load = _other_chunks(request, index, others)
    return sound, load, tuple(own) if re_encode else ()


_ENCODING: Final = frozenset({"codecs", "order", "dtype"})
"""In what an array may differ from one that an earlier combine has read: it is read as well."""


_JOINABLE: Final = frozenset({*PACKING_ATTRS, "codecs", "dtype", "fill_value", "order", "value of missing chunks"})
"""What `variants` joins, where nothing else differs."""


def _are_other_times(found: Found, units: Sequence[str | None]) -> bool:
    """Whether times are of several units, or of several calendars that may count alike, which their values tell."""
    if any(own != units[0] and is_time(own) for own in units):
        return True
    metas = {id(array.meta): array.meta for _, array in found}.values()  # those that are alike mostly are one
    calendars = [meta.attrs.get("calendar") for meta in metas if is_time(meta.attrs.get("units"))]
    names = {calendar_name(calendar) for calendar in calendars}
    return len(names) > 1 and all(may_join(calendars[0], calendar) for calendar in calendars)


def _was_read(request: Request, first: tuple[int, ManifestArray]) -> bool:
    """Whether an array is one that an earlier combine of the same recipe has read and holds inline."""
    index, array = first
    meta = array.meta
    if index >= request.inputs.combined or meta.codecs or meta.nbytes > request.recipe.load_below:
        return False
    return meta.chunk_shape == meta.shape and bool(array.manifest().is_inline.all())


def _other_chunks(request: Request, first: int, others: Sequence[tuple[int, Difference]]) -> Reason:
    other, difference = others[0]
    names = request.findings.names((first, other))
    more = f" (and {len(others) - 1:,} more inputs have others)" if len(others) > 1 else ""
    text = f"chunks are {difference.expected} in {names[0]} but {difference.found} in {names[1]}{more}"
    return Reason(Cause.CHUNKS, text)


def _is_re_encoded(difference: Difference, meta: ArrayMeta) -> bool:
    """Whether a difference goes away when times are brought to one unit: calendars must be one."""
    if difference.what == "calendar":
        return may_join(difference.expected, difference.found)
    return difference.what == "units" and is_time(meta.attrs.get("units"))


def _is_whole(difference: Difference, *arrays: ManifestArray) -> bool:
    """Whether NaN is the fill value of one array and none that of another, and no chunk is missing that would be read
    as the one or the other.
    """
    if difference.what != "fill_value":
        return False
    if not masks_nothing(difference.expected) or not masks_nothing(difference.found):
        return False
    return all(array.most_chunks == math.prod(array.meta.grid_shape) for array in arrays)


def _may_be_bounds(path: str, meta: ArrayMeta) -> bool:
    """Bounds may have no units of their own: they have those of the array that they bound (CF section 7.1)."""
    if "units" in meta.attrs or meta.dtype.kind not in "iuf":
        return False
    name = path.rpartition("/")[2].lower()
    return name.endswith(("bnd", "_b")) or "bnds" in name or "bound" in name


def _units_of_times(request: Request, path: str, found: Found) -> list[str | None]:
    """The units of every input, where those of the first are of time; else none."""
    index, first = found[0]
    if not _may_be_bounds(path, first.meta):
        times = is_time(first.meta.attrs.get("units"))
        return [array.meta.attrs.get("units") for _, array in found] if times else []
    times = is_time(_units(request.inputs[index], path, first.meta))
    return [_units(request.inputs[i], path, array.meta) for i, array in found] if times else []


def _units(refs: ReferenceSet, path: str, meta: ArrayMeta) -> str | None:
    if "units" in meta.attrs:
        return str(meta.attrs["units"])
    name = path.rpartition("/")[2]
    for parent in refs.arrays.values():
        if parent.meta.attrs.get("bounds") == name:
            units = parent.meta.attrs.get("units")
            return None if units is None else str(units)
    return None


def _report(request: Request, path: str, indexes: tuple[int, int], difference: Difference, found: Found) -> bool:
    """Whether the array can be combined in spite of a difference, which is reported where it cannot."""
    check = difference.check
    if check in request.recipe.waive or (check == "units" and "attrs" in request.recipe.waive):
        return True
    names = request.findings.names(indexes)
    expected, value = shortened(difference.expected), shortened(difference.found)
    kind = "Found chunk size mismatch: " if check == "chunks" else ""
    head = f"{kind}{difference.what} is {expected} in {names[0]} but {value} in {names[1]}"
    meaning = check == "meaning"
    apart, waive, join = Remedy("eras", True), Remedy("waive", check), Remedy("variants", True)
    joinable = difference.what in _JOINABLE and not request.recipe.variants and not are_times(found[0][1].meta)
    ways = f"combine them apart ({apart} does), " + (f"join them as variants ({join} does), " if joinable else "")
    why = why_apart(request, found) if difference.what in _JOINABLE else ""
    advice = f"{why}Under one array they would be read wrongly; {ways}or convert them."
    if check in WAIVABLE:
        advice += f" To use the first one's all the same, {waive}."
    request.findings.each(
        path,
        check,
        indexes[1],
        head,
        what=difference.what,
        value=difference.found,
        advice="The first one's is used" if meaning else advice,
        first=indexes[:1],
        refused=not meaning,
        others=(expected, len(found)),
        remedies=() if meaning else (apart, *((join,) if joinable else ()), waive),
    )
    return meaning


def compare_identical(request: Request, path: str, found: Found) -> None:
    """Stored numbers that are the same must also mean the same: units and packing are compared with the first's."""
    index, first = found[0]
    for other, array in found[1:]:
        if array.meta is first.meta:
            continue
        for difference in differences(first.meta, array.meta, first.meta.dims or ()):
            if difference.check in {"attrs", "units"}:
                _report(request, path, (index, other), difference, found)
