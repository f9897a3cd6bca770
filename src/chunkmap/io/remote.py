"""A file that fsspec opens: HTTP, S3, memory and whatever else it knows. Ranges are joined and fetched at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from chunkmap.errors import SourceError
from chunkmap.io.buckets import ObjectInBucket
from chunkmap.io.engines import Engine, object_by
from chunkmap.io.filesystem import ask
from chunkmap.io.http_client import CONNECTIONS, Watch, get_client
from chunkmap.io.joining import GAP, LONGEST, coalesce, in_pieces
from chunkmap.io.retrying import is_transient
from chunkmap.io.s3_answers import compare_ranges, expect
from chunkmap.io.source import Range, SourceBase, check_range
from chunkmap.model import Target

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

    from chunkmap.io.curl import FileByCurl

__all__ = ["CONCURRENCY", "RemoteSource"]

CONCURRENCY: Final = CONNECTIONS
"""Most requests under way at once to one file."""


class RemoteSource(SourceBase):
    """One file of an fsspec filesystem."""

    def __init__(
        self,
        fs: AbstractFileSystem,
        path: str,
        url: str,
        *,
        gap: int = GAP,
        longest: int = LONGEST,
        engine: Engine | None = None,
        ahead: int = 0,
    ) -> None:
        self.url, self._engine = url, engine
        self._fs, self._path, self._gap, self._longest = fs, path, gap, longest
        self._whole: bytes | memoryview | None = None
        self._first: bytes | memoryview = b""
        self._fetches = 0
        self._watch = _watch(fs, path)
        try:
            self._info = self._inspect(ahead)
        except SourceError:
            self.close()
            raise
        expect(fs, path, self)

    def _inspect(self, ahead: int = 0) -> Mapping[str, Any]:
        """What the server says of the file, which may come with as many of its first bytes: they are kept for the
        first read.
        """
        near = self._object
        known = None if near is None else ask(lambda: near.head(ahead), self.url)
        if known is not None:
            self._first = known.first
            self._fetches += bool(self._first)
            return known.info
        info: Mapping[str, Any] = ask(lambda: self._fs.info(self._path), self.url)
        if info.get("type") == "directory":
            raise SourceError("expected a file, found a directory", url=self.url) from IsADirectoryError(self._path)
        if info.get("size") is None:
            raise SourceError("the server does not say how long it is, so ranges of it cannot be read", url=self.url)
        return info

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
        views = self.fetch(fetched)
        return [
            views[number][start : start + length] for (number, start), (_, length) in zip(found, ranges, strict=True)
        ]

    def fetch(self, ranges: Sequence[Range]) -> list[memoryview]:
        """Each range is one request, a long one several; at most `CONCURRENCY` of them are under way."""
        for offset, length in ranges:
            check_range(self.url, self.size(), offset, length)
        pieces = [self._pieces(r) if r.length else [] for r in ranges]
        blocks = iter(self._fetch([piece for some in pieces for piece in some]))
        return [memoryview(_whole([next(blocks) for _ in some])) for some in pieces]

    def _pieces(self, wanted: Range) -> list[Range]:
        """What to fetch of a range: what came of it before any was asked for is one of the pieces."""
        held = len(self._first)
        if wanted.offset < held < wanted.offset + wanted.length:
            first = Range(wanted.offset, held - wanted.offset)
            return [first, *in_pieces(Range(held, wanted.length - first.length), self._longest)]
        return in_pieces(wanted, self._longest)

    def confirm(self, *, always: bool = False) -> None:
        """Raise SourceError where the file is not the one any more that was opened.

        Over HTTP every answer tells; elsewhere the server is asked once more, if the file was read more than once, or
        `always`.
        """
        if self._watch is not None:
            self._check_watch(self._watch)
        elif always or self._fetches > 1:
            self._fs.invalidate_cache(self._path)
            before, now = self.target(), _target(self._inspect())
            if before != now:
                raise self._changed(f"it was {before}, it is {now}")

    def close(self) -> None:
        """Stop watching the file; connections belong to fsspec."""
        if self._watch is not None:
            self._watch.stop()

    def target(self) -> Target:
        """Size, etag and time of change, as far as the server gives them."""
        known = _target(self._info)
        if known.mtime is None and self._watch is not None:
            return Target(size=known.size, etag=known.etag, mtime=self._watch.time)
        return known

    def on_the_same(self, url: str) -> RemoteSource:
        """Another file of the same filesystem."""
        path = self._fs._strip_protocol(url)  # noqa: SLF001 - how fsspec finds the file
        return RemoteSource(self._fs, path, url, engine=self._engine)

    @cached_property
    def _object(self) -> ObjectInBucket | FileByCurl | None:
        """The file as obstore fetches it, or curl; None where fsspec does."""
        if self._engine == "curl" or (self._engine is None and self._watch is not None):
            from chunkmap.io.curl import file_by_curl  # noqa: PLC0415 - for files of web servers

            return file_by_curl(self._fs, self._path, self._watch, self.url, must=self._engine == "curl")
        return object_by(self._engine, self._fs, self._path, self.url)

    def __getstate__(self) -> dict[str, Any]:
        """What is held open stays in this process, and so do the first bytes."""
        return {name: value for name, value in vars(self).items() if name != "_object"} | {"_first": b""}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """The filesystem is another one now."""
        vars(self).update(state)
        compare_ranges(self._fs)
        expect(self._fs, self._path, self)

    @property
    def is_page(self) -> bool:
        """Whether the server calls it a page of HTML: that is how it shows what is in a directory."""
        return str(self._info.get("mimetype") or "").startswith("text/html")

    def _fetch(self, ranges: Sequence[Range]) -> list[bytes | memoryview]:
        first, self._first = self._first, b""
        if not first:
            return self._fetch_far(ranges)
        far = iter(self._fetch_far([r for r in ranges if r.offset + r.length > len(first)]))
        return [next(far) if o + n > len(first) else first[o : o + n] for o, n in ranges]

    def _fetch_far(self, ranges: Sequence[Range]) -> list[bytes | memoryview]:
        if self._whole is not None or not ranges:
            return [self._checked(r, self._whole or b"") for r in ranges]
        if len(ranges) > 1 and self._watch is not None and not self._watch.ranges:
            # each answer may be the whole file: the first one tells
            return self._fetch_far(ranges[:1]) + self._fetch_far(ranges[1:])
        self._fetches += 1
        blocks: dict[Range, bytes | memoryview] = {}
        near = self._object
        if near is not None:
            ask(lambda: near.fetch_into(blocks, [r for r in ranges if r not in blocks]), self.url)
            left = next((r for r in ranges if r not in blocks), None)
            if left is not None:  # one request tells what is wrong, and how long the server wants to be left alone
                ask(lambda: self._fetch_into(blocks, [left]), self.url)
        if any(r not in blocks for r in ranges):
            ask(lambda: self._fetch_into(blocks, [r for r in ranges if r not in blocks]), self.url)
        if self._watch is not None:
            self._check_watch(self._watch)
        return [self._checked(r, blocks[r]) for r in ranges]

    def _fetch_into(self, blocks: dict[Range, bytes | memoryview], ranges: Sequence[Range]) -> None:
        """Fetch ranges, and keep those that came even where others failed. Raises what will not pass first of all."""
        found = self._fs.cat_ranges(
            [self._path] * len(ranges),
            [r.offset for r in ranges],
            [r.offset + r.length for r in ranges],
            on_error="return",
            batch_size=CONCURRENCY,
        )
        failures = [block for block in found if isinstance(block, BaseException)]
        blocks.update((r, b) for r, b in zip(ranges, found, strict=True) if not isinstance(b, BaseException))
        if failures:
            raise min(failures, key=is_transient)

    def _check_watch(self, watch: Watch) -> None:
        if found := watch.changes():
            raise self._changed(found)

    def _changed(self, found: str) -> SourceError:
        return SourceError(f"the file changed while it was read: {found}. Read it again", url=self.url)

    def _checked(self, wanted: Range, block: bytes | memoryview) -> bytes | memoryview:
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


def _whole(blocks: Sequence[bytes | memoryview]) -> bytes | memoryview:
    """The bytes of a range from those of its pieces."""
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)


def _target(info: Mapping[str, Any]) -> Target:
    etag = info.get("ETag") or info.get("etag")
    changed = info.get("LastModified") or info.get("mtime") or info.get("modified")
    mtime = changed.timestamp() if isinstance(changed, datetime) else changed
    return Target(size=int(info["size"]), etag=etag, mtime=mtime if isinstance(mtime, (int, float)) else None)


def _watch(fs: AbstractFileSystem, path: str) -> Watch | None:
    """A watch on the URL, where its filesystem has a client that tells."""
    return Watch(str(fs.encode_url(path))) if getattr(fs, "get_client", None) is get_client else None
