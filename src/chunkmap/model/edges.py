"""How one axis is cut into chunks: at even steps, or at edges of its own.

Zarr v2 and the `regular` grid of Zarr v3 know even steps only; the `rectilinear` grid of Zarr v3 knows both. Whoever
asks which chunk holds an element, and where a chunk begins, asks an `EvenSteps` or an `Edges` in the same words.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Edges", "EvenSteps"]

Numbers = NDArray[np.int64]


class EvenSteps(NamedTuple):
    """Chunks that are all of one length."""

    length: int

    def holding(self, elements: Numbers) -> Numbers:
        """The chunk that holds each element."""
        return elements // self.length if len(elements) else elements

    def touched(self, start: int, stop: int) -> Numbers:
        """The chunks that hold elements from `start` on, before `stop`, which is beyond `start`."""
        return np.arange(start // self.length, -(-stop // self.length))

    def starts(self, numbers: Numbers) -> Numbers:
        """The first element of each chunk."""
        return numbers * self.length

    def lengths(self, numbers: Numbers) -> Numbers:
        """The length of each chunk, the part of the last one that hangs over the end of the axis included."""
        return np.full(len(numbers), self.length, np.int64)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Edges:
    """Chunks of lengths of their own. Two of the same lengths are equal.

    >>> edges = Edges.of([31, 28, 31])
    >>> edges, edges.holding(np.array([30, 31, 59])).tolist(), edges.starts(np.array([2])).tolist()
    (28 to 31, [0, 1, 2], [59])
    """

    ends: Numbers
    """The element after the last one of each chunk, rising; the last chunk may hang over the end of the axis."""

    @classmethod
    def of(cls, lengths: Iterable[int] | Numbers) -> Self:
        """Chunks of these lengths. Raises ValueError when there is none, or one that is not longer than 0."""
        found = np.asarray(lengths if isinstance(lengths, np.ndarray) else list(lengths), np.int64)
        if not len(found) or int(found.min()) < 1:
            raise ValueError(f"chunks of lengths {found[:5].tolist()}: each must be 1 or more, and there must be one")
        return cls(np.cumsum(found))

    def __len__(self) -> int:
        return len(self.ends)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Edges) and np.array_equal(self.ends, other.ends)

    def __hash__(self) -> int:
        return hash(self.ends.tobytes())

    def __repr__(self) -> str:
        found = self.lengths(np.arange(len(self)))
        return f"{found.min()} to {found.max()}"

    @property
    def longest(self) -> int:
        """The length of the longest chunk."""
        return int(np.diff(self.ends, prepend=0).max())

    def holding(self, elements: Numbers) -> Numbers:
        """The chunk that holds each element."""
        return np.searchsorted(self.ends, elements, side="right")

    def touched(self, start: int, stop: int) -> Numbers:
        """The chunks that hold elements from `start` on, before `stop`, which is beyond `start`."""
        first, last = self.holding(np.array([start, stop - 1]))
        return np.arange(first, last + 1)

    def starts(self, numbers: Numbers) -> Numbers:
        """The first element of each chunk."""
        return np.where(numbers > 0, self.ends[numbers - 1], 0)

    def lengths(self, numbers: Numbers) -> Numbers:
        """The length of each chunk, the part of the last one that hangs over the end of the axis included."""
        return self.ends[numbers] - self.starts(numbers)
