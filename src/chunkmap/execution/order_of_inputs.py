"""In what order the inputs of a stored set came, as far as the set tells: what decides where more of them go."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from chunkmap.combining import Plan, Recipe
from chunkmap.errors import CombineError
from chunkmap.model import ReferenceSet

__all__ = ["next_index", "refuse_other_order"]


def next_index(old: ReferenceSet, recipe: Recipe) -> int:
    """The place that INDEX goes on from, when nothing is written down of how many inputs there were."""
    dims = [dim for dim, selector in recipe.selectors.items() if isinstance(selector, str) and selector == "INDEX"]
    return max((old.arrays[dim].meta.size for dim in dims if dim in old.arrays), default=0)


def refuse_other_order(plan: Plan, where: str) -> None:
    """A set in rising order does not tell in what order its files were given, which files in falling order would bring
    back: appending would not give what building gives.
    """
    for dim, axis in plan.axes.items():
        old = axis.values[axis.positions[0]]
        if len(old) > 1 and _is_sorted(old) and not _is_sorted(axis.values):
            raise CombineError(
                f"{where}: {dim} is sorted in the set, but the new files do not all go in the same direction along it,"
                " so it cannot be told where they stand. Build the set again from all files"
            )


def _is_sorted(values: NDArray[Any]) -> bool:
    before, after = values[:-1], values[1:]
    return bool((before <= after).all() or (before > after).all())
