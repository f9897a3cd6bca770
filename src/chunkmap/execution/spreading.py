"""Work on many items of which nobody knows how long each takes: begun here, and spread over the cores where that pays.

For the first moments an item is done after the other. Then it is known how long the others will take, and where that
is much longer than processes need to start, they do the rest together with this one, which never waits for them as long
as there is something that nobody has begun. What comes of it is the same, in the same order, with the same errors and
warnings.
"""

from __future__ import annotations

import multiprocessing
import pickle
import sys
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar

from chunkmap.execution.workers import Here, Workers
from chunkmap.io.threads import cores

__all__ = ["Outcome", "spread"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_TRIED: Final = 0.1
"""Seconds of work here before it is decided."""

_STARTING: Final = 0.5
"""Seconds that a process may need to start: there are no more processes than there is such work for."""

_BATCH: Final = 0.2
"""Seconds of work that are handed over at once, and less towards the end."""

_MOST: Final = 64
"""Items that are handed over at once."""

_SHARES: Final = 4
"""Into how many parts for each process the work that is left is divided: so they all end at one time."""


class Outcome(NamedTuple):
    """What came of one item: a result or an error, and what was warned of."""

    result: Any
    error: Exception | None
    warned: tuple[tuple[Warning | str, type[Warning], str, int], ...]


@dataclass(frozen=True, slots=True)
class _Some(Generic[Item, Result]):
    """What a worker does: it is sent this, and items."""

    function: Callable[[Item], Result]
    pack: Callable[[list[Outcome]], Any]

    def __call__(self, items: Sequence[Item]) -> Any:
        return self.pack(self.outcomes(items))

    def outcomes(self, items: Sequence[Item]) -> list[Outcome]:
        """What comes of some items."""
        return [self._one(item) for item in items]

    def _one(self, item: Item) -> Outcome:
        result, failure = None, None
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                result = self.function(item)
            except Exception as error:  # noqa: BLE001 - it is raised where the work was asked for
                failure = error
        return Outcome(result, failure, tuple((w.message, w.category, w.filename, w.lineno) for w in warned))


def spread(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    workers: int | None = None,
    pack: Callable[[list[Outcome]], Any],
    unpack: Callable[[Any], list[Outcome]],
) -> Generator[Result, None, None]:
    """The result for every item, in their order, by at most so many processes, of which this is one; as there are cores
    by default.

    `pack` makes of what another process hands over at once what is sent, and `unpack` undoes it here. The first
    failure, in the order of the items, raises, and ends what was begun.
    """
    done = 0
    count = cores() if workers is None else workers
    began = time.perf_counter()
    for done, item in enumerate(items, 1):
        yield function(item)
        if done == 1:
            began = time.perf_counter()  # the first one loads what all need
        elif (spent := time.perf_counter() - began) > _TRIED:
            break
    left = items[done:]
    if not left:
        return
    each = spent / (done - 1)
    count = min(count, int(each * len(left) / (2 * _STARTING)))
    some = _Some(function, pack)
    task = _pickled(some) if count > 1 and _may_start() else None
    if task is None:
        yield from map(function, left)
        return
    try:
        pool = Workers(task, count - 1)
    except OSError:  # no more processes may be started, or there is no room for them
        yield from map(function, left)
        return
    batches = _batches(left, max(1, min(_MOST, int(_BATCH / each))), _SHARES * count)
    with pool:
        yield from _results(function, pool.map(batches, some.outcomes), unpack)


def _batches(items: Sequence[Item], most: int, shares: int) -> Iterator[Sequence[Item]]:
    """What is handed over at once: a share of what is left, so less and less of it.

    >>> list(_batches("abcdefgh", 3, 2))
    ['abc', 'de', 'f', 'g', 'h']
    """
    start = 0
    while start < len(items):
        size = max(1, min(most, (len(items) - start) // shares))
        yield items[start : start + size]
        start += size


def _results(
    function: Callable[[Item], Result],
    answers: Iterator[tuple[Sequence[Item], Any]],
    unpack: Callable[[Any], list[Outcome]],
) -> Iterator[Result]:
    seen: dict[Any, Any] = {}
    for items, answer in answers:
        if answer is None:
            yield from map(function, items)  # a worker died at them
            continue
        for outcome in answer.value if isinstance(answer, Here) else unpack(answer):
            for message, category, file, line in outcome.warned:
                warnings.warn_explicit(message, category, file, line, registry=seen)
            if outcome.error is not None:
                raise outcome.error
            yield outcome.result


def _may_start() -> bool:
    """Whether processes may be started: by a program that is itself no worker of another one, in its main thread. In a
    worker of Dask, or on a thread of a pool, others do the same at the same time, and all cores are busy.
    """
    return (
        bool(sys.executable)
        and not getattr(sys, "frozen", False)
        and threading.current_thread() is threading.main_thread()
        and multiprocessing.parent_process() is None
        and not multiprocessing.current_process().daemon
    )


def _pickled(task: Any) -> bytes | None:
    """What is sent to a worker; None where something in it cannot be sent, or is known to this program alone."""
    try:
        message = pickle.dumps(task, 5)
    except (pickle.PicklingError, TypeError, AttributeError):
        return None
    return None if b"__main__" in message else message
