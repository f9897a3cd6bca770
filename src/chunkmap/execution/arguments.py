"""What the verbs are given, brought to one form: sets in any of their forms, and how to combine."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from chunkmap.combining import Recipe
from chunkmap.combining.recipe import Selector
from chunkmap.model import ReferenceSet
from chunkmap.storage import load

__all__ = ["AnySet", "as_set", "listed", "make_recipe"]

AnySet = ReferenceSet | Mapping[str, Any] | str | os.PathLike[str]
"""A set, a dictionary, or the URL of a stored set."""


def as_set(refs: AnySet, storage_options: Mapping[str, Any] | None) -> ReferenceSet:
    """The set that is meant."""
    return refs if isinstance(refs, ReferenceSet) else load(refs, storage_options=storage_options)


def listed(sets: AnySet | Sequence[AnySet]) -> Sequence[AnySet]:
    """Several sets; a single one is a list of one.

    >>> listed("a.json")
    ['a.json']
    """
    return [sets] if isinstance(sets, (ReferenceSet, Mapping, str, os.PathLike)) else list(sets)


def make_recipe(
    *,
    concat_dims: str | Sequence[str] = (),
    coo_map: Mapping[str, Selector] | None = None,
    identical_dims: Collection[str] = (),
    coo_dtypes: Mapping[str, Any] | None = None,
    waive: Collection[str] = (),
    load_below: int = 1_000_000,
    compare_below: int = 64_000,
    split: bool = False,
    eras: bool = False,
) -> Recipe:
    """How to combine, as the arguments of `combine` say it."""
    return Recipe(
        concat_dims=[concat_dims] if isinstance(concat_dims, str) else list(concat_dims),
        coo_map=coo_map or {},
        identical_dims=identical_dims,
        coo_dtypes=coo_dtypes or {},
        waive=waive,
        load_below=load_below,
        compare_below=compare_below,
        split=split,
        eras=eras,
    )
