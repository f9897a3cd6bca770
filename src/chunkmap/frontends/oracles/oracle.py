"""What an oracle is, and what it is given."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, BinaryIO, Final, NamedTuple, Protocol, cast

from numpy.typing import NDArray

from chunkmap.io import FileView, Folder, LocalSource, Source
from chunkmap.model import ArrayMeta, ReferenceSet

__all__ = ["Oracle", "Original", "Piece", "as_file", "as_path"]

_AT_ONCE: Final = 16 << 20


class Original(NamedTuple):
    """A file, or a folder, and what its library needs to open it."""

    lies: Source | Folder
    """What lies there."""
    url: str
    """Where it lies."""
    refs: ReferenceSet
    """What a scan finds in it, nothing held inline that stands in a file."""
    open: Callable[[str], Source]
    """Opens the files that references name."""
    storage_options: Mapping[str, Any] | None
    """How they are opened."""
    close: ExitStack
    """Closes what the oracle opens."""

    @property
    def source(self) -> Source:
        """The file, of a format of files."""
        return cast("Source", self.lies)


class Piece(NamedTuple):
    """The part of an array that one chunk holds."""

    path: str
    """The array, in the scan of the original."""
    meta: ArrayMeta
    part: tuple[slice, ...]
    """Which elements."""
    url: str | None
    """The file that holds them; None where a scan holds them inline."""
    offset: int
    length: int


class Oracle(Protocol):
    """What the library of a format reads from one file."""

    def read(self, piece: Piece) -> NDArray[Any] | None:
        """What is stored there, before any scale, mask or unit of time; None where the library has no such array.

        Elements that the library says nothing of are masked.
        """

    def attributes(self, path: str) -> Mapping[str, Any]:
        """What the library says of an array, or of a group (`""` is the root), under the names that sets have for it.

        Only what a set ought to say in the same words.
        """


def as_file(source: Source) -> BinaryIO:
    """A file object that never reads short: few libraries ask again."""
    return cast("BinaryIO", io.BufferedReader(FileView(source)))


def as_path(source: Source, close: ExitStack) -> str:
    """A local file of the same bytes, for libraries that open nothing else: the file itself, or a copy."""
    if isinstance(source, LocalSource):
        return source.path
    copy = close.enter_context(tempfile.NamedTemporaryFile())  # noqa: SIM115 - it is one
    size = source.size()
    for start in range(0, size, _AT_ONCE):
        copy.write(source.read(start, min(_AT_ONCE, size - start)))
    copy.flush()
    return copy.name
