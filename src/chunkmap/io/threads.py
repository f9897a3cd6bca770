"""Work on the cores of this machine, for libraries that let go of the interpreter while they work."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar

__all__ = ["CORES", "Ahead", "cores", "map_ahead"]

Item = TypeVar("Item")
Result = TypeVar("Result")

CORES: Final = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
"""Cores that this process may use."""


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


class Ahead:
    """Work that is done on all cores while what comes next is made ready: a few pieces ahead of who waits for them.

    >>> done = []
    >>> with Ahead() as ahead:
    ...     for item in ["a", "bcd"]:
    ...         ahead.do(done.append, item)
    ...         ahead.then(done.append, len(item))
    ...     ahead.settle()
    >>> done
    ['a', 1, 'bcd', 3]
    """

    def __init__(self, workers: int = CORES) -> None:
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers)
        self._waiting: deque[Callable[[], object]] = deque()

    def do(self, function: Callable[..., object], *given: Any) -> None:
        """Have it done by a thread. What an earlier one raised may be raised here."""
        self._waiting.append(self._pool.submit(function, *given).result)
        self.settle(self._workers)

    def then(self, function: Callable[..., object], *given: Any) -> None:
        """Do it here, when all is done that was begun before."""
        self._waiting.append(partial(function, *given))
        self.settle(self._workers)

    def settle(self, left: int = 0) -> None:
        """Wait until no more than so much is left to do."""
        while len(self._waiting) > left:
            self._waiting.popleft()()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """What was not begun is not done."""
        self._pool.shutdown(cancel_futures=True)
