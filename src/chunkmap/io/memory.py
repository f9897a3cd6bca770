"""A source of bytes that are in memory already."""

from __future__ import annotations

from collections.abc import Sequence

from chunkmap.io.source import Range, SourceBase, check_range
from chunkmap.model import Target

__all__ = ["BytesSource"]


class BytesSource(SourceBase):
    """Bytes in memory under a URL of the caller's choice.

    >>> bytes(BytesSource(b"hello", "memory://a").read(1, 3))
    b'ell'
    """

    def __init__(self, data: bytes | bytearray | memoryview, url: str = "") -> None:
        self.url = url
        self._view = memoryview(data).cast("B").toreadonly()

    @property
    def is_in_memory(self) -> bool:
        """All of them are."""
        return True

    def size(self) -> int:
        """Length in bytes."""
        return len(self._view)

    def read(self, offset: int, length: int) -> memoryview:
        """Exactly `length` bytes, without a copy."""
        check_range(self.url, len(self._view), offset, length)
        return self._view[offset : offset + length]

    def read_many(self, ranges: Sequence[Range]) -> list[memoryview]:
        """The bytes of each range, without a copy."""
        view, size = self._view, len(self._view)
        for offset, length in ranges:
            if offset < 0 or length < 0 or offset + length > size:
                check_range(self.url, size, offset, length)
        return [view[offset : offset + length] for offset, length in ranges]

    def target(self) -> Target:
        """Only the size is known."""
        return Target(size=len(self._view))
