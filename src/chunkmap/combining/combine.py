"""The two steps of a combine, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from chunkmap.combining.inputs import Inputs
from chunkmap.combining.placing import carry_out
from chunkmap.combining.planning import make_plan
from chunkmap.combining.recipe import Recipe
from chunkmap.combining.selectors import Reader
from chunkmap.model import ReferenceSet

__all__ = ["combine_sets"]


def combine_sets(
    sets: Sequence[ReferenceSet], recipe: Recipe, read: Reader, *, combined: int = 0, first: int = 0
) -> ReferenceSet:
    """Combine reference sets by a recipe.

    The first `combined` sets are results of the same recipe, to which the others are added; `first` is the place of
    the first of those others in the caller's whole list, when these are a part of it.

    Raises CombineError naming the inputs that do not fit; nothing is combined then.
    """
    plan = make_plan(Inputs(sets, combined, first), recipe, read)
    return ReferenceSet(
        carry_out(plan, read),
        plan.groups,
        tuple(problem for refs in plan.inputs for problem in refs.problems),
        {url: target for refs in sets for url, target in refs.targets.items()},
        zarr_format=recipe.zarr_format,
        notes=plan.notes,
    )
