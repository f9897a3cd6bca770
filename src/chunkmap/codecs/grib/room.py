"""Whether sections of a GRIB message have room for what they count, before eccodes looks.

A section may count what it lists: members, intervals, bands; local definitions of centres do so in their own ways.
Where it is shorter than its lists eccodes takes the bytes behind it for the rest of them, loses its way, and may end
the process. So it is asked with zeros behind the message, where nothing ends: then what follows such a section is found
elsewhere than where it stands. What counts nothing, and what is counted in a known way, is not asked about.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import Final

from chunkmap.codecs.grib.headers import PRODUCTS
from chunkmap.codecs.grib.sections import Sections
from chunkmap.errors import FormatError

__all__ = ["COUNTED", "TIME_RANGES", "check_room"]

# fmt: off
TIME_RANGES: Final = {
    8: 41, 9: 54, 10: 42, 11: 44, 12: 43, 42: 43, 43: 46, 46: 54, 47: 57, 61: 51, 62: 47, 63: 50, 72: 46, 73: 49,
    78: 44, 79: 47,
}
"""Where product templates that count nothing else count their time ranges, of 12 octets each."""
COUNTED: Final = frozenset({
    3, 4, 13, 14, 31, 32, 33, 34, 35, 51, 53, 54, 57, 58, 67, 68, 82, 83, 84, 85, 87, 88, 90, 91, 92, 93, 94, 95, 96,
    97, 98, 99, 100, 101, 102, 105, 106, 107, 110, 111, 112, 1001, 40033, 40034,
})
"""Product templates that count something else."""
# fmt: on
_OF_TIME_RANGE: Final = 12
_UNCOUNTED_1: Final = {1: 52, 11: 72, 15: 60, 16: 80, 26: 69, 30: 106, 36: 56, 38: 56}
"""Common local definitions of ECMWF in edition 1 that count nothing, and how long section 1 is."""
_LOCAL_1: Final = 40
"""Where the octets of the centre begin in section 1 of edition 1."""
_ECMWF: Final = 98
_GENERAL_VERTICAL: Final = 150
"""A type of surface behind which a product says more."""
_ZEROS: Final = bytes(1 << 20)
"""No list that is counted in two octets is longer."""
_LENGTH: Final = Struct(">Q")
_IDENTIFICATION: Final = b"\x00\x00\x00\x15\x01\x00\x00\x00\x00\x04\x00\x01\x07\xd0\x01\x01\x00\x00\x00\x00\x00"
_GRID: Final = b"\x00\x00\x00\x48\x03\x00" + b"\x00\x00\x00\x01" + bytes(20) + b"\x00\x00\x00\x01" * 2 + bytes(34)
_PRODUCT: Final = b"\x00\x00\x00\x22\x04" + bytes(29)
_DATA: Final = b"\x00\x00\x00\x15\x05\x00\x00\x00\x01" + bytes(12) + b"\x00\x00\x00\x06\x06\xff\x00\x00\x00\x05\x07"
_PRODUCT_1: Final = b"\x00\x00\x1c\x01\x00\x00\xff\x00" + bytes(20)
_DATA_1: Final = b"\x00\x00\x0c\x08" + bytes(8)
_END: Final = b"7777"


def check_room(sections: Sections) -> None:
    """Raise FormatError where a section is too short for what it counts."""
    if sections.edition == 1:
        _check_1(sections[1], sections[2])
        return
    identification, local, grid, product = (sections[number] for number in (1, 2, 3, 4))
    template = int.from_bytes(product[7:9], "big")
    place = TIME_RANGES.get(template)
    if place is not None:
        least = PRODUCTS[template] + _OF_TIME_RANGE * (product[place] - 1)
        if len(product) < least:
            raise FormatError(f"section 4 of {len(product)} bytes, expected {least} of {product[place]} time ranges")
    if template in COUNTED or template not in PRODUCTS or _GENERAL_VERTICAL in product[9:]:
        _check(4, product, _message(_IDENTIFICATION[:5] + identification[5:11] + _IDENTIFICATION[11:], product=product))
    if local or len(identification) > len(_IDENTIFICATION):
        told = identification[:12] + _IDENTIFICATION[12:19] + identification[19:]
        _check(2, local, _message(told, local))
    if grid[10]:
        _check(3, grid, _message(_IDENTIFICATION, grid=grid))


def _check_1(product: bytes, grid: bytes) -> None:
    if len(product) > _LOCAL_1:
        ecmwf = _ECMWF in (product[4], product[25])
        if not ecmwf or _UNCOUNTED_1.get(product[_LOCAL_1]) != len(product):
            untimed = product[:7] + bytes(10) + product[17:18] + bytes(2) + product[20:24] + b"\x15" + product[25:]
            _check(1, product, _message_1(untimed, b""))
    if grid and grid[4] not in (0, 255):
        _check(2, grid, _message_1(_PRODUCT_1[:7] + b"\x80" + _PRODUCT_1[8:], grid))


def _check(number: int, section: bytes, probe: tuple[bytes, int]) -> None:
    if not _ends(*probe):
        raise FormatError(f"section {number} of {len(section)} bytes is too short for what it counts, or is not known")


def _message(
    identification: bytes, local: bytes = b"", grid: bytes = _GRID, product: bytes = _PRODUCT
) -> tuple[bytes, int]:
    """A message of some sections, and where the first of the others begins."""
    head = identification + local + grid + product
    body = head + _DATA + _END
    return b"GRIB\x00\x00\x00\x02" + _LENGTH.pack(16 + len(body)) + body, 16 + len(head)


def _message_1(product: bytes, grid: bytes) -> tuple[bytes, int]:
    body = product + grid + _DATA_1 + _END
    return b"GRIB" + (8 + len(body)).to_bytes(3, "big") + b"\x01" + body, 8 + len(product) + len(grid)


@lru_cache(maxsize=1 << 12)
def _ends(message: bytes, place: int) -> bool:
    """Whether eccodes finds the section at `place` where it is."""
    from chunkmap.codecs.grib.eccodes import Message  # noqa: PLC0415 - loads a large library, which few sets need

    with Message(message + _ZEROS) as opened:
        return bool(opened.get("offsetSection4" if message[7] == 1 else "offsetSection5", int) == place)
