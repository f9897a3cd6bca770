"""From rows of a manifest to their stored bytes, many at once: the ranges of one URL are one vectored read."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.access.changes import check_unchanged, difference
from chunkmap.access.trust import Trust
from chunkmap.errors import SourceError
from chunkmap.io import LINKS, BytesSource, LocalSource, Range, Source, is_far, open_source
from chunkmap.io.threads import Memory
from chunkmap.model import WHOLE_FILE, ChunkManifest, ReferenceSet, Target

__all__ = ["Fetcher"]

_OPEN: Final = 64
"""Most sources that are held open: few beside the 256 files that some systems allow a process."""

_AT_ONCE: Final = 32
"""Most remote URLs that are read at once."""

Stored = memoryview | bytes
"""The bytes of a chunk as the file has them."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Some ranges of one source, and where their bytes go."""

    stored: list[Stored]
    places: NDArray[np.int64] | slice
    offsets: list[int]
    lengths: list[int]

    @property
    def ranges(self) -> list[Range]:
        return list(map(Range, self.offsets, self.lengths))

    def give(self, pieces: Sequence[Stored]) -> None:
        if isinstance(self.places, slice):
            self.stored[self.places] = pieces
            return
        for place, piece in zip(self.places.tolist(), pieces, strict=True):
            self.stored[place] = piece


