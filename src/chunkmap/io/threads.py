"""Work on the cores of this machine, for libraries that let go of the interpreter while they work."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

import numpy as np

__all__ = ["CORES", "Memory", "cores", "map_ahead"]

Item = TypeVar("Item")
Result = TypeVar("Result")

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
