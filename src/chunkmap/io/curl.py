"""Ranges of files on web servers by libcurl, which shows every header and follows no redirect unless it is told to.

Only the one plain answer is taken: 206, and the range that was asked for, as it is. An error is raised as it was
answered. For all else, a redirect, another length or kind, a cookie, a body that ends early, aiohttp asks again.
"""

from __future__ import annotations

import os
import re
import ssl
from collections import deque
from collections.abc import Sequence
from functools import cache, cached_property
from http import HTTPStatus
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from chunkmap.errors import SourceError
from chunkmap.io.curl_pool import Pool
from chunkmap.io.http_client import TIMEOUT, Watch, get_client
from chunkmap.io.joining import Room
from chunkmap.io.retrying import RECEIVED, is_transient
from chunkmap.io.source import Known, Range
from chunkmap.logs import logger

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

__all__ = ["FileByCurl", "file_by_curl"]

_LOG: Final = logger("engine")

_MOST_FAILURES: Final = 3
"""Calls that may fail, one after the other, before a server is left to fsspec."""

_OF_CLIENTS: Final = frozenset({"timeout", "headers", "cookies", "auth", "permits"})
"""What may be said of clients, and is sent as aiohttp sends it, or does not concern ranges."""

_HOST: Final = re.compile(r"[A-Za-z0-9.\-]+", re.ASCII)
_SENDABLE: Final = re.compile(r"[\x20-\x7e]*")
_SENT: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.ASCII)
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)
_STATUS: Final = re.compile(rb"HTTP/\d(\.\d)? \d{3}( .*)?")
"""Of RFC 9110 and 9112: curl takes more."""

_OURS: Final = frozenset(
    {"host", "range", "accept-encoding", "connection", "content-length", "transfer-encoding", "expect"}
)
"""Headers of requests that nobody else may say."""


class _NotPlain(Exception):
    """An answer that aiohttp is to hear, and to say what it means."""


class _Refused(Exception):
    """An answer that is an error by its status."""

    def __init__(self, status: int, headers: Headers) -> None:
        super().__init__(f"the server answered {status}")
        self.status, self.message = status, headers.reason
        self.headers = {"Retry-After": headers["retry-after"]} if "retry-after" in headers else {}


