"""Which ranges to fetch together: near ones become one request, and a request is never longer than a bound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chunkmap.io.source import Range

__all__ = ["GAP", "LONGEST", "coalesce", "in_pieces"]

GAP: Final = 64 << 10
"""Bytes that are cheaper to read and throw away than to ask around: at 50 ms a request and 80 MB/s, measured."""

LONGEST: Final = 8 << 20
"""Longest request: joining makes none that is longer, and a longer range is fetched in pieces, side by side."""


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
