"""A file that fsspec opens: HTTP, S3, memory and whatever else it knows. Ranges are joined and fetched at once."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from fsspec.spec import AbstractFileSystem

from chunkmap.errors import SourceError
from chunkmap.io.coalesce import GAP, LONGEST, coalesce
from chunkmap.io.source import Range, SourceBase, check_range
from chunkmap.model import Target

__all__ = ["CONCURRENCY", "RemoteSource"]

CONCURRENCY: Final = 128
"""Most requests under way at once to one file."""


class RemoteSource(SourceBase):
    """One file of an fsspec filesystem."""

    def __init__(self, fs: AbstractFileSystem, path: str, url: str, *, gap: int = GAP, longest: int = LONGEST) -> None:
        self.url = url
        self._fs, self._path, self._gap, self._longest = fs, path, gap, longest
        self._whole: bytes | None = None
        self._info = self._ask(lambda: fs.info(path))
        if self._info.get("type") == "directory":
            raise SourceError("expected a file, found a directory", url=url)
        if self._info.get("size") is None:
            raise SourceError("the server does not say how long it is, so ranges of it cannot be read", url=url)

    def size(self) -> int:
        """Length in bytes, as the server gave it when the source was opened."""
        return int(self._info["size"])

    def read(self, offset: int, length: int) -> memoryview:
        """One request."""
        return self.read_many([Range(offset, length)])[0]

    def read_many(self, ranges: Sequence[Range]) -> list[memoryview]:
        """Ranges nearer than the gap are one request; at most `CONCURRENCY` requests are under way."""
        for offset, length in ranges:
            check_range(self.url, self.size(), offset, length)
        fetched, found = coalesce(ranges, gap=self._gap, longest=self._longest)
        blocks = self._fetch([r for r in fetched if r.length])
        full = iter(blocks)
        views = [memoryview(next(full)) if r.length else memoryview(b"") for r in fetched]
        return [
            views[number][start : start + length] for (number, start), (_, length) in zip(found, ranges, strict=True)
        ]

    def target(self) -> Target:
        """Size, etag and time of change, as far as the server gives them."""
        etag = self._info.get("ETag") or self._info.get("etag")
        changed = self._info.get("LastModified") or self._info.get("mtime") or self._info.get("modified")
        mtime = changed.timestamp() if isinstance(changed, datetime) else changed
        return Target(size=self.size(), etag=etag, mtime=mtime if isinstance(mtime, (int, float)) else None)

    def beside(self, name: str) -> tuple[AbstractFileSystem, str]:
        """The filesystem, and where a file of this name lies on it, from this one's directory."""
        return self._fs, posixpath.join(posixpath.dirname(self._path), name)

    def _fetch(self, ranges: Sequence[Range]) -> list[bytes]:
        if self._whole is not None or not ranges:
            return [self._checked(r, self._whole or b"") for r in ranges]
        blocks = self._ask(
            lambda: self._fs.cat_ranges(
                [self._path] * len(ranges),
                [r.offset for r in ranges],
                [r.offset + r.length for r in ranges],
                on_error="raise",
                batch_size=CONCURRENCY,
            )
        )
        return [self._checked(r, block) for r, block in zip(ranges, blocks, strict=True)]

    def _checked(self, wanted: Range, block: bytes) -> bytes:
        if len(block) == wanted.length:
            return block
        if len(block) == self.size():
            self._whole = block  # the server knows no ranges: nothing is asked of it twice
            return block[wanted.offset : wanted.offset + wanted.length]
        raise SourceError(
            f"asked for {wanted.length} bytes at byte {wanted.offset}, the server sent {len(block)};"
            " it does not serve ranges, or the file has changed",
            url=self.url,
        )

    def _ask(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except FileNotFoundError as error:
            raise SourceError("there is no such file (404, or no such key)", url=self.url) from error
        except PermissionError as error:
            raise SourceError(f"may not be read: {error}", url=self.url) from error
        except IsADirectoryError as error:
            raise SourceError("expected a file, found a directory", url=self.url) from error
        except Exception as error:
            raise SourceError(f"cannot be read: {_reason(error)}", url=self.url) from error


def _reason(error: Exception) -> str:
    status, text = getattr(error, "status", None), getattr(error, "message", None)
    return f"the server answered {status} {text or ''}".strip() if status else f"{type(error).__name__}: {error}"
