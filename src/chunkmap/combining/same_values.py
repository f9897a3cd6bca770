"""Arrays that are taken once, because they are the same in all inputs: whether they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.combining.findings import Finding, Findings
from chunkmap.combining.inputs import Inputs
from chunkmap.combining.plan import ArrayPlan
from chunkmap.combining.recipe import Recipe
from chunkmap.combining.selectors import Reader
from chunkmap.combining.spelling import meant
from chunkmap.errors import Remedy
from chunkmap.model import ManifestArray

__all__ = ["check_identical", "check_named", "check_repeats"]

_AT_ONCE: Final = 32_000_000
"""Bytes of values that are read together when arrays are compared."""


def check_named(inputs: Inputs, recipe: Recipe, findings: Findings) -> None:
    """Find the names in `identical_dims` that are of no array and of no dimension of any input."""
    wanted = set(recipe.identical_dims)
    if recipe.any_text or not wanted:
        return
    known: dict[str, None] = {}
    for refs in inputs:
        for path, array in refs.arrays.items():
            known.update(dict.fromkeys((path, path.rpartition("/")[2], *(array.meta.dims or ()))))
        if wanted <= known.keys():
            return
    for name in sorted(wanted - known.keys()):
        remedy = Remedy("identical_dims")
        message = f"named in {remedy}, but no input has an array of this name{meant(name, known)}"
        findings.add(Finding("name", name, message, remedies=(remedy,)))


def check_identical(plans: Iterable[ArrayPlan], recipe: Recipe, read: Reader, findings: Findings) -> None:
    """Compare what is taken from the first input with the others, bit for bit, reading what must be read at once."""
    differing = [
        (plan, index, array) for plan in plans for index, array in plan.same if _to_compare(recipe, plan, array)
    ]
    if not differing:
        return
    paths = {plan.path: plan for plan, _, _ in differing}
    wanted = [plan.parts[0].array for plan in paths.values()]
    firsts = dict(zip(paths, read(wanted), strict=True))
    others = _in_turns([array for _, _, array in differing], read)
    for (plan, index, _), other in zip(differing, others, strict=True):
        expected = firsts[plan.path]
        if not np.array_equal(expected, other, equal_nan=expected.dtype.kind in "fc"):
            first = plan.parts[0].index
            names = findings.names((first, index))
            head = f"taken as identical in all inputs, but its values in {names[1]} are not those in {names[0]}"
            waive = Remedy("waive", "identical")
            advice = f"Combine along its dimension, or {waive} to use the first one's"
            findings.each(plan.path, "identical", index, head, advice=advice, first=(first,), remedies=(waive,))


def check_repeats(plans: Iterable[ArrayPlan], read: Reader, findings: Findings) -> None:
    """Compare what several inputs say of the same places. Where it differs, one of them would hide the other."""
    for plan in plans:
        unlike = [repeat for repeat in plan.repeats if repeat.array.manifest() != repeat.first.array.manifest()]
        firsts = _in_turns([repeat.first.array for repeat in unlike], read)
        others = _in_turns([repeat.array for repeat in unlike], read)
        pairs = zip(firsts, others, strict=True)
        if plan.overlap is not None and not all(np.array_equal(a, b, equal_nan=a.dtype.kind in "fc") for a, b in pairs):
            findings.add(plan.overlap)


def _to_compare(recipe: Recipe, plan: ArrayPlan, array: ManifestArray) -> bool:
    """Whether the values must be looked at: they are not the very same bytes, and are not taken on trust."""
    first = plan.parts[0].array
    if array.manifest() == first.manifest() and array.meta.dtype == first.meta.dtype:
        return False
    if {plan.path, plan.path.rpartition("/")[2]} & set(recipe.identical_dims):
        return array.meta.nbytes < recipe.compare_below
    return True


def _in_turns(arrays: Iterable[ManifestArray], read: Reader) -> Iterator[NDArray[Any]]:
    """The values of arrays, so many read at a time that together they are no burden."""
    some: list[ManifestArray] = []
    for array in arrays:
        some.append(array)
        if sum(one.meta.nbytes for one in some) >= _AT_ONCE:
            yield from read(some)
            some = []
    if some:
        yield from read(some)
