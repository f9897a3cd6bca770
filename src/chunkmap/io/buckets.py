"""Ranges of objects in S3 by obstore: what it fetched well, and nothing of what it did not.

Who is given fewer ranges than were asked for asks another library, which knows what to say, how long to wait, and when
to give up: an answer that is not whole and of the range that was asked for is no answer.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from chunkmap.io.http_client import CONNECTIONS
from chunkmap.io.joining import Room
from chunkmap.io.source import Known, Range
from chunkmap.logs import logger

__all__ = ["Bucket", "ObjectInBucket", "is_usable"]

_LOG: Final = logger("engine")

_AT_ONCE: Final = 10
"""Requests that one call of `get_ranges` has under way."""

_CALLS: Final = CONNECTIONS // _AT_ONCE
_CALLS_NEARBY: Final = 2
_NEARBY: Final = 0.005
"""Most calls at once for one file; and of a bucket that answers within so many seconds, which serves more no faster."""

_BATCH: Final = 20 * _AT_ONCE
_SMALL: Final = 16 << 10
"""Ranges of one call, and how long those are that are copied out of it: obstore holds twice as much for them."""

_MOST_FAILURES: Final = 3
"""Calls that may fail, one after the other, before a bucket is left to fsspec."""


class Bucket:
    """One bucket as obstore opens it. `failures` counts the calls that failed since the last one that did not."""

    def __init__(
        self,
        name: str,
        *,
        endpoint: str,
        region: str,
        credentials: Mapping[str, str | None] | None,
        requester_pays: bool,
        verify: bool,
        timeout: float,
    ) -> None:
        from obstore.store import S3Store  # noqa: PLC0415 - an extra

        # Whatever obstore would take from the environment is said, so that it takes nothing else than s3fs did.
        self.store: Any = S3Store(
            name,
            endpoint=endpoint,
            region=region,
            skip_signature=credentials is None,
            credential_provider=None if credentials is None else lambda: dict(credentials),  # type: ignore[arg-type]
            request_payer=requester_pays,
            virtual_hosted_style_request=False,
            client_options={
                "allow_http": endpoint.startswith("http:"),
                "allow_invalid_certificates": not verify,
                "connect_timeout": f"{round(timeout * 1000)}ms",
                "read_timeout": f"{round(timeout * 1000)}ms",
                "timeout": "1day",  # an answer that makes progress may take its time
                "pool_max_idle_per_host": str(CONNECTIONS),
            },
            retry_config={"max_retries": 0},
        )
        self.failures = 0
        self._latency = float("inf")

    def fetch(self, key: str, ranges: Sequence[Range]) -> dict[Range, memoryview]:
        """The ranges of an object that came whole, each by a request of its own."""
        # Every so-manieth: those that touch are in different calls, so that obstore does not join them again.
        calls = _CALLS_NEARBY if self._latency < _NEARBY else _CALLS
        parts = [ranges[first::calls] for first in range(min(len(ranges), calls))]
        if len(parts) == 1:
            return self._in_batches(key, parts[0])
        with ThreadPoolExecutor(len(parts)) as pool:
            found: dict[Range, memoryview] = {}
            for part in pool.map(lambda part: self._in_batches(key, part), parts):
                found.update(part)
        return found

    def head(self, key: str, ahead: int) -> Known | None:
        """What is known of an object, in the words of s3fs, and its first bytes: so many of them, or all. None where
        the answer was no plain yes.
        """
        import obstore  # noqa: PLC0415 - an extra

        first, began = memoryview(b""), time.monotonic()
        try:
            if ahead and (got := self._first(key, ahead)) is not None:
                found, first = got
            else:
                found = obstore.head(self.store, key)
        except FileNotFoundError:  # or it is a directory: nothing is wrong with the bucket
            return None
        except Exception as error:  # noqa: BLE001 - whatever it is, fsspec asks again, and says what is wrong
            self._note(key, error)
            return None
        self.failures, self._latency = 0, min(self._latency, time.monotonic() - began)
        known = {"ETag": found["e_tag"], "LastModified": found["last_modified"], "size": found["size"]}
        return Known(known, first) if all(value is not None for value in known.values()) else None

    def _first(self, key: str, ahead: int) -> tuple[Any, memoryview] | None:
        """What an answer of the first bytes says, and these; None where there is none, as of an object of no bytes."""
        import obstore  # noqa: PLC0415 - an extra

        try:
            got = obstore.get(self.store, key, options={"range": (0, ahead)})
            first = memoryview(got.bytes())
        except FileNotFoundError:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            _LOG.info("%s: its first bytes were not had: %s", key, str(error).partition("\n")[0])
            return None
        return (got.meta, first) if len(first) == min(ahead, got.meta["size"]) else None

    def _note(self, key: str, error: Exception) -> None:
        self.failures += 1
        _LOG.info("%s: obstore failed, fsspec asks again: %s", key, str(error).partition("\n")[0])

    def _in_batches(self, key: str, ranges: Sequence[Range]) -> dict[Range, memoryview]:
        """One call after another, up to the first that failed."""
        found: dict[Range, memoryview] = {}
        room = Room(sum(r.length for r in ranges if r.length <= _SMALL))
        for first in range(0, len(ranges), _BATCH):
            came = self._call(key, ranges[first : first + _BATCH])
            if not came:
                break
            found.update({r: room.keep(block) if r.length <= _SMALL else block for r, block in came.items()})
        return found

    def _call(self, key: str, ranges: Sequence[Range]) -> dict[Range, memoryview]:
        """One call of obstore, all or nothing."""
        import obstore  # noqa: PLC0415 - an extra

        try:
            blocks = obstore.get_ranges(
                self.store, key, starts=[r.offset for r in ranges], lengths=[r.length for r in ranges], coalesce=0
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, fsspec asks again, and says what is wrong
            self._note(key, error)
            return {}
        self.failures = 0
        views: list[memoryview] = [memoryview(block) for block in blocks]
        return {r: view for r, view in zip(ranges, views, strict=True) if len(view) == r.length}


class ObjectInBucket:
    """One object of a bucket."""

    def __init__(self, key: str, bucket: Bucket) -> None:
        self._key, self._bucket = key, bucket

    def fetch_into(self, blocks: dict[Range, bytes | memoryview], ranges: Sequence[Range]) -> None:
        """The ranges that came whole; none from a bucket that failed too often, or where obstore cannot work."""
        if not self._is_given_up():
            blocks.update(self._bucket.fetch(self._key, ranges))

    def head(self, ahead: int = 0) -> Known | None:
        """Its length, etag and time of change, and its first bytes; None where fsspec must say what is wrong."""
        return None if self._is_given_up() else self._bucket.head(self._key, ahead)

    def _is_given_up(self) -> bool:
        return self._bucket.failures >= _MOST_FAILURES or not is_usable()


def is_usable() -> bool:
    """Whether obstore can work in this process: in one that was forked from where it was loaded, its threads are gone,
    and it would wait for them forever.
    """
    return not _forked


def _note_fork() -> None:
    global _forked  # noqa: PLW0603 - a fact of the process
    _forked = _forked or "obstore" in sys.modules


_forked = False

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)
