"""Processes of this machine that do parts of a piece of work, each started as a fresh interpreter.

Nothing of the program that calls is run again in them, so a script needs no main guard, and a notebook may use them.
A worker reads from its standard input until that ends, which is when its caller is gone, however that came about.
Ctrl-C is the caller's, who ends the workers.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import IO, Any, Final, NamedTuple, Self, TypeVar

from chunkmap.execution.collecting import collected_rarely

__all__ = ["Here", "Workers", "serve"]

Item = TypeVar("Item")

_START: Final = (
    "import json, signal, sys\n"
    "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    "sys.path[:] = json.loads(sys.argv[1])\n"
    "from chunkmap.execution.workers import serve\n"
    "serve()"
)
_AHEAD: Final = 4
"""Items for each process that are asked for before their results are taken."""

_IN_HAND: Final = 2
"""Items that a worker has been given: it never waits for the next one."""

_PIPE: Final = 1 << 20
"""Bytes that a worker may write before its caller reads them, where the system lets a pipe hold so many."""

_Asked = tuple[Any, Future[Any]]
"""What is to be done, and where its result goes: pickled, as a worker gives it, None from one that died, or `Here`."""


class Here(NamedTuple):
    """A result that was made by the process that asked for it."""

    value: Any


class Workers:
    """Processes that all do one function. Leaving the context ends them, whatever they are doing.

    Raises OSError where no process can be started.
    """

    def __init__(self, function: bytes, count: int) -> None:
        """`function` is a pickled one; its arguments and results are pickled too."""
        self._asked: SimpleQueue[_Asked | None] = SimpleQueue()
        self._all: list[_Worker] = []
        self._alive, self._ended = count, False
        self._threads = [Thread(target=self._attend, args=(number,), daemon=True) for number in range(count)]
        try:
            for _ in range(count):
                self._all.append(_Worker(function))
            for thread in self._threads:
                thread.start()
        except (OSError, RuntimeError) as error:  # the second where no thread can be started
            self.end()
            raise OSError(f"processes cannot be started: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """No process is left after it."""
        self._ended = True
        for worker in self._all:
            worker.kill()
        for thread in self._threads:
            if thread.is_alive():
                self._asked.put(None)
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        for worker in self._all:
            worker.close()

    def map(self, items: Iterable[Item], here: Callable[[Item], Any]) -> Iterator[tuple[Item, Any]]:
        """Each item with the result for it, in their order, a few ahead of who takes them. A result is None when the
        worker died at it, or cannot be carried over.

        Before this process waits for a result it does what nobody has begun, by `here`.
        """
        ahead: deque[tuple[Item, Future[Any]]] = deque()
        for item in items:
            ahead.append((item, Future()))
            self._asked.put(ahead[-1])
            if len(ahead) > _AHEAD * (len(self._all) + 1):
                yield self._first(ahead, here)
        while ahead:
            yield self._first(ahead, here)

    def _first(self, ahead: deque[tuple[Item, Future[Any]]], here: Callable[[Item], Any]) -> tuple[Item, Any]:
        """The first item, with the result for it."""
        while not ahead[0][1].done() and (asked := self._next_here()) is not None:
            asked[1].set_result(Here(here(asked[0])))
        return _taken(*ahead.popleft())

    def _attend(self, number: int) -> None:
        """Give one worker what it shall do, the next before it is done with the last, until nothing comes any more."""
        worker, given = self._all[number], deque[Future[Any]]()
        while not self._ended and ((asked := self._next(wait=not given)) is not None or given):
            if asked is not None:
                given.append(asked[1])
                if worker.tell(pickle.dumps(asked[0], 5)) and len(given) < _IN_HAND:
                    continue
            answer = worker.answer()
            given.popleft().set_result(answer)
            if answer is None:
                break
        for future in given:
            future.set_result(None)
        self._alive -= 1
        while not self._alive and not self._ended and (asked := self._next(wait=True)) is not None:
            asked[1].set_result(None)  # the last one is dead too

    def _next_here(self) -> _Asked | None:
        """What this process does while it waits for others; None where nothing is left that nobody has begun."""
        return self._next(wait=False)

    def _next(self, *, wait: bool) -> _Asked | None:
        """What is to be done next; None at the end, or where nothing is waiting."""
        try:
            return self._asked.get(block=wait)
        except Empty:
            return None


def _taken(item: Item, future: Future[Any]) -> tuple[Item, Any]:
    answer = future.result()
    if isinstance(answer, Here):
        return item, answer
    try:
        return item, None if answer is None else pickle.loads(answer)  # noqa: S301 - from a process started here
    except Exception:  # noqa: BLE001 - such as an error of a library that does not know itself again
        return item, None


class _Worker:
    """One process, which does one thing after the other."""

    def __init__(self, function: bytes) -> None:
        command = [sys.executable, "-c", _START, json.dumps([str(Path(path).absolute()) for path in sys.path])]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - our own
        _widen(self._process.stdout)
        self._function: bytes | None = function

    def tell(self, message: bytes) -> bool:
        """What to do next; False where the process is no more."""
        pipe = self._process.stdin
        assert pipe is not None
        try:
            if self._function is not None:
                _send(pipe, self._function)
                self._function = None
            _send(pipe, message)
        except (OSError, ValueError):
            return False
        return True

    def answer(self) -> bytes | None:
        """What came of the first that was not answered yet; None from a process that is no more, or where there is no
        room for it.
        """
        pipe = self._process.stdout
        assert pipe is not None
        try:
            return _received(pipe)
        except (OSError, ValueError, MemoryError):
            return None

    def kill(self) -> None:
        """End it at once: it writes nothing but its answers, so nothing is left half done."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Close what nobody listens to any more."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()


def serve() -> None:
    """Be a worker: a function comes first, and then its arguments, each of which is answered by its result."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints does not come between
    asked: SimpleQueue[bytes | None] = SimpleQueue()
    Thread(target=_listen, args=(asked,), daemon=True).start()
    message = asked.get()
    if message is None:
        return
    function = pickle.loads(message)  # noqa: S301 - from the process that started this one
    with collected_rarely():
        while (message := asked.get()) is not None:
            _send(answers, pickle.dumps(function(pickle.loads(message)), 5))  # noqa: S301


def _listen(asked: SimpleQueue[bytes | None]) -> None:
    """Take what comes while an answer is on its way: else both processes may wait for the other to read."""
    try:
        with os.fdopen(0, "rb", closefd=False) as pipe:
            while (message := _received(pipe)) is not None:
                asked.put(message)
    finally:
        asked.put(None)


def _widen(pipe: IO[bytes] | None) -> None:
    """Let a pipe hold more than its usual 64 KB."""
    with suppress(ImportError, AttributeError, OSError):  # only Linux has it, and has a limit to it
        import fcntl  # noqa: PLC0415 - Windows has none

        assert pipe is not None
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)


def _send(pipe: IO[bytes], message: bytes) -> None:
    pipe.write(len(message).to_bytes(8, "little"))
    pipe.write(message)
    pipe.flush()


def _received(pipe: IO[bytes]) -> bytes | None:
    """The next message; None when there will be no more."""
    head = pipe.read(8)
    size = int.from_bytes(head, "little")
    message = pipe.read(size) if len(head) == 8 else b""
    return message if len(head) == 8 and len(message) == size else None