class Fetcher:
    """Fetches stored chunks by URL and range. Each URL is opened once; safe to use from many threads.

    `storage_options` go to the filesystem of every URL; `remote_protocol` is that of URLs that name none. `trust`
    says which URLs may be opened. With `expected`, the `targets` of a set, a file that is not as it was when it was
    scanned is refused. So is one that is not as it was when it was first opened: a local file always, one of a web
    server by what its answers say, and any that is opened once more because too many were open. Pickles without what
    it holds open.

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
        expected: Mapping[str, Target] | None = None,
    ) -> None:
        # `asynchronous` is for readers that run the filesystem in a loop of their own; here it is asked and waited for.
        options = storage_options
        self.storage_options = None if options is None else {k: v for k, v in options.items() if k != "asynchronous"}
        self.remote_protocol = remote_protocol
        self.trust, self.expected = Trust() if trust is None else trust, expected
        self._known: list[Mapping[str, Target]] = []
        self._sources: OrderedDict[str, Source] = OrderedDict()
        self._opening: dict[str, threading.Lock] = {}
        self._closed: dict[str, Target] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (self.storage_options, self.remote_protocol, self.trust, self.expected, self._known)

    def learn(self, sets: Iterable[ReferenceSet]) -> Fetcher:
        """Take from sets where reading can begin in files that are compressed as a whole; gives the fetcher itself.

        What a set at rest knows of its files is looked up when such a file is opened.
        """
        for refs in sets:
            at_rest = not isinstance(refs.targets, dict)
            known = refs.targets if at_rest else {u: t for u, t in refs.targets.items() if t.points is not None}
            if known or at_rest:
                self._known.append(known)
        return self

    def _points(self, url: str) -> bytes | None:
        """The restart points of a URL that leads into another file, where there are any."""
        if url.partition("://")[0] not in LINKS or "::" not in url:
            return None
        found = (known[url].points for known in self._known if url in known)
        return next((points for points in found if points is not None), None)

    def fetch(self, chunks: ChunkManifest, rows: NDArray[Any] | None = None) -> list[Stored]:
        """The stored bytes of some rows, or of all, in their order.

        Raises SourceError when a URL cannot be read, TruncatedFile when a range reaches past the end of its file.
        """
        return self.fetch_many([(chunks, rows)])[0]

    def fetch_many(
        self, parts: Sequence[tuple[ChunkManifest, NDArray[Any] | None]], memory: Memory | None = None
    ) -> list[list[Stored]]:
        """The stored bytes of rows of many manifests, in one round: each URL is read once for all of them. With
        `memory`, those of a local file may be there, and are good until it is used again.
        """
        found: list[list[Stored]] = []
        wanted: dict[str, list[_Wanted]] = {}
        for chunks, rows in parts:
            chosen = slice(None) if rows is None else np.asarray(rows)
            source, offset, length = chunks.source[chosen], chunks.offset[chosen], chunks.length[chosen]
            stored: list[Stored] = [b""] * len(source)
            found.append(stored)
            for number, places in _by_source(source):
                of_source = _Wanted(stored, places, offset[places].tolist(), length[places].tolist())
                name = chunks.sources[number]
                if isinstance(name, str):
                    wanted.setdefault(name, []).append(of_source)
                elif name is not None:
                    view = memoryview(name)
                    of_source.give([view[first : first + n] for first, n in of_source.ranges])
        self._read_all(wanted, memory if len(wanted) == 1 else None)
        return found

    def _read_all(self, wanted: Mapping[str, list[_Wanted]], memory: Memory | None) -> None:
        # Views of a mapped file keep it open: of many files, copies are taken.
        copy = len(wanted) > _OPEN

        def read(url: str) -> None:
            source = self.source(url)
            ranges = [one for some in wanted[url] for one in some.ranges]
            if any(one.length == WHOLE_FILE for one in ranges):
                ranges = [Range(0, source.size()) if one.length == WHOLE_FILE else one for one in ranges]
            into = {} if memory is None or not isinstance(source, LocalSource) else {"memory": memory}
            pieces: Iterator[Stored] = iter(source.read_many(ranges, **into))
            self.confirm(source)
            for some in wanted[url]:
                of_these = list(itertools.islice(pieces, len(some.offsets)))
                some.give(list(map(bytes, of_these)) if copy else of_these)

        remote = [url for url in wanted if "://" in self.resolved(url)]
        if len(remote) > 1:
            with ThreadPoolExecutor(min(_AT_ONCE, len(remote))) as pool:
                _finish(pool.map(read, remote))
        else:
            _finish(map(read, remote))
        _finish(map(read, wanted.keys() - set(remote)))

    def is_far(self, source: str | bytes | None) -> bool:
        """Whether a source must be fetched."""
        return isinstance(source, str) and "://" in self.resolved(source)

    def confirm(self, source: Source) -> None:
        """Raise SourceError where a file is not the one any more that was opened, and that can be told for nothing or
        is asked for: then it was the one that was scanned when it was opened.
        """
        name = self.resolved(source.url)
        if self.expected is not None or "://" not in name or not is_far(name):
            source.confirm(always=True)

    def for_even(self, source: str | bytes | None, *, in_order: bool) -> Source | None:
        """A source of chunks at even distances; None for one of which bytes between them cost much: where they are not
        in order, that is one that is neither in memory nor a file of this machine.
        """
        if not isinstance(source, str):
            return None if source is None else BytesSource(source)
        opened = self.source(source) if in_order or "://" not in self.resolved(source) else None
        return opened if in_order or isinstance(opened, (BytesSource, LocalSource)) else None

    def source(self, url: str) -> Source:
        """The file of a URL, opened once. Raises SourceError when it cannot be had, or may not be opened."""
        with self._lock:
            opening = self._opening.setdefault(url, threading.Lock())
        with opening:  # many threads may ask for it at once
            with self._lock:
                if url in self._sources:
                    self._sources.move_to_end(url)
                    return self._sources[url]
            source = self._open(url)
            with self._lock:
                self._check_reopened(source, url)
                source = self._sources.setdefault(url, source)
                while len(self._sources) > _OPEN:
                    name, oldest = self._sources.popitem(last=False)
                    self._closed[name] = replace(oldest.target(), points=None)
                    self._opening.pop(name, None)
        return source

    def _open(self, url: str) -> Source:
        if not url:
            raise SourceError("the references name no file: the set was made from a file without a name", url=url)
        self.trust.check(self.resolved(url))
        permits = None if self.trust.allow is None else self.trust.check
        source = open_source(
            self.resolved(url),
            url=url,
            storage_options=self.storage_options,
            permits=permits,
            points=self._points(url),
        )
        if self.expected is not None:
            check_unchanged(source, self.expected)
        return source

    def _check_reopened(self, source: Source, url: str) -> None:
        """Raise SourceError where a file that was let go is another one now than when it was read."""
        before = self._closed.pop(url, Target())
        changed = difference(before, source.target())
        if changed is not None:
            self._closed[url] = before
            raise SourceError(f"the file changed while it was read: {changed}. Read it again", url=url)

    def resolved(self, url: str) -> str:
        """What to open: a URL without a protocol gets that of the fetcher."""
        local = self.remote_protocol in (None, "file", "local")
        return url if local or "://" in url else f"{self.remote_protocol}://{url}"


def _by_source(source: NDArray[np.uint32]) -> Iterator[tuple[int, NDArray[np.int64] | slice]]:
    """Which rows name each source; mostly it is one for all of them."""
    if not len(source):
        return
    if bool((source == source[0]).all()):
        yield int(source[0]), slice(None)
        return
    order = np.argsort(source, kind="stable")
    numbers, starts = np.unique(source[order], return_index=True)
    yield from zip(numbers.tolist(), np.split(order, starts[1:]), strict=True)


def _finish(steps: Iterable[None]) -> None:
    """Run to the end, or to the first error."""
    for _ in steps:
        pass


def _again(
    storage_options: Mapping[str, Any] | None,
    remote_protocol: str | None,
    trust: Trust,
    expected: Mapping[str, Target] | None,
    known: list[Mapping[str, Target]],
) -> Fetcher:
    again = Fetcher(storage_options=storage_options, remote_protocol=remote_protocol, trust=trust, expected=expected)
    again._known = known  # noqa: SLF001 - its own
    return again
