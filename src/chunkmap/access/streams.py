"""Much that is to be read, a few megabytes at a time: what is held of stored bytes is bounded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.io.threads import CORES
from chunkmap.model import WHOLE_FILE, ChunkManifest

__all__ = ["AT_ONCE", "STREAM", "Part", "far_streams", "portion", "sources_of", "stored_bytes", "streams"]

STREAM: Final = 4 << 20
"""Stored bytes that are fetched and decoded together: from a server as long under way as a request waits, and of a file
little enough that one core reads while another decodes, which takes 0.87 of the time.
"""

AT_ONCE: Final = 8
"""Most of these at once from a server, where threads mostly wait; a file is read by as many as there are cores."""

_OF_ARRAY: Final = 100
"""Of this many parts of the array `AT_ONCE` may be under way from a server, if that is not very little."""


class Part(NamedTuple):
    """Selected chunks that are in one manifest."""

    chunks: ChunkManifest
    rows: NDArray[np.int64]
    """The rows of the manifest."""
    cells: NDArray[np.int64]
    """Which of the selected chunks they are."""

    def some(self, which: slice | NDArray[np.int64]) -> Part:
        """A part of it."""
        return Part(self.chunks, self.rows[which], self.cells[which])


def portion(nbytes: int) -> int:
    """How many bytes of an array of so many come from a server together.

    >>> portion(10**9) >> 20, portion(200 << 20) >> 20, portion(1000) >> 20
    (4, 2, 1)
    """
    return max(min(STREAM, nbytes // _OF_ARRAY), STREAM // 4)


def far_streams(parts: Sequence[Part], nbytes: int, whole_file: int) -> tuple[list[list[Part]], int]:
    """Chunks of an array of so many bytes that come from a server, and how many streams at once: as there are cores, as
    more threads would wait for one another. The fewer they are the longer, so that as much is under way.
    """
    count = max(min(AT_ONCE, CORES), 2)
    return streams(parts, portion(nbytes) * AT_ONCE // count, whole_file), count


def stored_bytes(part: Part, whole_file: int) -> NDArray[np.int64]:
    """How many bytes are stored of each chunk; of one that is a whole file it is not said, but supposed."""
    length = part.chunks.length[part.rows]
    return np.where(length == WHOLE_FILE, whole_file, length).astype(np.int64)


def sources_of(parts: Sequence[Part]) -> Iterator[str | bytes | None]:
    """Where they are stored."""
    for part in parts:
        for number in np.unique(part.chunks.source[part.rows]).tolist():
            yield part.chunks.sources[number]


def streams(parts: Sequence[Part], longest: int, whole_file: int) -> list[list[Part]]:
    """Chunks in the order in which their files have them, about so many bytes together. A file is in one stream, unless
    it has more than goes into one.
    """
    pieces = [piece for part in parts for piece in _cut(part, longest, whole_file)]
    stops = accumulate(int(stored_bytes(piece, whole_file).sum()) for piece in pieces)
    turns = groupby(zip(pieces, stops, strict=True), lambda found: (found[1] - 1) // longest)
    return [[piece for piece, _ in turn] for _, turn in turns]


def _cut(part: Part, longest: int, whole_file: int) -> list[Part]:
    if not len(part.rows):
        return []
    source, length = part.chunks.source[part.rows], stored_bytes(part, whole_file)
    order = np.lexsort((part.chunks.offset[part.rows], source))
    starts = np.concatenate([[0], np.cumsum(length[order])])
    firsts = np.flatnonzero(np.diff(source[order], prepend=np.int64(-1)))
    of_file = np.diff(starts[np.append(firsts, len(order))])
    runs = np.diff(np.append(firsts, len(order)))
    number = np.where(np.repeat(of_file <= longest, runs), np.repeat(starts[firsts], runs), starts[:-1]) // longest
    return [part.some(some) for some in np.split(order, np.flatnonzero(np.diff(number)) + 1)]
