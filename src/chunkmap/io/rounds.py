"""Parsers that have never heard of a socket, and the scheduler that brings them their bytes.

A parser is a generator. It *yields* what it needs and is *sent* the answer:

    Span(offset, need, want)    -> memoryview of at least `need` bytes, `want` where the file is long enough
    [Span, Span, ...]           -> a list of the same
    Gather(offsets, size)       -> uint8 array of shape (offsets, size)
    Hint([Span, ...])           -> nothing: bytes that will be asked for, to be fetched in the same round as others
    Together([parser, ...])     -> a list of what these parsers return, once all of them have

A file that is in memory (or mapped) answers at once. For any other, the scheduler steps every parser of every file
until all of them wait, and then serves the whole *round* with one vectored, coalesced read a file: the number of
round trips is the depth of the format, not the number of objects. What was read once is kept, and never asked for
again.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import ChunkmapError, TruncatedFile
from chunkmap.io.archive import in_memory
from chunkmap.io.coalesce import GAP
from chunkmap.io.extents import Extents
from chunkmap.io.head import head_of
from chunkmap.io.source import Range, Source

__all__ = ["Gather", "Hint", "Parser", "Reading", "Span", "Tally", "Together", "run", "run_many"]

T = TypeVar("T")

LEAST: Final = 4 << 10
"""Least bytes a request asks for: structures that point at one another are often neighbours."""

READ_AHEAD: Final = 1 << 20
"""Most bytes asked for because as many before them were needed."""

LONGEST: Final = 1 << 20
"""Most bytes of one request: what is longer is fetched side by side, as one stream has only so much bandwidth."""

_SPARE: Final = 512 << 10
"""Bytes that a round may fetch in vain to save requests, beside as many as it needs."""

_FILES_AT_ONCE: Final = 32


class Span(NamedTuple):
    """A range of bytes: `need` of them are indispensable, up to `want` are welcome."""

    offset: int
    need: int
    want: int


class Gather:
    """Many ranges of one size, to be given as the rows of an array."""

    __slots__ = ("offsets", "size")

    def __init__(self, offsets: NDArray[np.uint64], size: int) -> None:
        self.offsets, self.size = offsets, size


class Hint:
    """Spans that another parser is about to ask for. Those that are not inside the file are passed over."""

    __slots__ = ("spans",)

    def __init__(self, spans: Sequence[Span]) -> None:
        self.spans = spans


class Together:
    """Parsers to run side by side, so that what they need is fetched in the same rounds."""

    __slots__ = ("parsers",)

    def __init__(self, parsers: Sequence[Parser[Any]]) -> None:
        self.parsers = parsers


Parser = Generator[Any, Any, T]
"""A generator that yields requests, is sent their answers, and returns what it has parsed."""


@dataclass(slots=True)
class Tally:
    """What a run has cost: nothing at all for files that are in memory."""

    rounds: int = 0
    """Times that reading had to wait for the network."""
    requests: int = 0
    """Ranges fetched, after coalescing."""
    bytes: int = 0
    """Bytes fetched."""


class Reading(NamedTuple):
    """One file to read, and the parser that reads it."""

    source: Source
    parser: Parser[Any]


def run(source: Source, parser: Parser[T], *, tally: Tally | None = None) -> T:
    """Bring one parser its bytes and give what it returns. Whatever it raises is raised."""
    (outcome,) = run_many([Reading(source, parser)], tally=tally)
    if isinstance(outcome, ChunkmapError):
        raise outcome
    result: T = outcome
    return result


def run_many(readings: Sequence[Reading], *, tally: Tally | None = None) -> list[Any]:
    """Read several files in the same rounds.

    Gives for each file what its parser returned, or the `ChunkmapError` that stopped it; other files go on.
    """
    tally = Tally() if tally is None else tally
    files = [_Near(source, parser) if in_memory(source) else _Far(source, parser) for source, parser in readings]
    far = [file for file in files if isinstance(file, _Far)]
    _serve_round(far, tally, _Far.first)
    for file in files:
        file.step()
    while waiting := [file for file in far if file.blocked]:
        _serve_round(waiting, tally, _Far.missing)
        for blocked in waiting:
            blocked.resume()
    return [file.outcome for file in files]


class _Mapped:
    """A file that is in memory: a span is a view, rows are copied by one strided index."""

    def __init__(self, source: Source) -> None:
        view = source.read(0, source.size())
        self._view, self._url, self._size = view, source.url, len(view)
        self._array = np.frombuffer(view, np.uint8) if len(view) else np.empty(0, np.uint8)

    def span(self, span: Span) -> memoryview:
        offset, need, want = span
        if offset < 0 or offset + need > self._size:
            raise _too_short(self._url, self._size, offset, need)
        return self._view[offset : offset + want]

    def rows(self, gather: Gather) -> NDArray[np.uint8]:
        _check_rows(gather, self._size, self._url)
        if len(gather.offsets) == 1:
            start = int(gather.offsets[0])
            return self._array[start : start + gather.size].reshape(1, -1)
        if not len(gather.offsets) or not gather.size:
            return np.empty((len(gather.offsets), gather.size), np.uint8)
        windows = np.lib.stride_tricks.as_strided(
            self._array, (self._size - gather.size + 1, gather.size), (1, 1), writeable=False
        )
        rows: NDArray[np.uint8] = windows[gather.offsets]
        return rows

    def serve(self, request: Any) -> Any:
        """The answer to any request. Nothing has to be fetched, so a hint says nothing."""
        kind = type(request)
        if kind is Span:
            return self.span(request)
        if kind is Gather:
            return self.rows(request)
        return () if kind is Hint else list(map(self.span, request))


class _Fetched:
    """A file that has to be fetched, as far as it has been."""

    def __init__(self, source: Source) -> None:
        self.source, self.extents = source, Extents()
        self._size = source.size()

    def span(self, span: Span) -> memoryview | None:
        offset, need, want = span
        if offset < 0 or offset + need > self._size:
            raise _too_short(self.source.url, self._size, offset, need)
        held = self.extents.held(offset, min(want, self._size - offset))
        return self.extents.find(offset, held) if held >= need else None

    def rows(self, gather: Gather) -> NDArray[np.uint8] | None:
        _check_rows(gather, self._size, self.source.url)
        found = []
        for offset in gather.offsets.tolist():
            block = self.extents.find(offset, gather.size)
            if block is None:
                return None
            found.append(block)
        return np.frombuffer(b"".join(found), np.uint8).reshape(len(found), gather.size)

    def serve(self, request: Any) -> Any:
        """The answer to a request; None as long as not all of it was fetched."""
        kind = type(request)
        if kind is Span:
            return self.span(request)
        if kind is Gather:
            return self.rows(request)
        if kind is Hint:
            return self.hint(request)
        found = list(map(self.span, request))
        return None if None in found else found

    def hint(self, hint: Hint) -> tuple[()] | None:
        """Fetched before it is needed; what is not inside the file is whoever's mistake who asks for it."""
        return None if any(self.extents.held(s.offset, s.need) < s.need for s in self._inside(hint)) else ()

    def _inside(self, hint: Hint) -> list[Span]:
        return [span for span in hint.spans if 0 <= span.offset <= self._size - span.need]

    def missing(self, requests: Sequence[Any]) -> list[Range]:
        """The ranges to fetch so that all requests can be served."""
        wanted = [r for request in requests for r in self._wanted(request)]
        spare = _SPARE + sum(r.length for r in wanted)
        return [piece for found in self.extents.missing(wanted, gap=GAP, spare=spare) for piece in _pieces(found)]

    def _wanted(self, request: Any) -> list[Range]:
        if isinstance(request, Gather):
            return [Range(offset, request.size) for offset in request.offsets.tolist()]
        if isinstance(request, Hint):
            spans: Sequence[Span] = self._inside(request)
        else:
            spans = [request] if isinstance(request, Span) else request
        return [
            Range(offset, min(max(want, self._least(offset)), self._size - offset))
            for offset, need, want in spans
            if self.extents.held(offset, need) < need
        ]

    def _least(self, offset: int) -> int:
        """Least bytes to ask for: behind what is held, as much again."""
        return max(LEAST, min(self.extents.readahead(offset, near=GAP), READ_AHEAD))

    def first(self) -> list[Range]:
        """What is fetched before anything is known."""
        return [Range(0, head_of(self._size))] if self._size else []


