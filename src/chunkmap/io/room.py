"""Memory for ranges that are fetched: small ones lie side by side in one piece of it."""

from __future__ import annotations

from typing import Final

import numpy as np

__all__ = ["Room"]

_SLAB: Final = 4 << 20
"""Most bytes of ranges that lie in memory as one, and stay as long as anyone has one of them."""


class Room:
    """Room for ranges of so many bytes in all: a long one has a piece of its own.

    >>> room = Room(30)
    >>> len(room.take(10)), len(room.take(20))
    (10, 20)
    """

    def __init__(self, total: int) -> None:
        self._left, self._slab = total, memoryview(b"")

    def take(self, length: int) -> memoryview:
        """So many bytes, of which nothing is said."""
        if length > len(self._slab):
            self._slab = np.empty(max(length, min(_SLAB, self._left)), "u1").data
        self._left -= length
        view, self._slab = self._slab[:length], self._slab[length:]
        return view

    def keep(self, block: memoryview) -> memoryview:
        """A copy of some bytes."""
        view = self.take(len(block))
        view[:] = block
        return view.toreadonly()
