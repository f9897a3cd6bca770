"""Real numbers of FITS that were made integers to be compressed, and back.

FITS standard 4.0, section 10.2, and appendix I for the random numbers. Bit for bit what CFITSIO gives: in double
precision, and rounded once at the end.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["METHODS", "real_numbers"]

METHODS: Final = ("NONE", "NO_DITHER", "SUBTRACTIVE_DITHER_1", "SUBTRACTIVE_DITHER_2")
"""Values of ZQUANTIZ."""

_RANDOM: Final = 10_000
_ZERO: Final = -2_147_483_646  # "exactly equal to 0.0 ... represented by the reserved value" of the second method


def real_numbers(stored: NDArray[Any], scale: float, zero: float, method: str, tile: int) -> NDArray[np.float64]:
    """The numbers of one tile, flat. `tile` is its number, from 0 on, plus ZDITHER0."""
    flat = stored.ravel().astype(np.float64)
    if not method.startswith("SUBTRACTIVE"):
        values: NDArray[np.float64] = flat * scale + zero
        return values
    values = (flat - _random_numbers(len(flat), tile) + 0.5) * scale + zero
    if method.endswith("2"):
        values[stored.ravel() == _ZERO] = 0.0
    return values


def _random_numbers(count: int, tile: int) -> NDArray[np.float64]:
    """Those of a tile: each stretch of them begins at a place that a random number says."""
    sequence = _sequence()
    first, found = (tile - 1) % _RANDOM, list[NDArray[np.float64]]()
    while count > 0:
        start = int(sequence[first] * np.float32(500))
        stretch = sequence[start : start + count]
        found.append(stretch.astype(np.float64))
        count -= len(stretch)
        first = (first + 1) % _RANDOM
    return np.concatenate(found) if found else np.empty(0)


@lru_cache(maxsize=1)
def _sequence() -> NDArray[np.float32]:
    """The 10,000 numbers: those of Park and Miller, begun with 1, in single precision."""
    multiplier, modulus, seed, found = 16807, 2147483647, 1, []
    for _ in range(_RANDOM):
        seed = multiplier * seed % modulus
        found.append(seed / modulus)
    return np.array(found, np.float32)