class _Task:
    """A parser under way; `parent` waits for it."""

    __slots__ = ("missing", "parent", "parser", "place", "results")

    def __init__(self, parser: Parser[Any], parent: _Task | None, place: int) -> None:
        self.parser, self.parent, self.place = parser, parent, place
        self.results: list[Any] = []
        self.missing = 0


class _Near:
    """The parsers of a file that is in memory: each is run to its end, as nothing ever waits."""

    def __init__(self, source: Source, parser: Parser[Any]) -> None:
        self.outcome: Any = None
        self._bytes, self._parser = _Mapped(source), parser

    def step(self) -> None:
        """Run to the end."""
        try:
            self.outcome = self._run(self._parser)
        except ChunkmapError as error:
            self.outcome = error

    def _run(self, parser: Parser[Any]) -> Any:
        """What a parser returns. `above` is who waits for it: each parser, its parsers to come, and their results."""
        serve, above, value = self._bytes.serve, list[tuple[Parser[Any], Iterator[Parser[Any]], list[Any]]](), None
        while True:
            try:
                request = parser.send(value)
            except StopIteration as stop:
                if not above:
                    return stop.value
                parent, coming, results = above[-1]
                results.append(stop.value)
            else:
                if type(request) is not Together:
                    value = serve(request)
                    continue
                parent, coming, results = parser, iter(request.parsers), []
                above.append((parent, coming, results))
            following = next(coming, None)
            if following is None:
                above.pop()
                parser, value = parent, results
            else:
                parser, value = following, None


