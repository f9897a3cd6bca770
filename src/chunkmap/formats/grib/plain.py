"""Messages that are as most are: one field, and all that is said of it in bytes that are held already.

A file has thousands of them, and each takes a few microseconds here. What is not plain, or not sound, is nothing here:
`chunkmap.formats.grib.sections` takes what it needs of such a message piece by piece, and says what is wrong with it.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from chunkmap.formats.grib.fields import Field

__all__ = ["HEAD_OF_BITMAP_1", "HEAD_OF_DATA_1", "LEAST_1", "LEAST_2", "Plain", "needs_double", "needs_double_1"]

LEAST_2: Final = {1: 21, 3: 14, 4: 11, 5: 11}
"""Sections that each field must have, and the least bytes in which they say what it is."""
LEAST_1: Final = {1: 28, 2: 6, 3: 6, 4: 11}
"""The same of edition 1, where only the first and the last must be there."""
HEAD_OF_BITMAP_1, HEAD_OF_DATA_1 = 6, 16
"""As much of these sections is looked at, in edition 1."""

_MAGIC: Final = b"GRIB"
_LENGTH: Final = Struct(">Q")
_SECTION: Final = Struct(">IB")
_SHORTEST_1: Final = 8 + LEAST_1[1] + LEAST_1[4] + 4
_BITMAP_BEFORE: Final = 254
_IEEE, _RUN_LENGTH = 4, 200
_SINGLE_BITS: Final = 24


class Plain:
    """Reads plain messages, one after the other."""

    __slots__ = ("_before", "_known", "_three")

    def __init__(self, before: list[bytes]) -> None:
        self._before = before
        """The sections that came last, by number: what comes again is held once."""
        self._known, self._three = b"", [b""] * 3
        """Sections 1 to 3 as a message of edition 2 had them, in one piece and apart; the next mostly has the same."""

    def field(self, held: bytes, at: int, place: int, room: int) -> Field | None:
        """The field of the message that is at `at` in what is held, and at `place` in a file with `room` bytes from
        there on; None of any other. Where the message ends has to be looked at, if it is not held.
        """
        if held[at : at + 4] != _MAGIC or len(held) < at + 16:
            return None
        if held[at + 7] == 2:
            length = _LENGTH.unpack_from(held, at + 8)[0]
            return self._of_edition_2(held, at, place, length) if length <= room else None
        if held[at + 7] == 1 and held[at + 4] < 0x80:
            length = int.from_bytes(held[at + 4 : at + 7], "big")
            return self._of_edition_1(held, at, place, length) if _SHORTEST_1 <= length <= room else None
        return None

    def _again(self, number: int, section: bytes) -> bytes:
        """A section to be kept: that of the message before where it says the same, as grids mostly do."""
        if section != self._before[number]:
            self._before[number] = section
        return self._before[number]

    def _of_edition_2(self, held: bytes, at: int, place: int, length: int) -> Field | None:
        (_, one, two, three, four, five), six = self._sections(held, at + 16)
        if len(one) < LEAST_2[1] or len(three) < LEAST_2[3] or len(four) < LEAST_2[4] or len(five) < LEAST_2[5]:
            return None
        if six > len(held) - 6 or held[six + 5] == _BITMAP_BEFORE:
            return None
        bitmap = held[six + 5] < _BITMAP_BEFORE
        size, number = _SECTION.unpack_from(held, six)
        seven = six + size
        if number != 6 or size < 6 or seven > len(held) - _SECTION.size:
            return None
        size, number = _SECTION.unpack_from(held, seven)
        if number != 7 or size < _SECTION.size or seven - at + size != length - 4:
            return None
        said = (self._again(0, held[at : at + 8]), one, two, three, four, bitmap, needs_double(five), hash(five))
        return Field(place, place + length, 0, 2, *said)

    def _sections(self, held: bytes, start: int) -> tuple[list[bytes], int]:
        """Sections 1 to 5 by number, of which some may not be there, and where they end."""
        first, last, sections = start, 0, [b""] * 6
        if self._known and held[start : start + len(self._known)] == self._known:
            sections[1:4], start, last = self._three, start + len(self._known), 3
        while start <= len(held) - _SECTION.size:
            size, number = _SECTION.unpack_from(held, start)
            if not last < number < 6 or size < _SECTION.size:
                break
            sections[number] = self._again(number, held[start : start + size])
            start, last = start + size, number
            if number == 3 and start <= len(held):
                self._known, self._three = held[first:start], sections[1:4]
        return sections, start

    def _of_edition_1(self, held: bytes, at: int, place: int, length: int) -> Field | None:
        start, flags, found = 8, held[at + 15], list[bytes]()
        for number, there in ((1, True), (2, flags & 0x80), (3, flags & 0x40)):
            if not there:
                found.append(b"")
                continue
            begin = at + start
            size = int.from_bytes(held[begin : begin + 3], "big")
            kept = HEAD_OF_BITMAP_1 if number == 3 else size
            if size < LEAST_1[number] or start + size > length - 4 - LEAST_1[4] or begin + kept > len(held):
                return None
            found.append(self._again(number, held[begin : begin + kept]))
            start += size
        head = min(HEAD_OF_DATA_1, length - 4 - start)
        packing = held[at + start : at + start + head]
        if len(packing) < head:
            return None
        product, grid, bitmap = found
        said = (b"", b"", b"", grid, product, bool(bitmap), needs_double_1(packing), hash(packing))
        return Field(place, place + length, 0, 1, *said)


def needs_double(packing: bytes) -> bool:
    """Whether section 5 of edition 2 packs values in more bits than a float32 has."""
    template = packing[9] << 8 | packing[10]
    if template == _IEEE:
        return packing[11:12] != b"\x01"
    return template != _RUN_LENGTH and len(packing) > 19 and packing[19] > _SINGLE_BITS


def needs_double_1(packing: bytes) -> bool:
    """The same of the head of section 4 of edition 1."""
    return len(packing) > 10 and packing[10] > _SINGLE_BITS
