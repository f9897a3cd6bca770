"""What goes into a combine: reference sets in an order, some of which may be results of an earlier combine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chunkmap.model import ManifestArray, ReferenceSet

__all__ = ["Inputs"]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Reference sets in the order of the caller's list."""

    sets: Sequence[ReferenceSet]
    combined: int = 0
    """The first so many are results of an earlier combine: their own coordinates say where they stand."""
    first: int = 0
    """The place of the first of the others in the caller's whole list, when this is a part of it."""

    def __len__(self) -> int:
        return len(self.sets)

    def __iter__(self) -> Iterator[ReferenceSet]:
        return iter(self.sets)

    def __getitem__(self, index: int) -> ReferenceSet:
        return self.sets[index]

    def name(self, index: int) -> str:
        """What messages call an input: where it came from, or its place in the list and a file that it leads to."""
        refs = self.sets[index]
        if refs.name:
            return refs.name
        file = _file_of(refs)
        return f"input {self.rank(index)}" + (f" (references into {file})" if file else "")

    def rank(self, index: int) -> int:
        """The place of an input in the caller's whole list."""
        return index if index < self.combined else index - self.combined + self.first


def _file_of(refs: ReferenceSet) -> str | None:
    """The file that the first array leads to which has references in memory; None where it leads to several."""
    for array in refs.arrays.values():
        if type(array) is ManifestArray and array.chunks.urls:
            return array.chunks.urls[0] if len(array.chunks.urls) == 1 else None
    return None
