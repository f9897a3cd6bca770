"""Work on the cores of this machine, for libraries that let go of the interpreter while they work."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import numpy as np

__all__ = ["CORES", "Ahead", "Memory", "cores", "map_ahead", "on_threads"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_FEW: Final = 8
"""Pieces of work that may wait, most of which are small."""

CORES: Final = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
"""Cores that this process may use."""


class Memory(threading.local):
    """Memory that each thread keeps for what it is done with before it needs the next: to take it anew from the system
    costs as much as to fill it.

    >>> memory = Memory()
    >>> len(memory.of(5)), memory.of(3).obj is memory.of(4).obj
    (5, True)
    """

    def __init__(self, most: int | None = None) -> None:
        self._block, self._most = np.empty(0, np.uint8), most

    def of(self, nbytes: int) -> memoryview:
        """So many bytes of it, which hold anything, until the same thread asks for others; more than `most` are not
        kept.
        """
        if self._most is not None and nbytes > self._most:
            return np.empty(nbytes, np.uint8).data
        if len(self._block) < nbytes:
            self._block = np.empty(nbytes, np.uint8)
        return self._block.data[:nbytes]


def cores() -> int:
    """The same, where a container may use less: what its control group allows."""
    limit = Path("/sys/fs/cgroup/cpu.max")
    quota, _, period = limit.read_text().partition(" ") if limit.is_file() else ("max", "", "")
    return CORES if not quota.isdigit() else max(1, min(CORES, int(quota) // int(period)))


def map_ahead(function: Callable[[Item], Result], items: Iterable[Item], workers: int = CORES) -> Iterator[Result]:
    """The result for every item, in their order, made on all cores, or by more threads where they wait for a server: a
    few ahead of who takes them, never all.

    >>> list(map_ahead(len, ["a", "bcd"]))
    [1, 3]
    """
    with ThreadPoolExecutor(workers) as pool:
        ahead: deque[Future[Result]] = deque()
        for item in items:
            ahead.append(pool.submit(function, item))
            if len(ahead) > workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def on_threads(work: Callable[[Item], object], portions: Sequence[Item], workers: int) -> None:
    """Do every portion of the work; on this thread where there is but one, or one worker."""
    if workers == 1 or len(portions) == 1:
        for portion in portions:
            work(portion)
        return
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, portions))


class Ahead:
    """Work that a thread does while what comes next is made ready: one piece, so that little is held at a time.

    >>> done = []
    >>> with Ahead() as ahead:
    ...     for item in ["a", "bcd"]:
    ...         ahead.do(done.append, item)
    ...         ahead.then(done.append, len(item))
    ...     ahead.settle()
    >>> done
    ['a', 1, 'bcd', 3]
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._waiting: deque[Future[object] | partial[object]] = deque()

    def do(self, function: Callable[..., object], *given: Any) -> None:
        """Have it done by the thread. What an earlier one raised may be raised here."""
        self._waiting.append(self._pool.submit(function, *given))
        self._catch_up()

    def then(self, function: Callable[..., object], *given: Any) -> None:
        """Do it here, when all is done that was begun before."""
        self._waiting.append(partial(function, *given))
        self._catch_up()

    def _catch_up(self) -> None:
        """Wait until the thread has one piece, and little comes after that."""
        while self._waiting and (
            isinstance(self._waiting[0], partial) or self._pieces > 1 or len(self._waiting) > _FEW
        ):
            self._step()

    @property
    def _pieces(self) -> int:
        return sum(isinstance(waiting, Future) for waiting in self._waiting)

    def _step(self) -> None:
        first = self._waiting.popleft()
        if isinstance(first, Future):
            first.result()
        else:
            first()

    def settle(self) -> None:
        """Wait until all is done."""
        while self._waiting:
            self._step()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """What was not begun is not done."""
        self._pool.shutdown(cancel_futures=True)
