"""What libcurl has under way, and the connections that it keeps, for one server in one process."""

from __future__ import annotations

import os
import ssl
import time
from collections import deque
from importlib import import_module
from threading import BoundedSemaphore, Lock
from typing import Any, Final, Protocol

from chunkmap.io.http_client import CONNECTIONS

__all__ = ["Asked", "Pool"]

_KEPT: Final = 2 * CONNECTIONS
"""Most connections that a process keeps for calls to come, to all servers."""

_AT_FIRST: Final = 16
_SOON: Final = 0.001
"""Requests to begin with, and seconds without an answer after which there are twice as many: a server that answers
sooner serves more of them no faster.
"""

_LOOK: Final = 0.1
"""Seconds after which it is looked for who says nothing."""

Said = tuple[str, list[str]]
"""A URL, and the headers of requests for it."""


class Asked(Protocol):
    """A request, and what becomes of its answer."""

    range: str
    headers: Any

    def write(self, data: bytes) -> int:
        """Take some of the body."""

    def check(self, status: int) -> None:
        """Raise what is wrong with an answer that has ended."""

    def silence(self) -> TimeoutError:
        """What is raised where nothing more comes."""


class Pool:
    """At most `CONNECTIONS` requests at once, whoever asks. `failures` counts calls, for who uses it."""

    def __init__(self) -> None:
        self.failures = 0
        self.room = BoundedSemaphore(CONNECTIONS)

    def run(self, waiting: deque[Any], limit: float, said: Said) -> None:
        """Ask for all. Raises the first thing that is wrong, when nothing is under way any more."""
        idle = _idle.setdefault(os.getpid(), _Idle())
        client = idle.take(self)
        _Transfer(self.room, client, waiting, limit, said).run()
        idle.keep(self, client)


class _Client:
    """libcurl's handle of many transfers, and handles of one that nobody uses."""

    def __init__(self) -> None:
        self.curl: Any = import_module("pycurl")  # an extra
        self.multi = self.curl.CurlMulti()
        self.idle: list[Any] = []

    def handle(self, limit: float, said: Said) -> Any:
        """A handle that asks as it is said: of no proxy, for nobody's password, and where it was told alone."""
        curl = self.curl
        one = self.idle.pop() if self.idle else curl.Curl()
        known = ssl.get_default_verify_paths()
        files = {curl.CAINFO: known.cafile, curl.CAPATH: known.capath}
        options = {curl.URL: said[0], curl.HTTPHEADER: said[1], curl.PATH_AS_IS: 1, curl.BUFFERSIZE: 1 << 17}
        options |= {curl.FOLLOWLOCATION: 0, curl.PROXY: "", curl.NETRC: 0, curl.NOSIGNAL: 1}
        options |= {curl.PROTOCOLS: curl.PROTO_HTTP | curl.PROTO_HTTPS, curl.HTTP_VERSION: curl.CURL_HTTP_VERSION_1_1}
        options |= {curl.CONNECTTIMEOUT_MS: max(1, round(limit * 1000))}
        for option, value in {**options, **{key: path for key, path in files.items() if path}}.items():
            one.setopt(option, value)
        return one


class _Idle:
    """Clients that nobody uses, each with its connections: the one that was used last comes last."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._clients: list[tuple[Pool, _Client]] = []

    def take(self, pool: Pool) -> _Client:
        """The last one of a pool, or a new one."""
        with self._lock:
            for number in reversed(range(len(self._clients))):
                if self._clients[number][0] is pool:
                    return self._clients.pop(number)[1]
        return _Client()

    def keep(self, pool: Pool, client: _Client) -> None:
        """Keep one, and as many of the others as have few enough connections: one for each handle."""
        with self._lock:
            self._clients.append((pool, client))
            while sum(len(kept.idle) for _, kept in self._clients) > _KEPT:
                self._clients.pop(0)


_idle: Final[dict[int, _Idle]] = {}
"""Those of each process: what a child has of its parent it leaves alone."""


class _Transfer:
    """One call: what is not asked for yet, and what is under way."""

    def __init__(
        self, room: BoundedSemaphore, client: _Client, waiting: deque[Asked], limit: float, said: Said
    ) -> None:
        self._room, self._client, self._waiting, self._limit, self._said = room, client, waiting, limit, said
        self._error: BaseException | None = None
        self._under_way: dict[Any, Asked] = {}

    def run(self) -> None:
        """Until everything has come, or nothing is under way after an error."""
        try:
            self._begin(_AT_FIRST)
            while self._under_way:
                self._client.multi.perform()
                if not self._take_ended():
                    self._wait()
        finally:
            for handle in list(self._under_way):
                self._end(handle)
        if self._error is not None:
            raise self._error

    def _begin(self, most: int) -> None:
        """So many more requests, or as many as may be: of who has none, one waits until it may."""
        for _ in range(min(most, len(self._waiting))):
            if not self._room.acquire(blocking=not self._under_way):
                break
            self._ask(self._client.handle(self._limit, self._said))

    def _ask(self, handle: Any) -> None:
        """The next one by a handle that is free."""
        asked, curl = self._waiting.popleft(), self._client.curl
        self._under_way[handle] = asked
        handle.since = time.monotonic()

        def write(data: bytes) -> int:
            handle.since = time.monotonic()
            return asked.write(data)

        handle.setopt(curl.RANGE, asked.range)
        handle.setopt(curl.HEADERFUNCTION, asked.headers.add)
        handle.setopt(curl.WRITEFUNCTION, write)
        self._client.multi.add_handle(handle)

    def _take_ended(self) -> bool:
        """Whether any transfer has ended."""
        more, any_ended = 1, False
        while more:
            more, done, failed = self._client.multi.info_read()
            for handle in done:
                self._check(handle)
            for handle, code, text in failed:
                self._judge(handle, code, text)
            any_ended = any_ended or bool(done or failed)
        return any_ended

    def _judge(self, handle: Any, code: int, text: str) -> None:
        """Say why a transfer failed: that of a body of which not all was taken, by what the answer was."""
        if code == self._client.curl.E_WRITE_ERROR:
            self._check(handle)
        else:
            late = code == self._client.curl.E_OPERATION_TIMEDOUT
            self._fail(handle, self._under_way[handle].silence() if late else OSError(text))

    def _check(self, handle: Any) -> None:
        """Take an answer that has ended, and ask for the next by the same handle."""
        asked = self._under_way[handle]
        try:
            asked.check(handle.getinfo(self._client.curl.RESPONSE_CODE))
        except Exception as error:  # noqa: BLE001 - raised when all is over
            self._fail(handle, error)
            return
        if not self._waiting:
            self._end(handle)
            return
        self._client.multi.remove_handle(handle)
        self._ask(handle)

    def _fail(self, handle: Any, error: BaseException) -> None:
        self._error = self._error or error
        self._waiting.clear()
        self._end(handle)

    def _end(self, handle: Any) -> None:
        self._client.multi.remove_handle(handle)
        handle.reset()  # it holds on to nothing that came
        del self._under_way[handle]
        self._client.idle.append(handle)
        self._room.release()

    def _wait(self) -> None:
        """For anything to come: where nothing soon does, and more is to be asked for, ask for it."""
        may_grow = bool(self._waiting) and len(self._under_way) < CONNECTIONS
        ready = self._client.multi.select(_SOON if may_grow else _LOOK)
        if ready > 0:
            return
        if may_grow:
            self._begin(len(self._under_way))
        late = time.monotonic() - self._limit
        for handle, asked in list(self._under_way.items()):
            if handle.since < late:
                self._fail(handle, asked.silence())
