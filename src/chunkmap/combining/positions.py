"""Where the values of every input stand along an axis: nearly always a run, of which two numbers say everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Positions"]


class Positions:
    """Input -> position of each of its values. Runs of positions are made when they are asked for.

    >>> positions = Positions.of([np.array([2, 3, 4]), np.array([0, 9])])
    >>> positions[0].tolist(), positions[1].tolist(), positions.firsts.tolist(), list(positions.scattered)
    ([2, 3, 4], [0, 9], [2, 0], [1])
    """

    __slots__ = ("firsts", "lengths", "scattered")

    firsts: NDArray[np.int64]
    """Of each input, the position of its first value; 0 where it has none."""
    lengths: NDArray[np.int64]
    scattered: Mapping[int, NDArray[np.int64]]
    """The positions of inputs that do not take a run of them."""

    def __init__(
        self, firsts: NDArray[np.int64], lengths: NDArray[np.int64], scattered: Mapping[int, NDArray[np.int64]]
    ) -> None:
        self.firsts, self.lengths, self.scattered = firsts, lengths, scattered

    @classmethod
    def of(cls, blocks: Sequence[NDArray[np.int64]]) -> Self:
        """The positions that are given one by one."""
        firsts = np.array([int(block[0]) if len(block) else 0 for block in blocks], np.int64)
        lengths = np.array([len(block) for block in blocks], np.int64)
        scattered = {index: block for index, block in enumerate(blocks) if not bool((np.diff(block) == 1).all())}
        return cls(firsts, lengths, scattered)

    @classmethod
    def end_to_end(cls, lengths: Sequence[int], order: Sequence[int]) -> Self:
        """Runs one after the other, in an order of the inputs that leaves out none but those without values."""
        sizes, chosen = np.array(lengths, np.int64), np.array(order, np.int64)
        firsts = np.zeros(len(sizes), np.int64)
        firsts[chosen] = np.cumsum(sizes[chosen]) - sizes[chosen]
        return cls(firsts, sizes, {})

    def __getitem__(self, index: int) -> NDArray[np.int64]:
        if index in self.scattered:
            return self.scattered[index]
        first = self.firsts[index]
        return np.arange(first, first + self.lengths[index])

    def fill_apart(self, indexes: Sequence[int]) -> int | None:
        """How many positions some inputs take, of which no two take the same; None where that is not seen at once."""
        if not self.scattered.keys().isdisjoint(indexes):
            return None
        chosen = np.array(indexes, np.int64)
        firsts, lengths = self.firsts[chosen], self.lengths[chosen]
        order = np.lexsort((lengths, firsts))
        firsts, stops = firsts[order], (firsts + lengths)[order]
        return int(lengths.sum()) if bool((firsts[1:] >= stops[:-1]).all()) else None
