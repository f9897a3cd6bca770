"""Reading a header from its first bytes on, as many as turn out to be needed.

For formats whose header is one sequence of tokens: what reads them is plain code over a window of bytes. Where the
window ends too early, it is called again with a longer one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from chunkmap.errors import TruncatedFile
from chunkmap.io.rounds.requests import Parser, Span
from chunkmap.io.source import Source

__all__ = ["Window", "windowed"]

T = TypeVar("T")

_FIRST: Final = 64 << 10


class _MoreBytes(Exception):
    """The window is too short: it must reach at least to `stop`."""

    def __init__(self, stop: int) -> None:
        super().__init__(stop)
        self.stop = stop


class Window:
    """The first bytes of a file: `held` are those that are here, `take` gives any, or has more of them fetched."""

    __slots__ = ("held", "size", "url")

    def __init__(self, data: memoryview, source: Source) -> None:
        self.held, self.url, self.size = data, source.url, source.size()

    def take(self, offset: int, length: int) -> memoryview:
        """A range of the header. Raises TruncatedFile where the file ends before; who reads bounds the length."""
        stop = offset + length
        if stop > self.size:
            raise TruncatedFile(
                f"the header goes on to byte {stop}, but the file ends at byte {self.size}; it is cut short",
                url=self.url,
                offset=offset,
            )
        if stop > len(self.held):
            raise _MoreBytes(stop)
        return self.held[offset:stop]


def windowed(read: Callable[[Window], T], source: Source) -> Parser[T]:
    """What `read` makes of the first bytes of a file. It must not change anything: it may be called again."""
    size = source.size()
    length = min(_FIRST, size)
    while True:
        data: memoryview = yield Span(0, length, length)
        try:
            return read(Window(data, source))
        except _MoreBytes as more:
            length = max(more.stop, min(2 * length, size))
