"""Numbers and names that are printed in a text, as columns: no Python object for each is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_DIGITS", "Lines", "decimals"]

MOST_DIGITS: Final = 18
"""Digits of a number that certainly fits into 64 bits."""

_BLOCK: Final = 1 << 14
"""Numbers that are read at once."""


@dataclass(frozen=True, slots=True)
class Lines:
    r"""Some names, one below the other in one text.

    >>> Lines.of(["0.0", "0.1"])
    Lines(text='0.0\n0.1', count=2)
    """

    text: str
    count: int
    """How many: a name may have the sign in it that ends a line, and then it stands alone."""

    @classmethod
    def of(cls, names: Sequence[str]) -> Lines:
        """Those of a list; a name that has the end of a line in it makes a text that is none."""
        return cls("\n".join(names), len(names))

    def __len__(self) -> int:
        return self.count

    def names(self) -> list[str]:
        """Each as a text of its own."""
        return [self.text] if self.count == 1 else self.text.split("\n") if self.count else []


def decimals(letters: NDArray[np.uint8], stops: NDArray[Any]) -> NDArray[np.int64] | None:
    """The numbers in a text, of which one ends before each stop, and begins after the stop before it; all else that
    stands there must be digits. None where a number has no digit, or more than `MOST_DIGITS`.

    >>> decimals(np.frombuffer(b"10.2", np.uint8), np.array([2, 4]))
    array([10,  2])
    """
    values = np.empty(len(stops), np.int64)
    before = -1
    for start in range(0, len(stops), _BLOCK):
        some = stops[start : start + _BLOCK]
        widths = np.diff(some, prepend=before) - 1
        longest, before = int(widths.max()), int(some[-1])
        if int(widths.min()) < 1 or longest > MOST_DIGITS:
            return None
        found = letters[some - 1].astype(np.int64) - ord("0")
        for back in range(1, longest):
            within = np.flatnonzero(widths > back)
            found[within] += (letters[some[within] - 1 - back].astype(np.int64) - ord("0")) * 10**back
        values[start : start + _BLOCK] = found
    return values
