"""Decompressing one piece of a compressed file: of deflate with zlib, or zlib-ng; others have their modules.

zlib begins at a byte, and a block of deflate begins at any bit of one. So it is given a *way in* first: empty blocks,
as many as end at that bit. They decompress to nothing, whatever the window is.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Final, Protocol

from chunkmap.errors import SourceError
from chunkmap.io.compressed.bzip2 import Block
from chunkmap.io.compressed.zstandard import Frames
from chunkmap.model.points import WINDOW, Points

__all__ = ["WAYS_IN", "checksum", "inflated"]

# As for chunks (`access/bounds`): zlib-ng inflates nearly twice as fast, and is there where it has wheels.
_zlib: Final = import_module("zlib_ng.zlib_ng" if find_spec("zlib_ng") else "zlib")

_STEP: Final = 1 << 16
"""Compressed bytes that are handed to zlib at once: with more of them it only copies more."""

_TRAILER: Final = 8
"""Bytes after the stream of a member of gzip: its checksum and its length."""


class _Entered(Protocol):
    """A stream, decompressed from one of its points on."""

    def more(self, most: int, /) -> bytes:
        """At most so many bytes, at least one while there are any; nothing where it has ended."""


class _Inflate(Protocol):
    """What `decompressobj` gives."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    def decompress(self, data: bytes | memoryview, max_length: int = 0, /) -> bytes: ...


def _bits(*fields: tuple[int, int]) -> tuple[int, int]:
    """Fields of (value, how many bits) as deflate packs them, from the low bit on: the number, and its bits."""
    number = length = 0
    for value, width in fields:
        number |= value << length
        length += width
    return number, length


_FIXED: Final = ((0, 1), (1, 2), (0, 7))
"""A block that is not the last one, of fixed codes, with nothing but the code of its end: ten bits."""

_DYNAMIC: Final = (
    *((0, 1), (2, 2), (0, 5), (0, 5), (14, 4)),  # not the last; 257 codes, 1 distance, 18 lengths of code lengths
    *((0, 3), (0, 3), (2, 3), (2, 3), *[(0, 3)] * 13, (1, 3)),  # of 16, 17: 0; of 18: 2; of 0: 2; of 1: 1
    *((0b11, 2), (138 - 11, 7), (0b11, 2), (118 - 11, 7)),  # 256 codes are not there: repeats of zero
    *((0, 1), (0b01, 2)),  # the code of the end has one bit, and there are no distances
    (0, 1),  # the end
)
"""The same of codes of its own: an odd number of bits, which fixed codes never have."""


