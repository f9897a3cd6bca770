"""Doing again what failed for a moment: a connection that was reset, a server that was busy, a time-out.

Waits double from a tenth of a second to half a minute, never less than a server asks for by `Retry-After`, until it
took some minutes in all. What a server does not explain (500), and one that cannot be reached, has less time.

Files of this machine come by here too, and fail at once or not at all: what is for servers alone, dates and chance, is
loaded where it is needed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, TypeVar

from chunkmap.logs import logger

__all__ = [
    "PATIENCE",
    "RECEIVED",
    "SHORT_PATIENCE",
    "causes",
    "is_transient",
    "not_http",
    "remarks",
    "seconds_of",
    "status_of",
    "with_retries",
]

T = TypeVar("T")

_LOG: Final = logger("retry")

PATIENCE: Final = 180.0
"""Seconds in which anything is tried again that a server is too busy for, or that stalls."""

SHORT_PATIENCE: Final = 15.0
"""The same where nobody answers, or the server failed without saying why."""

_FIRST: Final = 0.1
_LONGEST: Final = 30.0
"""Seconds to wait before the second try, and at most between two."""

_BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP answers that may be another one soon (RFC 9110, 15.5 and 15.6; RFC 6585)."""

_BUSY_CODES: Final = frozenset(
    {
        *("SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "RequestThrottled", "Throttling"),
        *("ThrottlingException", "TooManyRequestsException", "BandwidthLimitExceeded", "PriorRequestNotComplete"),
        *("ConditionalRequestConflict", "OperationAborted"),
    }
)
"""What object stores answer that speak as S3 does, whatever the status: `RequestTimeout` comes with 400."""

_TRIED: Final = "tried "
"""How a note begins that says how often and how long."""

RECEIVED: Final = "received "
"""How a note begins that says how much of an answer had come."""


def with_retries(call: Callable[[], T]) -> T:
    """Call, and call again after a while as long as what is raised may pass; then raise the last of it, with a note."""
    started, tries = time.monotonic(), 0
    while True:
        tries += 1
        begun = time.monotonic()
        try:
            return call()
        except Exception as error:
            if not is_transient(error):
                raise
            now, wait = time.monotonic(), _wait(error, tries)
            if now - started + wait > _patience(error):
                error.add_note(_how_often(tries, now - started, now - begun, _retry_after(error)))
                raise
            _LOG.info("%s: try %d failed, the next one in %.1f s", error, tries, wait)
        time.sleep(wait)


def remarks(error: BaseException) -> str:
    """What was noted of an error: how much had been received, how often and how long it was tried."""
    notes = [note for cause in causes(error) for note in getattr(cause, "__notes__", ())]
    return ", ".join(next((n for n in notes if n.startswith(start)), "") for start in (RECEIVED, _TRIED)).strip(", ")


def _how_often(tries: int, spent: float, last: float, asked: float) -> str:
    """The note of what was tried in vain."""
    times = "1 time" if tries == 1 else f"{tries} times"
    more = f", the last one for {last:.1f} s" if tries > 1 else ""
    return f"{_TRIED}{times} in {spent:.1f} s{more}" + (f"; the server asks to wait {asked:.0f} s" if asked else "")


def is_transient(error: BaseException) -> bool:
    """Whether an error may pass by itself: it, or what caused it."""
    return any(status_of(e) in _BUSY or _code_of(e) in _BUSY_CODES or isinstance(e, _passing()) for e in causes(error))


def status_of(error: BaseException | None) -> int | None:
    """The HTTP status of the answer that an error is about: that of an HTTP client, or of a client of S3."""
    for cause in causes(error):
        status = getattr(cause, "status", None)
        response = getattr(cause, "response", None)
        if not isinstance(status, int) and isinstance(response, dict):
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if isinstance(status, int):
            return status
    return None


def not_http(error: BaseException) -> str:
    """What is wrong with an answer that is no HTTP, for which aiohttp makes up the status 400; empty for any other."""
    garbled = _of("aiohttp.http_exceptions", "HttpProcessingError")
    cause = next((cause for cause in causes(error) if isinstance(cause, garbled)), None)
    if cause is None or status_of(error) is None:
        return ""
    what = " ".join(str(getattr(cause, "message", cause)).split())[:200]
    return f"the server's answer cannot be read as HTTP: {what}"


def _code_of(error: BaseException) -> str | None:
    """The word by which an object store that speaks as S3 says what is wrong."""
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return code if isinstance(code, str) else None


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what caused it; once where one caused the other and the other way round."""
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__


def _wait(error: BaseException, tries: int) -> float:
    """Seconds until the next try, never the same for many who failed together."""
    import random  # noqa: PLC0415 - as above

    wait = min(_FIRST * 2.0 ** min(tries - 1, 16), _LONGEST) * random.uniform(0.5, 1)  # noqa: S311 - no secret
    return max(wait, _retry_after(error))


def _patience(error: BaseException) -> float:
    unreached = any(
        isinstance(e, (ConnectionRefusedError, *_of("aiohttp", "ClientConnectorError"))) for e in causes(error)
    )
    return SHORT_PATIENCE if unreached or status_of(error) == 500 else PATIENCE


def _retry_after(error: BaseException) -> float:
    """Seconds that the server asks to wait (RFC 9110, 10.2.3); 0 where it does not."""
    text = next((str(headers["Retry-After"]).strip() for headers in map(_headers, causes(error)) if headers), "")
    if text.isdecimal():
        return float(text)
    date = seconds_of(text)
    return 0.0 if date is None else max(0.0, date - time.time())


@lru_cache(256)
def seconds_of(date: str) -> float | None:
    """A date as HTTP has it, in seconds since 1970; None for what is none, or one that no clock shows.

    >>> seconds_of("Thu, 01 Jan 1970 00:01:00 GMT"), seconds_of("soon")
    (60.0, None)
    """
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - as above

    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None


def _headers(error: BaseException) -> Mapping[str, Any] | None:
    """The headers of an answer that says when to come again."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        found = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        return {"Retry-After": found["retry-after"]} if "retry-after" in found else None
    headers = getattr(error, "headers", None)
    return headers if headers and "Retry-After" in headers else None


def _passing() -> tuple[type[BaseException], ...]:
    """Errors of connections; those of a library only where it is in use."""
    return (
        ConnectionError,
        TimeoutError,
        *_of("aiohttp", "ClientConnectionError", "ClientPayloadError"),
        *_of("botocore.exceptions", "HTTPClientError", "IncompleteReadError"),
    )


def _of(module: str, *names: str) -> tuple[type[BaseException], ...]:
    library: Any = sys.modules.get(module)
    return () if library is None else tuple(getattr(library, name) for name in names)
