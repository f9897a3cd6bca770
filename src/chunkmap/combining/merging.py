"""Sets of different arrays into one: variables kept in files of their own, a fixed grid beside a series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from chunkmap.combining.differences import differences
from chunkmap.combining.findings import Findings, refusal
from chunkmap.combining.inputs import Inputs
from chunkmap.combining.selectors import Reader
from chunkmap.combining.usable import check_usable
from chunkmap.model import ManifestArray, ReferenceSet

__all__ = ["COMPARE_BELOW", "merge"]

COMPARE_BELOW: Final = 100_000_000
"""Arrays that several sets have are read and compared when they are of at most so many bytes."""


def merge(
    sets: Sequence[ReferenceSet], read: Reader | None = None, *, compare_below: int = COMPARE_BELOW
) -> ReferenceSet:
    """The arrays of all sets in one; an array that several have must be the same in all, and is taken from the first.

    With `read`, values are compared, of arrays of at most `compare_below` bytes; of larger ones, or without `read`,
    only what headers say. Dimensions of one name must have one length in a group and the groups below it.

    Raises CombineError naming the arrays and the inputs that differ.
    """
    inputs = Inputs(sets)
    findings = Findings(inputs)
    if len(inputs) > 1:
        check_usable(inputs, findings)
    arrays: dict[str, ManifestArray] = {}
    owner: dict[str, int] = {}
    groups: dict[str, Mapping[str, Any]] = {}
    shared: list[tuple[str, int, ManifestArray]] = []
    for index, refs in enumerate(sets):
        for path, array in refs.arrays.items():
            if path not in arrays:
                arrays[path], owner[path] = array, index
            elif _same_header(findings, path, (owner[path], index), (arrays[path], array)):
                shared.append((path, index, array))
        for path, attrs in refs.groups.items():
            groups[path] = {**attrs, **groups.get(path, {})}
    _check_lengths(findings, arrays, owner)
    if read is not None:
        _check_values(
            findings, arrays, owner, [entry for entry in shared if entry[2].meta.nbytes <= compare_below], read
        )
    found = findings.done()
    if found:
        raise refusal(found)
    return ReferenceSet(
        arrays,
        groups,
        tuple(problem for refs in sets for problem in refs.problems),
        {url: target for refs in sets for url, target in refs.targets.items()},
        zarr_format=max((refs.zarr_format for refs in sets), default=2),
    )


def _same_header(
    findings: Findings, path: str, indexes: tuple[int, int], arrays: tuple[ManifestArray, ManifestArray]
) -> bool:
    """Whether an array is of one type, shape and meaning in two sets. How it is stored does not matter."""
    first, other = (array.meta for array in arrays)
    names = findings.names(indexes)
    parts: list[tuple[str, object, object]] = [
        ("shape", first.shape, other.shape),
        ("dimensions", first.dims, other.dims),
    ]
    if first.dtype.kind != other.dtype.kind or first.dtype.itemsize != other.dtype.itemsize:
        parts.append(("dtype", first.dtype, other.dtype))
    if first.dims == other.dims and first.shape == other.shape:
        meaning = (d for d in differences(first, other, ()) if d.check in {"attrs", "units"})
        parts.extend((d.what, d.expected, d.found) for d in meaning)
    same = True
    for what, expected, found in parts:
        if expected != found:
            same = False
            head = (
                f"is not the same array in {names[0]} and {names[1]}: {what} is {expected} in the one and {found} in"
                " the other"
            )
            advice = "Leave it out of one of them, or rename it"
            findings.each(path, "merge", indexes[1], head, what=what, value=found, advice=advice, first=indexes[:1])
    return same


def _check_lengths(findings: Findings, arrays: Mapping[str, ManifestArray], owner: Mapping[str, int]) -> None:
    lengths: dict[tuple[str, str], tuple[int, str]] = {}
    for path, array in sorted(arrays.items(), key=lambda item: item[0].count("/")):
        group = path.rpartition("/")[0]
        for dim, length in zip(array.meta.dims or (), array.meta.shape, strict=False):
            known, where = lengths.setdefault((group, dim), (length, path))
            if known == length:
                continue
            names = findings.names((owner[where], owner[path]))
            head = (
                f"its dimension {dim} has the length {length} in {names[1]}, but {known} in {where} of {names[0]}: they"
                " do not lie on one grid"
            )
            findings.each(path, "length", owner[path], head, what=dim, value=length, first=(owner[where],))


def _check_values(
    findings: Findings,
    arrays: Mapping[str, ManifestArray],
    owner: Mapping[str, int],
    shared: Sequence[tuple[str, int, ManifestArray]],
    read: Reader,
) -> None:
    shared = [
        entry for entry in shared if entry[2].manifest() != arrays[entry[0]].manifest() or _decodes_apart(arrays, entry)
    ]
    if not shared:
        return
    paths = list(dict.fromkeys(path for path, _, _ in shared))
    values = read([*(arrays[path] for path in paths), *(array for _, _, array in shared)])
    firsts = dict(zip(paths, values, strict=False))
    for (path, index, _), other in zip(shared, values[len(paths) :], strict=True):
        expected = firsts[path]
        if np.array_equal(expected, other, equal_nan=expected.dtype.kind in "fc"):
            continue
        names = findings.names((owner[path], index))
        head = f"is not the same array in {names[0]} and {names[1]}: its values differ"
        advice = "Combine them along a dimension, or leave the array out of one of them"
        findings.each(path, "merge", index, head, what="values", advice=advice, first=(owner[path],))


def _decodes_apart(arrays: Mapping[str, ManifestArray], entry: tuple[str, int, ManifestArray]) -> bool:
    """Whether the same bytes are decoded in another way."""
    first, other = arrays[entry[0]].meta, entry[2].meta
    return first.codecs != other.codecs or first.dtype != other.dtype or first.order != other.order
