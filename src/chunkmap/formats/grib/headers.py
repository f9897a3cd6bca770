"""What a field says of itself, as a message that is legal on its own and has no data.

Sections 0 to 4 as they stand, and a constant field in the place of bitmap and values: some 200 bytes, of which eccodes
tells everything that it tells of the whole message, but the values.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from chunkmap.codecs.grib.headers import check_headers
from chunkmap.codecs.grib.room import check_room
from chunkmap.codecs.grib.sections import split
from chunkmap.errors import FormatError
from chunkmap.formats.grib.fields import Field

__all__ = ["GRID_1", "flaw", "header", "points", "start_of_grid", "start_of_product"]

GRID_1: Final = 8
"""Where the sections of edition 1 begin."""

_CONSTANT: Final = Struct(">IBIHfHHBB")
_NO_BITMAP: Final = b"\x00\x00\x00\x06\x06\xff"
_NO_DATA: Final = b"\x00\x00\x00\x05\x07"
_END: Final = b"7777"
_CONSTANT_1: Final = b"\x00\x00\x0c\x08" + bytes(8)
"""Section 4 of edition 1: 12 bytes, simple packing in 0 bits, of which 8 bits are no value."""
_SPECTRUM_1: Final = b"\x00\x00\x10\x88" + bytes(12)
"""The same of a spectrum, which eccodes knows by its data: the flag that says so, and the first coefficient."""
_SPECTRAL_1: Final = (50, 60, 70, 80)
_MODE_1: Final = 13
"""Where a spectral grid says how it is packed: 1 is simply."""
_FLAGS_1, _HAS_BITMAP = 7, 0x40


def header(field: Field) -> bytes:
    """The message without data."""
    return _header_1(field, field.grid) if field.edition == 1 else _header_2(field, field.grid)


def flaw(field: Field) -> str | None:
    """Why eccodes is not to see what the field says of itself; None where its sections are as long as they must be."""
    try:
        sections = split(header(field))
        check_headers(sections)
        check_room(sections)
    except FormatError as error:
        return str(error)
    return None


def points(field: Field, grid: bytes) -> bytes:
    """The message without data, on another grid."""
    return _header_1(field, grid) if field.edition == 1 else _header_2(field, grid)


def start_of_product(field: Field) -> int:
    """The byte of the header at which `field.product` begins."""
    return GRID_1 if field.edition == 1 else 16 + len(field.identification) + len(field.local) + len(field.grid)


def start_of_grid(field: Field) -> int:
    """The byte of the header at which `field.grid` begins."""
    return GRID_1 + len(field.product) if field.edition == 1 else 16 + len(field.identification) + len(field.local)


def _header_1(field: Field, grid: bytes) -> bytes:
    product = bytearray(field.product)
    product[_FLAGS_1] &= ~_HAS_BITMAP
    data = _CONSTANT_1
    if len(grid) > _MODE_1 and grid[5] in _SPECTRAL_1:
        grid, data = grid[:_MODE_1] + b"\x01" + grid[_MODE_1 + 1 :], _SPECTRUM_1
    body = bytes(product) + grid + data + _END
    return b"GRIB" + (GRID_1 + len(body)).to_bytes(3, "big") + b"\x01" + body


def _header_2(field: Field, grid: bytes) -> bytes:
    count = int.from_bytes(grid[6:10], "big")
    constant = _CONSTANT.pack(_CONSTANT.size, 5, count, 0, 0.0, 0, 0, 0, 0)
    sections = (field.identification, field.local, grid, field.product, constant, _NO_BITMAP, _NO_DATA, _END)
    body = b"".join(sections)
    return field.indicator + (16 + len(body)).to_bytes(8, "big") + body
