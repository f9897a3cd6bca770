"""Doing again what failed for a moment: a connection that was reset, a server that was busy, a time-out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

__all__ = ["ATTEMPTS", "is_transient", "with_retries"]

T = TypeVar("T")

ATTEMPTS: Final = 5
"""How often anything is tried, in about two seconds and a half."""

_BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP answers that may be another one soon (RFC 9110, 15.5 and 15.6; RFC 6585)."""


def with_retries(call: Callable[[], T]) -> T:
    """Call, and call again after a while as long as what is raised may pass; then raise the last of it."""
    import tenacity  # noqa: PLC0415 - only what is fetched needs it

    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=tenacity.wait_random_exponential(multiplier=0.1, max=2),
        retry=tenacity.retry_if_exception(is_transient),
        reraise=True,
    )
    return retrying(call)


def is_transient(error: BaseException) -> bool:
    """Whether an error may pass by itself: it, or what caused it."""
    return any(getattr(e, "status", None) in _BUSY or isinstance(e, _passing()) for e in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _passing() -> tuple[type[BaseException], ...]:
    """Errors of connections; those of aiohttp only where it is in use."""
    aiohttp: Any = sys.modules.get("aiohttp")
    if aiohttp is None:
        return (ConnectionError, TimeoutError)
    return (ConnectionError, TimeoutError, aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)
