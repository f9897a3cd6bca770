"""The walk: from the bytes of a file to its fields, by the lengths that messages and sections say.

WMO Manual on Codes, FM 92 GRIB (https://codes.wmo.int/grib2, https://codes.wmo.int/306). A file is messages of either
edition, with anything at all before, between and after them: bulletin headers, padding, junk. A message of edition 2
may repeat its sections 2 to 7, 3 to 7 or 4 to 7: each section 7 closes one field, which takes every section that it
does not repeat from the field before.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from struct import Struct
from typing import Any, Final, NamedTuple

from chunkmap.formats.grib.fields import Field, Fields, Steps
from chunkmap.formats.grib.plain import (
    HEAD_OF_BITMAP_1,
    HEAD_OF_DATA_1,
    LEAST_1,
    LEAST_2,
    Plain,
    needs_double,
    needs_double_1,
)
from chunkmap.io.rounds import Parser, Span
from chunkmap.io.source import Source
from chunkmap.model import Problem

__all__ = ["AHEAD", "Walked", "steps", "walk", "walked"]

_MAGIC: Final = b"GRIB"
_END: Final = b"7777"
AHEAD: Final = 4 << 10
"""Bytes asked for at the head of a message: its sections 0 to 6 without a bitmap mostly lie in them."""
_LARGEST_WINDOW: Final = 1 << 20
"""Most bytes searched at once for the next message."""
_MOST_PROBLEMS: Final = 20
_SHORTEST: Final = {1: 8 + LEAST_1[1] + LEAST_1[4] + 4, 2: 16 + 4}
_SECTION: Final = Struct(">IB")
_BITMAP_BEFORE: Final = 254
_MOST_HELD: Final = 16 << 10
"""Bytes in which messages are looked for one after the other, without asking for each."""


class Walked(NamedTuple):
    """All fields of a file that nobody took while it was walked through, in the order of its bytes."""

    fields: Fields
    problems: list[Problem]


class _Broken(Exception):
    """Bytes that begin as a message are none: why, and how many of them are known to be the start of no other."""

    def __init__(self, why: str, known: int = len(_MAGIC)) -> None:
        super().__init__(why)
        self.known = known


def walk(source: Source, taker: Callable[[Fields], None] | None = None) -> Parser[Walked]:
    """Every field of a file. What is no message is passed over; what began as one and is none is a problem.

    A `taker` is given fields on the way, so that not all of them are held; the last ones are returned.
    """
    return walked((yield from steps(0, source.size(), source.size(), found=Steps(taker))), source.url)


def steps(
    place: int, stop: int, size: int, *, ahead: int = AHEAD, most: int | None = None, found: Steps | None = None
) -> Parser[Steps]:
    """The steps that begin from `place` on and before `stop`, at most so many, added to those that were `found`.

    `ahead` bytes are asked for at once.
    """
    found = Steps() if found is None else found
    before = [b""] * 8
    plain, held, start = Plain(before), b"", 0
    while place < stop and size - place >= _SHORTEST[2] and (most is None or len(found) < most):
        field = plain.field(held, place - start, place, size - place)
        if field is None or field.stop > start + len(held):
            held, start = bytes((yield Span(place, 16, ahead))[:_MOST_HELD]), place
            field = plain.field(held, 0, place, size - place)
        if field is not None and (yield from _is_whole(field, held, start)):
            found.add(place, field.stop, (field,))
        elif held[place - start : place - start + 4] == _MAGIC:
            try:
                after, fields = yield from _message(place, size, (yield Span(place, 16, ahead)), before)
                found.add(place, after, fields)
            except _Broken as error:
                found.add(place, place + error.known, why=str(error))
        else:
            place = yield from _next_magic(place, size, stop, ahead)
            continue
        place = found.after
    if stop == size and len(_MAGIC) <= size - place < _SHORTEST[2]:
        begun = place + bytes((yield Span(place, size - place, size - place))).find(_MAGIC)
        if begun >= place:
            found.add(begun, size, why=f"the file ends after {size - begun} bytes of a message")
    return found


def _is_whole(field: Field, held: bytes, start: int) -> Parser[bool]:
    """Whether a message ends as one does; `held` are bytes from `start` on."""
    end = field.stop - len(_END)
    if field.stop <= start + len(held):
        return held[end - start : field.stop - start] == _END
    return bytes((yield Span(end, len(_END), AHEAD))[: len(_END)]) == _END


def walked(found: Steps, url: str) -> Walked:
    """The fields of some steps, and what to say of those that were none."""
    return Walked(found.fields, _problems(found, url))


def _problems(found: Steps, url: str) -> list[Problem]:
    """What to say of bytes that began as messages: of many, of the first ones."""
    said = sorted(found.why.items())[:_MOST_PROBLEMS]
    problems = [Problem("", "damaged message", f"at byte {place}: {why}; passed over", url) for place, why in said]
    if found.broken > len(said):
        more = f"{found.broken - len(said)} more damaged messages were passed over"
        problems.append(Problem("", "damaged message", more, url))
    return problems


def _next_magic(place: int, size: int, stop: int, ahead: int) -> Parser[int]:
    """Where the next message may begin, or the end of the file; not far beyond `stop`."""
    while place < stop and size - place >= len(_MAGIC):
        window = bytes((yield Span(place, len(_MAGIC), ahead)))
        found = window.find(_MAGIC)
        if found >= 0:
            return place + found
        place += len(window) - len(_MAGIC) + 1
        ahead = min(2 * ahead, _LARGEST_WINDOW)
    return max(place, stop)


def _message(place: int, size: int, head: memoryview, before: list[bytes]) -> Parser[tuple[int, list[Field]]]:
    """The end of the message that begins at `place`, and its fields; `before` are the sections that came last."""
    edition = head[7]
    if edition not in _SHORTEST:
        raise _Broken(f"expected GRIB edition 1 or 2, found {edition}")
    reader = _Reader(place, head, before)
    length = (yield from _length_of_edition_1(reader, size)) if edition == 1 else int.from_bytes(head[8:16], "big")
    if length < _SHORTEST[edition]:
        raise _Broken(f"a message of {length} bytes is none")
    if length > size - place:
        raise _Broken(f"the message has {length} bytes, but the file ends after {size - place}: it is cut short")
    if bytes((yield Span(place + length - 4, 4, AHEAD))[:4]) != _END:
        raise _Broken(f"expected {_END!r} at the end of a message of {length} bytes")
    sections = _fields_1 if edition == 1 else _fields_2
    return place + length, (yield from sections(reader, length))


class _Reader:
    """The bytes of one message, of which as much is asked for as is likely to be needed next."""

    def __init__(self, start: int, held: memoryview, before: list[bytes]) -> None:
        self.start = start
        self._held, self._at, self._before = held, 0, before

    def section(self, number: int, offset: int, length: int) -> Generator[Any, Any, bytes]:
        """A section to be kept: that of the message before where it says the same, as grids mostly do."""
        held = yield from self.take(offset, length)
        if held != self._before[number]:
            self._before[number] = bytes(held)
        return self._before[number]

    def take(self, offset: int, length: int) -> Generator[Any, Any, memoryview]:
        """Bytes of the message."""
        begin = offset - self._at
        if begin < 0 or begin + length > len(self._held):
            self._held = yield Span(self.start + offset, length, max(length, AHEAD))
            self._at, begin = offset, 0
        return self._held[begin : begin + length]


def _length_of_edition_1(reader: _Reader, size: int) -> Parser[int]:
    """The length that section 0 says, or that it says in steps of 120 bytes, as ECMWF writes long messages.

    Of these, section 4 says how many bytes the last step has too many.
    """
    length = int.from_bytes((yield from reader.take(4, 3)), "big")
    if not length & 0x800000:
        return length
    steps = (length & 0x7FFFFF) * 120
    data = 8
    for flag in (0, 0x80, 0x40):
        if not flag or (yield from reader.take(8 + 7, 1))[0] & flag:
            if reader.start + data + 8 > size:
                return length
            data += int.from_bytes((yield from reader.take(data, 3)), "big")
    if reader.start + data + 8 > size:
        return length
    beyond = int.from_bytes((yield from reader.take(data, 3)), "big")
    return steps - beyond + 4 if beyond < 120 else length


def _fields_1(reader: _Reader, length: int) -> Parser[list[Field]]:
    """The one field of a message of edition 1. Section 4 is what lies before the end, whatever it says."""
    place, found = 8, list[bytes]()
    flags = (yield from reader.take(8 + 7, 1))[0]
    for number, there in ((1, True), (2, flags & 0x80), (3, flags & 0x40)):
        if not there:
            found.append(b"")
            continue
        section = int.from_bytes((yield from reader.take(place, 3)), "big")
        if section < LEAST_1[number] or place + section > length - 4 - LEAST_1[4]:
            raise _Broken(f"section {number} of {section} bytes does not fit a message of {length}")
        found.append((yield from reader.section(number, place, HEAD_OF_BITMAP_1 if number == 3 else section)))
        place += section
    packing = bytes((yield from reader.take(place, min(HEAD_OF_DATA_1, length - 4 - place))))
    product, grid, bitmap = found
    said = (b"", b"", b"", grid, product, bool(bitmap), needs_double_1(packing), hash(packing))
    return [Field(reader.start, reader.start + length, 0, 1, *said)]


def _fields_2(reader: _Reader, length: int) -> Parser[list[Field]]:
    """The fields of a message of edition 2."""
    indicator = bytes((yield from reader.take(0, 8)))
    sections = [b""] * 8
    found: list[Field] = []
    place, last, bitmap, before = 16, 0, False, False
    while place < length - 4:
        size, number = yield from _section(reader, place, length, last)
        if number < 6:
            sections[number] = yield from reader.section(number, place, size)
        elif number == 6:
            indicated = (yield from reader.take(place, 6))[5]
            before = before or indicated < _BITMAP_BEFORE
            bitmap = before if indicated == _BITMAP_BEFORE else indicated < _BITMAP_BEFORE
        else:
            _check_whole(sections, place)
            stop, number_of_field, (one, two, three, four, five) = (
                reader.start + place + size,
                len(found),
                sections[1:6],
            )
            said = one, two, three, four, bitmap, needs_double(five), hash(five)
            found.append(Field(reader.start, stop, number_of_field, 2, indicator, *said))
        place += size
        last = number if number < 7 else 1
    if last != 1 or not found:
        raise _Broken(f"the message ends with section {last}, without data of its own", place)
    return [found[0]._replace(stop=reader.start + length)] if len(found) == 1 else found


def _section(reader: _Reader, place: int, length: int, last: int) -> Generator[Any, Any, tuple[int, int]]:
    """Length and number of the section at `place`, behind one of number `last`: numbers rise until data end a field."""
    if place + _SECTION.size > length - 4:
        raise _Broken(f"{length - 4 - place} bytes at byte {place} are no section", place)
    size, number = _SECTION.unpack((yield from reader.take(place, _SECTION.size)))
    least = 6 if number == 6 else _SECTION.size
    if not last < number <= 7 or size < least or place + size > length - 4:
        raise _Broken(f"no section {number} of {size} bytes fits at byte {place} of a message of {length}", place)
    return size, number


def _check_whole(sections: Sequence[bytes], place: int) -> None:
    """Each section that a field must have is there, and long enough to say what it is."""
    for number, least in LEAST_2.items():
        if len(sections[number]) < least:
            found = len(sections[number])
            raise _Broken(f"a field with {found} bytes of section {number}, expected at least {least}", place)
