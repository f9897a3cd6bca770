"""The HTTP client that fsspec is given: with connections for whole rounds, and an eye on what servers answer.

Several requests for one file are one reading of it only as long as the server answers from the same file. Each answer
says which length and which etag that file has; a `Watch` keeps what was said of one URL.
"""

from __future__ import annotations

from threading import Lock
from typing import Any, Final
from weakref import WeakSet

__all__ = ["CONNECTIONS", "Watch", "get_client"]

CONNECTIONS: Final = 256
"""Most connections open at once; aiohttp's own default of 100 makes waves of a round of many small reads."""

_watches: dict[str, WeakSet[Watch]] = {}
_lock = Lock()


class Watch:
    """What servers have said of one URL since the watch began."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.lengths: set[int] = set()
        self.etags: set[str] = set()
        with _lock:
            _watches.setdefault(url, WeakSet()).add(self)

    def note(self, headers: Any, status: int) -> None:
        """Keep what one answer says."""
        etag = headers.get("ETag")
        if etag:
            self.etags.add(etag.removeprefix("W/"))
        length = headers.get("Content-Range", "").rpartition("/")[2] if status == 206 else headers.get("Content-Length")
        if length and length.isdigit() and headers.get("Content-Encoding", "identity") in ("identity", ""):
            self.lengths.add(int(length))

    def changes(self) -> str:
        """What differed between answers; empty when nothing did."""
        if len(self.lengths) > 1:
            return f"it had {' bytes, then '.join(map(str, sorted(self.lengths)))} bytes"
        return f"it had the etags {' and '.join(sorted(self.etags))}" if len(self.etags) > 1 else ""

    def stop(self) -> None:
        """Watch no longer."""
        with _lock:
            watching = _watches.get(self._url, WeakSet())
            watching.discard(self)
            if not watching:
                _watches.pop(self._url, None)


async def get_client(**options: Any) -> Any:
    """A session of aiohttp, as fsspec asks for it (`get_client` of its HTTPFileSystem)."""
    import aiohttp  # noqa: PLC0415 - an extra, and only HTTP needs it

    if "connector" not in options:
        options["connector"] = aiohttp.TCPConnector(limit=CONNECTIONS)
    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(_note)
    return aiohttp.ClientSession(**{**options, "trace_configs": [*options.get("trace_configs", ()), trace]})


async def _note(_session: Any, _context: Any, answered: Any) -> None:
    response = answered.response
    asked = response.history[0] if response.history else response
    if response.status in (200, 206):
        with _lock:
            watches = list(_watches.get(str(asked.url), ()))
        for watch in watches:
            watch.note(response.headers, response.status)
