"""Columns of whole numbers that are as narrow as what stands in them: a file may have a million messages."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Hashable
from typing import Any, Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from chunkmap.model.cubes import Coded

__all__ = ["Narrow", "Numbered", "distinct_rows"]

T = TypeVar("T")

_TYPES: Final = "BHIQ"
_WORD: Final = 8


class Narrow:
    """Whole numbers, each in as few octets as the largest of them needs."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = array(_TYPES[0])

    def extend(self, numbers: NDArray[Any]) -> None:
        """More of them."""
        if not len(numbers):
            return
        narrowest = next(kind for kind in _TYPES if int(numbers.max()) <= np.iinfo(np.dtype(kind)).max)
        if _TYPES.index(narrowest) > _TYPES.index(self._held.typecode):
            self._held = array(narrowest, np.asarray(self._held).astype(narrowest).tobytes())
        self._held.frombytes(numbers.astype(self._held.typecode).tobytes())

    def __len__(self) -> int:
        return len(self._held)

    @property
    def numbers(self) -> NDArray[Any]:
        """All of them."""
        return np.asarray(self._held)


class Numbered(Generic[T]):
    """Distinct values, numbered as they come."""

    def __init__(self) -> None:
        self.values: list[T] = []
        self._numbers: dict[Hashable, int] = {}

    def number(self, value: T, key: Hashable) -> int:
        """The number of a value, told from others by its key."""
        found = self._numbers.setdefault(key, len(self.values))
        if found == len(self.values):
            self.values.append(value)
        return found

    def column(self, codes: Narrow, says: Callable[[T], float | None]) -> Coded:
        """What values say, and the number of the value of each row; NaN where one says nothing."""
        said = map(says, self.values)
        return Coded(codes.numbers, np.array([np.nan if each is None else each for each in said], np.float64))


def distinct_rows(table: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first row of each kind in a table of octets, and of what kind each row is.

    >>> distinct_rows(np.array([[1, 2], [1, 3], [1, 2]], np.uint8))
    (array([0, 1]), array([0, 1, 0]))
    """
    count, width = table.shape
    if not width or bool((table == table[0]).all()):
        return np.zeros(min(count, 1), np.int64), np.zeros(count, np.int64)
    if width <= _WORD:
        padded = np.zeros((count, _WORD), np.uint8)
        padded[:, :width] = table
        rows: NDArray[Any] = padded.view(np.uint64).ravel()
    else:
        rows = np.ascontiguousarray(table).view(np.dtype((np.void, width))).ravel()
    _, first, which = np.unique(rows, return_index=True, return_inverse=True)
    return first.astype(np.int64), which.reshape(-1).astype(np.int64)
