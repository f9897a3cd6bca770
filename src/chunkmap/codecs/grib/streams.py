"""What JPEG 2000, PNG and CCSDS say of the values that they hold for a GRIB message.

ISO/IEC 15444-1 annex A.5.1; PNG, section 11.2.2; CCSDS 121.0. The values of a message are one component, one row of
pixels after the other: as many as the message says, or eccodes would write beyond what it made room for.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from chunkmap.errors import FormatError

__all__ = ["check_ccsds", "check_jpeg", "check_png"]

_SIZ: Final = Struct(">HHIIIIIIIIH")
_IHDR: Final = Struct(">IIBBBBB")
_SOC_SIZ: Final = b"\xff\x4f\xff\x51"
_PNG: Final = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"
_CHANNELS: Final = {0: 1, 2: 3, 6: 4}
_MOST_CHUNKS: Final = 1 << 16
_MOST_TILES: Final = 1 << 12


def check_jpeg(packing: bytes, data: bytes, count: int) -> str | None:
    """Its first marker segments."""
    if data[:4] != _SOC_SIZ or len(data) < 4 + _SIZ.size + 3:
        raise FormatError(f"expected a JPEG 2000 code stream, found {bytes(data[:4])!r}")
    _, _, right, down, left, top, wide, high, _, _, components = _SIZ.unpack_from(data, 4)
    depth, across, along = data[4 + _SIZ.size : 7 + _SIZ.size]
    if components != 1 or (across, along) != (1, 1) or depth & 0x80 or depth + 1 > packing[19] or left or top:
        return "a picture of another kind"
    if right * down != count:
        raise FormatError(f"a picture of {right} x {down} for {count} values")
    if not wide or not high or -(-right // wide) * -(-down // high) > _MOST_TILES:
        return "a picture of many tiles"
    return None


def check_png(packing: bytes, data: bytes, count: int) -> str | None:
    """Its first chunk."""
    if not data.startswith(_PNG) or len(data) < len(_PNG) + _IHDR.size:
        raise FormatError(f"expected a PNG, found {bytes(data[:8])!r}")
    across, down, depth, colour, _, _, interlaced = _IHDR.unpack_from(data, len(_PNG))
    if across * down != count:
        raise FormatError(f"a picture of {across} x {down} for {count} values")
    if depth * _CHANNELS.get(colour, 0) != packing[19] or interlaced:
        return "a picture of another kind"
    return _chunks_of_png(data)


def _chunks_of_png(data: bytes) -> str | None:
    """Each chunk says its length; eccodes reads on where the last one leads beyond the end."""
    place = len(_PNG) - 8
    for _ in range(_MOST_CHUNKS):
        length, name = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        place += 12 + length
        if place > len(data):
            raise FormatError(f"a PNG of {len(data)} bytes says that it goes on to byte {place}")
        if name == b"IEND":
            return None
    return "a picture of many chunks"


def check_ccsds(packing: bytes, data: bytes, count: int) -> str | None:
    """Its parameters; the stream has no head, and libaec keeps to its length and to the number of values."""
    width, block, interval = packing[19], packing[22], int.from_bytes(packing[23:25], "big")
    if width > 32 or block not in (8, 16, 32, 64) or not 1 <= interval <= 4096:
        return "a stream of another kind"
    # a block of zeros is the shortest: a bit for many values
    if not data and count:
        raise FormatError(f"{count} values in no bytes")
    return None
