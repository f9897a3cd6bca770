"""Data descriptors: the table of contents of a file, a chain of blocks of 12-byte entries.

HDF Specification and Developer's Guide, chapter 1: "data descriptor block". Tags and reference numbers are named as in
its chapter on tags.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import FormatError
from chunkmap.io.rounds import Hint, Parser, Span
from chunkmap.io.source import Source
from chunkmap.model import Target

__all__ = ["MAGIC", "Entry", "File", "Found", "Key", "open_file"]

MAGIC: Final = b"\x0e\x03\x13\x01"

NULL, NO_TAG = 1, 0
_SPECIAL, _EXTENDED = 0x4000, 0x8000
_ENTRY: Final = np.dtype([("tag", ">u2"), ("ref", ">u2"), ("offset", ">i4"), ("length", ">i4")])
_HEAD: Final = 6
"""Bytes of a block before its entries: how many there are, and where the next block is."""
_FETCHED_WHOLE: Final = 16 << 20
"""A file that is not longer is fetched whole: what describes it takes some ten rounds, which are as long as this much
takes at 50 ms a round and 30 MB/s.
"""
_SHORTEST_WINDOW: Final = 8 << 10
_LONGEST_WINDOW: Final = 8 << 20
_HOPS: Final = 4
"""Blocks to be found in one window, when they are as far apart as the last two."""

Key = tuple[int, int]
"""Tag and reference number: the name of an object of a file."""


class Entry(NamedTuple):
    """Where one object lies."""

    offset: int
    length: int
    special: bool
    """Whether there lies a header that says where the data are."""


class Found(NamedTuple):
    """Where many objects lie: an offset and a length of -1 where there is none, or it never got any bytes."""

    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]
    special: NDArray[np.bool_]


class File:
    """One file: its objects by tag and reference number."""

    def __init__(self, url: str, size: int, table: NDArray[Any]) -> None:
        self.url, self.size = url, size
        self.others: dict[str, Target] = {}
        """What is known of other files that hold its data, by URL."""
        tags = table["tag"].astype(np.int64)
        special = ((tags & _SPECIAL) != 0) & ((tags & _EXTENDED) == 0)
        tags[special] &= ~_SPECIAL
        # sorted by key, and by place in the file where a key stands twice: then the first counts
        order = np.sort((((tags << 16) | table["ref"]) << 31) | np.arange(len(table)))
        keys, rows = order >> 31, order & 0x7FFFFFFF
        first = np.ones(len(keys), np.bool_)
        first[1:] = keys[1:] != keys[:-1]
        self._keys, self._rows = keys[first], rows[first]
        self._offsets = table["offset"].astype(np.int64)[self._rows]
        self._lengths = table["length"].astype(np.int64)[self._rows]
        self._special = special[self._rows]

    def find(self, key: Key) -> Entry | None:
        """The entry of an object; None where there is none, or it never got any bytes."""
        row = self._row(key)
        if row is None:
            return None
        entry = Entry(int(self._offsets[row]), int(self._lengths[row]), bool(self._special[row]))
        return entry if entry.offset >= 0 and entry.length > 0 else None

    def knows(self, key: Key) -> bool:
        """Whether the object is listed, be it without bytes."""
        return self._row(key) is not None

    def _row(self, key: Key) -> int | None:
        wanted = key[0] << 16 | key[1]
        row = int(self._keys.searchsorted(wanted))
        return row if row < len(self._keys) and self._keys[row] == wanted else None

    def refs(self, tag: int) -> list[int]:
        """The reference numbers of all objects of a tag, in the order of the file."""
        low, high = np.searchsorted(self._keys, [tag << 16, (tag + 1) << 16])
        order = np.argsort(self._rows[low:high])
        found: list[int] = (self._keys[low:high][order] & 0xFFFF).tolist()
        return found

    def lookup(self, tags: NDArray[Any] | int, refs: NDArray[Any]) -> Found:
        """Where many objects lie."""
        if not len(self._keys):
            nothing = np.full(len(refs), -1)
            return Found(nothing, nothing, np.zeros(len(refs), np.bool_))
        keys = (np.asarray(tags, np.int64) << 16) | refs.astype(np.int64)
        rows = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        offsets, lengths = self._offsets[rows], self._lengths[rows]
        there = (self._keys[rows] == keys) & (offsets >= 0) & (lengths > 0)
        return Found(np.where(there, offsets, -1), np.where(there, lengths, -1), self._special[rows] & there)

    def span(self, offset: int, length: int) -> Span:
        """A request for bytes of the file."""
        return Span(offset, length, length)

    def error(self, message: str, offset: int | None = None) -> FormatError:
        """What to raise about the file."""
        return FormatError(message, url=self.url, offset=offset)


def open_file(source: Source) -> Parser[File]:
    """Read all data descriptors. Raises FormatError for a chain that comes back to itself."""
    url, size = source.url, source.size()
    head = yield Span(0, 10, 10)
    if bytes(head[:4]) != MAGIC:
        raise FormatError(f"expected an HDF4 file, it begins with {bytes(head[:4])!r}", url=url, offset=0)
    if size <= _FETCHED_WHOLE:
        yield Hint([Span(0, size, size)])
    blocks = yield from _chain(url, size)
    table = np.frombuffer(b"".join(blocks), _ENTRY)
    return File(url, size, table[(table["tag"] != NULL) & (table["tag"] != NO_TAG)])


def _chain(url: str, size: int) -> Parser[list[memoryview]]:
    """The entries of every block. Blocks lie anywhere, so windows are read that hold several of them."""
    blocks, seen, left = list[memoryview](), set[int](), size
    start, window, place, wanted = 0, memoryview(b""), len(MAGIC), 0
    while place:
        if place in seen:
            raise FormatError("the chain of data descriptor blocks comes back to itself", url=url, offset=place)
        seen.add(place)
        at = place - start
        if not 0 <= at <= len(window) - _HEAD:
            wanted = _window(place - start, wanted)
            start, window = place, (yield Span(place, _HEAD, wanted))  # shorter where a part of it is held already
            at = 0
        count, following = int.from_bytes(window[at : at + 2], "big"), int.from_bytes(window[at + 2 : at + 6], "big")
        at += _HEAD
        block = window[at : at + 12 * count]
        if len(block) < 12 * count:
            block = yield Span(place + _HEAD, 12 * count, 12 * count)
        left -= 12 * count
        if left < 0:
            raise FormatError("blocks of data descriptors lie over one another", url=url, offset=place)
        blocks.append(block)
        place = following
    return blocks


def _window(distance: int, last: int) -> int:
    """How much to read at a block that is so far behind the last window, which was so long."""
    if not 0 < distance <= _LONGEST_WINDOW:
        return _SHORTEST_WINDOW
    return max(_SHORTEST_WINDOW, min(_LONGEST_WINDOW, _HOPS * distance if distance > 2 * last else 2 * last))
