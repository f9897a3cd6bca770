"""What has been read of one file so far: stretches of bytes that never overlap, so that nothing is fetched twice."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from chunkmap.io.joining import union, without_gaps
from chunkmap.io.source import Range

__all__ = ["Extents"]


class Extents:
    """The stretches of a file that are held in memory.

    >>> extents = Extents()
    >>> extents.add(10, memoryview(b"abcdef"))
    >>> bytes(extents.find(12, 2)), extents.find(14, 9)
    (b'cd', None)
    >>> extents.missing([Range(0, 20)], gap=0)
    [Range(offset=0, length=10), Range(offset=16, length=4)]
    """

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._blocks: list[memoryview] = []

    def add(self, offset: int, block: memoryview) -> None:
        """Keep a stretch, which must not overlap what is held already."""
        if len(block):
            number = bisect_right(self._starts, offset)
            self._starts.insert(number, offset)
            self._blocks.insert(number, block)

    def find(self, offset: int, length: int) -> memoryview | None:
        """The bytes of a range, joined where it lies in several stretches; None when any of it is not held."""
        number = bisect_right(self._starts, offset) - 1
        if number < 0:
            return None if length else memoryview(b"")
        start = offset - self._starts[number]
        block = self._blocks[number]
        if start + length <= len(block):
            return block[start : start + length]
        pieces, stop = [block[start:]], self._starts[number] + len(block)
        while stop < offset + length:
            number += 1
            if number == len(self._starts) or self._starts[number] != stop or stop <= offset:
                return None
            pieces.append(self._blocks[number][: offset + length - stop])
            stop += len(pieces[-1])
        return memoryview(b"".join(pieces))

    def held(self, offset: int, most: int) -> int:
        """How many bytes from `offset` on are held without a hole, up to `most`."""
        stop = offset
        number = max(bisect_right(self._starts, offset) - 1, 0)
        while stop < offset + most and number < len(self._starts) and self._starts[number] <= stop:
            stop = max(stop, self._starts[number] + len(self._blocks[number]))
            number += 1
        return min(stop - offset, most)

    def missing(self, wanted: Sequence[Range], *, gap: int, spare: int | None = None) -> list[Range]:
        """What to fetch so that every wanted range is held.

        Near pieces are joined over a gap of unknown bytes, never over bytes that are held. The shortest gaps are
        closed first, as long as no more than `spare` bytes are fetched in vain; None is no bound.
        """
        holes = union(hole for offset, length in wanted for hole in self._holes(offset, offset + length))
        return without_gaps(holes, gap=gap, spare=spare, is_free=self._holds_nothing)

    def readahead(self, offset: int, *, near: int) -> int:
        """The length of the stretch that ends shortly before an offset; 0 where none does.

        Who reads on behind a stretch will need as much again.
        """
        number = bisect_right(self._starts, offset) - 1
        if number < 0 or offset > self._starts[number] + len(self._blocks[number]) + near:
            return 0
        length = len(self._blocks[number])
        while number and self._starts[number - 1] + len(self._blocks[number - 1]) == self._starts[number]:
            number -= 1
            length += len(self._blocks[number])
        return length

    def _holes(self, start: int, stop: int) -> list[Range]:
        holes = []
        number = max(bisect_right(self._starts, start) - 1, 0)
        while number < len(self._starts) and self._starts[number] < stop:
            first = self._starts[number]
            if first > start:
                holes.append(Range(start, first - start))
            start = max(start, first + len(self._blocks[number]))
            number += 1
        if start < stop:
            holes.append(Range(start, stop - start))
        return holes

    def _holds_nothing(self, start: int, stop: int) -> bool:
        number = bisect_right(self._starts, start - 1)
        return not (number < len(self._starts) and self._starts[number] < stop)
