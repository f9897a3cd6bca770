"""The walk through a file far away: in as few rounds as its size makes worth while.

Each message says where the next one begins, so a walk waits once for each. Reading ahead helps where messages are
short. Where they are long and many, several walks begin at once in different places of the file: each looks for the
first bytes that are a message from its first word to its last. What is given is what one walk from the beginning
gives: a walk counts from where the one before it arrived, and no word that looks like a message is taken for one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

from chunkmap.formats.grib.fields import Fields, Steps
from chunkmap.formats.grib.sections import AHEAD, Walked, steps, walk, walked
from chunkmap.formats.grib.sidecar import by_sidecar
from chunkmap.io.rounds import Parser, Together
from chunkmap.io.source import Source

__all__ = ["walk_any", "walk_far"]

_FIRST: Final = 3
"""Messages by which the length of the others is judged."""
_MOST_WALKS: Final = 32
_ROUND: Final = 4 << 20
"""A round costs about as much as so many bytes: 50 ms, at 80 MB a second."""
_MOST_AHEAD: Final = 1 << 20
_FEW: Final = 12
"""Messages that are worth no second walk."""


def walk_any(source: Source, index: str = "auto", taker: Callable[[Fields], None] | None = None) -> Parser[Walked]:
    """Every field of a file: by the index beside it where that saves rounds, else from message to message.

    Of a file that is near, a `taker` is given the fields on the way, but the last ones.
    """
    near = source.is_in_memory
    if index != "none" and not (near and index == "auto"):
        found: Walked | None = yield from by_sidecar(source, None if index == "auto" else index)
        if found is not None:
            return found
    return (yield from walk(source, taker) if near else walk_far(source))


def walk_far(source: Source) -> Parser[Walked]:
    """Every field of a file, as `chunkmap.formats.grib.sections.walk` gives them."""
    size = source.size()
    first = yield from steps(0, size, size, most=_FIRST)
    if not first:
        return walked(first, source.url)
    place = first.after
    mean = max(place // len(first), 1)
    count = (size - place) // mean
    ahead = min(max(AHEAD, _MOST_AHEAD if mean < _MOST_AHEAD // 4 else AHEAD), max(size, 1))
    stride = max(mean, ahead) if mean < _MOST_AHEAD // 4 else mean
    walks = _number_of_walks(size - place, stride) if count > _FEW else 1
    if walks == 1:
        first.extend((yield from steps(place, size, size, ahead=ahead)))
        return walked(first, source.url)
    bounds = [place + (size - place) * number // walks for number in range(walks + 1)]
    search = min(max(AHEAD, mean // 4), _MOST_AHEAD)
    parts = yield Together(
        [
            _from_next(start, stop, size, search if number else ahead, ahead)
            for number, (start, stop) in enumerate(pairwise(bounds))
        ]
    )
    first.extend((yield from _joined(place, size, parts)))
    return walked(first, source.url)


def _number_of_walks(length: int, stride: int) -> int:
    """So many that one more costs as much as it saves: it reads half a message to find the next, and saves rounds."""
    best = math.isqrt(2 * length * _ROUND) // stride
    return min(max(best, 1), _MOST_WALKS, max(length // stride // 2, 1))


def _from_next(start: int, stop: int, size: int, search: int, ahead: int) -> Parser[Steps]:
    """The steps from the first whole message behind a place on. What only begins like a message there is none."""
    place = start
    while place < stop:
        found = yield from steps(place, stop, size, ahead=search, most=1)
        if not found:
            return found
        if found.fields:
            found.extend((yield from steps(found.after, stop, size, ahead=ahead)))
            return found
        place = found.first + 4
    return Steps()


def _joined(place: int, size: int, parts: Sequence[Steps]) -> Parser[Steps]:
    """The steps of one walk from a place, taken from those of several where it comes by one of them."""
    found = Steps()
    for part in parts:
        while part and place <= part.last:
            number = part.at(place)
            if number is not None:
                found.extend(part, number)
                place = part.after
                continue
            one = yield from steps(place, part.last + 1, size, most=1)
            if not one:
                break
            if part.at(one.first) is not None:
                place = one.first
            else:
                found.extend(one)
                place = one.after
    found.extend((yield from steps(place, size, size)))
    return found
