"""Verbs that look before they leap: what would not fit, and sets of different arrays joined after a look."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_arrays
from chunkmap.combining import Diagnosis, Recipe, diagnose_sets
from chunkmap.combining import merge as merge_sets
from chunkmap.combining.merging import COMPARE_BELOW
from chunkmap.combining.recipe import HowToCombine, given
from chunkmap.execution.arguments import AnySet, opened
from chunkmap.model import ReferenceSet

__all__ = ["diagnose", "merge"]


def diagnose(
    sets: Sequence[AnySet],
    *,
    preprocess: Callable[[ReferenceSet], ReferenceSet] | None = None,
    storage_options: Mapping[str, Any] | None = None,
    remote_options: Mapping[str, Any] | None = None,
    remote_protocol: str | None = None,
    **how: Unpack[HowToCombine],
) -> Diagnosis:
    """What `combine` would say of the same sets, and what would come of it, without combining.

    Which inputs differ and in what, gaps, overlaps, what is missing; every kind of finding once, with the first
    inputs and their number. `print` shows it, `fits` tells whether `combine` would go through, `to_dict` gives data.
    The arguments, and `how` to combine, are those of `combine`.
    """
    recipe = Recipe(**given("diagnose", how))
    inputs = opened(sets, storage_options, preprocess)
    fetcher = Fetcher(storage_options=remote_options, remote_protocol=remote_protocol)
    return diagnose_sets(inputs, recipe, lambda arrays: read_arrays(arrays, fetcher))


def merge(
    sets: Sequence[AnySet],
    *,
    compare_below: int = COMPARE_BELOW,
    storage_options: Mapping[str, Any] | None = None,
    remote_options: Mapping[str, Any] | None = None,
    remote_protocol: str | None = None,
) -> ReferenceSet:
    """Sets of different arrays to one: variables kept in files of their own, a fixed grid beside a series.

    An array that several sets have is taken from the first; it must be the same in all. Of at most `compare_below`
    bytes, its values are read and compared; of more, only what headers say. Raises CombineError naming the arrays
    and the inputs that differ.
    """
    fetcher = Fetcher(storage_options=remote_options, remote_protocol=remote_protocol)
    inputs = opened(sets, storage_options)
    return merge_sets(inputs, lambda arrays: read_arrays(arrays, fetcher), compare_below=compare_below)
