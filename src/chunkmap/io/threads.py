"""Work on the cores of this machine, for libraries that let go of the interpreter while they work."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

__all__ = ["CORES", "cores", "map_ahead"]

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
