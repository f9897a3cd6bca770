"""The HTTP client that fsspec is given: with connections for whole rounds, and an eye on what servers answer.

Several requests for one file are one reading of it only as long as the server answers from the same file. Each answer
says which length and which etag that file has; a `Watch` keeps what was said of one URL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache, partial
from threading import Lock
from typing import Any, Final
from weakref import WeakSet

from chunkmap.errors import SourceError
from chunkmap.io.retrying import RECEIVED, seconds_of

__all__ = [
    "CONNECTIONS",
    "SWOLLEN_SPARE",
    "SWOLLEN_TIMES",
    "TIMEOUT",
    "Permits",
    "Watch",
    "get_client",
    "time_of_change",
    "too_short",
    "wrong_range",
    "wrong_status",
]

CONNECTIONS: Final = 256
"""Most connections open at once; aiohttp's own default of 100 makes waves of a round of many small reads."""

TIMEOUT: Final = 30.0
"""Seconds to wait for a connection, for the first byte of an answer, and for each further one. An answer that does make
progress may take as long as it takes.
"""

WHOLE: Final = 256 << 20
"""Most bytes of a file that are taken whole from a server that knows no ranges."""

_UNTOLD: Final = 2 << 30
"""Most bytes of an answer that was asked for whole, and does not say how long it is."""

SWOLLEN_SPARE: Final = 32 << 20
SWOLLEN_TIMES: Final = 50
"""Compressed text of a set may become so many bytes, and so many times its own: references compress to a tenth or a
thirtieth.
"""

_ASKED: Final = re.compile(r"bytes=(\d+)-(\d*)")
_SENT: Final = re.compile(r"(?:bytes)?[ =:]*(\d{1,20}) *- *(\d{1,20}) *(?:/ *(\d{1,20}|\*))?", re.IGNORECASE)
"""Ranges in requests and answers (RFC 9110, 14.2 and 14.4); those of answers also as servers write them amiss."""

_LENGTH: Final = re.compile(r"\d{1,20}", re.ASCII)

_HARMLESS: Final = frozenset(
    {"accept", "accept-encoding", "accept-language", "if-match", "if-range", "range", "user-agent"}
)
"""Headers of a request that may follow a redirect to another host; all others may be secrets."""

_WITH_FILE: Final = frozenset({200, 206})
"""Answers whose body is the file, or a range of it. Any other that is no error has none, or one that is not made yet,
or that a proxy made of it, or says that it is elsewhere and not where (RFC 9110, 15).
"""

_watches: dict[str, WeakSet[Watch]] = {}
_lock = Lock()


Permits = Callable[[str], None]
"""Raises SourceError for a URL that may not be opened."""


