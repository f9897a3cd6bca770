"""The interned table of sources: each URL or inline blob has one number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["SourceTable"]


class SourceTable:
    """Gives each URL or blob one number, counted from 1.

    >>> table = SourceTable()
    >>> table.number("a.nc"), table.number("b.nc"), table.number("a.nc")
    (1, 2, 1)
    >>> table.sources
    (None, 'a.nc', 'b.nc')
    """

    def __init__(self) -> None:
        self._numbers: dict[str | bytes, int] = {}

    def number(self, source: str | bytes) -> int:
        """The number of `source`, new if it was not met before."""
        return self._numbers.setdefault(source, len(self._numbers) + 1)

    def numbers(self, sources: Sequence[str | bytes | None]) -> NDArray[np.uint32]:
        """Old number -> new number, for the table of a manifest."""
        return np.array([0 if s is None else self.number(s) for s in sources], np.uint32)

    @property
    def sources(self) -> tuple[str | bytes | None, ...]:
        """The table, ready for a manifest."""
        return (None, *self._numbers)
