"""Inputs that follow one another in the order in which they are given, along a dimension that has no coordinate.

WRF writes such files: the length of `Time` in each is known, and nothing says what its values are. So nothing but the
caller's list says where an input stands, and what can be checked is the list: an input that stands in it twice, and
names that are sorted as texts where their numbers say another order (`wrf_10` before `wrf_2`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from chunkmap.combining.axes import Axis
from chunkmap.combining.findings import Finding, Findings
from chunkmap.combining.recipe import Recipe
from chunkmap.errors import Remedy

__all__ = ["check_order"]


def check_order(axis: Axis, recipe: Recipe, findings: Findings) -> None:
    """Say that the order is the caller's, and find what speaks against it."""
    inputs = findings.inputs
    members = [index for index in np.flatnonzero(axis.positions.lengths).tolist() if index >= inputs.combined]
    if not axis.in_order or not members:
        return
    if "overlap" not in recipe.waive:
        _find_twice(axis, members, findings)
    names = [inputs[index].name or "" for index in members]
    if "order" not in recipe.waive:
        _find_numbers(axis, names, findings)
    shown = findings.names(members[:3])
    more = f" and {len(members) - 3:,} more" if len(members) > 3 else ""
    after = " after what is there" if inputs.combined else ""
    message = (
        f"{', '.join(shown)}{more} stand{'s' if len(members) == 1 else ''}{after} in the order given: nothing in the"
        " files says where they stand"
    )
    findings.add(Finding("order", axis.path, message, shown, len(members), refused=False))


def _find_twice(axis: Axis, members: list[int], findings: Findings) -> None:
    """Inputs of one name, and those that a set to which others are added holds already."""
    inputs, seen = findings.inputs, set[str]()
    old = [inputs[index].targets for index in range(inputs.combined)]
    waive = Remedy("waive", "overlap")
    for index in members:
        name = inputs[index].name
        if name is None:
            continue
        if name in seen or any(name in targets for targets in old):
            where = "is given twice" if name in seen else "is in the set already"
            head = f"{name} {where}, so its values would stand there twice"
            advice = f"Leave it out, or {waive} if that is meant"
            findings.each(axis.path, "overlap", index, head, what="twice", advice=advice, remedies=(waive,))
        seen.add(name)


def _find_numbers(axis: Axis, names: list[str], findings: Findings) -> None:
    """Names that rise as texts, which is how wildcards are expanded, where the numbers in them do not."""
    if any(after <= before for before, after in pairwise(names)):
        return
    for before, after in _falling(names):
        waive = Remedy("waive", "order")
        message = (
            f"{before} stands before {after}: names are in the order of their letters, and not of the numbers in them."
            f" Give the inputs in the order that is meant, or {waive} if it is this one"
        )
        findings.add(Finding("number", axis.path, message, (before, after), 1, remedies=(waive,)))
        return


def _falling(names: list[str]) -> Iterator[tuple[str, str]]:
    """Neighbours of which the second has the smaller number.

    >>> list(_falling(["wrf_1.nc", "wrf_10.nc", "wrf_2.nc"]))
    [('wrf_10.nc', 'wrf_2.nc')]
    """
    keys = [[int(part) if part.isdigit() else part for part in re.split(r"([0-9]+)", name)] for name in names]
    for (before, key), (after, other) in pairwise(zip(names, keys, strict=True)):
        if other < key:
            yield before, after
