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

    >>> list(Ranges(["a.nc", "a.nc"], np.array([0, 4]), np.array([4, 8]))[1:])
    [['a.nc', 4, 8]]
    """

    urls: list[str]
    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.urls)

    @overload
    def __getitem__(self, rows: int) -> list[Any]: ...

    @overload
    def __getitem__(self, rows: slice) -> Ranges: ...

    def __getitem__(self, rows: int | slice) -> list[Any] | Ranges:
        if isinstance(rows, slice):
            return Ranges(self.urls[rows], self.offsets[rows], self.lengths[rows])
        return [self.urls[rows], int(self.offsets[rows]), int(self.lengths[rows])]

    def __iter__(self) -> Iterator[list[Any]]:
        """Each as a dictionary has it."""
        return map(list, zip(self.urls, self.offsets.tolist(), self.lengths.tolist(), strict=True))
