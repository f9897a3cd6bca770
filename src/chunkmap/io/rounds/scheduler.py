"""Parsers that have never heard of a socket, and the scheduler that brings them their bytes.

A parser is a generator. It *yields* what it needs and is *sent* the answer:

    Span(offset, need, want)    -> memoryview of at least `need` bytes, `want` where the file is long enough
    [Span, Span, ...]           -> a list of the same
    Gather(offsets, size)       -> uint8 array of shape (offsets, size)
    Pieces(offsets, lengths)    -> bytes: these ranges, one behind the other
    Hint([Span, ...])           -> nothing: bytes that will be asked for, to be fetched in the same round as others
    Together([parser, ...])     -> a list of what these parsers return, once all of them have
    Other(name, parser)         -> Found(url, target, what `parser(source)` returns) of a file that this file names;
                                   None where there is no such file

A file that is in memory (or mapped) answers at once. For any other, the scheduler steps every parser of every file
until all of them wait, and then serves the whole *round* with one vectored, coalesced read a file: the number of
round trips is the depth of the format, not the number of objects. What was read once is kept, and never asked for
again. Files that files name are opened side by side, and read in the same rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple, TypeVar

from chunkmap.errors import ChunkmapError, Unsupported
from chunkmap.io.beside import Others
from chunkmap.io.rounds.answers import Fetched, InMemory
from chunkmap.io.rounds.requests import Found, Hint, Other, Parser, Together
from chunkmap.io.source import Range, Source

__all__ = ["Reading", "Tally", "run", "run_many"]

T = TypeVar("T")
Item = TypeVar("Item")
Result = TypeVar("Result")

_FILES_AT_ONCE: Final = 32
_DEEPEST: Final = 20
"""Files that name one another: from the first, so many are followed."""
_MOST_VISITS: Final = 4096
"""Times that one file may be asked for by others."""


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
    others: Others | None = None
    """Where files are looked for that this one names, for who wants to know them; he closes them then."""


def run(source: Source, parser: Parser[T], *, tally: Tally | None = None, others: Others | None = None) -> T:
    """Bring one parser its bytes and give what it returns. Whatever it raises is raised."""
    (outcome,) = run_many([Reading(source, parser, others)], tally=tally)
    if isinstance(outcome, ChunkmapError):
        raise outcome
    result: T = outcome
    return result


def run_many(readings: Sequence[Reading], *, tally: Tally | None = None) -> list[Any]:
    """Read several files in the same rounds.

    Gives for each file what its parser returned, or the `ChunkmapError` that stopped it; other files go on.
    """
    rounds = _Rounds(Tally() if tally is None else tally)
    with ExitStack() as opened:
        visits = [
            rounds.begin(source, parser, _Family(others or opened.enter_context(Others(source))))
            for source, parser, others in readings
        ]
        rounds.run()
    return [visit.outcome for visit in visits]


class _Family:
    """The files that lead to one another, and the bytes of those that are being read."""

    __slots__ = ("others", "times", "under_way")

    def __init__(self, others: Others) -> None:
        self.others = others
        self.under_way: dict[str, tuple[InMemory | Fetched, int]] = {}
        self.times: dict[str, int] = {}

    def enter(self, source: Source) -> tuple[InMemory | Fetched, bool]:
        """The bytes of a file, and whether nobody is reading it yet."""
        held, readers = self.under_way.get(source.url, (None, 0))
        if held is None:
            held = InMemory(source) if source.is_in_memory else Fetched(source)
        self.under_way[source.url] = held, readers + 1
        return held, not readers

    def leave(self, url: str) -> None:
        """Let the bytes go with the last who reads them."""
        held, readers = self.under_way[url]
        if readers > 1:
            self.under_way[url] = held, readers - 1
        else:
            del self.under_way[url]


class _Visit:
    """One file under way, on behalf of the task that asked for it; `asker` is None where the caller did."""

    __slots__ = ("asker", "bytes", "depth", "is_over", "outcome", "source", "tree")

    def __init__(self, source: Source, held: InMemory | Fetched, tree: _Family, asker: _Task | None) -> None:
        self.source, self.bytes, self.tree, self.asker = source, held, tree, asker
        self.depth: int = 0 if asker is None else asker.visit.depth + 1
        self.outcome: Any = None
        self.is_over = False

    @property
    def is_wanted(self) -> bool:
        """Whether somebody still waits for what comes of it."""
        visit: _Visit | None = self
        while visit is not None:
            if visit.is_over:
                return False
            visit = None if visit.asker is None else visit.asker.visit
        return True


class _Task:
    """A parser under way; `parent` waits for it."""

    __slots__ = ("missing", "parent", "parser", "rank", "results", "visit")

    def __init__(self, parser: Parser[Any], visit: _Visit, parent: _Task | None = None, rank: int = 0) -> None:
        self.parser, self.visit, self.parent, self.rank = parser, visit, parent, rank
        self.results: list[Any] = []
        self.missing = 0


class _Frame(NamedTuple):
    """A parser that waits for parsers which it has run: those to come, and what the others returned."""

    parser: Parser[Any]
    coming: Iterator[Parser[Any]]
    results: list[Any]


class _Failed(NamedTuple):
    """An answer that is raised where it was asked for."""

    error: ChunkmapError


_ENDED: Final = object()
"""What stands for the request of a parser that has returned."""

_BEGIN: Final = Hint(())
"""What a parser waits for before its first step, while the first bytes of its file are fetched."""


class _Rounds:
    """All parsers: those that can go on, those that wait for bytes, and those that wait for other files."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._ready: list[tuple[_Task, Any]] = []
        self._blocked: list[tuple[_Task, Any]] = []
        self._asking: list[tuple[_Task, Other]] = []

    def begin(self, source: Source, parser: Parser[Any], tree: _Family, asker: _Task | None = None) -> _Visit:
        """Start to read a file."""
        held, is_first = tree.enter(source)
        visit = _Visit(source, held, tree, asker)
        task = _Task(parser, visit)
        if is_first and isinstance(held, Fetched):
            self._blocked.append((task, _BEGIN))
        else:
            self._ready.insert(0, (task, None))
        return visit

    def run(self) -> None:
        """Until every parser has ended."""
        while self._ready or self._asking or self._blocked:
            while self._ready:
                task, value = self._ready.pop()
                if task.visit.is_wanted:
                    self._advance(task, value)
            if self._asking:
                self._open()
            if not self._ready:
                self._serve()

    def _advance(self, task: _Task, value: Any) -> None:
        """Run a parser, and depth first those that it has run, until it has ended or one of them waits."""
        above: list[_Frame] = []
        parser, serve = task.parser, task.visit.bytes.serve
        throws = type(value) is _Failed
        try:
            while True:
                try:
                    request = parser.throw(value.error) if throws else parser.send(value)
                except StopIteration as stop:
                    request, value = _ENDED, stop.value
                throws, kind = False, type(request)
                if request is _ENDED:
                    if not above:
                        self._deliver(task, value)
                        return
                    above[-1].results.append(value)
                elif kind is Together:
                    above.append(_Frame(parser, iter(request.parsers), []))
                else:
                    value = None if kind is Other else serve(request)
                    if value is None:
                        self._wait(self._as_tasks(task, above, parser), request)
                        return
                    continue
                following = next(above[-1].coming, None)
                if following is None:
                    parser, _, value = above.pop()
                else:
                    parser, value = following, None
        except ChunkmapError as error:
            self._end(task.visit, _Failed(error))

    def _wait(self, task: _Task, request: Any) -> None:
        if type(request) is Other:
            self._asking.append((task, request))
        else:
            self._blocked.append((task, request))

    def _as_tasks(self, task: _Task, above: Sequence[_Frame], parser: Parser[Any]) -> _Task:
        """The task of a parser that waits: those beside it, which need not wait for it, become tasks as well."""
        frames = [*above, _Frame(parser, iter(()), [])]
        for (_, coming, results), (following, _, _) in pairwise(frames):
            rank, rest = len(results), list(coming)
            task.missing, task.results = 1 + len(rest), [*results, None, *([None] * len(rest))]
            beside = [_Task(other, task.visit, task, rank + number) for number, other in enumerate(rest, 1)]
            self._ready += [(other, None) for other in reversed(beside)]
            task = _Task(following, task.visit, task, rank)
        return task

    def _deliver(self, task: _Task, value: Any) -> None:
        parent = task.parent
        if parent is None:
            self._end(task.visit, value)
            return
        parent.results[task.rank] = value
        parent.missing -= 1
        if not parent.missing:
            results, parent.results = parent.results, []
            self._ready.append((parent, results))

    def _end(self, visit: _Visit, value: Any) -> None:
        """A file has been read, or is given up: who asked for it goes on."""
        visit.is_over = True
        visit.tree.leave(visit.source.url)
        if visit.asker is None:
            visit.outcome = value.error if type(value) is _Failed else value
        elif type(value) is _Failed:
            self._ready.append((visit.asker, value))
        else:
            self._ready.append((visit.asker, Found(visit.source.url, visit.source.target(), value)))

    def _open(self) -> None:
        """Open all files that were asked for, those on servers side by side, and start to read them."""
        asking, self._asking = [(t, o) for t, o in self._asking if t.visit.is_wanted], []
        wanted = {(t.visit.source.url, o.name, id(t.visit.tree)): (t.visit, o.name) for t, o in asking}
        looks = [(v, name) for v, name in wanted.values() if not v.tree.others.is_known(v.source, name)]
        is_far = any(not visit.source.is_in_memory for visit, _ in looks)
        found = _map(lambda look: look[0].tree.others.look(look[0].source, look[1]), looks, side_by_side=is_far)
        for (visit, name), outcome in zip(looks, found, strict=True):
            visit.tree.others.keep(visit.source, name, outcome)
        for task, other in reversed(asking):
            try:
                self._visit(task, other)
            except ChunkmapError as error:
                self._ready.append((task, _Failed(error)))

    def _visit(self, task: _Task, other: Other) -> None:
        """Answer who asks for a file, or begin to read it. Raises what is to be raised there."""
        tree = task.visit.tree
        source = tree.others.known(task.visit.source, other.name)
        if isinstance(source, ChunkmapError):
            raise source
        if source is None or other.parser is None:
            self._ready.append((task, None if source is None else Found(source.url, source.target(), None)))
            return
        tree.times[source.url] = tree.times.get(source.url, 0) + 1
        if task.visit.depth == _DEEPEST or tree.times[source.url] > _MOST_VISITS:
            raise Unsupported(
                f"files name one another without end, or nearly so, {source.url} among them", feature="file beside"
            )
        self.begin(source, other.parser(source), tree, task)

    def _serve(self) -> None:
        """Fetch for all files at once what their parsers wait for; a file whose bytes cannot be had fails alone."""
        blocked, self._blocked = [(t, r) for t, r in self._blocked if t.visit.is_wanted], []
        waiting: dict[int, tuple[Fetched, list[Any]]] = {}
        for task, request in blocked:
            held = task.visit.bytes
            assert isinstance(held, Fetched)
            waiting.setdefault(id(held), (held, []))[1].append(request)
        jobs = [
            (held, held.first() if _BEGIN in requests else held.missing(requests))
            for held, requests in waiting.values()
        ]
        jobs = [(held, ranges) for held, ranges in jobs if ranges]
        failures = dict(zip((id(held) for held, _ in jobs), _map(_fetch, jobs, side_by_side=True), strict=True))
        if jobs:
            self._tally.rounds += 1
            self._tally.requests += sum(len(ranges) for _, ranges in jobs)
            self._tally.bytes += sum(r.length for _, ranges in jobs for r in ranges)
        for task, request in reversed(blocked):
            self._resume(task, request, failures.get(id(task.visit.bytes)))

    def _resume(self, task: _Task, request: Any, failure: ChunkmapError | None) -> None:
        """Go on after a round."""
        if not task.visit.is_wanted:
            return
        if failure is not None:
            self._end(task.visit, _Failed(failure))
            return
        if request is _BEGIN:
            self._ready.append((task, None))
            return
        try:
            value = task.visit.bytes.serve(request)
        except ChunkmapError as error:
            self._end(task.visit, _Failed(error))
            return
        if value is None:
            self._blocked.append((task, request))
        else:
            self._ready.append((task, value))


def _map(function: Callable[[Item], Result], items: Sequence[Item], *, side_by_side: bool) -> list[Result]:
    """The result for every item, where there are several on threads if these shall wait side by side."""
    if len(items) < 2 or not side_by_side:
        return list(map(function, items))
    with ThreadPoolExecutor(min(len(items), _FILES_AT_ONCE)) as pool:
        return list(pool.map(function, items))


def _fetch(job: tuple[Fetched, list[Range]]) -> ChunkmapError | None:
    """Fetch ranges of a file. Gives the error where they cannot be had."""
    held, ranges = job
    try:
        blocks = held.source.fetch(ranges)
    except ChunkmapError as error:
        return error
    for (offset, _), block in zip(ranges, blocks, strict=True):
        held.extents.add(offset, block)
    return None
