"""A member of an archive as a source: a range of bytes of another. How members are found is in `archive`."""

from __future__ import annotations

from collections.abc import Sequence

from chunkmap.io.head import bare
from chunkmap.io.source import Range, Source, SourceBase, check_range
from chunkmap.model import Target

__all__ = ["MemberSource", "archive_kind", "outermost"]


class MemberSource(SourceBase):
    """The bytes of a member. `outer_url` and `first` say where they are in the archive."""

    def __init__(self, outer: Source, url: str, first: int, length: int) -> None:
        self.url, self.first = url, first
        self._outer, self._length = outer, length
        check_range(outer.url, outer.size(), first, length)

    @property
    def is_in_memory(self) -> bool:
        """A member is where its archive is."""
        return self._outer.is_in_memory

    @property
    def outer(self) -> Source:
        """The archive; itself a member when archives are nested."""
        return self._outer

    def size(self) -> int:
        """Length of the member in bytes."""
        return self._length

    def read(self, offset: int, length: int) -> memoryview:
        """A range of the member, read from the archive."""
        return self._outer.read(*self.in_archive(Range(offset, length)))

    def view(self, offset: int, length: int) -> memoryview:
        """The same without a copy, where the archive can."""
        return self._outer.view(*self.in_archive(Range(offset, length)))

    def check_size(self) -> None:
        """A member ends with its archive."""
        self._outer.check_size()

    def read_many(self, ranges: Sequence[Range]) -> list[memoryview]:
        """Ranges of the member, read from the archive at once."""
        return self._outer.read_many(list(map(self.in_archive, ranges)))

    def fetch(self, ranges: Sequence[Range]) -> list[memoryview]:
        """Ranges of the member, each by a request of its own to the archive."""
        return self._outer.fetch(list(map(self.in_archive, ranges)))

    def in_archive(self, wanted: Range) -> Range:
        """A range of the member as one of the archive."""
        offset, length = wanted
        check_range(self.url, self._length, offset, length)
        return Range(self.first + offset, length)

    def confirm(self, *, always: bool = False) -> None:
        """A member changes with its archive."""
        self._outer.confirm(always=always)

    def target(self) -> Target:
        """What is known of the archive, with the member's own size."""
        outer = self._outer.target()
        return Target(size=self._length, etag=outer.etag, mtime=outer.mtime)

    def range_in_file(self) -> tuple[str, int, int]:
        """Where the member is in the outermost file: (URL, first byte, length)."""
        if isinstance(self._outer, MemberSource):
            url, first, _ = self._outer.range_in_file()
            return url, first + self.first, self._length
        return self._outer.url, self.first, self._length

    def close(self) -> None:
        """Close the archive."""
        self._outer.close()


def outermost(source: Source) -> Source:
    """The file in which a source is, however deep: itself, when it is no member."""
    source = bare(source)
    return outermost(source.outer) if isinstance(source, MemberSource) else source


def archive_kind(source: Source) -> str | None:
    """Which kind of archive a file is, by how it begins; None for one that is none.

    A TAR archive begins with the header of its first member, which has a name and `ustar` at byte 257.
    """
    head = bytes(source.read(0, min(source.size(), 512)))
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    return "tar" if head[257:262] == b"ustar" else None
