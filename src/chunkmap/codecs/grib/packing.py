"""Whether the values of a GRIB message can be decoded where we are: its packing against the bytes that are there.

WMO Manual on Codes, FM 92 GRIB, templates 5.x and 7.x, and section 4 of edition 1. eccodes counts values by what the
message says, and reads and writes where these numbers lead. So what they say is worked out here first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.codecs.grib.sections import Sections
from chunkmap.codecs.grib.streams import check_ccsds, check_jpeg, check_png
from chunkmap.errors import FormatError

__all__ = ["KNOWN", "MOST_CONSTANT", "why_apart"]

MOST_CONSTANT: Final = 1 << 27
"""Points of a field that has no bit for each of them: more would be memory that nothing in the message stands for."""
_WIDEST: Final = 32
_SPECTRAL_GRIDS: Final = (50, 51, 52, 53)
_SPECTRAL_GRIDS_1: Final = (50, 60, 70, 80)
_WORST_TRUNCATION: Final = 1 << 13

Check = Callable[[Sections, int], str | None]
"""From the sections and the number of packed values to why they are to be decoded apart; None if here."""


def why_apart(sections: Sections) -> str | None:
    """Why eccodes is not to decode these values in this process; None where every number was found to fit.

    Raises FormatError where they cannot be decoded at all.
    """
    if sections.edition == 1:
        return _why_apart_1(sections)
    packing, points = sections[5], _number(sections[3], 6, 4)
    template, count = _number(packing, 9, 2), _number(packing, 5, 4)
    known = KNOWN.get(template)
    if known is None:
        return f"packing of template {template}"
    least, check = known
    if len(packing) < least:
        raise FormatError(f"section 5 of {len(packing)} bytes, expected at least {least} of template {template}")
    if sections[6][5] < 254:
        marked = _marked(sections[6][6:], points) if not sections[6][5] else -1
        if marked != count:
            return f"a bitmap that marks {marked} points for {count} values"
    elif count != points:
        return f"{count} values for {points} points"
    return check(sections, count)


def _number(octets: bytes, at: int, width: int) -> int:
    return int.from_bytes(octets[at : at + width], "big")


def _marked(bitmap: bytes, points: int) -> int:
    """The points that a bitmap says to have a value."""
    if len(bitmap) * 8 < points:
        raise FormatError(f"a bitmap of {len(bitmap)} bytes, which is too short for {points} points")
    bits = np.frombuffer(bitmap, np.uint8, (points + 7) // 8)
    whole = int(np.bitwise_count(bits[: points // 8]).sum())
    rest = points % 8
    return whole + (int(bits[-1]) >> (8 - rest)).bit_count() if rest else whole


def _fits(needed: int, there: int, what: str) -> None:
    if needed > there:
        raise FormatError(f"{what} take {needed} bytes, of which {there} are there")


def _bits(count: int, width: int) -> int:
    """The bytes that so many numbers take."""
    return (count * width + 7) // 8


def _simple(sections: Sections, count: int) -> str | None:
    return _packed(count, sections[5][19], len(sections[7]) - 5)


def _packed(count: int, width: int, there: int) -> str | None:
    if width > _WIDEST:
        return f"values of {width} bits"
    if not width and count > MOST_CONSTANT:
        raise FormatError(f"{count} points of one value are more than are decoded")
    _fits(_bits(count, width), there, f"{count} values of {width} bits")
    return None


def _ieee(sections: Sections, count: int) -> str | None:
    size = {1: 4, 2: 8}.get(sections[5][11])
    if size is None:
        return f"IEEE numbers of precision {sections[5][11]}"
    _fits(count * size, len(sections[7]) - 5, f"{count} values of {size} bytes")
    return None


def _complex(sections: Sections, count: int) -> str | None:
    """Groups: their reference values, widths and lengths, and then so many values of so many bits each."""
    packing, data = sections[5], sections[7][5:]
    width, groups = packing[19], _number(packing, 31, 4)
    if not groups:
        return None if count <= MOST_CONSTANT else f"{count} values in no group"
    if width > _WIDEST or packing[36] > 8 or packing[46] > _WIDEST or packing[21] != 1:
        return "groups of another kind"
    extra = (packing[47] + 1) * packing[48] if packing[9:11] == b"\x00\x03" else 0
    if extra and (packing[47] not in (1, 2) or not 1 <= packing[48] <= 4):
        return f"differences of order {packing[47]}"
    if groups > max(count, 1):
        raise FormatError(f"{groups} groups of {count} values")
    place = extra + _bits(groups, width)
    widths, place = _numbers(data, place, groups, packing[36])
    lengths, place = _numbers(data, place, groups, packing[46])
    widths += packing[35]
    lengths = _number(packing, 37, 4) + packing[41] * lengths
    lengths[-1] = _number(packing, 42, 4)
    if lengths.sum() != count or widths.max() > _WIDEST or lengths.max() > count:
        raise FormatError(f"groups of {lengths.sum()} values, expected {count}")
    _fits(place + _bits(1, int((widths * lengths).sum())), len(data), f"{groups} groups")
    return None


def _numbers(data: bytes, place: int, count: int, width: int) -> tuple[NDArray[np.int64], int]:
    """Numbers of so many bits each, and the byte behind them."""
    size = _bits(count, width)
    _fits(place + size, len(data), f"{count} groups")
    if not width:
        return np.zeros(count, np.int64), place
    bits = np.unpackbits(np.frombuffer(data, np.uint8, size, place), count=count * width).reshape(count, width)
    return bits.astype(np.int64) @ (1 << np.arange(width, dtype=np.int64)[::-1]), place + size


def _truncation(sections: Sections) -> int | None:
    """The truncation of a spectral field; None where it is not the same in all directions."""
    if _number(sections[3], 12, 2) not in _SPECTRAL_GRIDS:
        return None
    said = {_number(sections[3], at, 4) for at in (14, 18, 22)}
    return said.pop() if len(said) == 1 and max(said) <= _WORST_TRUNCATION else None


def _spectral(sections: Sections, count: int) -> str | None:
    truncation = _truncation(sections)
    if truncation is None or count != (truncation + 1) * (truncation + 2):
        return f"{count} values of a spectrum of another shape"
    return _packed(max(count - 1, 0), sections[5][19], len(sections[7]) - 5)


def _spectral_complex(sections: Sections, count: int) -> str | None:
    packing, truncation = sections[5], _truncation(sections)
    subset = {_number(packing, at, 2) for at in (24, 26, 28)}
    size = {1: 4, 2: 8}.get(packing[34])
    if truncation is None or len(subset) > 1 or max(subset) > truncation or size is None:
        return "a spectrum of another shape"
    unpacked = (max(subset) + 1) * (max(subset) + 2)
    if count != (truncation + 1) * (truncation + 2) or _number(packing, 30, 4) != unpacked:
        return f"{count} values of a spectrum of another shape"
    return _packed(count - unpacked, packing[19], len(sections[7]) - 5 - unpacked * size)


def _stream(check: Callable[[bytes, bytes, int], str | None]) -> Check:
    """Values that another format holds; those of no bits are constant, and nothing is looked at."""

    def checked(sections: Sections, count: int) -> str | None:
        if count > MOST_CONSTANT:
            return f"{count} values of which few bytes may say all"
        if not sections[5][19] or not count:
            return None
        return check(sections[5], sections[7][5:], count)

    return checked


KNOWN: Final[Mapping[int, tuple[int, Check]]] = {
    0: (21, _simple),
    2: (47, _complex),
    3: (49, _complex),
    4: (12, _ieee),
    40: (23, _stream(check_jpeg)),
    40000: (23, _stream(check_jpeg)),
    41: (21, _stream(check_png)),
    40010: (21, _stream(check_png)),
    42: (25, _stream(check_ccsds)),
    50: (24, _spectral),
    51: (35, _spectral_complex),
    61: (24, _simple),
}
"""Data representation templates: least length of section 5, and what to check."""


def _why_apart_1(sections: Sections) -> str | None:
    """Edition 1: how many values there are follows from the length of section 4."""
    grid, data = sections[2], sections[4]
    flags, width = data[3] & 0xF0, data[10]
    if not grid or flags not in (0, 0x20) or grid[5] in _SPECTRAL_GRIDS_1:
        return f"packing of flags {flags:#x}"
    if width > _WIDEST:
        return f"values of {width} bits"
    across, down = _number(grid, 6, 2), _number(grid, 8, 2)
    points = _points_of_rows(grid, down) if 0xFFFF in (across, down) else across * down
    if points is None:
        return "a grid whose rows are of no known length"
    if sections[3]:
        if _number(sections[3], 4, 2):
            return "a bitmap that another file has"
        points = _marked(sections[3][6:], len(sections[3]) * 8 - 48 - sections[3][3])
    if not width:
        return None if points <= MOST_CONSTANT else f"{points} points of one value"
    there = (len(data) - 11) * 8 - (data[3] & 0x0F)
    count = there // width
    return None if points == count or not points else f"{count} values for {points} points"


def _points_of_rows(grid: bytes, down: int) -> int | None:
    """The points of a grid of edition 1 whose rows have lengths of their own."""
    start = grid[4] - 1 + 4 * grid[3] if grid[4] not in (0, 255) else 0
    if not start or start + 2 * down > len(grid) or not 0 < down < 0xFFFF:
        return None
    return int(np.frombuffer(grid, ">u2", down, start).sum())