def _way_in(bits: int) -> tuple[bytes, int]:
    """Whole bytes, and the low `bits` of the byte that follows."""
    fields = [*(_DYNAMIC if bits % 2 else ())]
    while (found := _bits(*fields))[1] % 8 != bits:
        fields += _FIXED
    number, length = found
    return (number & ((1 << (length - bits)) - 1)).to_bytes(length // 8, "little"), number >> (length - bits)


WAYS_IN: Final = tuple(_way_in(bits) for bits in range(8))
"""For each bit of a byte, empty blocks that end there."""


class _Pieces:
    """Compressed bytes, decompressed as they are asked for; it walks from one member of gzip to the next."""

    def __init__(self, points: Points, number: int, data: memoryview, url: str) -> None:
        self._data, self._position, self._url = data, 0, url
        self._gzip = points.frame == "gzip"
        self._behind = _TRAILER if self._gzip else 0
        self._inflate: _Inflate = _zlib.decompressobj(-15, zdict=_window(points.windows[number], url))
        bits = int(points.bits[number])
        if bits and len(data):
            before, low = WAYS_IN[bits]
            self._inflate.decompress(before + bytes([(data[0] & (0xFF << bits) & 0xFF) | low]), 1)
            self._position = 1

    def more(self, most: int) -> bytes:
        """At most so many bytes, at least one while there are any; nothing where the last stream has ended."""
        while True:
            if self._inflate.eof and not self._next():
                return b""
            block = self._data[self._position : self._position + _STEP]
            found = self._inflate.decompress(block, most)
            self._position += len(block) - len(self._inflate.unconsumed_tail)
            if found:
                return found
            if not len(block) and not self._inflate.eof:
                raise SourceError("its compressed bytes end too early; it is cut short", url=self._url)

    def _next(self) -> bool:
        """Begin with the next member; whether there is one."""
        self._position += self._behind - len(self._inflate.unused_data)
        if self._position > len(self._data):
            raise SourceError("its compressed bytes end too early; it is cut short", url=self._url)
        self._behind = 0
        rest = self._data[self._position :]
        if not len(rest) or (self._gzip and not rest[0] and not any(rest)):  # zeros, as tapes leave them
            self._position, self._inflate = len(self._data), _ENDED
            return False
        if not self._gzip:
            raise SourceError("bytes follow the end of its compressed stream", url=self._url)
        self._inflate = _zlib.decompressobj(31)
        return True


class _Ended:
    """A stream of which nothing more comes."""

    eof = True
    unused_data = unconsumed_tail = b""

    def decompress(self, data: bytes | memoryview, max_length: int = 0, /) -> bytes:  # noqa: ARG002 - there is none
        """Nothing."""
        return b""


_ENDED: Final = _Ended()


def _window(stored: bytes, url: str) -> bytes:
    """The window before a piece, decompressed within bounds."""
    if not stored:
        return b""
    inflate = _zlib.decompressobj()
    window: bytes = inflate.decompress(stored, WINDOW)
    if not inflate.eof:
        raise SourceError("the window of a restart point is longer than one; scan the file again", url=url)
    return window


def inflated(points: Points, number: int, data: memoryview, url: str) -> bytes:
    """A piece from its compressed bytes. Raises SourceError where it is not what it was when the points were made, and
    where more comes of these bytes than the points say: some lie between two pieces.
    """
    entered = _entered(points, number, data, url)
    piece = b"".join(_blocks(entered, points.decoded_length(number), url))
    if _goes_on(entered):
        raise SourceError(_AGAIN.format(found="more bytes come than are in its piece"), url=url)
    if _zlib.crc32(piece) != int(points.crc32[number]):
        raise SourceError(_AGAIN.format(found="other bytes come than came when it was scanned"), url=url)
    return piece


def checksum(points: Points, number: int, data: memoryview, url: str) -> int:
    """The checksum of a piece before there is one of it; the bytes are let go as they come.

    Raises SourceError where it does not come from its point, and unless the stream, and its file, end with the last
    one.
    """
    pieces, found = _entered(points, number, data, url), 0
    for block in _blocks(pieces, points.decoded_length(number), url):
        found = _zlib.crc32(block, found)
    if number == len(points) - 1:
        try:
            more = pieces.more(1)
        except _zlib.error as error:
            raise SourceError(f"it cannot be decompressed to its end ({error})", url=url) from error
        if more:
            raise SourceError("its compressed stream goes on after its end", url=url)
    return found


def _goes_on(entered: _Entered) -> bool:
    """Whether more comes; the last bytes of a piece may begin what the next one goes on with."""
    try:
        return bool(entered.more(1))
    except (SourceError, _zlib.error, ValueError):
        return False


def _entered(points: Points, number: int, data: memoryview, url: str) -> _Entered:
    """A stream, entered by one of its points."""
    try:
        if points.frame == "bzip2":
            return Block(data, int(points.bits[number]), points.windows[number])
        return Frames(data) if points.frame == "zstd" else _Pieces(points, number, data, url)
    except (_zlib.error, ValueError) as error:
        raise SourceError(_AGAIN.format(found=f"it cannot be decompressed ({error})"), url=url) from error


def _blocks(pieces: _Entered, rest: int, url: str) -> Iterator[bytes]:
    """So many bytes of a stream, block by block."""
    try:
        while rest:
            found = pieces.more(rest)
            if not found:
                raise SourceError("its compressed stream ends too early", url=url)
            rest -= len(found)
            yield found
    except (_zlib.error, ValueError) as error:
        raise SourceError(_AGAIN.format(found=f"it cannot be decompressed ({error})"), url=url) from error


_AGAIN: Final = "from the restart point, {found}: the file changed, or the point is wrong. Scan it again"
