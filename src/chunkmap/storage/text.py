"""JSON text as reference sets hold it."""

from __future__ import annotations

import json
from typing import Any, BinaryIO, Final

import orjson

from chunkmap.io.http_client import SWOLLEN_SPARE, SWOLLEN_TIMES

__all__ = ["Bounded", "parse_json", "quoted"]

_EMPTY: Final = 1 << 20
_LEAST: Final = 8
"""Lists and objects in a text, and bytes of it for each further one: a reference takes 15, and more as an object."""


class Bounded:
    """Decompressed text that ends with an error where it becomes far more than any set compresses to."""

    def __init__(self, file: BinaryIO, stored: int) -> None:
        self._file, self._stored, self._read, self._lists = file, stored, 0, 0

    def read(self, size: int = -1) -> bytes:
        """Some bytes, or all the others."""
        if size >= 0:
            return self._counted(self._file.read(size))
        parts = list(iter(lambda: self._counted(self._file.read(1 << 20)), b""))
        return b"".join(parts)

    def _counted(self, data: bytes) -> bytes:
        self._read += len(data)
        if self._read > SWOLLEN_SPARE + SWOLLEN_TIMES * self._stored:
            raise ValueError(
                f"{self._stored} compressed bytes become more than {self._read - len(data)}, which no set of references"
                " does; decompress it yourself if it is right"
            )
        self._lists += data.count(b"[") + data.count(b"{")
        if self._lists > _EMPTY + self._read // _LEAST:
            raise ValueError(
                f"{self._read} bytes of text have more than {self._lists} lists and objects, which no set of references"
                " does; decompress it yourself if it is right"
            )
        return data


def parse_json(data: bytes) -> Any:
    """A JSON document; one with NaN in it, which orjson refuses, is read by the standard library.

    Raises ValueError when it is none.

    >>> parse_json(b'{"a": [NaN]}')
    {'a': [nan]}
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError(f"nested too deeply: {error}") from error


def quoted(text: str | None) -> bytes:
    """A text in JSON. Raises UnicodeEncodeError where UTF-8 cannot hold it.

    >>> quoted("a"), quoted(None)
    (b'"a"', b'null')
    """
    try:
        return orjson.dumps(text)
    except TypeError:
        (text or "").encode()
        raise