class Watch:
    """What servers have said of one URL since the watch began."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.lengths: set[int] = set()
        self.etags: set[str] = set()
        self.times: set[float] = set()
        self.times_alone: set[float] = set()
        """Times of answers that had no etag beside."""
        self.ranges = False
        """Whether the server is known to serve ranges."""
        self.is_elsewhere = False
        """Whether a request for it was sent on."""
        self._begin()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """It goes on where it was read from a pickle."""
        vars(self).update(state)
        self._begin()

    def _begin(self) -> None:
        with _lock:
            _watches.setdefault(self._url, WeakSet()).add(self)

    def note(self, headers: Any, status: int) -> None:
        """Keep what one answer says."""
        etag = headers.get("ETag")
        if etag:
            self.etags.add(etag.removeprefix("W/"))
        self.ranges = self.ranges or status == 206 or headers.get("Accept-Ranges") == "bytes"
        changed = time_of_change(headers)
        if changed is not None:
            (self.times if etag else self.times_alone).add(changed)
        length = headers.get("Content-Range", "").rpartition("/")[2] if status == 206 else headers.get("Content-Length")
        if length and _LENGTH.fullmatch(length) and headers.get("Content-Encoding", "identity") in ("identity", ""):
            self.lengths.add(int(length))

    def changes(self) -> str:
        """What differed between answers; empty when nothing did."""
        if len(self.lengths) > 1:
            return f"it had {' bytes, then '.join(map(str, sorted(self.lengths)))} bytes"
        if len(self.etags) > 1:
            return f"it had the etags {' and '.join(sorted(self.etags))}"
        if len(self.times_alone | self.times) > 1 and not self.times_alone <= self.times:
            times = sorted(self.times_alone | self.times)
            return f"it was changed at {' and at '.join(map(str, times))} (seconds since 1970)"
        return ""

    @property
    def time(self) -> float | None:
        """When the file was changed, as the server says."""
        return max(self.times | self.times_alone, default=None)

    def stop(self) -> None:
        """Watch no longer."""
        with _lock:
            watching = _watches.get(self._url, WeakSet())
            watching.discard(self)
            if not watching:
                _watches.pop(self._url, None)


def time_of_change(headers: Any) -> float | None:
    """`Last-Modified` in seconds since 1970; None for one that says no more than that the answer was made just now.

    >>> time_of_change({"Last-Modified": "Thu, 01 Jan 1970 00:01:00 GMT"})
    60.0
    """
    changed, made = (seconds_of(headers.get(name, "")) for name in ("Last-Modified", "Date"))
    return None if changed is None or (made is not None and changed >= made) else changed


async def get_client(**options: Any) -> Any:
    """A session of aiohttp, as fsspec asks for it (`get_client` of its HTTPFileSystem).

    `permits` raises for a URL to which a server may not send requests on.
    """
    import aiohttp  # noqa: PLC0415 - an extra, and only HTTP needs it

    if "connector" not in options:
        options["connector"] = aiohttp.TCPConnector(limit=CONNECTIONS)
    limit = options.get("timeout", TIMEOUT)
    if isinstance(limit, (int, float)):
        options["timeout"] = aiohttp.ClientTimeout(total=None, sock_connect=limit, sock_read=limit)
    options.setdefault("response_class", _counting())
    if cookies := options.pop("cookies", None):  # a header, as the client itself would send them to every host
        options["headers"] = _with_header(options, "Cookie", _cookie_header(cookies))
    if auth := options.pop("auth", None):  # the same of a name and its password
        options["headers"] = _with_header(options, "Authorization", auth.encode())
    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(_note)
    if permits := options.pop("permits", None):
        trace.on_request_redirect.append(partial(_check_redirect, permits))
    trace.on_request_redirect.append(_refuse_other_kinds)
    trace.on_request_redirect.append(_keep_secrets)
    return aiohttp.ClientSession(**{**options, "trace_configs": [*options.get("trace_configs", ()), trace]})


@cache
def _counting() -> type[Any]:
    """Answers that end where more comes than was asked for, and say of an error how much of their body had come."""
    import aiohttp  # noqa: PLC0415 - as above

    class Counting(aiohttp.ClientResponse):
        async def read(self) -> bytes:
            asked = self.request_info.headers.get("Range", "")
            most = _most(asked, self.status, self.content_length)
            try:
                if most is None and not self.headers.get("Content-Encoding"):
                    return await super().read()
                data = await self._read_up_to(_UNTOLD if most is None else most)
            except (aiohttp.ClientError, TimeoutError) as error:
                whole = "" if self.content_length is None else f" of {self.content_length}"
                error.add_note(f"{RECEIVED}{self.content.total_bytes}{whole} bytes")
                raise
            if self.status == 200:
                _check_whole(_first_of(self).url, asked, len(data))
            return data

        async def _read_up_to(self, most: int) -> bytes:
            pieces, found = list[bytes](), 0
            async for piece in self.content.iter_any():
                found += len(piece)
                if found > min(most, self._may_become()):
                    self.close()
                    raise SourceError(
                        f"expected {min(most, self._may_become()):,} bytes at the most, the server sends more;"
                        " a cache or proxy may be at fault",
                        url=str(self.url),
                    )
                pieces.append(piece)
            return b"".join(pieces)

        def _may_become(self) -> int:
            """How many bytes may have come of those that were sent; older versions of aiohttp do not count these."""
            sent = getattr(self.content, "total_compressed_bytes", None)
            sent = self.content_length if sent is None else sent
            if sent is None or not self.headers.get("Content-Encoding"):
                return _UNTOLD
            return SWOLLEN_SPARE + SWOLLEN_TIMES * int(sent)

    return Counting


def _most(asked: str, status: int, told: int | None) -> int | None:
    """How many bytes an answer may have, from the range that was asked for and the length that it tells; None where
    that is its length.

    >>> _most("bytes=10-19", 206, None), _most("bytes=10-19", 200, None) == WHOLE, _most("", 200, 5)
    (10, True, None)
    """
    wanted = _ASKED.fullmatch(asked)
    if wanted is not None and status != 206:
        return WHOLE
    if wanted is not None and wanted[2]:
        return int(wanted[2]) - int(wanted[1]) + 1
    return _UNTOLD if told is None else None


async def _note(_session: Any, _context: Any, answered: Any) -> None:
    response = answered.response
    url = _first_of(response).url
    if response.status >= 400 or answered.method not in ("GET", "HEAD"):
        return
    wrong = _wrong_answer(response, answered.headers.get("Range", ""))
    if wrong:
        response.close()
        raise SourceError(wrong, url=str(url))
    for watch in _watches_of(url):
        watch.is_elsewhere = watch.is_elsewhere or bool(response.history)
        watch.note(response.headers, response.status)


def _first_of(response: Any) -> Any:
    """The first answer to a request: where it was not sent on, the last one."""
    return response.history[0] if response.history else response


def _watches_of(url: Any) -> list[Watch]:
    with _lock:
        return list(_watches.get(str(url), ()))


def _wrong_answer(response: Any, asked: str) -> str:
    """What is wrong with an answer that is no error, before its body is read; empty when nothing is."""
    if wrong := wrong_status(response.status, response.reason):
        return wrong
    if response.status == 200:
        return _too_much(asked, response.content_length)
    if response.content_type == "multipart/byteranges":
        return f"asked for {asked or 'the whole file'}, the server sent several ranges (multipart/byteranges)"
    return wrong_range(asked, response.headers.get("Content-Range", ""))


def _check_whole(url: Any, asked: str, length: int) -> None:
    """Raise SourceError where the whole of a file is too short; else tell who watches it how long it is, which the
    server may not have said.
    """
    if wrong := too_short(asked, length):
        raise SourceError(wrong, url=str(url))
    for watch in _watches_of(url):
        watch.lengths.add(length)


def wrong_status(status: int, reason: str | None = None) -> str:
    """What is wrong with an answer that is no error and has no file in it; empty for one that has.

    >>> wrong_status(202, "Accepted"), wrong_status(206)
    ('expected a file, the server answers 202 Accepted, in which there is none', '')
    """
    if status in _WITH_FILE or status >= 400:
        return ""
    what = f"{status} {reason or ''}".strip()[:80]
    return f"expected a file, the server answers {what}, in which there is none"


def too_short(asked: str, length: int) -> str:
    """What is wrong with the whole of a file, as its server calls it, in which the range is not that was asked for;
    empty where it may be in it.

    >>> too_short("bytes=10-19", 20)
    ''
    >>> too_short("bytes=10-19", 10)
    'asked for bytes=10-19, the server sent 10 bytes as the whole file; it does not serve ranges, or the file has changed'
    """  # noqa: E501 - a message is one line
    wanted = _ASKED.fullmatch(asked)
    if wanted is None or not int(wanted[1]) or length > int(wanted[2] or wanted[1]):
        return ""
    return (
        f"asked for {asked}, the server sent {length} bytes as the whole file; it does not serve ranges, or the file"
        " has changed"
    )


def _too_much(asked: str, length: int | None) -> str:
    """What is wrong with the whole of a file as the answer to a request for a range; empty when it is small enough."""
    if not asked or length is None or length <= WHOLE:
        return ""
    return (
        f"the server does not serve ranges: asked for {asked}, it sent the whole file of {length} bytes;"
        f" at most {WHOLE} are taken so. Download it, or use a server that does"
    )


def _with_header(options: Mapping[str, Any], name: str, value: str) -> Any:
    """The headers of options with one more; those that were given twice are so still."""
    from multidict import CIMultiDict  # noqa: PLC0415 - as above

    headers = CIMultiDict(options.get("headers") or ())
    headers[name] = value
    return headers


def _cookie_header(cookies: Any) -> str:
    """Cookies as a request has them, from pairs of names and values."""
    pairs = cookies.items() if isinstance(cookies, Mapping) else cookies
    return "; ".join(f"{name}={getattr(value, 'value', value)}" for name, value in pairs)


def _sent_on(redirected: Any) -> Any:
    """The URL to which a request is sent on."""
    response = redirected.response
    location = response.headers.get("Location") or response.headers.get("URI") or ""
    return response.url.join(type(response.url)(location))


async def _check_redirect(permits: Permits, _session: Any, _context: Any, redirected: Any) -> None:
    url = str(_sent_on(redirected))
    try:
        permits(url)
    except SourceError as error:
        raise SourceError(f"the server sends us on to {url}: {error.message}", url=str(redirected.url)) from error


async def _refuse_other_kinds(_session: Any, _context: Any, redirected: Any) -> None:
    """Say so where a server sends us on to what is asked of no web server."""
    url = _sent_on(redirected)
    if url.scheme not in ("http", "https"):
        raise SourceError(
            f"the server sends us on to {str(url)[:200]}, expected a URL of http or https", url=str(redirected.url)
        )


async def _keep_secrets(_session: Any, _context: Any, redirected: Any) -> None:
    """Send another host no headers that may be secrets: aiohttp itself leaves out no more than `Authorization`."""
    if _sent_on(redirected).origin() != redirected.response.url.origin():
        for name in [name for name in redirected.headers if name.lower() not in _HARMLESS]:
            redirected.headers.popall(name, None)


def wrong_range(asked: str, sent: str) -> str:
    """What is wrong with the range of an answer, by the headers of request and answer; empty when nothing is.

    >>> wrong_range("bytes=10-19", "bytes 0-9/100")
    'asked for bytes 10 to 19, the server sent bytes 0 to 9 of 100 (Content-Range); a cache or proxy may be at fault'
    >>> wrong_range("bytes=90-199", "bytes 90-99/100"), wrong_range("", "bytes 0-99/100")
    ('', '')
    """
    wanted, found = _ASKED.fullmatch(asked or "bytes=0-"), _SENT.fullmatch(sent.strip())
    if wanted is None or not sent:
        return ""
    first, last = int(wanted[1]), wanted[2]
    if (
        found is not None
        and int(found[1]) == first
        and (_is_end(int(found[2]), last, found[3]) or (asked and not last))
    ):
        return ""
    what = repr(sent[:80]) if found is None else f"bytes {found[1]} to {found[2]} of {found[3] or '*'}"
    to = f"bytes {first} to {last or 'the end'}" if asked else "the whole file"
    return f"asked for {to}, the server sent {what} (Content-Range); a cache or proxy may be at fault"


def _is_end(found: int, last: str, total: str | None) -> bool:
    """Whether a range of an answer ends where the one that was asked for does, or the file."""
    ends = [int(last)] if last else []
    if total and total != "*":
        ends.append(int(total) - 1)
    return not ends or found == min(ends)
