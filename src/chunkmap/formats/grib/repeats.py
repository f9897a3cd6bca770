"""Fields that are in a file twice, byte for byte: each is taken once.

GFS writes the precipitation of its first hours twice, as that of the last interval and as that since the start. What
only *says* that it is the same, and has other values, is left to `chunkmap.formats.grib.assembly`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.io.rounds import Parser, Span
from chunkmap.model.cubes import grouped

__all__ = ["repeats"]

_MOST_BYTES: Final = 64 << 20
"""More than so much is not read in order to compare: then repeated fields are as if they had other values."""


def repeats(
    said: Callable[[], NDArray[np.uint64]], offset: NDArray[np.uint64], length: NDArray[Any]
) -> Parser[list[int]]:
    """The rows of fields that repeat an earlier one, in order; `said` makes hashes of all that is known of each."""
    rows, hashes = _perhaps_alike(said)
    if not len(rows) or int(length[rows].sum(dtype=np.uint64)) > _MOST_BYTES:
        return []
    found: list[int] = []
    for group in grouped([hashes]):
        numbers = rows[group].tolist()
        spans = [Span(int(offset[number]), int(length[number]), int(length[number])) for number in numbers]
        seen: set[bytes] = set()
        for number, span, block in zip(numbers, spans, (yield spans), strict=True):
            held = bytes(block[: span.need])
            if held in seen:
                found.append(number)
            seen.add(held)
    return sorted(found)


def _perhaps_alike(said: Callable[[], NDArray[np.uint64]]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """The rows of which another one has the same hash, and their hashes: mostly none, and they are made twice for some
    rather than held twice for all.
    """
    hashes = said()
    hashes.sort()
    twice = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
    if not len(twice):
        return np.empty(0, np.int64), twice
    hashes = said()
    rows = np.flatnonzero(np.isin(hashes, twice))
    return rows, hashes[rows]
