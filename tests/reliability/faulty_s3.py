"""moto's S3 behind a door at which requests can be counted, refused, delayed or answered wrongly."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import fsspec
from moto.backends import get_backend
from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

BUSY = (
    b"<?xml version='1.0' encoding='UTF-8'?><Error><Code>SlowDown</Code>"
    b"<Message>Please reduce your request rate.</Message></Error>"
)
CHANGES = ("PUT", "POST", "DELETE")

Answer = tuple[str, list[tuple[str, str]], Iterable[bytes]]


class _Quiet(MotoRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept: to make one costs as much as an answer

    def log_request(self, *_: object) -> None:
        """Print nothing."""


class FaultyS3:
    """A bucket called `faulty`. `fault` may answer a request (of WSGI) in its own way: status, headers and body."""

    def __init__(self) -> None:
        self.fault: Callable[[dict[str, Any]], Answer | None] = lambda _request: None
        self.seen: list[tuple[str, str]] = []
        """Methods and paths of the requests."""
        self._states: list[dict[str, bytes]] | None = None
        self.over = threading.Event()
        self._left: int | None = None
        self._store = get_backend("s3")["123456789012"]["aws"]
        self._moto = create_backend_app("s3")  # moto's own server looks through all of its services at each request
        self._lock = threading.Lock()
        self._server = make_server("127.0.0.1", 0, self._serve, threaded=True, request_handler=_Quiet)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        host, port = self._server.server_address[:2]
        self.options = {"key": "a", "secret": "b", "client_kwargs": {"endpoint_url": f"http://{host}:{port}"}}
        self.fs = fsspec.filesystem("s3", **self.options, use_listings_cache=False, skip_instance_cache=True)
        self.fs.mkdir("faulty")

    def dies_after(self, changes: int | None) -> None:
        """Whoever writes is cut off when he has made so many changes: for him nothing can be read or written then."""
        with self._lock:
            self._left = changes

    @property
    def is_dead(self) -> bool:
        """Whether the writer was cut off."""
        return self._left is not None and self._left < 0

    @contextmanager
    def states(self) -> Iterator[list[dict[str, bytes]]]:
        """What is in the bucket now, and after each change: what a writer leaves who is killed then."""
        self._states = states = [self.files()]
        try:
            yield states
        finally:
            self._states = None

    def files(self) -> dict[str, bytes]:
        """What is in the bucket, by key."""
        return {name: key.value for name, key in self._store.buckets["faulty"].keys.items()}

    def restore(self, files: dict[str, bytes]) -> None:
        """Have these files in the bucket, and no others."""
        self._store.buckets["faulty"].keys.clear()
        for name, data in files.items():
            self._store.put_object("faulty", name, data)

    def put(self, name: str, data: bytes | None) -> None:
        """Have one file, or none of that name."""
        if data is None:
            self._store.delete_object("faulty", name)
        else:
            self._store.put_object("faulty", name, data)

    def forget(self) -> None:
        """Be empty, and without a fault."""
        self.over.set()
        self.over, self.fault, self.seen = threading.Event(), lambda _request: None, []
        self.dies_after(None)
        self.restore({})

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, request: dict[str, Any], start: Any) -> Iterable[bytes]:
        self.seen.append((request["REQUEST_METHOD"], request["PATH_INFO"]))
        answer = self._refusal(request) or self.fault(request)
        if answer is None:
            return self._answer(request, start)
        request["wsgi.input"].read(int(request.get("CONTENT_LENGTH") or 0))
        status, headers, body = answer
        start(status, headers)
        return body

    def _answer(self, request: dict[str, Any], start: Any) -> Iterable[bytes]:
        body: Iterable[bytes]
        if self._states is None or request["REQUEST_METHOD"] not in CHANGES:
            body = self._moto(request, start)
            return body
        with self._lock:
            body = self._moto(request, start)
            self._states.append(self.files())
        return body

    def _refusal(self, request: dict[str, Any]) -> Answer | None:
        with self._lock:
            if self._left is None:
                return None
            if self._left > 0 and request["REQUEST_METHOD"] in CHANGES:
                self._left -= 1
            elif self._left <= 0 and (self._left < 0 or request["REQUEST_METHOD"] in CHANGES):
                self._left = -1
                return "403 Forbidden", [("Content-Length", "0")], [b""]
        return None


def busy(**headers: str) -> Answer:
    """What S3 says when it is asked too often."""
    said = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return "503 Slow Down", [("Content-Length", str(len(BUSY))), ("Content-Type", "application/xml"), *said], [BUSY]
