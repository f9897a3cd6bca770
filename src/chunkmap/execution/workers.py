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
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any, Final, Self

__all__ = ["Workers", "serve"]

_START: Final = (
    "import json, signal, sys\n"
    "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    "sys.path[:] = json.loads(sys.argv[1])\n"
    "from chunkmap.execution.workers import serve\n"
    "serve()"
)
_AHEAD: Final = 4
"""Items for each worker that are asked for before their results are taken."""


class Workers:
    """Processes that all do one function. Leaving the context ends them, whatever they are doing.

    Raises OSError where no process can be started.
    """

    def __init__(self, function: bytes, count: int) -> None:
        """`function` is a pickled one; its arguments and results are pickled too."""
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._all: list[_Worker] = []
        self._threads = ThreadPoolExecutor(count)
        try:
            for _ in range(count):
                self._all.append(_Worker(function))
                self._idle.put(self._all[-1])
        except OSError:
            self.end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """No process is left after it."""
        for worker in self._all:
            worker.kill()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._all:
            worker.close()

    def map(self, items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """Each item with the result for it, in their order, a few ahead of who takes them. A result is None when the
        worker died at it, or cannot be carried over.
        """
        ahead: deque[tuple[Any, Future[bytes | None]]] = deque()
        for item in items:
            ahead.append((item, self._threads.submit(self._ask, item)))
            if len(ahead) > _AHEAD * len(self._all):
                yield _taken(*ahead.popleft())
        while ahead:
            yield _taken(*ahead.popleft())

    def _ask(self, item: Any) -> bytes | None:
        worker = self._idle.get()
        try:
            return worker.ask(pickle.dumps(item, 5))
        finally:
            self._idle.put(worker)


def _taken(item: Any, future: Future[bytes | None]) -> tuple[Any, Any]:
    answer = future.result()
    try:
        return item, None if answer is None else pickle.loads(answer)  # noqa: S301 - from a process started here
    except Exception:  # noqa: BLE001 - such as an error of a library that does not know itself again
        return item, None


class _Worker:
    """One process, which does one thing at a time."""

    def __init__(self, function: bytes) -> None:
        command = [sys.executable, "-c", _START, json.dumps([str(Path(path).absolute()) for path in sys.path])]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - our own
        self._function: bytes | None = function

    def ask(self, message: bytes) -> bytes | None:
        """The answer; None from a process that is no more."""
        to, back = self._process.stdin, self._process.stdout
        assert to is not None
        assert back is not None
        try:
            if self._function is not None:
                _send(to, self._function)
                self._function = None
            _send(to, message)
            return _received(back)
        except (OSError, ValueError):
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
    asked = sys.stdin.buffer
    message = _received(asked)
    if message is None:
        return
    function = pickle.loads(message)  # noqa: S301 - from the process that started this one
    while (message := _received(asked)) is not None:
        _send(answers, pickle.dumps(function(pickle.loads(message)), 5))  # noqa: S301


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
