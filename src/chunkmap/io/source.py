"""The one thing that floors above know of input: a `Source` of bytes.

A source has a URL, a size, and gives ranges of bytes, one or many at once. It knows nothing of formats, and formats
know nothing of files, sockets or archives. Every implementation keeps the same promises: a range that reaches past
the end raises `TruncatedFile` with its offset, bytes that cannot be had raise `SourceError`, and nothing is ever
returned short.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from chunkmap.errors import TruncatedFile
from chunkmap.model import Target

__all__ = ["Closing", "Known", "Range", "Source", "SourceBase", "check_range"]


class Range(NamedTuple):
    """A half-open range of bytes, by its first byte and its length."""

    offset: int
    length: int


class Known(NamedTuple):
    """What is known of a file, in the words of its filesystem; with its first bytes, where these were asked for too."""

    info: dict[str, Any]
    first: memoryview


class Source(Protocol):
    """Bytes somewhere, read by range."""

    @property
    def url(self) -> str:
        """Its name, as references give it."""

    @property
    def is_in_memory(self) -> bool:
        """Whether its bytes are there without being fetched: read, or mapped. Decompressed ones are not."""

    def size(self) -> int:
        """Its length in bytes."""

    def read(self, offset: int, length: int) -> memoryview:
        """Exactly `length` bytes from `offset`."""

    def read_into(self, offset: int, out: memoryview) -> None:
        """As many bytes as `out` has, from `offset`, into it."""

    def view(self, offset: int, length: int) -> memoryview:
        """The same as `read`, for who looks at it at once and keeps nothing: of a local file it is no copy."""

    def check_size(self) -> None:
        """Raise TruncatedFile where a view may reach out of the file, because it was cut short."""

    def read_many(self, ranges: Sequence[Range]) -> list[memoryview]:
        """The bytes of each range, in the order of the ranges: near ranges fetched together, far ones at once."""

    def fetch(self, ranges: Sequence[Range]) -> list[memoryview]:
        """The bytes of each range, each by a request of its own: for who has joined near ones already."""

    def target(self) -> Target:
        """What is known of the file as it is now: size, etag, time of change."""

    def confirm(self, *, always: bool = False) -> None:
        """Raise SourceError where it can be told that the file changed since it was opened.

        `always`: also where it costs a request that one reading of a file does not need.
        """

    def close(self) -> None:
        """Give back what is held open. Reading afterwards is an error."""


class Closing:
    """What sources and folders share: each is its own context manager."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is held open, unless a source or a folder says otherwise."""


class SourceBase(Closing):
    """What sources share."""

    @property
    def is_in_memory(self) -> bool:
        """Not, unless a source says otherwise."""
        return False

    def read(self, offset: int, length: int) -> memoryview:
        """Every source has its own."""
        raise NotImplementedError

    def read_into(self, offset: int, out: memoryview) -> None:
        """By way of `read`, unless a source has a shorter one."""
        out[:] = self.read(offset, len(out))

    def view(self, offset: int, length: int) -> memoryview:
        """As `read`, unless a source can do without a copy."""
        return self.read(offset, length)

    def check_size(self) -> None:
        """What was read stays, unless a source gives views of a file."""

    def read_many(self, ranges: Sequence[Range]) -> list[memoryview]:
        """Every source has its own."""
        raise NotImplementedError

    def fetch(self, ranges: Sequence[Range]) -> list[memoryview]:
        """As `read_many`, unless a source joins ranges there."""
        return self.read_many(ranges)

    def confirm(self, *, always: bool = False) -> None:
        """Nothing changes, unless a source can tell."""


def check_range(url: str, size: int, offset: int, length: int) -> None:
    """Raise `TruncatedFile` unless the range lies inside the file."""
    if offset < 0 or length < 0 or offset + length > size:
        raise TruncatedFile(
            f"expected {length} bytes, but the file has only {size} in all; it is cut short or the address is wrong",
            url=url,
            offset=offset,
        )