class _Far:
    """All parsers of a file that has to be fetched: those that can go on, and those that wait for bytes."""

    def __init__(self, source: Source, parser: Parser[Any]) -> None:
        self.bytes = _Fetched(source)
        self.blocked: list[tuple[_Task, Any]] = []
        self.outcome: Any = None
        self._ready: list[tuple[_Task, Any]] = [(_Task(parser, None, 0), None)]

    def first(self) -> list[Range]:
        """What is fetched before anything is known."""
        return self.bytes.first()

    def missing(self) -> list[Range]:
        """What is fetched for those that wait."""
        return self.bytes.missing([request for _, request in self.blocked])

    def step(self) -> None:
        """Run until every parser has ended or waits."""
        try:
            while self._ready:
                self._advance(*self._ready.pop())
        except ChunkmapError as error:
            self.fail(error)

    def resume(self) -> None:
        """Go on after a round."""
        blocked, self.blocked = self.blocked, []
        try:
            for task, request in reversed(blocked):
                self._answer(task, request)
        except ChunkmapError as error:
            self.fail(error)
        self.step()

    def fail(self, error: ChunkmapError) -> None:
        """The file is given up."""
        self.outcome = error
        self._ready.clear()
        self.blocked.clear()

    def _advance(self, task: _Task, value: Any) -> None:
        send, serve = task.parser.send, self.bytes.serve
        while True:
            try:
                request = send(value)
            except StopIteration as stop:
                self._deliver(task, stop.value)
                return
            if type(request) is Together:
                self._spawn(task, request.parsers)
                return
            value = serve(request)
            if value is None:
                self.blocked.append((task, request))
                return

    def _answer(self, task: _Task, request: Any) -> None:
        value = self.bytes.serve(request)
        if value is None:
            self.blocked.append((task, request))
        else:
            self._ready.append((task, value))

    def _spawn(self, task: _Task, parsers: Sequence[Parser[Any]]) -> None:
        task.missing, task.results = len(parsers), [None] * len(parsers)
        if not parsers:
            self._ready.append((task, []))
        for place in reversed(range(len(parsers))):
            self._ready.append((_Task(parsers[place], task, place), None))

    def _deliver(self, task: _Task, value: Any) -> None:
        parent = task.parent
        if parent is None:
            self.outcome = value
            return
        parent.results[task.place] = value
        parent.missing -= 1
        if not parent.missing:
            results, parent.results = parent.results, []
            self._ready.append((parent, results))


def _serve_round(files: Sequence[_Far], tally: Tally, plan: Callable[[_Far], list[Range]]) -> None:
    """Fetch for all files at once what each of them plans; a file whose bytes cannot be had fails alone."""
    jobs = [(file, ranges) for file in files if (ranges := plan(file))]
    if not jobs:
        return
    if len(jobs) == 1:
        _fetch(*jobs[0])
    else:
        with ThreadPoolExecutor(min(len(jobs), _FILES_AT_ONCE)) as pool:
            list(pool.map(lambda job: _fetch(*job), jobs))
    tally.rounds += 1
    tally.requests += sum(len(ranges) for _, ranges in jobs)
    tally.bytes += sum(r.length for _, ranges in jobs for r in ranges)


def _fetch(file: _Far, ranges: list[Range]) -> None:
    try:
        blocks = file.bytes.source.fetch(ranges)
    except ChunkmapError as error:
        file.fail(error)
        return
    for (offset, _), block in zip(ranges, blocks, strict=True):
        file.bytes.extents.add(offset, block)


def _pieces(found: Range) -> Iterator[Range]:
    """A long range as several of nearly the same length, which are fetched side by side."""
    offset, length = found
    step = -(-length // -(-length // LONGEST))
    return (Range(start, min(step, offset + length - start)) for start in range(offset, offset + length, step))


def _check_rows(gather: Gather, size: int, url: str) -> None:
    if len(gather.offsets):
        last = int(gather.offsets.max()) if len(gather.offsets) > 1 else int(gather.offsets[0])
        if last + gather.size > size:
            raise _too_short(url, size, last, gather.size)


def _too_short(url: str, size: int, offset: int, length: int) -> TruncatedFile:
    return TruncatedFile(
        f"expected {length} bytes, but the file has only {size} in all; it is cut short or the address is wrong",
        url=url,
        offset=offset,
    )
