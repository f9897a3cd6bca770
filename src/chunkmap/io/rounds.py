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

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar

from chunkmap.errors import ChunkmapError
from chunkmap.io.answers import Fetched, Mapped
from chunkmap.io.archive import in_memory
from chunkmap.io.requests import Gather, Hint, Parser, Span, Together
from chunkmap.io.source import Range, Source

__all__ = ["Gather", "Hint", "Parser", "Reading", "Span", "Tally", "Together", "run", "run_many"]

T = TypeVar("T")

_FILES_AT_ONCE: Final = 32


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
        self._bytes, self._parser = Mapped(source), parser

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
        self.bytes = Fetched(source)
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
