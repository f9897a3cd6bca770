"""What the verbs are given: sets in any of their forms, brought to one, and what is done to each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from chunkmap.model import Precedent, ReferenceSet
from chunkmap.storage import load

__all__ = ["AnySet", "Step", "listed", "opened"]

AnySet = ReferenceSet | Mapping[str, Any] | str | os.PathLike[str]
"""A set, a dictionary, or the URL of a stored set."""

Step = Callable[[ReferenceSet], ReferenceSet]
"""Something done to a set before or after combining."""


def opened(
    sets: AnySet | Sequence[AnySet], storage_options: Mapping[str, Any] | None, preprocess: Step | None = None
) -> list[ReferenceSet]:
    """The sets that are meant, with what is done to every input done to each."""
    precedent = Precedent()
    found = [_opened(refs, storage_options, precedent) for refs in listed(sets)]
    return found if preprocess is None else list(map(preprocess, found))


def _opened(refs: AnySet, storage_options: Mapping[str, Any] | None, precedent: Precedent) -> ReferenceSet:
    if isinstance(refs, ReferenceSet):
        return refs
    if isinstance(refs, Mapping):
        return ReferenceSet.from_dict(refs, precedent=precedent)
    return load(refs, storage_options=storage_options)


def listed(sets: AnySet | Sequence[AnySet]) -> Sequence[AnySet]:
    """Several sets; a single one is a list of one.

    >>> listed("a.json")
    ['a.json']
    """
    if not isinstance(sets, (ReferenceSet, Mapping, str, os.PathLike, Iterable)):
        raise TypeError(f"expected reference sets, or names of stored ones, found {sets!r}")
    return [sets] if isinstance(sets, (ReferenceSet, Mapping, str, os.PathLike)) else list(sets)
