"""Fixtures that several folders of tests share."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import hdf5plugin  # noqa: F401 - before netCDF4, beside whose HDF5 library Blosc cannot be registered any more
import pycurl  # noqa: F401 - before eccodes, beside whose libcurl it cannot be loaded any more
import pyproj  # noqa: F401 - before eccodes, beside whose PROJ it does not work any more
import pytest
from hypothesis import settings

# The same examples everywhere, however slow the machine is at the moment.
settings.register_profile("chunkmap", deadline=None, derandomize=True)
settings.load_profile("chunkmap")


@pytest.fixture(autouse=True)
def unconfigured(monkeypatch):
    """No settings of whoever runs the tests."""
    monkeypatch.setenv("CHUNKMAP_CONFIG", os.devnull)
    for name in ("TIMEOUT", "ENGINE", "CACHE"):
        monkeypatch.delenv(f"CHUNKMAP_{name}", raising=False)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """What does not pass in a second does not pass in these tests."""
    monkeypatch.setattr("chunkmap.io.retrying.PATIENCE", 1.0)
    monkeypatch.setattr("chunkmap.io.retrying.SHORT_PATIENCE", 0.5)


class RangeServer:
    """A real HTTP server on 127.0.0.1 over bytes in memory.

    It counts what is asked of it, and can be slow, answer errors, hide lengths, or know no ranges.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.errors: dict[str, int] = {}
        self.failures: dict[str, list[int]] = {}
        """Statuses to answer GETs with before all is well again; 0 drops the connection."""
        self.etag = '"one"'
        self.latency = 0.0
        self.together = 0
        """Answers are held until there are so many, once: what is asked for side by side is seen to be, at any load."""
        self.serves_ranges = True
        self.says_length = True
        self.gets: list[tuple[str, int, int]] = []
        self.heads: list[str] = []
        self.busiest = 0
        """The most requests that were being answered at one time."""
        self._busy = 0
        self._changed = threading.Condition()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def put(self, name: str, data: bytes) -> str:
        """Serve bytes; gives their URL."""
        self.files[f"/{name}"] = data
        return self.url(name)

    def url(self, name: str) -> str:
        """The URL of a name, whether there is such a file or not."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/{name}"

    def forget(self) -> None:
        """Begin to count anew."""
        self.gets.clear()
        self.heads.clear()

    @contextmanager
    def answering(self) -> Iterator[None]:
        """While a request is being answered."""
        with self._changed:
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
            if self._busy >= self.together:
                self.together = 0
                self._changed.notify_all()
            self._changed.wait_for(lambda: not self.together, timeout=10)
        try:
            yield
        finally:
            with self._changed:
                self._busy -= 1

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256  # with the default of 5, a burst of connections waits a second


def _handler(state: RangeServer) -> type[BaseHTTPRequestHandler]:
    return type("Handler", (_Handler,), {"state": state})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: RangeServer

    def do_HEAD(self) -> None:
        self.state.heads.append(self.path)
        self._answer()

    def do_GET(self) -> None:
        waiting = self.state.failures.get(self.path)
        if waiting:
            self._fail(waiting.pop(0))
            return
        data, first, stop = self._answer()
        self.state.gets.append((self.path, first, stop - first))
        self.wfile.write(data[first:stop])

    def _fail(self, status: int) -> None:
        self.close_connection = True
        if status:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def _answer(self) -> tuple[bytes, int, int]:
        state = self.state
        with state.answering():
            time.sleep(state.latency)
        status = state.errors.get(self.path, 200 if self.path in state.files else 404)
        data = state.files[self.path] if status == 200 else b"no"
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        first, stop = 0, len(data)
        if status == 200 and asked and state.serves_ranges:
            status, (first, stop) = 206, _bounds(asked, len(data))
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{stop - 1}/{len(data)}")
        if state.serves_ranges:
            self.send_header("Accept-Ranges", "bytes")
        if state.says_length:
            self.send_header("Content-Length", str(stop - first))
        self.send_header("ETag", state.etag)
        self.send_header("Connection", "keep-alive" if state.says_length else "close")
        self.end_headers()
        self.close_connection = not state.says_length
        return data, first, stop


def _bounds(asked: re.Match[str], size: int) -> tuple[int, int]:
    first, last = asked.groups()
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size


@pytest.fixture
def range_server() -> Iterator[RangeServer]:
    """A `RangeServer` for one test: `url = range_server.put("a.nc", data)`."""
    server = RangeServer()
    yield server
    server.close()


class CountedGets:
    """An object store that notes down what it answers GETs with: (path, bytes)."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self.gets: list[tuple[str, int]] = []
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        body = b"".join(self._app(environ, start_response))
        if environ["REQUEST_METHOD"] == "GET":
            self.gets.append((environ["PATH_INFO"], len(body)))
        return [body]


@pytest.fixture(scope="session")
def s3_server():
    """An object store for all tests: moto's server, with what is counted of it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    server._server.app = counted = CountedGets(server._server.app)
    yield server, counted
    server.stop()


@pytest.fixture(scope="session")
def s3_options(s3_server):
    """The storage options of that object store. Each test makes a bucket of its own."""
    host, port = s3_server[0].get_host_and_port()
    return {"key": "a", "secret": "b", "client_kwargs": {"endpoint_url": f"http://{host}:{port}"}}


@pytest.fixture
def s3_gets(s3_server):
    """What the object store answers GETs with from now on: (path, bytes)."""
    s3_server[1].gets.clear()
    return s3_server[1].gets


@pytest.fixture
def make_repository(tmp_path):
    """A function that makes an Icechunk repository in memory, which may read files in the directory of the test.

    `containers` are others: URL prefix -> (store, credentials); settings are those of `icechunk.RepositoryConfig`.
    """
    import icechunk

    icechunk.set_logs_filter("error")
    first = icechunk.__version__.startswith("1.")

    def make(containers=None, **settings):
        access = None if first else icechunk.credentials.LocalFileSystemAccess
        here = {f"file://{tmp_path}/": (icechunk.local_filesystem_store(str(tmp_path)), access)}
        found = {**here, **(containers or {})}
        config = icechunk.RepositoryConfig(**settings)
        for prefix, (store, _) in found.items():
            config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(prefix, store))
        return icechunk.Repository.create(
            icechunk.in_memory_storage(),
            config=config,
            authorize_virtual_chunk_access={prefix: credentials for prefix, (_, credentials) in found.items()},
        )

    return make


@pytest.fixture
def repository(make_repository):
    """Such a repository."""
    return make_repository()
