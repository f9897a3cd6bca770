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

__all__ = ["MAGIC", "Entry", "File", "Key", "open_file"]

MAGIC: Final = b"\x0e\x03\x13\x01"

NULL, NO_TAG = 1, 0
_SPECIAL, _EXTENDED = 0x4000, 0x8000
_ENTRY: Final = np.dtype([("tag", ">u2"), ("ref", ">u2"), ("offset", ">i4"), ("length", ">i4")])
_READ_AHEAD: Final = 8 << 10
_MOST_HOPS: Final = 16
"""Blocks that may be followed one by one before a file is fetched whole."""
_WHOLE: Final = 128 << 20
"""A file not longer than this is fetched whole when its chain is long: 16 round trips cost as much."""

Key = tuple[int, int]
"""Tag and reference number: the name of an object of a file."""


class Entry(NamedTuple):
    """Where one object lies."""

    offset: int
    length: int
    special: bool
    """Whether there lies a header that says where the data are."""


class File:
    """One file: its objects by tag and reference number."""

    def __init__(self, url: str, size: int, table: NDArray[Any]) -> None:
        self.url, self.size = url, size
        self.others: dict[str, Target] = {}
        """What is known of other files that hold its data, by URL."""
        tags = table["tag"].astype(np.int64)
        special = ((tags & _SPECIAL) != 0) & ((tags & _EXTENDED) == 0)
        tags[special] &= ~_SPECIAL
        keys = (tags << 16) | table["ref"]
        keys, first = np.unique(keys, return_index=True)
        self._keys = keys
        self._offsets = table["offset"].astype(np.int64)[first]
        self._lengths = table["length"].astype(np.int64)[first]
        self._special = special[first]
        self._order = first
        self._rows = dict(zip(keys.tolist(), range(len(keys)), strict=True))

    def find(self, key: Key) -> Entry | None:
        """The entry of an object; None where there is none, or it never got any bytes."""
        row = self._rows.get(key[0] << 16 | key[1])
        if row is None:
            return None
        entry = Entry(int(self._offsets[row]), int(self._lengths[row]), bool(self._special[row]))
        return entry if entry.offset >= 0 and entry.length > 0 else None

    def knows(self, key: Key) -> bool:
        """Whether the object is listed, be it without bytes."""
        return key[0] << 16 | key[1] in self._rows

    def refs(self, tag: int) -> list[int]:
        """The reference numbers of all objects of a tag, in the order of the file."""
        low, high = np.searchsorted(self._keys, [tag << 16, (tag + 1) << 16])
        order = np.argsort(self._order[low:high], kind="stable")
        found: list[int] = (self._keys[low:high][order] & 0xFFFF).tolist()
        return found

    def lookup(self, tags: NDArray[Any], refs: NDArray[Any]) -> tuple[NDArray[np.int64], ...]:
        """Of many objects at once the offset, the length and whether they are special; -1 where there is none."""
        keys = (tags.astype(np.int64) << 16) | refs.astype(np.int64)
        rows = np.minimum(np.searchsorted(self._keys, keys), max(len(self._keys) - 1, 0))
        there = (self._keys[rows] == keys) & (self._offsets[rows] >= 0) & (self._lengths[rows] > 0)
        return (
            np.where(there, self._offsets[rows], -1),
            np.where(there, self._lengths[rows], -1),
            np.where(there, self._special[rows], False).astype(np.int64),
        )

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
    tables, seen, place = list[NDArray[Any]](), set[int](), 4
    while place:
        if place in seen:
            raise FormatError("the chain of data descriptor blocks comes back to itself", url=url, offset=place)
        seen.add(place)
        if len(seen) == _MOST_HOPS and size <= _WHOLE:
            yield Hint([Span(0, size, size)])
        block = yield Span(place, 6, _READ_AHEAD)
        count, following = int.from_bytes(block[:2], "big"), int.from_bytes(block[2:6], "big")
        if len(block) < 6 + 12 * count:
            block = yield Span(place, 6 + 12 * count, 6 + 12 * count)
        tables.append(np.frombuffer(block[6 : 6 + 12 * count], _ENTRY))
        place = following
    table = np.concatenate(tables)
    return File(url, size, table[(table["tag"] != NULL) & (table["tag"] != NO_TAG)])
