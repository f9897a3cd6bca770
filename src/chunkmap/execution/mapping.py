"""One function over many items: here, on threads, on processes, or on a Dask cluster.

An executor is `None` (one after the other), `"threads"`, `"processes"`, any `concurrent.futures.Executor`, or a
`distributed.Client`: what they share is `submit`, and futures with `result`, `cancel` and `add_done_callback`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from contextlib import contextmanager
from importlib import import_module
from threading import Lock
from typing import Any, Final, Literal, Protocol, TypeVar

__all__ = ["AnyExecutor", "Progress", "map_ordered", "processes"]

Item = TypeVar("Item")
Result = TypeVar("Result")

Progress = Callable[[int, int], None]
"""Called with the number of items done and the number of all."""


class Submits(Protocol):
    """What is asked of an executor."""

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Any:
        """Begin a call; gives a future."""


AnyExecutor = Submits | Literal["threads", "processes"] | None


def processes(workers: int | None = None) -> futures.Executor:
    """A pool of so many processes, as many as there are cores by default, each started afresh."""
    return futures.ProcessPoolExecutor(workers, mp_context=import_module("multiprocessing").get_context("spawn"))


_POOLS: Final[dict[str, Callable[[], futures.Executor]]] = {
    "threads": lambda: futures.ThreadPoolExecutor(max_workers=32),
    "processes": processes,
}


def map_ordered(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    executor: AnyExecutor = None,
    progress: Progress | None = None,
    keep: Callable[[Result], Result] | None = None,
) -> list[Result]:
    """The result for every item, in their order. The first failure cancels what has not begun, and raises.

    `keep` is done to every result as soon as its turn has come: what it lets go of is not held until the end.
    """
    keep = keep or _as_it_is
    report = progress or _silent
    if executor is None:
        results = []
        for done, item in enumerate(items, 1):
            results.append(keep(function(item)))
            report(done, len(items))
        return results
    with _opened(executor) as pool:
        futures: list[Any] = [pool.submit(function, item) for item in items]
        counter = _Counter(report, len(items))
        for future in futures:
            future.add_done_callback(counter.count)
        try:
            return [keep(result) for result in _results(futures)]
        except BaseException:
            for future in filter(None, futures):
                future.cancel()
            raise


def _results(futures: list[Any]) -> Iterator[Any]:
    """The result of each, and then nothing holds it here."""
    for number, future in enumerate(futures):
        yield future.result()
        futures[number] = None


def _as_it_is(result: Result) -> Result:
    return result


class _Counter:
    """Counts finished futures, which may finish on several threads at once."""

    def __init__(self, report: Progress, total: int) -> None:
        self._report, self._total, self._done, self._lock = report, total, 0, Lock()

    def count(self, _future: Any) -> None:
        with self._lock:
            self._done += 1
            self._report(self._done, self._total)


@contextmanager
def _opened(executor: Submits | str) -> Iterator[Submits]:
    if not isinstance(executor, str):
        yield executor
        return
    if executor not in _POOLS:
        raise ValueError(f"executor is {executor!r}, expected one of {sorted(_POOLS)}, an Executor or a Dask client")
    with _POOLS[executor]() as pool:
        yield pool


def _silent(done: int, total: int) -> None:
    """Report nothing."""
