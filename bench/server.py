"""A server of ranges with a latency, as a process of its own: `python server.py DIRECTORY SECONDS` prints its port."""

import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    """Answers HEAD and GET, with or without one range, so many seconds late."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        first, length = self.answer()
        with Path(sys.argv[1], self.path.lstrip("/")).open("rb") as file:
            file.seek(first)
            self.wfile.write(file.read(length))

    def answer(self):
        time.sleep(float(sys.argv[2]))
        size = Path(sys.argv[1], self.path.lstrip("/")).stat().st_size
        asked = self.headers.get("Range", "")
        first, last = 0, size - 1
        if asked:
            first, last = (int(part) for part in asked.removeprefix("bytes=").split("-"))
            last = min(last, size - 1)
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        return first, last - first + 1

    def log_message(self, *_args):
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Takes many connections at once."""

    request_queue_size = 1024
    daemon_threads = True


if __name__ == "__main__":
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
