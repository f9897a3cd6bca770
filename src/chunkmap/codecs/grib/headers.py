"""Whether the sections of a GRIB message that say what it holds are as long as their templates, before eccodes looks.

eccodes takes a section that is too short for its template as if it were longer, and loses its way. The lengths are
those of FM 92 GRIB, templates 3.x and 4.x, as eccodes 2.50 writes them; a template that is not here is one that
eccodes does not know either, and of which it says nothing.
"""

from __future__ import annotations

from typing import Final

from chunkmap.codecs.grib.sections import Sections
from chunkmap.errors import FormatError

__all__ = ["GRIDS", "PRODUCTS", "check_headers"]

# fmt: off
PRODUCTS: Final = {
    0: 34, 1: 37, 2: 36, 3: 68, 4: 64, 5: 47, 6: 35, 7: 34, 8: 58, 9: 71, 10: 59, 11: 61, 12: 60, 13: 92, 14: 88,
    15: 37, 20: 43, 30: 14, 31: 14, 32: 23, 33: 26, 34: 50, 35: 15, 40: 36, 41: 39, 42: 60, 43: 63, 44: 45, 45: 50,
    46: 71, 47: 74, 48: 58, 49: 61, 51: 35, 53: 40, 54: 43, 55: 40, 56: 42, 57: 43, 58: 46, 59: 43, 60: 44, 61: 68,
    62: 64, 63: 67, 67: 67, 68: 70, 70: 39, 71: 42, 72: 63, 73: 66, 76: 37, 77: 40, 78: 61, 79: 64, 80: 59, 81: 62,
    82: 72, 83: 75, 84: 75, 85: 74, 86: 38, 87: 62, 88: 28, 89: 43, 90: 67, 91: 59, 92: 31, 93: 33, 94: 36, 95: 35,
    96: 38, 97: 40, 98: 43, 99: 32, 100: 35, 101: 44, 102: 47, 103: 45, 104: 48, 105: 79, 106: 82, 107: 81, 108: 45,
    109: 48, 110: 69, 111: 72, 112: 92, 254: 15, 1000: 22, 1001: 46, 1002: 35, 1100: 34, 1101: 50, 40033: 26,
    40034: 50,
}
"""Product definition templates: least length of section 4."""
GRIDS: Final = {
    0: 72, 1: 84, 2: 84, 3: 96, 4: 48, 5: 60, 10: 72, 12: 84, 13: 88, 20: 65, 23: 81, 30: 81, 31: 81, 33: 97, 40: 72,
    41: 84, 42: 84, 43: 96, 50: 28, 51: 40, 52: 40, 53: 52, 61: 112, 62: 106, 63: 121, 90: 80, 100: 34, 101: 35,
    110: 57, 120: 39, 140: 64, 150: 42,
}
"""Grid definition templates: least length of section 3."""
GRIDS_1: Final = {1: 42, 3: 40, 10: 42, 14: 42, 20: 42, 24: 42, 30: 52, 34: 52, 60: 42, 70: 42, 80: 52, 90: 40}
"""Representations of edition 1: least length of section 2; 32 of all others."""
# fmt: on
_VERTICAL: Final = 4


def check_headers(sections: Sections) -> None:
    """Raise FormatError where a section is too short for what it says that it is."""
    if sections.edition == 1:
        _check_1(sections)
        return
    grid, product = sections[3], sections[4]
    template = int.from_bytes(grid[12:14], "big")
    _check(3, len(grid), GRIDS.get(template, 14), template)
    template = int.from_bytes(product[7:9], "big")
    vertical = int.from_bytes(product[5:7], "big")
    _check(4, len(product), PRODUCTS.get(template, 11) + _VERTICAL * vertical, template)


def _check_1(sections: Sections) -> None:
    grid = sections[2]
    if not grid:
        return
    _check(2, len(grid), GRIDS_1.get(grid[5], 32), grid[5])
    vertical, place = grid[3], grid[4]
    if vertical and place not in (0, 255):
        _check(2, len(grid), place - 1 + _VERTICAL * vertical, grid[5])


def _check(number: int, length: int, least: int, template: int) -> None:
    if length < least:
        raise FormatError(f"section {number} of {length} bytes, expected at least {least} of template {template}")
