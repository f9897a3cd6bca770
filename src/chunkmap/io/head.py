"""A source whose first bytes have been fetched: what tells the format serves the scanner too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from chunkmap.io.source import Range, Source, SourceBase, check_range
from chunkmap.model import Target

__all__ = ["HEAD", "WHOLE", "HeadSource", "bare", "head_of", "with_head"]

WHOLE: Final = 8 << 20
"""A file that must be fetched and is not longer than this is fetched whole, at once."""

HEAD: Final = 640 << 10
"""Of a longer file, this much is fetched first: that is where formats keep what leads to the rest.

At 50 ms a request and 80 MB/s, it costs a sixth of the round that it often saves.
"""


def head_of(size: int) -> int:
    """How many bytes of a file of this size to fetch before anything is known of it."""
    return size if size <= WHOLE else HEAD


class HeadSource(SourceBase):
    """Another source, of which the head is fetched once, with the first read."""

    def __init__(self, source: Source) -> None:
        self.url = source.url
        self.source = source
        self._head: memoryview | None = None

    def size(self) -> int:
        """Length in bytes."""
        return self.source.size()

    def read(self, offset: int, length: int) -> memoryview:
        """From the head where it holds the range."""
        return self.read_many([Range(offset, length)])[0]

    def read_many(self, ranges: Sequence[Range]) -> list[memoryview]:
        """What the head does not hold is read at once."""
        return self._serve(ranges, self.source.read_many)

    def fetch(self, ranges: Sequence[Range]) -> list[memoryview]:
        """What the head does not hold is fetched, each range by a request of its own."""
        return self._serve(ranges, self.source.fetch)

    def target(self) -> Target:
        """What is known of the source."""
        return self.source.target()

    def confirm(self, *, always: bool = False) -> None:
        """Ask the source."""
        self.source.confirm(always=always)

    def close(self) -> None:
        """Let the head go, and close the source."""
        self._head = None
        self.source.close()

    def _serve(self, ranges: Sequence[Range], read: Callable[[Sequence[Range]], list[memoryview]]) -> list[memoryview]:
        for offset, length in ranges:
            check_range(self.url, self.size(), offset, length)
        if self._head is None:
            self._head = self.source.read(0, head_of(self.size()))
        head = self._head
        rest = [r for r in ranges if r[0] + r[1] > len(head)]
        fetched = iter(read(rest) if rest else [])
        return [next(fetched) if o + n > len(head) else head[o : o + n] for o, n in ranges]


def bare(source: Source) -> Source:
    """A source without the head that was put around it."""
    return bare(source.source) if isinstance(source, HeadSource) else source


def with_head(source: Source) -> Source:
    """A source with its head, where its bytes must be fetched; one that has it already as it is."""
    return source if source.is_in_memory or isinstance(source, HeadSource) else HeadSource(source)
