"""Many values `[url, offset, length]` of a dictionary as columns: what a list of lists says, without the lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ranges"]


@dataclass(frozen=True, slots=True, eq=False)
class Ranges(Sequence[Any]):
    """Stretches of bytes in files, one for each of some keys.

    >>> list(Ranges(["a.nc", "b.nc"], np.array([0, 1]), np.array([0, 4]), np.array([4, 8]))[1:])
    [['b.nc', 4, 8]]
    """

    urls: list[str]
    """The files, each once or more often."""
    numbers: NDArray[np.intp]
    """Row -> number of its file."""
    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, rows: int) -> list[Any]: ...

    @overload
    def __getitem__(self, rows: slice) -> Ranges: ...

    def __getitem__(self, rows: int | slice) -> list[Any] | Ranges:
        if not isinstance(rows, slice):
            return [self.urls[self.numbers[rows]], int(self.offsets[rows]), int(self.lengths[rows])]
        urls, numbers = _named(self.urls, self.numbers[rows])
        return Ranges(urls, numbers, self.offsets[rows], self.lengths[rows])

    def __iter__(self) -> Iterator[list[Any]]:
        """Each as a dictionary has it."""
        urls = map(self.urls.__getitem__, self.numbers.tolist())
        return map(list, zip(urls, self.offsets.tolist(), self.lengths.tolist(), strict=True))


def _named(urls: list[str], numbers: NDArray[np.intp]) -> tuple[list[str], NDArray[np.intp]]:
    """Only the files that some row names, and their new numbers."""
    used = np.zeros(len(urls), np.bool_)
    used[numbers] = True
    if bool(used.all()):
        return urls, numbers
    return [urls[number] for number in np.flatnonzero(used).tolist()], (np.cumsum(used) - 1)[numbers]
