"""The algorithms by which tiles of FITS images are compressed.

FITS standard 4.0, section 10.4. RICE_1, PLIO_1 and HCOMPRESS_1 are decoded by astropy, with what it takes on trust
looked at before.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.codecs.astropy import require_astropy

__all__ = ["ALGORITHMS", "decode_tile", "gunzip"]

ALGORITHMS: Final = ("RICE_1", "RICE_ONE", "GZIP_1", "GZIP_2", "HCOMPRESS_1", "PLIO_1", "NOCOMPRESS")
"""Values of ZCMPTYPE."""

_HCOMPRESS: Final = b"\xdd\x99"
_RICE_ROOM: Final = 16
"""Bytes a pixel: more than any number of 32 bits takes, however it is coded."""
_MOST_PLANES: Final = 64


def decode_tile(
    raw: bytes, algorithm: str, parameters: Mapping[str, Any], shape: Sequence[int], *, is_real: bool
) -> NDArray[Any]:
    """The numbers of a tile of some shape, flat; `is_real` where real numbers were compressed as they are.

    Raises ValueError for bytes that are not what the algorithm writes.
    """
    if algorithm == "NOCOMPRESS":
        return _numbers(raw, shape, is_real=is_real)
    if algorithm == "GZIP_1":
        return _numbers(gunzip(raw, 8 * prod(shape)), shape, is_real=is_real)
    if algorithm == "GZIP_2":
        shuffled = np.frombuffer(gunzip(raw, 8 * prod(shape)), np.uint8)
        return _numbers(shuffled.reshape(-1, prod(shape)).T.tobytes(), shape, is_real=is_real)
    decoders = require_astropy("astropy.io.fits.hdu.compressed._compression", f"the algorithm {algorithm}")
    try:
        if algorithm in {"RICE_1", "RICE_ONE"}:
            return _rice(decoders, raw, parameters, prod(shape))
        if algorithm == "PLIO_1":
            return _plio(decoders, raw, prod(shape))
        return _hcompress(decoders, raw, parameters, shape)
    except decoders.CfitsioException as error:
        raise ValueError(f"a tile is not what {algorithm} writes: {error}") from error


def gunzip(raw: bytes, most: int) -> bytes:
    """What was compressed. Raises ValueError when it is cut short, or more than `most` bytes."""
    stream = zlib.decompressobj(wbits=31)
    try:
        data = stream.decompress(raw, most + 1)
    except zlib.error as error:
        raise ValueError(f"a tile is no gzip stream: {error}") from error
    if len(data) > most or not stream.eof:
        raise ValueError(f"expected a gzip stream of at most {most} bytes, found one that is longer or cut short")
    return data


def _numbers(raw: bytes, shape: Sequence[int], *, is_real: bool) -> NDArray[Any]:
    """Big-endian numbers, whose size follows from how many bytes there are."""
    size, rest = divmod(len(raw), max(prod(shape), 1))
    if rest or size not in (1, 2, 4, 8) or (is_real and size < 4):
        raise ValueError(f"expected {prod(shape)} numbers in a tile, found {len(raw)} bytes")
    return np.frombuffer(raw, "u1" if size == 1 else f">{'f' if is_real else 'i'}{size}")


def _rice(decoders: Any, raw: bytes, parameters: Mapping[str, Any], count: int) -> NDArray[Any]:
    block, size = int(parameters.get("BLOCKSIZE", 32)), int(parameters.get("BYTEPIX", 4))
    if size not in (1, 2, 4) or not 0 < block <= 1 << 16 or not raw:
        raise ValueError(f"expected blocks of integers of 1, 2 or 4 bytes, found {block} of {size}")
    found = decoders.decompress_rice_1_c(_with_room(raw, _RICE_ROOM * block), block, size, count)
    return np.frombuffer(found, "u1" if size == 1 else f"i{size}")[:count]


def _with_room(raw: bytes, room: int) -> NDArray[np.uint8]:
    """The same bytes, behind which there is memory: a decoder that sees that a stream is cut short only at the end of
    a block of pixels reads so far beyond. The bits are set, so that no run of zeros goes on there.
    """
    return np.frombuffer(raw + b"\xff" * room, np.uint8)[: len(raw)]


def _plio(decoders: Any, raw: bytes, count: int) -> NDArray[Any]:
    words = np.frombuffer(raw[: len(raw) // 2 * 2], ">i2").astype(np.int16)
    if len(words) < 3 or (words[2] <= 0 and len(words) < 7):
        raise ValueError(f"expected a line list, found {len(words)} words")
    length = int(words[2]) if words[2] > 0 else (int(words[4]) << 15) + int(words[3])
    first = 3 if words[2] > 0 else int(words[1])
    if first < 0 or not 0 <= length <= len(words):
        raise ValueError(f"expected a line list of {length} words, found {len(words)}")
    return np.frombuffer(decoders.decompress_plio_1_c(words.tobytes(), count), "i4")[:count]


def _hcompress(decoders: Any, raw: bytes, parameters: Mapping[str, Any], shape: Sequence[int]) -> NDArray[Any]:
    """The lengths in the stream must be those of the tile, whose memory they fill.

    The decoder does not see where the stream ends: what it may read beyond, if it is cut short, is given to it.
    """
    sides = [n for n in shape if n != 1]
    if len(raw) < 25 or raw[:2] != _HCOMPRESS or len(sides) != 2:
        raise ValueError(f"expected a tile of two axes by HCOMPRESS_1, found {raw[:2]!r} for {tuple(shape)}")
    if list(struct.unpack(">ii", raw[2:10])) != sides or max(raw[22:25]) > _MOST_PLANES:
        raise ValueError(f"expected a tile of {sides} by HCOMPRESS_1, found one of {struct.unpack('>ii', raw[2:10])}")
    scale, smooth = int(parameters.get("SCALE", 0)), int(parameters.get("SMOOTH", 0))
    padded = raw + bytes(16 * prod(sides) + 64)
    return np.frombuffer(decoders.decompress_hcompress_1_c(padded, *sides, scale, smooth, 8), "i4")
