"""What the verbs are given: sets in any of their forms, brought to one, and what is done to each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from chunkmap.io.filesystem import locate
from chunkmap.io.threads import map_ahead
from chunkmap.model import Precedent, ReferenceSet
from chunkmap.storage import load, open_set
from chunkmap.storage.stores import PARQUET, find_set

__all__ = ["AnySet", "Step", "each_opened", "listed", "opened", "to_place"]

_AT_ONCE: Final = 16
"""Stored sets that are fetched at one time."""

R = TypeVar("R")
AnySet = ReferenceSet | Mapping[str, Any] | str | os.PathLike[str]
"""A set, a dictionary, or the URL of a stored set."""

Step = Callable[[ReferenceSet], ReferenceSet]
"""Something done to a set before or after combining."""


def opened(
    sets: AnySet | Sequence[AnySet],
    storage_options: Mapping[str, Any] | None,
    preprocess: Step | None = None,
    *,
    read: Callable[..., ReferenceSet] = load,
) -> list[ReferenceSet]:
    """The sets that are meant, with what is done to every input done to each."""
    found = each_opened(listed(sets), storage_options, read)
    return list(found if preprocess is None else map(preprocess, found))


def to_place(
    url: str | os.PathLike[str], *, storage_options: Mapping[str, Any] | None, precedent: Precedent | None
) -> ReferenceSet:
    """A stored set of which chunks are to be placed: in Parquet without them, as those of many are fetched together."""
    found = find_set(url, storage_options=storage_options)
    refs: ReferenceSet = (
        open_set(found, precedent=precedent) if found.store is PARQUET else found.read_as.reading.load(found)
    )
    return refs


def each_opened(
    sets: Sequence[AnySet], storage_options: Mapping[str, Any] | None, read: Callable[..., R]
) -> Iterator[R | ReferenceSet]:
    """The sets, in their order; stored ones as `read` gives them, of which those on servers are fetched side by side, a
    few ahead of who takes them.
    """
    precedent = Precedent()

    def opened_one(refs: AnySet) -> R | ReferenceSet:
        if isinstance(refs, ReferenceSet):
            return refs
        if isinstance(refs, Mapping):
            return ReferenceSet.from_dict(refs, precedent=precedent)
        return read(refs, storage_options=storage_options)

    far = len(sets) > 1 and all(_is_far(refs) for refs in sets)
    return map_ahead(opened_one, sets, _AT_ONCE) if far else map(opened_one, sets)


def _is_far(refs: AnySet) -> bool:
    return isinstance(refs, (str, os.PathLike)) and not locate(refs).is_local


def listed(sets: AnySet | Sequence[AnySet]) -> Sequence[AnySet]:
    """Several sets; a single one is a list of one.

    >>> listed("a.json")
    ['a.json']
    """
    if not isinstance(sets, (ReferenceSet, Mapping, str, os.PathLike, Iterable)):
        raise TypeError(f"expected reference sets, or names of stored ones, found {sets!r}")
    return [sets] if isinstance(sets, (ReferenceSet, Mapping, str, os.PathLike)) else list(sets)
