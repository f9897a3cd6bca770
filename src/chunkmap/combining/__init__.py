"""Many reference sets to one, by table arithmetic.

A combine has two steps. The *plan* is made from headers and the values of coordinates only: which axes the result
has, and where every input stands along them. *Placing* moves the columns of the manifests to the cells that the plan
gives them. Chunks are never read, with two small exceptions that the plan names: times whose units differ are brought
to one unit, and small arrays whose chunks fall between the cells of the grid are read and held inline.

Nothing here opens a file: values come through the function `read` that the caller hands in.
"""

from __future__ import annotations

from collections.abc import Sequence

from chunkmap.combining.concatenate import concatenate
from chunkmap.combining.diagnosis import Diagnosis, diagnose_sets
from chunkmap.combining.findings import Finding
from chunkmap.combining.inputs import Inputs
from chunkmap.combining.merging import merge
from chunkmap.combining.placing import carry_out
from chunkmap.combining.plan import Plan
from chunkmap.combining.planning import make_plan
from chunkmap.combining.recipe import Recipe
from chunkmap.combining.selectors import Reader
from chunkmap.model import ReferenceSet

__all__ = [
    "Diagnosis",
    "Finding",
    "Inputs",
    "Plan",
    "Reader",
    "Recipe",
    "carry_out",
    "combine_sets",
    "concatenate",
    "diagnose_sets",
    "make_plan",
    "merge",
]


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
        tuple(problem for refs in sets for problem in refs.problems),
        {url: target for refs in sets for url, target in refs.targets.items()},
        zarr_format=recipe.zarr_format,
    )
