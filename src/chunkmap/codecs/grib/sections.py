"""The sections of one GRIB message, told apart by their lengths, each of which is made sure of.

WMO Manual on Codes, FM 92 GRIB. What eccodes is given went through here: it believes the lengths that a message says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from typing import Final

from chunkmap.errors import FormatError

__all__ = ["Sections", "one_field", "split"]

_SECTION: Final = Struct(">IB")
_LENGTH: Final = Struct(">Q")
_END: Final = b"7777"
_AS_BEFORE: Final = 254
_STEP_1: Final = 120
"""Long messages of edition 1 count their length in steps of so many bytes."""
_LONG_1: Final = 0x800000
_SECTIONS_1: Final = ((1, 0, 28), (2, 0x80, 32), (3, 0x40, 6), (4, 0, 11))
"""Of edition 1: the number of each section, the flag that says that it is there, and its least length."""


@dataclass(frozen=True, slots=True)
class Sections:
    """The sections of a message of one field, by the numbers of their edition."""

    edition: int
    by_number: Mapping[int, bytes]

    def __getitem__(self, number: int) -> bytes:
        return self.by_number.get(number, b"")


def one_field(buf: bytes) -> bytes:
    """The message of one field: the first one of a whole message, else the last one of the beginning of a message.

    Raises FormatError where lengths do not fit.
    """
    if buf[:4] != b"GRIB" or len(buf) < 16:
        raise FormatError(f"expected a GRIB message, found {len(buf)} bytes that begin with {buf[:4]!r}")
    if buf[7] != 2:
        return buf[: _length_1(buf)]
    length = _LENGTH.unpack_from(buf, 8)[0]
    whole = len(buf) >= length
    sections: dict[int, bytes] = {}
    place, bitmap, end = 16, b"", length - len(_END) if whole else len(buf)
    while place < end:
        size, number = _section(buf, place, end)
        sections[number] = buf[place : place + size]
        if number == 6:
            bitmap = sections[6] = bitmap if sections[6][5:6] == bytes([_AS_BEFORE]) else sections[6]
        place += size
        if whole and number == 7:
            break
    if whole and place == end:
        return buf[:length]
    body = b"".join(sections[number] for number in sorted(sections)) + _END
    return buf[:8] + _LENGTH.pack(16 + len(body)) + body


def split(message: bytes) -> Sections:
    """The sections of a message of one field. Raises FormatError where they are not those that it must have."""
    if message[:4] != b"GRIB" or len(message) < 16 or message[-4:] != _END:
        raise FormatError(f"expected a whole GRIB message, found {len(message)} bytes")
    return Sections(1, _split_1(message)) if message[7] == 1 else Sections(2, _split_2(message))


def _split_2(message: bytes) -> dict[int, bytes]:
    if message[7] != 2 or _LENGTH.unpack_from(message, 8)[0] != len(message):
        raise FormatError(f"expected a message of edition 1 or 2 of {len(message)} bytes, it says something else")
    found: dict[int, bytes] = {}
    place, end, last = 16, len(message) - len(_END), 0
    while place < end:
        size, number = _section(message, place, end)
        if number <= last:
            raise FormatError(f"section {number} at byte {place} of a message, behind section {last}")
        found[number] = message[place : place + size]
        place, last = place + size, number
    for number, least in ((1, 21), (3, 15), (4, 11), (5, 11), (6, 6), (7, 5)):
        if len(found.get(number, b"")) < least:
            raise FormatError(f"a field with {len(found.get(number, b''))} bytes of section {number}, not {least}")
    return found


def _section(message: bytes, place: int, end: int) -> tuple[int, int]:
    if place + _SECTION.size > end:
        raise FormatError(f"{end - place} bytes at byte {place} of a message are no section")
    size, number = _SECTION.unpack_from(message, place)
    if not _SECTION.size + (number == 6) <= size <= end - place or not 1 <= number <= 7:
        raise FormatError(f"section {number} of {size} bytes does not fit {end} bytes at byte {place}")
    return size, number


def _split_1(message: bytes) -> dict[int, bytes]:
    if _length_1(message) != len(message):
        raise FormatError(f"a message of edition 1 of {len(message)} bytes says that it has {_length_1(message)}")
    found: dict[int, bytes] = {}
    place, end, flags = 8, len(message) - len(_END), message[15]
    for number, flag, least in _SECTIONS_1:
        if flag and not flags & flag:
            continue
        size = end - place if number == 4 else int.from_bytes(message[place : place + 3], "big")
        if size < least or place + size > end:
            raise FormatError(f"section {number} of {size} bytes does not fit {end} bytes at byte {place}")
        found[number] = message[place : place + size]
        place += size
    said = int.from_bytes(found[4][:3], "big")
    if said > len(found[4]):
        raise FormatError(f"a section of values of {len(found[4])} bytes says that it has {said}")
    return found


def _length_1(message: bytes) -> int:
    """The length that a message of edition 1 says: of long ones, section 4 says what the last step has too much."""
    length = int.from_bytes(message[4:7], "big")
    if not length & _LONG_1:
        return length
    place = 8
    for flag in (0, 0x80, 0x40):
        if not flag or message[15] & flag:
            place += int.from_bytes(message[place : place + 3], "big")
    beyond = int.from_bytes(message[place : place + 3], "big")
    return (length & ~_LONG_1) * _STEP_1 - beyond + 4 if beyond < _STEP_1 else length
