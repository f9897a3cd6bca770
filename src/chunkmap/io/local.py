"""A file on this machine. Ranges are read by the system; only scans look at the file through a map.

A page of a map that is not in the file any more, because somebody cut it short or copies over it, ends the process
(SIGBUS), where reading it is an error.
"""

from __future__ import annotations

import mmap
import os
import stat
import weakref
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

from chunkmap.errors import NoSuchFile, SourceError
from chunkmap.io.joining import coalesce
from chunkmap.io.source import Range, SourceBase, check_range
from chunkmap.io.system import open_to_read, pread
from chunkmap.model import Target

if TYPE_CHECKING:
    from chunkmap.io.threads import Memory

__all__ = ["LocalSource"]

_CAN_READ_INTO: Final = hasattr(os, "preadv")

_GAP: Final = 16 << 10
_TOGETHER: Final = 1 << 20
"""Ranges of this distance are read together, up to so many bytes: a call costs as much as a few thousand of them."""


class LocalSource(SourceBase):
    """A local file. `url` is what references call it; the path may be another."""

    def __init__(self, path: str | os.PathLike[str], url: str | None = None) -> None:
        url = os.fspath(path) if url is None else url
        try:
            self._file = open_to_read(path)
            self._stat = os.fstat(self._file)
        except FileNotFoundError as error:
            raise NoSuchFile("there is no such file", url=url) from error
        except IsADirectoryError as error:
            raise SourceError("expected a file, found a directory", url=url) from error
        except OSError as error:
            raise SourceError(f"cannot be opened: {error.strerror or error}", url=url) from error
        except ValueError as error:  # a null byte in the name
            raise SourceError(f"cannot be opened: {error}", url=url) from error
        weakref.finalize(self, os.close, self._file)
        if stat.S_ISDIR(self._stat.st_mode):
            raise SourceError("expected a file, found a directory", url=url)
        if not stat.S_ISREG(self._stat.st_mode):
            raise SourceError("expected a file, found a pipe, a socket or a device", url=url)
        self.url, self.path = url, os.fspath(path)
        """Where it is, whatever references call it."""

    def __reduce__(self) -> tuple[type[LocalSource], tuple[str, str]]:
        return LocalSource, (self.path, self.url)

    @property
    def is_in_memory(self) -> bool:
        """It is mapped by who looks at much of it."""
        return True

    def size(self) -> int:
        """Length in bytes when it was opened."""
        return self._stat.st_size

    def read(self, offset: int, length: int) -> memoryview:
        """Exactly `length` bytes."""
        check_range(self.url, self._stat.st_size, offset, length)
        try:
            data = pread(self._file, length, offset)
        except OSError as error:
            raise SourceError(f"cannot be read: {error.strerror or error}", url=self.url) from error
        if len(data) != length:  # cut short meanwhile, or more than a call gives: that is 2 GB
            return memoryview(self._in_calls(offset, length))
        return memoryview(data)

    def _in_calls(self, offset: int, length: int) -> bytes:
        """The same by as many calls as it takes."""
        parts: list[bytes] = []
        done = 0
        while done < length:
            parts.append(pread(self._file, length - done, offset + done))
            if not parts[-1]:
                check_range(self.url, os.fstat(self._file).st_size, offset, length)
                raise SourceError("the file became shorter, and longer again, while it was read", url=self.url)
            done += len(parts[-1])
        return b"".join(parts)

    def read_many(self, ranges: Sequence[Range], memory: Memory | None = None) -> list[memoryview]:
        """Near ranges are read by one call. With `memory`, into that: bytes of it are good until it is used again."""
        if len(ranges) == 1 and memory is None:
            return [self.read(*ranges[0])]
        for offset, length in ranges:
            if offset < 0 or length < 0 or offset + length > self._stat.st_size:
                check_range(self.url, self._stat.st_size, offset, length)
        together, found = coalesce(ranges, gap=_GAP, longest=_TOGETHER)
        views = [self.read(*wanted) for wanted in together] if memory is None else self._read_into(memory, together)
        return [views[n][start : start + length] for (n, start), (_, length) in zip(found, ranges, strict=True)]

    def _read_into(self, memory: Memory, ranges: Sequence[Range]) -> list[memoryview]:
        """Ranges of the file, one after the other in memory."""
        stops = list(accumulate((length for _, length in ranges), initial=0))
        room = memory.of(stops[-1])
        views = [room[start:stop] for start, stop in pairwise(stops)]
        for (offset, _), view in zip(ranges, views, strict=True):
            self.read_into(offset, view)
        return views

    def view(self, offset: int, length: int) -> memoryview:
        """Through a map: nothing is copied. Not for who keeps it, as the file may change."""
        self.check_size()
        check_range(self.url, self._stat.st_size, offset, length)
        return self._map[offset : offset + length]

    @cached_property
    def _map(self) -> memoryview:
        try:
            return memoryview(mmap.mmap(self._file, self.size(), access=mmap.ACCESS_READ) if self.size() else b"")
        except (OSError, ValueError) as error:
            raise SourceError(f"cannot be mapped: {error}", url=self.url) from error

    def check_size(self) -> None:
        """Raise TruncatedFile when the file was cut short since it was opened."""
        now = os.fstat(self._file).st_size
        if now < self._stat.st_size:
            check_range(self.url, now, 0, self._stat.st_size)

    def confirm(self, *, always: bool = False) -> None:  # noqa: ARG002 - costs nothing
        """Raise SourceError when somebody wrote into the file since it was opened."""
        now = os.fstat(self._file)
        if (now.st_size, now.st_mtime_ns) != (self._stat.st_size, self._stat.st_mtime_ns):
            raise SourceError("the file changed while it was read. Read it again", url=self.url)

    def read_into(self, offset: int, out: memoryview) -> None:
        """Copied by the system, which takes half as long as through the map: no page of the file is mapped for it."""
        if not _CAN_READ_INTO:
            super().read_into(offset, out)
            return
        check_range(self.url, self.size(), offset, len(out))
        done = 0
        while done < len(out):
            try:
                count = os.preadv(self._file, [out[done:]], offset + done)
            except OSError as error:
                raise SourceError(f"cannot be read: {error.strerror or error}", url=self.url) from error
            if not count:
                check_range(self.url, os.fstat(self._file).st_size, offset, len(out))
            done += count

    def target(self) -> Target:
        """Size and time of change."""
        return Target(size=self._stat.st_size, mtime=self._stat.st_mtime)
