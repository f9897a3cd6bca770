"""File objects and sources, one as the other."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import BinaryIO, Final

from chunkmap.errors import ChunkmapError, SourceError
from chunkmap.io.source import Range, Source, SourceBase, check_range
from chunkmap.model import Target

__all__ = ["FileObjectSource", "FileView", "Readable"]

_BLOCK: Final = 256 << 10
_BLOCKS: Final = 64


class FileObjectSource(SourceBase):
    """A source over an open, seekable binary file, which stays open: it belongs to the caller."""

    def __init__(self, file: BinaryIO, url: str = "") -> None:
        self.url = url
        self._file, self._lock = file, threading.Lock()
        given: object = file
        if isinstance(given, io.TextIOBase):
            raise SourceError("expected a file opened in binary mode, found one of text", url=url)
        try:
            self._size = file.seek(0, io.SEEK_END)
        except (AttributeError, OSError, ValueError) as error:
            raise SourceError(f"expected an open, seekable file, found {file!r}: {error}", url=url) from error

    def size(self) -> int:
        """Length in bytes when the source was made."""
        return self._size

    def read(self, offset: int, length: int) -> memoryview:
        """Seek and read; the position of the file moves."""
        check_range(self.url, self._size, offset, length)
        try:
            with self._lock:
                self._file.seek(offset)
                data = self._read_all(length)
        except (OSError, ValueError) as error:
            raise SourceError(f"cannot be read at byte {offset}: {error}", url=self.url) from error
        if len(data) != length:
            raise SourceError(f"asked for {length} bytes at byte {offset}, the file gave {len(data)}", url=self.url)
        return memoryview(data)

    def _read_all(self, length: int) -> bytes:
        """Read until there is enough: an unbuffered file may give less than it is asked for."""
        data = self._file.read(length)
        while data and len(data) < length:
            more = self._file.read(length - len(data))
            if not more:
                break
            data += more
        return data

    def read_many(self, ranges: Sequence[Range]) -> list[memoryview]:
        """One after the other."""
        return [self.read(offset, length) for offset, length in ranges]

    def target(self) -> Target:
        """Only the size is known."""
        return Target(size=self._size)


class Readable(io.RawIOBase):
    """A file object that is read anywhere, and knows its length; who inherits it fills buffers."""

    def __init__(self) -> None:
        super().__init__()
        self._position = 0

    def length(self) -> int:
        """How many bytes there are."""
        raise NotImplementedError

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """The byte that is read next."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a byte; beyond the end is allowed, and reads nothing."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.length()}[whence]
        self._position = max(0, origin + offset)
        return self._position


class FileView(Readable):
    """A read-only file object over a source, for libraries that want one.

    Reads whole blocks and keeps the last `blocks`: at most 16 MB are held, however much is read.
    """

    def __init__(self, source: Source, *, blocks: int = _BLOCKS) -> None:
        super().__init__()
        self._source, self._most = source, blocks
        self._blocks: OrderedDict[int, memoryview] = OrderedDict()
        self.failure: ChunkmapError | None = None
        """What the source raised, for callers of libraries that swallow errors of reading."""

    def length(self) -> int:
        """That of the source."""
        return self._source.size()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer as far as the file and one block go."""
        number, start = divmod(self._position, _BLOCK)
        view = memoryview(buffer).cast("B")
        if self._position >= self._source.size() or not len(view):
            return 0
        piece = self._block(number)[start : start + len(view)]
        view[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def _block(self, number: int) -> memoryview:
        if number not in self._blocks:
            first = number * _BLOCK
            try:
                self._blocks[number] = self._source.read(first, min(_BLOCK, self._source.size() - first))
            except ChunkmapError as error:
                self.failure = error
                raise
            if len(self._blocks) > self._most:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        return self._blocks[number]
