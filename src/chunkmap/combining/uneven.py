"""Arrays whose chunks are of several lengths, in a group beside the others, so that everybody opens the others.

Sets that were put apart before are brought back into one first: planning knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chunkmap.combining.inputs import Inputs
from chunkmap.combining.plan import Plan
from chunkmap.combining.recipe import Recipe
from chunkmap.errors import CombineError, Remedy
from chunkmap.model import ReferenceSet
from chunkmap.model.edits import group_beside, moved_problems

__all__ = ["plan_apart", "together"]


def plan_apart(plan: Plan) -> Plan:
    """The plan with such arrays, and the coordinates along their axes, in the group that the recipe names.

    Raises CombineError where there is such a group already.
    """
    name = plan.recipe.uneven_group
    if name is None:
        return plan
    arrays, axes, groups, moves = dict(plan.arrays), dict(plan.axes), dict(plan.groups), {}
    for path, array in plan.arrays.items():
        if not array.meta.edges:
            continue
        group, _, own = path.rpartition("/")
        beside = group_beside(group, name)
        _check_free(plan, beside)
        groups[beside] = plan.groups.get(group, {})
        moves[path] = f"{beside}/{own}"
        arrays[moves[path]] = replace(arrays.pop(path), path=moves[path])
        for dim in array.meta.dims or ():
            at, to = f"{group}/{dim}".strip("/"), f"{beside}/{dim}"
            if at in plan.axes:
                axes[to] = plan.axes[at]
            if at in plan.arrays:
                arrays.setdefault(to, replace(plan.arrays[at], path=to))
    return replace(plan, inputs=_said_of(plan.inputs, moves), arrays=arrays, axes=axes, groups=groups)


def _said_of(inputs: Inputs, moves: Mapping[str, str]) -> Inputs:
    """The inputs, whose problems name arrays where they are in the result."""
    if not any(problem.path in moves for refs in inputs for problem in refs.problems):
        return inputs
    return replace(inputs, sets=[replace(refs, problems=moved_problems(refs.problems, moves)) for refs in inputs])


def _check_free(plan: Plan, group: str) -> None:
    if group in plan.groups or any(path.startswith(f"{group}/") for path in plan.arrays):
        other = Remedy("uneven_group", ...)
        raise CombineError(f"there is a group {group!r} in the inputs already; choose another name: {other}").helped_by(
            other
        )


def together(inputs: Inputs, recipe: Recipe) -> Inputs:
    """The inputs, those that were made so themselves without the groups in which such arrays were put."""
    name = recipe.uneven_group
    return inputs if name is None else replace(inputs, sets=[_joined(refs, name) for refs in inputs])


def _joined(refs: ReferenceSet, name: str) -> ReferenceSet:
    uneven = {_group(path) for path, array in refs.arrays.items() if array.meta.edges}
    own = {group_beside(group, name): group for group in ("", *refs.groups)}
    back = {beside: group for beside, group in own.items() if beside in uneven}
    if not back:
        return refs
    arrays: dict[str, Any] = {path: array for path, array in refs.arrays.items() if _group(path) not in back}
    for path, array in refs.arrays.items():
        if _group(path) in back:
            arrays.setdefault(f"{back[_group(path)]}/{path.rpartition('/')[2]}".strip("/"), array)
    groups: Mapping[str, Any] = {path: attrs for path, attrs in refs.groups.items() if path not in back}
    return replace(refs, arrays=arrays, groups=groups)


def _group(path: str) -> str:
    return path.rpartition("/")[0]