class Headers(dict[str, str]):
    """The headers of an answer, found by names in any case; `twice` are those of which there are two."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = set[str]()
        self.reason = ""
        """What the line of the status says beside it."""
        self.is_whole = self._is_strange = False
        """Whether the body has begun, and what comes are trailers; and whether a line is none of HTTP."""

    def get(self, name: str, default: Any = None) -> Any:
        """What the answer says."""
        return dict.get(self, name.lower(), default)

    def add(self, line: bytes) -> None:
        """One line, as curl gives it: the first of every answer begins anew. Of two of a name the first is kept."""
        if self.is_whole:
            return
        name, colon, value = line.decode("latin-1").partition(":")
        if line.startswith(b"HTTP/"):
            self.clear()
            self.twice.clear()
            self._is_strange = _STATUS.fullmatch(line.strip()) is None
            self.reason = " ".join(line.decode("utf-8", "surrogateescape").split(" ")[2:]).strip()
        elif colon:
            self._is_strange = self._is_strange or _NAME.fullmatch(name) is None
            if name.lower() in self:
                self.twice.add(name.lower())
            self.setdefault(name.lower(), value.strip())

    @property
    def is_plain(self) -> bool:
        """Whether it is of the bytes of a file as they are, and says one thing of them."""
        twice = self.twice & {"content-range", "content-length", "etag", "last-modified", "content-encoding"}
        several = self.get("Content-Type", "").lower().startswith("multipart/")
        encoded = self.get("Content-Encoding", "identity") not in ("identity", "")
        return not (
            self._is_strange or twice or several or encoded or self.keys() & {"set-cookie", "transfer-encoding"}
        )


def file_by_curl(fs: AbstractFileSystem, path: str, watch: Watch | None, url: str, *, must: bool) -> FileByCurl | None:
    """A file as curl reads it; None where fsspec does. Raises SourceError for that where curl `must`."""
    if watch is None:
        why = "it is no file of a web server"
    else:
        why = _why_not(fs) or _why_not_this(fs, path)
        if not why:
            return FileByCurl(fs, path, watch)
    if must:
        raise SourceError(f"engine='curl' cannot read it: {why}. Leave `engine` out, and fsspec does", url=url)
    _LOG.debug("%s is read by fsspec: %s", url, why)
    return None


def _why_not(fs: AbstractFileSystem) -> str:
    """Why a filesystem is none that curl reads as it does; empty where it is one."""
    kind = type(fs)
    if (kind.__module__, kind.__name__) != ("fsspec.implementations.http", "HTTPFileSystem") or fs.asynchronous:
        return "its filesystem is one of its own"
    if why := _why_no_curl():
        return why
    client = fs.client_kwargs
    strange = sorted([*(fs.kwargs.keys() - {"headers"}), *(client.keys() - _OF_CLIENTS)])
    if strange or fs.get_client is not get_client:
        return f"{', '.join(strange) or 'its client'} cannot be said to curl"
    limit = client.get("timeout", TIMEOUT)
    if isinstance(limit, bool) or not isinstance(limit, (int, float)) or limit <= 0:
        return "its limit of time is no number of seconds"
    return ""


@cache
def _why_no_curl() -> str:
    """Why there is no curl in this process; empty where there is."""
    try:
        import_module("pycurl")
    except ModuleNotFoundError:
        return "pycurl is not installed (pip install 'chunkmap[curl]')"
    except ImportError as error:  # other packages bring a libcurl of their own, which may be too old for it
        return f"pycurl cannot be loaded ({error}); import it before anything else"
    return ""


def _why_not_this(fs: AbstractFileSystem, path: str) -> str:
    """Why one file is not asked for by curl; empty where it is."""
    url = fs.encode_url(path)
    if url.scheme not in ("http", "https") or url.raw_user is not None or not _HOST.fullmatch(url.raw_host or ""):
        return "its URL has a user, or a host that is no name"
    trusted = ssl.get_default_verify_paths()
    if url.scheme == "https" and not (trusted.cafile or trusted.capath):
        return "it is not known whose certificates the system trusts"
    return ""


class FileByCurl:
    """One file of a web server."""

    def __init__(self, fs: AbstractFileSystem, path: str, watch: Watch) -> None:
        self._fs, self._path, self._watch = fs, path, watch
        self._url = fs.encode_url(path)
        self._limit = float(fs.client_kwargs.get("timeout", TIMEOUT))

    def head(self, ahead: int = 0) -> Known | None:
        """What the server says of it, in the words of fsspec, with its first bytes: so many of them, or all. None where
        these are not wanted, or it is no plain answer. Raises what a server answers that is too busy, and TimeoutError.
        """
        asked = _Part(Range(0, ahead), Room(0), is_exact=False)
        try:
            if not ahead or not self._exchange([asked]):
                return None
        except _Refused as error:
            if is_transient(error):
                raise
            return None
        said = {name: asked.headers.get(name) for name in ("ETag", "Last-Modified", "Content-Type")}
        info = {"name": self._path, "size": asked.size, "type": "file", "url": str(self._url)}
        kind = {"mimetype": (said.pop("Content-Type") or "").partition(";")[0]}
        told = {name: value for name, value in (said | kind).items() if value}
        return Known(info | told, asked.body.toreadonly())

    def fetch_into(self, blocks: dict[Range, bytes | memoryview], ranges: Sequence[Range]) -> None:
        """The ranges that came, each by a request of its own. Raises what the server answers where that is an error,
        and TimeoutError where it says nothing; then, too, what came is there.
        """
        if not self._watch.ranges or self._watch.is_elsewhere:
            return
        room = Room(sum(r.length for r in ranges))
        asked = [_Part(r, room) for r in ranges]
        try:
            self._exchange(asked)
        except _Refused as error:
            if error.status == HTTPStatus.NOT_FOUND:
                raise FileNotFoundError(str(self._url)) from error
            raise
        finally:
            blocks.update((part.wanted, part.body.toreadonly()) for part in asked if part.is_done)

    def _exchange(self, asked: Sequence[_Part]) -> bool:
        """Whether all came; what did not is for fsspec to ask for. Raises _Refused and TimeoutError."""
        pool, said = self._pool(), self._said
        if pool.failures >= _MOST_FAILURES or said is None or self._has_cookies():
            return False
        try:
            pool.run(deque(asked), self._limit, said)
        except TimeoutError:
            raise
        except (_NotPlain, OSError) as error:
            pool.failures += 1
            _LOG.info("%s: no plain answer, fsspec asks again: %s", self._path, error)
            return False
        finally:
            for headers in {part.told: part.headers for part in asked if part.is_done}.values():
                self._watch.note(headers, 206)
        pool.failures = 0
        return True

    def _pool(self) -> Pool:
        """What asks the server, in this process and for this filesystem."""
        pools: dict[Any, Pool] = vars(self._fs).setdefault("_chunkmap_curl", {})
        key = os.getpid(), self._url.scheme, self._url.raw_host, self._url.port
        return pools.get(key) or pools.setdefault(key, Pool())

    def _has_cookies(self) -> bool:
        jar = self._session.cookie_jar
        return bool(len(jar) and jar.filter_cookies(self._url))

    @cached_property
    def _session(self) -> Any:
        """The client of aiohttp, which knows what else is sent."""
        if self._fs._session is None:  # noqa: SLF001 - fsspec shows it in no other way
            import_module("fsspec.asyn").sync(self._fs.loop, self._fs.set_session)
        return self._fs._session  # noqa: SLF001 - as above

    @cached_property
    def _said(self) -> tuple[str, list[str]] | None:
        """The URL, and the headers that aiohttp would send; None where only aiohttp can say them."""
        agent: str = import_module("aiohttp.http").SERVER_SOFTWARE
        said = {"accept": "Accept: */*", "user-agent": f"User-Agent: {agent}"}
        for headers in (self._session.headers, self._fs.kwargs.get("headers") or {}):
            if len({name.lower() for name in headers}) < len(headers):
                return None
            for name, value in headers.items():
                if name.lower() in _OURS or not isinstance(value, str) or not value.strip():
                    return None
                said[name.lower()] = f"{name}: {value}"
        lines = ["Accept-Encoding: identity", *said.values()]
        return (str(self._url), lines) if all(map(_SENDABLE.fullmatch, [str(self._url), *lines])) else None


class _Part:
    """A request for a range of a file, or unless it `is_exact` for as much of it as there is; and what came of it."""

    def __init__(self, wanted: Range, room: Room, *, is_exact: bool = True) -> None:
        self.wanted, self._room, self._is_exact = wanted, room, is_exact
        self.range = f"{wanted.offset}-{wanted.offset + wanted.length - 1}"
        self.headers, self.body = Headers(), memoryview(b"")
        self.came = self.size = 0
        self.is_done = False
        self.told: tuple[Any, ...] = ()
        """What the answer says of the file."""

    def write(self, data: bytes) -> int:
        """Keep some of the body, where it is the range; less than all of it ends the transfer."""
        if not self.came:
            self.body = self._begin()
        count = min(len(data), len(self.body) - self.came)
        if count:
            self.body[self.came : self.came + count] = data[:count]
        self.came += len(data)
        return count

    def _begin(self) -> memoryview:
        """Room for the range that the headers say; none where it is not the one that was asked for."""
        self.headers.is_whole = True
        sent = _SENT.fullmatch(self.headers.get("Content-Range", ""))
        if sent is None or not self.headers.is_plain:
            return self.body
        first, last, self.size = map(int, sent.groups())
        stop = self.wanted.offset + self.wanted.length
        fits = last < self.size and last + 1 == (stop if self._is_exact else min(stop, self.size))
        return self._room.take(last + 1 - first) if first == self.wanted.offset and fits else self.body

    def check(self, status: int) -> None:
        """Raise what is wrong with an answer that has ended."""
        if status >= 400:
            raise _Refused(status, self.headers)
        if status != 206 or not self.headers.is_plain or not self.came or self.came != len(self.body):
            raise _NotPlain(f"{status}, {self.came} bytes, {self.headers.get('Content-Range')} for {self.range}")
        self.is_done = True
        self.told = *map(self.headers.get, ("ETag", "Last-Modified", "Date")), self.size

    def silence(self) -> TimeoutError:
        """What is raised where nothing more comes."""
        error = TimeoutError()
        if self.came:
            error.add_note(f"{RECEIVED}{self.came} of {len(self.body)} bytes")
        return error
