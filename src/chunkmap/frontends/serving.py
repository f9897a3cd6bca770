"""A reference set as a plain Zarr store over HTTP: browsers' viewers, zarrita, DuckDB and anything else that reads Zarr
from a web server read any set, whatever its form.

The store is read-only, and names no file but those that `allow` says. Needs the extra `serve`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zarr.core.buffer import default_buffer_prototype

from chunkmap.access.store import ReferenceStore
from chunkmap.errors import ChunkmapError, NoSuchFile
from chunkmap.packages import require

__all__ = ["application"]


def application(store: ReferenceStore, *, origins: Sequence[str] = ()) -> Any:
    """The ASGI application that serves a store. Pages of `origins` may read it (CORS), `"*"` stands for all."""
    applications, routing, middleware, cors = (
        require(f"starlette.{name}", "serve", "chunkmap serve")
        for name in ("applications", "routing", "middleware", "middleware.cors")
    )
    allowed = [
        middleware.Middleware(
            cors.CORSMiddleware, allow_origins=list(origins), allow_methods=["GET", "HEAD"], allow_headers=["Range"]
        )
    ]
    route = routing.Route("/{key:path}", _Keys(store).answer, methods=["GET", "HEAD"])
    return applications.Starlette(routes=[route], middleware=allowed if origins else [])


class _Keys:
    """What is answered for a key: its bytes, or a part of them; 404 where there is none."""

    def __init__(self, store: ReferenceStore) -> None:
        self._store = store
        self._responses = require("starlette.responses", "serve", "chunkmap serve")

    async def answer(self, request: Any) -> Any:
        key = request.path_params["key"]
        try:
            found = await self._store.get(key, default_buffer_prototype())
        except NoSuchFile as error:  # the file of a chunk is gone: that is no missing chunk
            return self._responses.PlainTextResponse(f"{key}: {error}", status_code=502)
        except ChunkmapError as error:
            return self._responses.PlainTextResponse(f"{key}: {error}", status_code=500)
        if found is None:
            return self._responses.PlainTextResponse(f"{key}: no such key", status_code=404)
        return self._part(bytes(found.to_bytes()), key, request.headers.get("range"))

    def _part(self, data: bytes, key: str, asked: str | None) -> Any:
        """All of a value, or the one range of bytes that is asked for (RFC 9110, 14); others are passed over."""
        kind = "application/json" if key.rpartition("/")[2] in _DOCUMENTS else "application/octet-stream"
        headers = {"Accept-Ranges": "bytes"}
        span = None if asked is None else _span(asked, len(data))
        if span is None:
            return self._responses.Response(data, media_type=kind, headers=headers)
        first, stop = span
        if first >= stop:
            return self._responses.Response(status_code=416, headers={"Content-Range": f"bytes */{len(data)}"})
        headers["Content-Range"] = f"bytes {first}-{stop - 1}/{len(data)}"
        return self._responses.Response(data[first:stop], status_code=206, media_type=kind, headers=headers)


_DOCUMENTS = frozenset({"zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata"})


def _span(asked: str, size: int) -> tuple[int, int] | None:
    """The bytes of a header `Range`, half-open; None for what is no single range.

    >>> _span("bytes=2-3", 10), _span("bytes=8-", 10), _span("bytes=-3", 10), _span("bytes=20-", 10), _span("x", 10)
    ((2, 4), (8, 10), (7, 10), (20, 10), None)
    """
    unit, _, text = asked.partition("=")
    first, dash, last = text.strip().partition("-")
    if unit.strip() != "bytes" or not dash or not all(part == "" or part.isdecimal() for part in (first, last)):
        return None
    if first == "":
        return (max(0, size - int(last)), size) if last else None
    return int(first), size if last == "" else min(size, int(last) + 1)
