"""Which ranges to fetch together, for all who fetch: near ones become one request, a long one several.

Every joiner of ranges is here, and every bound has its one meaning: `GAP` is what is thrown away rather than asked
around, `LONGEST` the longest request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.io.source import Range

__all__ = ["GAP", "LONGEST", "Room", "coalesce", "cost_of", "in_pieces", "union", "without_gaps"]

GAP: Final = 64 << 10
"""Bytes that are cheaper to read and throw away than to ask around: at 50 ms a request and 80 MB/s, measured."""

LONGEST: Final = 4 << 20
"""Longest request: joining makes none that is longer, and a longer range is fetched in pieces, side by side.

At 80 MB/s its bytes take as long as its answer does to begin: one that is longer waits for its stream, shorter ones for
more answers.
"""


_SLAB: Final = 4 << 20
"""Most bytes of ranges that lie in memory as one, and stay as long as anyone has one of them."""


def coalesce(
    ranges: Sequence[Range], *, gap: int = GAP, longest: int = LONGEST
) -> tuple[list[Range], list[tuple[int, int]]]:
    """Join near ranges.

    Gives the ranges to fetch, in order of offset, and for each range asked for, where it is in what is fetched:
    (number of the fetched range, first byte in it).

    >>> coalesce([Range(100, 10), Range(0, 20), Range(500, 1)], gap=100)
    ([Range(offset=0, length=110), Range(offset=500, length=1)], [(0, 100), (0, 0), (1, 0)])
    """
    fetched: list[Range] = []
    found: list[tuple[int, int]] = [(0, 0)] * len(ranges)
    start = stop = 0
    for number in sorted(range(len(ranges)), key=lambda n: ranges[n][0]):
        offset, length = ranges[number]
        end = offset + length
        if fetched and offset - stop <= gap and max(end, stop) - start <= longest:
            stop = max(end, stop)
            fetched[-1] = Range(start, stop - start)
        else:
            start, stop = offset, end
            fetched.append(Range(offset, length))
        found[number] = (len(fetched) - 1, offset - start)
    return fetched, found


def in_pieces(wanted: Range, longest: int = LONGEST) -> list[Range]:
    """A range as one or several of nearly the same length, to be fetched side by side: a stream is only so fast.

    >>> in_pieces(Range(100, 25), longest=10)
    [Range(offset=100, length=9), Range(offset=109, length=9), Range(offset=118, length=7)]
    """
    offset, length = wanted
    if length <= longest:
        return [wanted]
    step = -(-length // -(-length // longest))
    return [Range(start, min(step, offset + length - start)) for start in range(offset, offset + length, step)]


def cost_of(source: NDArray[np.uint32], offset: NDArray[np.int64], length: NDArray[np.int64]) -> tuple[int, int]:
    """How many requests fetch so many ranges of files, and how many bytes they fetch: as `coalesce` and `in_pieces` do
    it, on columns.

    >>> cost_of(np.zeros(3, "u4"), np.array([0, 100, 900_000]), np.array([50, 50, 50]))
    (2, 200)
    """
    if not len(source):
        return 0, 0
    order = np.lexsort((offset, source))
    source, start = source[order], offset[order]
    stop = start + length[order]
    breaks = np.flatnonzero((source[1:] != source[:-1]) | (start[1:] - stop[:-1] > GAP)) + 1
    first, last = np.concatenate([[0], breaks]), np.concatenate([breaks, [len(source)]])
    spans = stop[last - 1] - start[first]
    long = spans > LONGEST
    requests, read = int(np.count_nonzero(~long)), int(spans[~long].sum())
    for one, after in zip(first[long].tolist(), last[long].tolist(), strict=True):
        more, fetched = _split(start[one:after], stop[one:after])
        requests, read = requests + more, read + fetched
    return requests, read


def _split(start: NDArray[np.int64], stop: NDArray[np.int64]) -> tuple[int, int]:
    """The same of ranges that would be one, if it were not too long: as many together as go into the longest."""
    requests = read = at = 0
    while at < len(start):
        after = max(int(np.searchsorted(stop, start[at] + LONGEST, side="right")), at + 1)
        fetched = int(stop[after - 1] - start[at])
        requests, read, at = requests + -(-fetched // LONGEST), read + fetched, after
    return requests, read


def union(ranges: Iterable[Range]) -> list[Range]:
    """The ranges that cover the same bytes, of which no two touch, in order of offset.

    >>> union([Range(10, 5), Range(0, 4), Range(12, 8)])
    [Range(offset=0, length=4), Range(offset=10, length=10)]
    """
    pieces: list[Range] = []
    for piece in sorted(ranges):
        if pieces and piece.offset <= pieces[-1].offset + pieces[-1].length:
            pieces[-1] = _joined(pieces[-1], piece)
        else:
            pieces.append(piece)
    return pieces


def without_gaps(
    pieces: Sequence[Range], *, gap: int, spare: int | None = None, is_free: Callable[[int, int], bool]
) -> list[Range]:
    """Ranges of a `union`, joined over gaps: the shortest first, as long as no more than `spare` bytes are in vain.

    None is no bound. Only a gap that `is_free`, of nothing but bytes that nobody has, is closed.

    >>> without_gaps([Range(0, 4), Range(5, 5), Range(90, 5)], gap=10, is_free=lambda start, stop: True)
    [Range(offset=0, length=10), Range(offset=90, length=5)]
    """
    gaps = sorted(
        (right.offset - left.offset - left.length, number)
        for number, (left, right) in enumerate(pairwise(pieces), 1)
        if right.offset - left.offset - left.length <= gap and is_free(left.offset + left.length, right.offset)
    )
    closed, total = set(), 0
    for length, number in gaps:
        total += length
        if spare is not None and total > spare:
            break
        closed.add(number)
    out: list[Range] = []
    for number, piece in enumerate(pieces):
        if number in closed:
            out[-1] = _joined(out[-1], piece)
        else:
            out.append(piece)
    return out


def _joined(left: Range, right: Range) -> Range:
    return Range(left.offset, max(left.length, right.offset + right.length - left.offset))


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
