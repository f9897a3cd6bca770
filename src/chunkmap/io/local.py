"""A file on this machine, mapped into memory: a range is a view, nothing is copied."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from chunkmap.errors import SourceError
from chunkmap.io.memory import BytesSource
from chunkmap.model import Target

__all__ = ["LocalSource"]


class LocalSource(BytesSource):
    """A local file. `url` is what references call it; the path may be another."""

    def __init__(self, path: str | os.PathLike[str], url: str | None = None) -> None:
        url = os.fspath(path) if url is None else url
        try:
            with Path(path).open("rb") as file:
                self._stat = os.fstat(file.fileno())
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self._stat.st_size else b""
        except FileNotFoundError as error:
            raise SourceError("there is no such file", url=url) from error
        except IsADirectoryError as error:
            raise SourceError("expected a file, found a directory", url=url) from error
        except OSError as error:
            raise SourceError(f"cannot be opened: {error.strerror or error}", url=url) from error
        super().__init__(memoryview(data), url)
        self.path = os.fspath(path)
        """Where it is, whatever references call it."""

    def target(self) -> Target:
        """Size and time of change."""
        return Target(size=self._stat.st_size, mtime=self._stat.st_mtime)
