"""A file on this machine, mapped into memory: a range is a view, nothing is copied."""

from __future__ import annotations

import mmap
import os
import weakref
from pathlib import Path
from typing import Final

from chunkmap.errors import NoSuchFile, SourceError
from chunkmap.io.memory import BytesSource
from chunkmap.io.source import check_range
from chunkmap.model import Target

__all__ = ["LocalSource"]

_CAN_READ_INTO: Final = hasattr(os, "preadv")


class LocalSource(BytesSource):
    """A local file. `url` is what references call it; the path may be another."""

    def __init__(self, path: str | os.PathLike[str], url: str | None = None) -> None:
        url = os.fspath(path) if url is None else url
        try:
            with Path(path).open("rb") as file:
                self._stat = os.fstat(file.fileno())
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self._stat.st_size else b""
                self._file = os.dup(file.fileno())
        except FileNotFoundError as error:
            raise NoSuchFile("there is no such file", url=url) from error
        except IsADirectoryError as error:
            raise SourceError("expected a file, found a directory", url=url) from error
        except OSError as error:
            raise SourceError(f"cannot be opened: {error.strerror or error}", url=url) from error
        except ValueError as error:  # a null byte in the name
            raise SourceError(f"cannot be opened: {error}", url=url) from error
        weakref.finalize(self, os.close, self._file)
        super().__init__(memoryview(data), url)
        self.path = os.fspath(path)
        """Where it is, whatever references call it."""

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
