"""From rows of a manifest to their stored bytes, many at once: the ranges of one URL are one vectored read."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.access.changes import Recorded, check_unchanged
from chunkmap.access.trust import Trust
from chunkmap.errors import SourceError
from chunkmap.io import Range, Source, open_source
from chunkmap.model import WHOLE_FILE, ChunkManifest

__all__ = ["Fetcher"]

_OPEN: Final = 256
"""Most sources that are held open."""

_AT_ONCE: Final = 32
"""Most remote URLs that are read at once."""

Stored = memoryview | bytes
"""The bytes of a chunk as the file has them."""


class Fetcher:
    """Fetches stored chunks by URL and range. Each URL is opened once; safe to use from many threads.

    `storage_options` go to the filesystem of every URL; `remote_protocol` is that of URLs that name none. `trust`
    says which URLs may be opened. With `expected` a file that is not as it was when it was scanned is refused. Pickles
    without what it holds open.

    >>> manifest = ChunkManifest.single(b"held inline", 0, 4, ndim=1)
    >>> bytes(Fetcher().fetch(manifest)[0])
    b'held'
    """

    def __init__(
        self,
        *,
        storage_options: Mapping[str, Any] | None = None,
        remote_protocol: str | None = None,
        trust: Trust | None = None,
        expected: Recorded | None = None,
    ) -> None:
        self.storage_options, self.remote_protocol = storage_options, remote_protocol
        self.trust, self.expected = Trust() if trust is None else trust, expected
        self._sources: OrderedDict[str, Source] = OrderedDict()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (self.storage_options, self.remote_protocol, self.trust, self.expected)

    def fetch(self, chunks: ChunkManifest, rows: NDArray[Any] | None = None) -> list[Stored]:
        """The stored bytes of some rows, or of all, in their order.

        Raises SourceError when a URL cannot be read, TruncatedFile when a range reaches past the end of its file.
        """
        return self.fetch_many([(chunks, rows)])[0]

    def fetch_many(self, parts: Sequence[tuple[ChunkManifest, NDArray[Any] | None]]) -> list[list[Stored]]:
        """The stored bytes of rows of many manifests, in one round: each URL is read once for all of them."""
        found: list[list[Stored]] = []
        wanted: dict[str, list[tuple[list[Stored], int, int, int]]] = {}
        for chunks, rows in parts:
            chosen = np.arange(len(chunks)) if rows is None else np.asarray(rows)
            stored: list[Stored] = [b""] * len(chosen)
            found.append(stored)
            columns = (chunks.source[chosen], chunks.offset[chosen], chunks.length[chosen])
            for place, (number, offset, length) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
                source = chunks.sources[number]
                if isinstance(source, str):
                    wanted.setdefault(source, []).append((stored, place, offset, length))
                elif source is not None:
                    stored[place] = memoryview(source)[offset : offset + length]
        self._read_all(wanted)
        return found

    def _read_all(self, wanted: Mapping[str, list[tuple[list[Stored], int, int, int]]]) -> None:
        # Views of a mapped file keep it open: of many files, copies are taken.
        copy = len(wanted) > _OPEN

        def read(url: str) -> None:
            source = self.source(url)
            asked = wanted[url]
            ranges = [_range(source, offset, length) for _, _, offset, length in asked]
            for (stored, place, _, _), data in zip(asked, source.read_many(ranges), strict=True):
                stored[place] = bytes(data) if copy else data

        remote = [url for url in wanted if "://" in self.resolved(url)]
        if len(remote) > 1:
            with ThreadPoolExecutor(min(_AT_ONCE, len(remote))) as pool:
                _finish(pool.map(read, remote))
        else:
            _finish(map(read, remote))
        _finish(map(read, wanted.keys() - set(remote)))

    def source(self, url: str) -> Source:
        """The file of a URL, opened once. Raises SourceError when it cannot be had, or may not be opened."""
        with self._lock:
            if url in self._sources:
                self._sources.move_to_end(url)
                return self._sources[url]
        if not url:
            raise SourceError("the references name no file: the set was made from a file without a name", url=url)
        self.trust.check(self.resolved(url))
        source = open_source(self.resolved(url), url=url, storage_options=self.storage_options)
        if self.expected is not None:
            check_unchanged(source, self.expected)
        with self._lock:
            source = self._sources.setdefault(url, source)
            while len(self._sources) > _OPEN:
                self._sources.popitem(last=False)
        return source

    def resolved(self, url: str) -> str:
        """What to open: a URL without a protocol gets that of the fetcher."""
        local = self.remote_protocol in (None, "file", "local")
        return url if local or "://" in url else f"{self.remote_protocol}://{url}"


def _range(source: Source, offset: int, length: int) -> Range:
    return Range(0, source.size()) if length == WHOLE_FILE else Range(offset, length)


def _finish(steps: Iterable[None]) -> None:
    """Run to the end, or to the first error."""
    for _ in steps:
        pass


def _again(
    storage_options: Mapping[str, Any] | None,
    remote_protocol: str | None,
    trust: Trust,
    expected: Recorded | None,
) -> Fetcher:
    return Fetcher(storage_options=storage_options, remote_protocol=remote_protocol, trust=trust, expected=expected)
