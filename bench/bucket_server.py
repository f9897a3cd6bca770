"""Objects of a bucket in memory, as lean as Python can: what a client costs is to be measured, not a server.

    python bench/bucket_server.py BYTES|FILE [LATENCY]

serves objects of any name, all the same file, or so many zeros, in the words of S3 that reading takes. It prints its
address, and asks for no signature.
"""

import asyncio
import re
import sys
from pathlib import Path

RANGE = re.compile(rb"\r\nrange: bytes=(\d+)-(\d*)", re.IGNORECASE)


class Connection(asyncio.Protocol):
    """One connection, answered in order."""

    data = memoryview(b"")
    latency = 0.0

    def connection_made(self, transport):
        """Begin."""
        self.transport, self.held = transport, b""

    def data_received(self, data):
        """Answer every request that came whole."""
        self.held += data
        while (end := self.held.find(b"\r\n\r\n")) >= 0:
            head, self.held = self.held[:end], self.held[end + 4 :]
            if self.latency:
                asyncio.get_running_loop().call_later(self.latency, self.answer, head)
            else:
                self.answer(head)

    def answer(self, head):
        """One answer."""
        found, size = RANGE.search(head), len(self.data)
        first = int(found[1]) if found else 0
        stop = min(size, int(found[2]) + 1) if found and found[2] else size
        said = f"HTTP/1.1 {'206 Partial Content' if found else '200 OK'}\r\nContent-Length: {stop - first}\r\n"
        if found:
            said += f"Content-Range: bytes {first}-{stop - 1}/{size}\r\n"
        said += 'ETag: "one"\r\nLast-Modified: Thu, 01 Jan 2015 00:00:00 GMT\r\nAccept-Ranges: bytes\r\n\r\n'
        self.transport.write(said.encode())
        if not head.startswith(b"HEAD"):
            self.transport.write(self.data[first:stop])


async def serve(data, latency):
    """Serve until stopped."""
    Connection.data, Connection.latency = memoryview(data), latency
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    what = sys.argv[1]
    served = bytes(int(what)) if what.isdecimal() else Path(what).read_bytes()
    asyncio.run(serve(served, float((*sys.argv, "0")[2])))
