"""Whether a reference set still says the truth: about its files, their ranges, and the chunks in them.

Nothing here raises for what is wrong with a set: it is what a `Report` is for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.access.changes import difference
from chunkmap.access.fetching import Fetcher, Stored
from chunkmap.access.values import Decoder, decoder_of
from chunkmap.errors import ChunkmapError
from chunkmap.io import Source
from chunkmap.io.retrying import is_transient
from chunkmap.model import WHOLE_FILE, ArrayMeta, ChunkManifest, ReferenceSet, Target
from chunkmap.notebooks import Shown

__all__ = ["Chunk", "Compare", "Finding", "Report", "verify_set"]

_AT_ONCE: Final = 32
"""Files that are opened at once."""

_BATCH: Final = 32 << 20
"""Bytes of stored chunks that are fetched in one round; a chunk alone may be longer."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or that could not be told."""

    where: str
    """A URL, or the key of a chunk."""
    message: str
    """What was expected and what was found."""

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


@dataclass(frozen=True, slots=True)
class Report(Shown):
    """What came of verifying a set. It is true when nothing is wrong.

    >>> bool(Report("set.json")), bool(Report("set.json", failures=(Finding("x/0", "does not decode"),)))
    (True, False)
    """

    name: str
    """The set."""
    failures: tuple[Finding, ...] = ()
    """What is wrong."""
    notes: tuple[Finding, ...] = ()
    """What could not be told."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """How many files, chunks... were looked at."""

    def __bool__(self) -> bool:
        return not self.failures

    def __str__(self) -> str:
        verdict = self._verdict()
        counts = ", ".join(f"{count:,} {what}" for what, count in self.counts.items())
        lines = [f"{self.name}: {verdict} ({counts})"]
        lines += [f"  wrong: {finding}" for finding in self.failures]
        lines += [f"  not known: {finding}" for finding in self.notes]
        return "\n".join(lines)

    def _verdict(self) -> str:
        """What came of it, in a few words: what could not be told is not called sound."""
        if self.failures:
            return f"{len(self.failures):,} wrong"
        return f"nothing is found wrong, {len(self.notes):,} not known" if self.notes else "nothing is wrong"

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON has it."""
        lists = {"failures": self.failures, "notes": self.notes}
        found = {name: [{"where": f.where, "message": f.message} for f in some] for name, some in lists.items()}
        return {"name": self.name, "ok": bool(self), "counts": dict(self.counts), **found}


class Chunk(NamedTuple):
    """A chunk that was read, for whoever compares it with the original."""

    key: str
    path: str
    meta: ArrayMeta
    url: str | None
    """The file it is in; None for one that is held inline."""
    offset: int
    length: int
    position: int
    """Which cell of the grid it is."""
    values: NDArray[Any]


Compare = Callable[[Chunk], tuple[bool, str] | None]
"""Compares a chunk with the original file: None when they are equal, else (whether that is wrong, what was found)."""


class _Part(NamedTuple):
    """Some consecutive cells of an array: a stretch, or all of it."""

    path: str
    first: int
    chunks: ChunkManifest


def verify_set(
    refs: ReferenceSet,
    fetcher: Fetcher,
    *,
    sample: int | None = 0,
    compare: Compare | None = None,
) -> Report:
    """Check files and ranges; decode `sample` chunks of each array, or all (None), and `compare` them.

    A set at rest is read a stretch at a time.
    """
    check = _Check(refs, fetcher, compare)
    check.arrays()
    for path in refs.arrays:
        check.array(path, sample)
    check.files()
    if not sample and sample is not None:
        return check.report()
    for path in refs.arrays:
        check.chunks(path)
    return check.report()


