"""Files of a directory over HTTP, as slow as a server far away, on this machine.

    python bench/latency_server.py DIRECTORY [--latency 0.05] [--rate 80e6]

prints its address and serves until it is stopped. Every request waits for the latency, and then for as long as its
bytes take at the rate of one stream. `/stats` says what was asked for since the last time: requests, bytes, and waves,
the longest chain of requests of which each began after the one before had ended.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path


class Server:
    """One directory, and a count of what was asked of it."""

    def __init__(self, folder, latency, rate):
        self.folder, self.latency, self.rate = Path(folder), latency, rate
        self.files = {}
        self.forget()

    def forget(self):
        """Count anew."""
        self.heads, self.spans, self.sent = 0, [], 0

    def stats(self):
        """What was asked for, as bytes of JSON; then count anew."""
        waves, end = 0, float("-inf")
        for start, stop in sorted(self.spans):
            if start >= end:
                waves, end = waves + 1, stop
        found = {"heads": self.heads, "requests": len(self.spans), "bytes": self.sent, "waves": waves}
        self.forget()
        return json.dumps(found).encode()

    async def connection(self, reader, writer):
        """Answer the requests of one connection, one after another."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                line, *fields = head.decode("latin-1").split("\r\n")
                method, path, _ = line.split(" ")
                asked = dict(field.lower().split(": ", 1) for field in fields if ": " in field)
                await self.answer(writer, method, path, asked.get("range"))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self, writer, method, path, asked):
        """One answer, in its time."""
        if path == "/stats":
            return await self.send(writer, "200 OK", {}, self.stats())
        size = self.open(path)
        if size is None:
            return await self.send(writer, "404 Not Found", {}, b"")
        start = asyncio.get_running_loop().time()
        await asyncio.sleep(self.latency)
        if method == "HEAD":
            self.heads += 1
            return await self.send(writer, "200 OK", {"Content-Length": size}, b"")
        first, stop = 0, size
        if asked:
            left, right = asked.removeprefix("bytes=").split("-")
            first, stop = int(left), min(size, int(right) + 1 if right else size)
        data = os.pread(self.files[path][0], stop - first, first)
        await asyncio.sleep(len(data) / self.rate)
        self.spans.append((start, asyncio.get_running_loop().time()))
        self.sent += len(data)
        status = "206 Partial Content" if asked else "200 OK"
        return await self.send(writer, status, {"Content-Range": f"bytes {first}-{stop - 1}/{size}"}, data)

    def open(self, path):
        """The size of a file; None where there is none. `?...` makes another name for the same file."""
        if path not in self.files:
            file = self.folder / path.partition("?")[0].lstrip("/")
            if not file.is_file():
                return None
            self.files[path] = (os.open(file, os.O_RDONLY), file.stat().st_size)
        return self.files[path][1]

    async def send(self, writer, status, headers, body):
        """Write an answer."""
        headers = {"Content-Length": len(body), "Accept-Ranges": "bytes", "ETag": '"one"', **headers}
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()


async def serve(folder, latency, rate):
    """Serve until stopped."""
    server = await asyncio.start_server(Server(folder, latency, rate).connection, "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


@contextmanager
def serving(folder):
    """The address of a server of a process of its own, which takes 50 ms to answer, and sends 80 MB/s a stream."""
    words = [sys.executable, __file__, str(folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds that every request waits")
    parser.add_argument("--rate", type=float, default=80e6, help="bytes a second of one stream")
    given = parser.parse_args()
    asyncio.run(serve(given.folder, given.latency, given.rate))
