"""Gaussian parallels: the latitudes whose sines are the roots of a Legendre polynomial."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["gaussian_rows"]

_MOST: Final = 1 << 13
"""Between pole and equator: the finest grids have 4000."""
_TOLERANCE: Final = 2e-3
"""Latitudes are said in thousandths of a degree by edition 1."""
_ROUNDS: Final = 20


def gaussian_rows(number: int, first: float, last: float, count: int) -> NDArray[np.float64] | None:
    """The parallels from the first to the last, in this order; None where they are not so many of this grid.

    >>> gaussian_rows(2, 59.444, -59.444, 4).round(3).tolist()
    [59.444, 19.876, -19.876, -59.444]
    """
    if not 0 < number <= _MOST:
        return None
    rows = _parallels(number)
    if last > first:
        rows = rows[::-1]
    start = int(np.argmin(np.abs(rows - first)))
    found = rows[start : start + count]
    if len(found) < count or max(abs(found[0] - first), abs(found[-1] - last)) > _TOLERANCE:
        return None
    return found


@lru_cache(maxsize=16)
def _parallels(number: int) -> NDArray[np.float64]:
    """All of them, from north to south: Newton's method on the northern half, which is that of the south mirrored."""
    degree = 2 * number
    x = np.cos(np.pi * (np.arange(1, number + 1) - 0.25) / (degree + 0.5))
    for _ in range(_ROUNDS):
        before, value = np.ones_like(x), x
        for n in range(2, degree + 1):
            before, value = value, ((2 * n - 1) * x * value - (n - 1) * before) / n
        change = value * (1 - x * x) / (degree * (before - x * value))
        x = x - change
        if np.abs(change).max() < 1e-15:
            break
    north = np.degrees(np.arcsin(x))
    return np.concatenate([north, -north[::-1]])