class _Check:
    """One run over a set."""

    def __init__(self, refs: ReferenceSet, fetcher: Fetcher, compare: Compare | None) -> None:
        self._refs, self._fetcher, self._compare = refs, fetcher, compare
        self._failures: list[Finding] = []
        self._notes: list[Finding] = []
        self._counts: Counter[str] = Counter()
        self._reach: dict[str, tuple[int, str]] = {}
        self._chosen: dict[str, NDArray[np.int64] | None] = {}
        self._given_up: dict[str, ChunkmapError] = {}
        self._random = np.random.default_rng(0)

    def report(self) -> Report:
        """What came of it."""
        return Report(self._refs.name or "set", tuple(self._failures), tuple(self._notes), dict(self._counts))

    def arrays(self) -> None:
        """Say of a set without arrays why it has none."""
        why = self._refs.emptied
        if why is not None:
            self._notes.append(Finding(why.path, f"the set has no array, this is the first left out: {why.message}"))

    def array(self, path: str, sample: int | None) -> None:
        """Look at the references of one array: which files they name and how far they reach; choose a sample."""
        total = 0
        for part in self._parts(path, report=True):
            total += len(part.chunks)
            self._reach_of(part)
        self._counts["chunks"] += total
        if sample is None or total <= sample:
            self._chosen[path] = None
        else:
            ends = [0, total - 1][:sample]
            more = self._random.choice(total, sample, replace=False)
            self._chosen[path] = np.unique([*ends, *more.tolist()])[: max(sample, 2)].astype(np.int64)

    def files(self) -> None:
        """Open each file, and compare it with what was recorded of it and with the ranges in it."""
        self._counts["files"] = len(self._reach)
        known = self._refs.targets
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for url, found in zip(self._reach, pool.map(self._target, self._reach), strict=True):
                if isinstance(found, ChunkmapError):
                    self._failures.append(Finding(url, _message(found)))
                    self._give_up([url], found)
                    continue
                end, key = self._reach[url]
                if found.size is not None and end > found.size:
                    self._failures.append(Finding(url, f"{key} reaches to byte {end}, the file has {found.size}"))
                changed = difference(known.get(url, Target()), found)
                if changed is not None:
                    self._failures.append(Finding(url, f"changed since it was scanned: {changed}"))
        unknown = sum(known.get(url, Target()) == Target() for url in self._reach)
        if unknown:
            message = (
                f"the set does not say what {unknown} of {len(self._reach)} files were like when they were scanned"
            )
            self._notes.append(Finding("targets", f"{message}, so a change that leaves them long enough is not seen"))

    def chunks(self, path: str) -> None:
        """Read the chunks that were chosen."""
        meta, start = self._refs.arrays[path].meta, 0
        try:
            decoder = decoder_of(meta)
        except ChunkmapError as error:
            self._failures.append(Finding(path, _message(error)))
            return
        for part in self._parts(path, report=False):
            rows = np.arange(len(part.chunks))
            chosen = self._chosen[path]
            if chosen is not None:
                low, high = np.searchsorted(chosen, [start, start + len(rows)]).tolist()
                rows = chosen[low:high] - start
            start += len(part.chunks)
            for some in _batches(part.chunks, rows):
                self._read(part, meta, decoder, some)

    def _read(self, part: _Part, meta: ArrayMeta, decoder: Decoder, rows: NDArray[np.int64]) -> None:
        positions = part.chunks.positions()
        for row, stored in zip(rows.tolist(), self._fetched(part, rows), strict=True):
            self._counts["chunks decoded"] += 1
            position = part.first + int(positions[row])
            key = _key(part.path, meta, position)
            try:
                if isinstance(stored, ChunkmapError):
                    raise stored
                values = decoder.decode(stored, part.chunks, row, meta.shape_of_chunk(_coord(meta, position)))
            except ChunkmapError as error:
                self._failures.append(Finding(key, str(error)))
                continue
            if self._compare is not None:
                source, offset, length = part.chunks.row(row)
                url = source if isinstance(source, str) else None
                self._judge(self._compare(Chunk(key, part.path, meta, url, offset, length, position, values)), key)

    def _judge(self, verdict: tuple[bool, str] | None, key: str) -> None:
        if verdict is None:
            self._counts["chunks equal to the original"] += 1
        else:
            (self._failures if verdict[0] else self._notes).append(Finding(key, verdict[1]))

    def _fetched(self, part: _Part, rows: NDArray[np.int64]) -> Sequence[Stored | ChunkmapError]:
        """Stored chunks, fetched together; where that fails one by one, so that each has its own error.

        A server that was given up is not waited for once more with every chunk.
        """
        sources = list(dict.fromkeys(part.chunks.sources[n] for n in np.unique(part.chunks.source[rows]).tolist()))
        if len(sources) == 1 and sources[0] in self._given_up:
            return [self._given_up[str(sources[0])]] * len(rows)
        try:
            return self._fetcher.fetch(part.chunks, rows)
        except ChunkmapError as error:
            self._give_up(sources, error)
            if len(rows) == 1:
                return [error]
            return [one for row in rows.tolist() for one in self._fetched(part, np.array([row]))]

    def _give_up(self, sources: Sequence[str | bytes | None], error: ChunkmapError) -> None:
        """Remember that a file cannot be had, where it was tried for as long as anything is."""
        if len(sources) == 1 and isinstance(sources[0], str) and is_transient(error):
            self._given_up[sources[0]] = error

    def _parts(self, path: str, *, report: bool) -> Iterator[_Part]:
        array = self._refs.arrays[path]
        for number in array.stretches():
            try:
                yield _Part(path, number * array.stretch, array.in_stretch(number))
            except ChunkmapError as error:
                if report:
                    self._failures.append(Finding(f"{path}, partition {number}", str(error)))

    def _reach_of(self, part: _Part) -> None:
        """Keep, for each file, how far references reach into it and by which chunk."""
        chunks, positions = part.chunks, part.chunks.positions()
        whole = chunks.length == np.uint64(WHOLE_FILE)
        stops = np.where(whole, np.uint64(0), chunks.offset + chunks.length)
        stops[~whole & (stops < chunks.offset)] = np.uint64(WHOLE_FILE)  # beyond what 64 bits count
        order = np.lexsort((stops, chunks.source))
        last = np.flatnonzero(np.diff(chunks.source[order], append=np.uint32(0xFFFFFFFF)))
        for row in order[last].tolist():
            source = chunks.sources[int(chunks.source[row])]
            if isinstance(source, str) and int(stops[row]) >= self._reach.get(source, (0, ""))[0]:
                position = part.first + int(positions[row])
                self._reach[source] = int(stops[row]), _key(part.path, self._refs.arrays[part.path].meta, position)

    def _target(self, url: str) -> Target | ChunkmapError:
        try:
            source: Source = self._fetcher.source(url)
            return source.target()
        except ChunkmapError as error:
            return error


def _batches(chunks: ChunkManifest, rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Rows in groups whose chunks fit in memory together."""
    if len(rows):
        lengths = np.minimum(chunks.length[rows], np.uint64(_BATCH)).astype(np.int64)
        yield from np.split(rows, np.flatnonzero(np.diff(np.cumsum(lengths) // _BATCH)) + 1)


def _key(path: str, meta: ArrayMeta, position: int) -> str:
    coord = _coord(meta, position) or (0,)
    return f"{path}/{'.'.join(map(str, coord))}".lstrip("/")


def _coord(meta: ArrayMeta, position: int) -> tuple[int, ...]:
    return tuple(map(int, np.unravel_index(position, meta.grid_shape))) if meta.ndim else ()


def _message(error: ChunkmapError) -> str:
    """What an error says, without the URL that stands before it already."""
    return str(getattr(error, "message", error))
