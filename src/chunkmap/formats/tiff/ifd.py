"""Image file directories: the header of a TIFF or BigTIFF, and every directory that can be reached from it.

TIFF 6.0 section 2; BigTIFF: https://libtiff.gitlab.io/libtiff/specification/bigtiff.html. A directory leads to the
next one, so a walk waits for the network once a directory at worst. Two habits of writers make that rare: a
cloud-optimised file has all its directories before its data, each followed by its arrays of offsets, so that much
is read ahead as the next ones will need; and directories of equal pages stand at equal distances.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import FormatError
from chunkmap.formats.tiff import tags
from chunkmap.io.rounds import Hint, Parser, Span, Together
from chunkmap.io.source import Source

__all__ = ["DTYPES", "Directory", "Entry", "TiffFile", "read_directories"]

_TYPES: Final[Mapping[int, str]] = {
    1: "u1",  # BYTE
    2: "S1",  # ASCII
    3: "u2",  # SHORT
    4: "u4",  # LONG
    5: "2u4",  # RATIONAL
    6: "i1",  # SBYTE
    7: "V1",  # UNDEFINED
    8: "i2",  # SSHORT
    9: "i4",  # SLONG
    10: "2i4",  # SRATIONAL
    11: "f4",  # FLOAT
    12: "f8",  # DOUBLE
    13: "u4",  # IFD
    16: "u8",  # LONG8
    17: "i8",  # SLONG8
    18: "u8",  # IFD8
}
_SIZES: Final = {number: np.dtype(text).itemsize for number, text in _TYPES.items()}
DTYPES: Final[Mapping[str, Mapping[int, np.dtype[Any]]]] = {
    order: {number: np.dtype(text).newbyteorder(order) for number, text in _TYPES.items()} for order in ("<", ">")
}
"""Byte order -> type of values by its number."""

_NOTHING: Final[NDArray[Any]] = np.empty(0, np.uint64)

_ORDERS: Final[Mapping[bytes, Literal["<", ">"]]] = {b"II": "<", b"MM": ">"}
_AHEAD: Final = 4 << 10
_MOST_VALUES: Final = 64 << 20
_MOST_ALIKE: Final = 256
_DEEPEST: Final = 4
_MOST_HINTS: Final = 1024
_LEAST: Final = 512
"""Bytes at hand from a directory on with which it is worth beginning: mostly they are all of it."""


class Entry(NamedTuple):
    """One tag of a directory: the bytes of its values, as they stand in the file."""

    kind: int
    """The number that TIFF has for its type."""
    dtype: np.dtype[Any]
    """Type of a value."""
    data: memoryview | bytes
    """The values."""
    offset: int
    """Where they stand in the file; 0 where that is inside the entry."""

    @property
    def length(self) -> int:
        """How many values there are."""
        return len(self.data) // self.dtype.itemsize

    def numbers(self) -> NDArray[Any]:
        """The values."""
        return np.frombuffer(self.data, self.dtype)

    def with_data(self, data: memoryview | bytes) -> Entry:
        """The same entry with its values, which stood elsewhere."""
        kind, dtype, _, offset = self
        return tuple.__new__(Entry, (kind, dtype, data, offset))  # half the time of the class itself: it is hot

    def is_one_value(self) -> bool:
        """Whether all values are the same."""
        first = bytes(self.data[: self.dtype.itemsize])
        return bytes(self.data) == first * (len(self.data) // len(first))

    def text(self) -> str:
        """The values as text, up to the first NUL."""
        raw = bytes(self.data).partition(b"\0")[0]
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return raw.decode("latin-1")


@dataclass(slots=True)
class Directory:
    """One image file directory."""

    url: str
    """The file."""
    offset: int
    """Where it begins."""
    order: Literal["<", ">"]
    """The byte order."""
    entries: dict[int, Entry]
    """Tag -> values, of the tags that are wanted."""
    said: bytes = b""
    """Its bytes, without where strips or tiles are: equal for directories that say the same."""
    longer: tuple[int, ...] = ()
    """Tags whose values are not among these bytes, nor say where strips or tiles are."""
    children: list[Directory] = field(default_factory=list)
    """The directories of its tag SubIFDs."""

    def __contains__(self, tag: int) -> bool:
        return tag in self.entries

    def numbers(self, tag: int) -> NDArray[Any]:
        """The values of a tag; none where it is not there."""
        entry = self.entries.get(tag)
        if entry is None:
            return _NOTHING
        found = entry.numbers()
        if found.dtype.kind not in "uif" or found.ndim > 1:
            raise self.wrong(f"expected numbers in tag {tag}, found values of type {found.dtype}")
        return found

    def number(self, tag: int, default: int) -> int:
        """The first value of a tag, a whole number."""
        entry = self.entries.get(tag)
        if entry is None:
            return default
        kind = entry.dtype.kind
        if kind not in "ui":
            raise self.wrong(f"expected a whole number in tag {tag}, found {self.numbers(tag)[0]}")
        order: Literal["little", "big"] = "little" if self.order == "<" else "big"
        return int.from_bytes(entry.data[: entry.dtype.itemsize], order, signed=kind == "i")

    def text(self, tag: int) -> str | None:
        """The text of a tag; None where it is not there, or is no text."""
        entry = self.entries.get(tag)
        return entry.text() if entry is not None and entry.dtype.itemsize == 1 else None

    def wrong(self, message: str) -> FormatError:
        """What to raise about this directory."""
        return FormatError(f"image file directory: {message}", url=self.url, offset=self.offset)


@dataclass(slots=True)
class TiffFile:
    """A file under way: what its header says, and which of its bytes have been visited."""

    url: str
    """The file."""
    size: int
    """Its length."""
    order: Literal["<", ">"]
    """The byte order."""
    big: bool
    """Whether it is a BigTIFF."""
    visited: set[int] = field(default_factory=set)
    """Where directories stand that were read."""
    spent: int = 0
    """Bytes of directories and of values, to refuse files in which all of them overlap."""

    def visit(self, offset: int) -> None:
        """Refuse a circle."""
        if offset in self.visited:
            raise FormatError("image file directories lead in a circle", url=self.url, offset=offset)
        self.visited.add(offset)

    def spend(self, nbytes: int, offset: int) -> None:
        """Refuse directories that ask for more bytes than a file of honest ones holds."""
        self.spent += nbytes
        if self.spent > 4 * self.size + _MOST_VALUES:
            raise FormatError(
                f"its directories ask for {self.spent} bytes of values, but the file has only {self.size}",
                url=self.url,
                offset=offset,
            )


def read_directories(source: Source) -> Parser[list[Directory]]:
    """Every directory of the main chain, each with its SubIFDs. Raises FormatError for what is no TIFF."""
    head = yield Span(0, 8, 16)
    order = _ORDERS.get(bytes(head[:2]))
    version = struct.unpack_from(f"{order}H", head, 2)[0] if order else None
    if order is None or version not in (42, 43):
        raise FormatError(
            f"expected a TIFF file (II or MM, 42 or 43), it begins with {bytes(head[:4])!r}", url=source.url
        )
    file = TiffFile(source.url, source.size(), order, version == 43)
    if file.big:
        head = yield Span(0, 16, 16)
        width, zero, first = struct.unpack_from(f"{order}HHQ", head, 4)
        if (width, zero) != (8, 0):
            raise FormatError(f"expected offsets of 8 bytes in a BigTIFF, found {width}", url=source.url, offset=4)
    else:
        (first,) = struct.unpack_from(f"{order}I", head, 4)
    if not first:
        raise FormatError("expected an image file directory, there is none", url=source.url, offset=4)
    directories: list[Directory] = yield from _chain(file, first)
    yield from _children(file, directories, _DEEPEST)
    return directories


def _children(file: TiffFile, parents: list[Directory], depth: int) -> Parser[None]:
    """Read the SubIFDs of directories, all of one level in the same rounds."""
    owners = [(p, int(n)) for p in parents for n in p.numbers(tags.SUB_IFDS).tolist() if n]
    if not owners:
        return
    if not depth:
        raise FormatError(f"expected SubIFDs nested {_DEEPEST} deep at most", url=file.url, offset=owners[0][1])
    found: list[Directory] = yield Together([_one(file, offset) for _, offset in owners])
    for (parent, _), child in zip(owners, found, strict=True):
        parent.children.append(child)
    yield from _children(file, found, depth - 1)


def _one(file: TiffFile, offset: int) -> Parser[Directory]:
    """One directory, without those that it leads to."""
    block = yield Span(offset, 2, _AHEAD)
    read = yield from _directory(file, offset, block)
    if read.elsewhere:
        yield from _values(read.directory, read.elsewhere)
    return read.directory


def _chain(file: TiffFile, first: int) -> Parser[list[Directory]]:
    """The directories from `first` on. Short values are fetched for all of them at the end."""
    found: list[Directory] = []
    short: list[Parser[None]] = []
    yield from _from(file, first, _AHEAD, (found, short, _Steps()))
    yield Together(short)
    return found


_Walk = tuple[list[Directory], list[Parser[None]], "_Steps"]
"""What was found of a chain, what is to be fetched at its end, and where its directories stood."""


def _from(file: TiffFile, offset: int, want: int, walk: _Walk) -> Parser[None]:
    """Append the directories from `offset` on. Long arrays of one are fetched beside the directories after it."""
    found, short, steps = walk
    block: Any = b""
    while offset:
        hints = steps.hints(offset)
        if hints:
            yield Hint(hints)
        if len(block) < _LEAST:
            block = yield Span(offset, 2, want)
        directory, block, elsewhere, ahead, following = yield from _directory(file, offset, block)
        found.append(directory)
        block = block[following - offset :] if following > offset else b""
        offset, want = following, _AHEAD
        if not elsewhere:
            continue
        if sum([span.need for span in elsewhere.values()]) > _AHEAD:
            yield Together([_values(directory, elsewhere), _from(file, offset, ahead, walk)])
            return
        short.append(_values(directory, elsewhere))


def _values(directory: Directory, spans: Mapping[int, Span]) -> Parser[None]:
    """Give the entries their values."""
    answers = yield list(spans.values())
    entries = directory.entries
    for (tag, span), data in zip(spans.items(), answers, strict=True):
        entries[tag] = entries[tag].with_data(data if len(data) == span.need else data[: span.need])


class _Steps:
    """Foresees where the next directories stand: those of equal pages stand at equal distances."""

    def __init__(self) -> None:
        self._last, self._step, self._equal, self._foreseen = 0, 0, 0, 0

    def hints(self, offset: int) -> list[Span]:
        """Where to look beside `offset`: twice as far each time that it came true."""
        step, self._last = offset - self._last, offset
        self._equal = self._equal + 1 if step == self._step else 0
        self._step = step
        if self._equal < 2:
            self._foreseen = 0
        if self._equal < max(2, self._foreseen):
            return []
        count = min(2 * self._equal, _MOST_HINTS)
        self._foreseen = self._equal + count
        return [Span(offset + number * step, 2, 512) for number in range(count + 1)]


def _read_ahead(spans: Mapping[int, Span]) -> int:
    """How many bytes the directories behind one with such arrays need: each overview has a quarter of the tiles."""
    large = sum(span.need for tag, span in spans.items() if tag in tags.LARGE)
    return _AHEAD + (large // 5 * 2 if large > _AHEAD else 0)


class _Form(NamedTuple):
    """How the directories of a file are written."""

    entries: struct.Struct
    """The number of entries."""
    entry: struct.Struct
    """Tag, type, count, and the bytes of the values or of their offset."""
    link: struct.Struct
    """An offset."""
    dtypes: Mapping[int, np.dtype[Any]]
    """Type of values by its number."""


_FORMS: Final = {
    (order, big): _Form(
        struct.Struct(order + ("Q" if big else "H")),
        struct.Struct(order + ("HHQ8s" if big else "HHI4s")),
        struct.Struct(order + ("Q" if big else "I")),
        DTYPES[order],
    )
    for order in "<>"
    for big in (False, True)
}


class _Read(NamedTuple):
    """A directory that was read."""

    directory: Directory
    """What it says, but for values that stand elsewhere."""
    block: memoryview
    """The bytes from its first one on that were at hand."""
    elsewhere: dict[int, Span]
    """Where the values of other tags stand."""
    ahead: int
    """How many bytes the directories behind it need."""
    following: int
    """Where the next one stands; 0 behind the last."""


def _directory(file: TiffFile, offset: int, block: Any) -> Parser[_Read]:
    """A directory, with those of its values that stand in the bytes at hand, as writers like to put them behind it."""
    file.visit(offset)
    form = _FORMS[file.order, file.big]
    before, after = form.entries.size, form.link.size
    if len(block) < before:
        block = yield Span(offset, before, before)
    (number,) = form.entries.unpack_from(block)
    length = before + number * form.entry.size + after
    file.spend(length, offset)
    if len(block) < length:
        block = yield Span(offset, length, length)
    read = _read_entries if length <= _AHEAD else _read_entries.__wrapped__
    alike, spans, asked, said, longer = read(file.order, file.big, bytes(block[before : length - after]))
    file.spend(asked, offset)
    (following,) = form.link.unpack_from(block, length - after)
    entries, elsewhere, size = dict(alike), {}, len(block)
    for tag, span in spans.items():
        place, nbytes = span.offset - offset, span.need
        if 0 <= place <= size - nbytes:
            entries[tag] = entries[tag].with_data(block[place : place + nbytes])
        else:
            elsewhere[tag] = span
    ahead = _read_ahead(spans) if elsewhere else _AHEAD
    directory = Directory(file.url, offset, file.order, entries, said, longer)
    return _Read(directory, block, elsewhere, ahead, following)


@lru_cache(_MOST_ALIKE)
def _read_entries(
    order: Literal["<", ">"], big: bool, raw: bytes
) -> tuple[Mapping[int, Entry], Mapping[int, Span], int, bytes, tuple[int, ...]]:
    """The entries of a directory, where the values are that are longer than an entry, and how many bytes they have;
    then `Directory.said` and `longer`.

    Files of a series often have the same, byte for byte: writers put the values of all of them at the same places.
    """
    form = _FORMS[order, big]
    entries: dict[int, Entry] = {}
    spans: dict[int, Span] = {}
    wanted, sizes, dtypes, least, asked = tags.WANTED, _SIZES, form.dtypes, form.link.size, 0
    said = bytearray(raw)
    for number, (tag, kind, count, own) in enumerate(form.entry.iter_unpack(raw), 1):
        if tag in tags.LARGE:
            said[number * form.entry.size - least : number * form.entry.size] = bytes(least)
        if tag not in wanted or kind not in sizes or tag in entries or not count:
            continue
        nbytes = count * sizes[kind]
        where = 0
        if nbytes > least:
            (where,) = form.link.unpack(own)
            asked += nbytes
            spans[tag] = Span(where, nbytes, nbytes)
        entries[tag] = Entry(kind, dtypes[kind], own[:nbytes], where)
    said += b"B" if big else b"C"
    return entries, spans, asked, order.encode() + said, tuple(tag for tag in spans if tag not in tags.LARGE)
