"""Bytes that have to be fetched, for tests of what a scan costs over a network."""

from __future__ import annotations

from pathlib import Path

from chunkmap.io import Range
from chunkmap.io.source import SourceBase
from chunkmap.model import Target


class Far(SourceBase):
    """A source that has to be asked for its bytes, and keeps what it was asked for.

    `data` are bytes, or the path of a file. With `size` it is longer: what follows is zero.
    """

    def __init__(self, data: bytes | Path, url: str = "far", *, size: int | None = None) -> None:
        self.data = data.read_bytes() if isinstance(data, Path) else data
        self.url, self._size = url, size or len(self.data)
        self.asked: list[list[Range]] = []
        """The ranges of each round."""

    @property
    def fetched(self) -> list[Range]:
        """All ranges, in the order in which they were asked for."""
        return [one for ranges in self.asked for one in ranges]

    def size(self) -> int:
        return self._size

    def read(self, offset: int, length: int) -> memoryview:
        return self.read_many([Range(offset, length)])[0]

    def read_many(self, ranges: list[Range]) -> list[memoryview]:
        self.asked.append(list(ranges))
        whole = memoryview(self.data)
        pieces = [whole[offset : offset + length] for offset, length in ranges]
        return [
            piece if len(piece) == length else memoryview(bytes(piece).ljust(length, b"\0"))
            for piece, (_, length) in zip(pieces, ranges, strict=True)
        ]

    def target(self) -> Target:
        return Target(size=self._size)
