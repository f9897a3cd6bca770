"""Reading a header from its first bytes on, as many as turn out to be needed.

For formats whose header is one sequence of tokens: what reads them is plain code over a window of bytes. It raises
`MoreBytes` where the window ends, and is called again with a longer one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from chunkmap.io.requests import Parser, Span

__all__ = ["MoreBytes", "windowed"]

T = TypeVar("T")

_FIRST: Final = 64 << 10


class MoreBytes(Exception):
    """The window is too short: it must reach at least to `stop`."""

    def __init__(self, stop: int) -> None:
        super().__init__(stop)
        self.stop = stop


def windowed(read: Callable[[memoryview], T], size: int) -> Parser[T]:
    """What `read` makes of the first bytes of a file of this size. It bounds what it asks for."""
    length = min(_FIRST, size)
    while True:
        window: memoryview = yield Span(0, length, length)
        try:
            return read(window)
        except MoreBytes as more:
            length = max(more.stop, min(2 * length, size))
