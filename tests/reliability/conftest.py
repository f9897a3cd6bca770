"""A server that can be told to do wrong, and files to put behind it."""

from __future__ import annotations

import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import h5py
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from faulty_s3 import FaultyS3
from quick_place import quick_parent


class FaultyServer:
    """HTTP on 127.0.0.1 over bytes in memory. `fault` may answer a request in its own way, and says whether it did."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.headers: dict[str, str] = {}
        """Headers of every answer."""
        self.fault: Callable[[BaseHTTPRequestHandler], bool] = lambda _request: False
        self.seen: list[tuple[str, dict[str, str]]] = []
        """Paths and headers of the requests."""
        self.over = threading.Event()
        """Set when the test is over: what hangs may end."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def put(self, name: str, data: bytes) -> str:
        """Serve bytes; gives their URL."""
        self.files[f"/{name}"] = data
        return f"http://127.0.0.1:{self._server.server_address[1]}/{name}"

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


def _handler(server: FaultyServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.seen.append((self.path, dict(self.headers)))
            if server.fault(self):
                return
            data = server.files.get(self.path)
            if data is None:
                self.answer(404, b"")
                return
            first, stop = self.asked(len(data))
            ranged = "Range" in self.headers
            said = {"Content-Range": f"bytes {first}-{stop - 1}/{len(data)}"} if ranged else {}
            self.answer(206 if ranged else 200, data[first:stop], **said)

        do_HEAD = do_GET

        def asked(self, size: int) -> tuple[int, int]:
            """The range that is asked for, half-open."""
            found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "bytes=0-"))
            assert found
            return int(found[1]), min(size, int(found[2]) + 1) if found[2] else size

        def answer(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for name, value in {**server.headers, **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    return Handler


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A directory of the test's own that is quick to write to."""
    with tempfile.TemporaryDirectory(prefix="chunkmap-test-", dir=quick_parent()) as directory:
        yield Path(directory)


@pytest.fixture
def server():
    served = FaultyServer()
    yield served
    served.close()


@pytest.fixture
def write_series(tmp_path):
    """Writes a file of four time steps whose values are `value`, at the time `first`; gives its path."""

    def write(name: str, value: float, first: float = 0.0, steps: int = 4) -> str:
        path = tmp_path / name
        with h5py.File(path, "w") as file:
            time = file.create_dataset("time", data=np.arange(float(steps)) + first)
            time.make_scale("time")
            v = file.create_dataset("v", data=np.full((steps, 20, 20), value, "f8"), chunks=(1, 20, 20))
            v.dims[0].attach_scale(time)
        return str(path)

    return write


@pytest.fixture(scope="session")
def one_s3():
    bucket = FaultyS3()
    yield bucket
    bucket.close()


@pytest.fixture
def s3(one_s3):
    type(one_s3.fs).clear_instance_cache()  # and with it what is known of its buckets
    yield one_s3
    one_s3.forget()


@pytest.fixture(params=["obstore", "fsspec"])
def engine(s3, request):
    """What fetches ranges of the objects in S3, for a test that holds of both."""
    plain = s3.options
    s3.options = {**plain, "engine": request.param}
    yield request.param
    s3.options = plain
