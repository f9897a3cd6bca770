"""Blocks of bzip2 as pieces: where they are, and one alone decompressed with the bz2 that Python has.

A stream is a header, blocks, and an end; none begins at a byte but the first. A block needs nothing of those before
it. Cut out, moved to the beginning of a byte, and given the header and an end of its own, it is a stream of one block.
Where blocks begin is said by nothing but 48 bits that each begins with, and which may come by chance elsewhere: a place
is believed when what lies between it and the next is a block, whole and with the right checksum.
The format: https://github.com/dsnet/compress/blob/master/doc/bzip2-format.pdf
"""

from __future__ import annotations

import bz2
import os
import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import SourceError, Unsupported
from chunkmap.io.compressed.stream import MOST_PIECES, Stream
from chunkmap.io.source import Source
from chunkmap.model.points import Points

__all__ = ["Block", "bzip2_points"]

_BEGIN: Final = 0x314159265359
_END: Final = 0x177245385090
_MAGIC: Final = 48
"""Bits of either."""

_HEAD: Final = _MAGIC + 32
"""Bits of the beginning of a block that says its checksum, and of the end of a stream that says that of all."""

_ENTRY: Final = struct.Struct("<4sI")
"""What stands in the place of a window: the header of the stream, and how many bits the block has."""

_SEARCHED: Final = 4 << 20
"""Bytes that are searched at once."""

_STEP: Final = 1 << 20
"""Bytes of a block that are held at once while its checksum is made."""

_TOGETHER: Final = 64
"""Blocks that are handed to threads at once."""

_CHANCES: Final = 4
"""How many places may in turn be no end of a block before it is the block that is damaged."""

_LONGEST_BLOCK: Final = 4 << 20
"""Bytes of a compressed block that are looked at: it has 900,000 symbols of at most 20 bits, and tables."""

_LEVELS: Final = frozenset(b"BZh%d" % level for level in range(1, 10))


class Block:
    """A piece that is a block, decompressed as it is asked for. Raises ValueError where it is none."""

    def __init__(self, data: memoryview, bits: int, window: bytes) -> None:
        if len(window) != _ENTRY.size:
            raise ValueError("a block of bzip2 is entered by eight bytes")
        header, count = _ENTRY.unpack(window)
        if header not in _LEVELS or not _HEAD <= count <= 8 * len(data) - bits:
            raise ValueError("a block of bzip2 has a header, and at least 80 bits")
        if not _only_ends(data, bits + count):
            raise ValueError("a block of bzip2 is followed by another that is in no piece")
        self._stream = memoryview(_alone(header, data, bits, count))
        self._bz2 = bz2.BZ2Decompressor()

    def more(self, most: int) -> bytes:
        """At most so many bytes, at least one while there are any."""
        try:
            while not self._bz2.eof:
                found = self._bz2.decompress(self._stream, most)
                self._stream = self._stream[:0]
                if found:
                    return found
                if self._bz2.needs_input:
                    raise ValueError("a block of bzip2 goes on after its end")
        except OSError as error:
            raise ValueError(str(error)) from error
        if self._bz2.unused_data:
            raise ValueError("a block of bzip2 ends before its end")
        return b""


def _only_ends(data: memoryview, bit: int) -> bool:
    """Whether nothing follows but ends of streams, and beginnings of others; a rest of a byte is of the next piece."""
    while 8 * len(data) - bit >= 8:
        if _number(data, bit) != _END >> 16:
            return False
        bit = (bit + _HEAD + 7) // 8 * 8
        header = bytes(data[bit // 8 : bit // 8 + 4])
        if not header:
            return True
        if header not in _LEVELS:
            return False
        bit += 32
    return True


def _alone(header: bytes, data: memoryview, bits: int, count: int) -> bytes:
    """A block as a stream of its own."""
    whole, rest = divmod(count, 8)
    wanted = np.frombuffer(data[: (bits + count + 7) // 8], np.uint8)
    if bits:
        moved = wanted << np.uint8(bits)
        moved[:-1] |= wanted[1:] >> np.uint8(8 - bits)
        wanted = moved
    block = wanted.tobytes()
    last = block[whole] >> (8 - rest) if rest else 0
    tail = (last << _HEAD) | (_END << 32) | int.from_bytes(block[6:10], "big")
    tail <<= -rest % 8
    return header + block[:whole] + tail.to_bytes((rest + _HEAD + 7) // 8, "big")


class _Marks(NamedTuple):
    """Where the bits stand with which blocks and ends of streams begin."""

    bit: NDArray[np.int64]
    ends: NDArray[np.bool_]


class _Read(NamedTuple):
    """A block that was decompressed once."""

    length: int
    crc32: int
    own: int
    """The checksum of bzip2, of which that of the stream is made."""


def bzip2_points(source: Source, stream: Stream) -> Points:
    """Each block of a file of one or many streams as a piece. Raises SourceError where any of it is damaged."""
    blocks = list(_Blocks(source, stream).walk())
    if not blocks:
        raise SourceError("the file is empty: it decompresses to nothing", url=source.url)
    starts = np.array([start for start, _, _ in blocks], np.uint64)
    lengths = [read.length for _, _, read in blocks]
    return Points(
        "bzip2",
        0,
        sum(lengths),
        source.size(),
        np.append(starts // 8, np.uint64(stream.first + stream.length)),
        (starts % 8).astype(np.uint8),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.uint64),
        np.array([read.crc32 for _, _, read in blocks], np.uint32),
        tuple(window for _, window, _ in blocks),
    )


class _Blocks:
    """The blocks of a file."""

    def __init__(self, source: Source, stream: Stream) -> None:
        self._source, self._stream, self._end = source, stream, stream.first + stream.length
        self._marks = _found(source, stream)
        self._read: dict[int, _Read | None] = {}

    def walk(self) -> Iterator[tuple[int, bytes, _Read]]:
        """Each block: the bit with which it begins, how it is entered, and what came of it."""
        at, total, header = self._stream.first, 0, b""
        while at < self._end:
            before, header = header, self._header(at)
            if header != before:  # blocks were read ahead as those of another
                self._read.clear()
            number, combined = self._at(8 * (at + len(header))), 0
            while not self._marks.ends[number]:
                following, read = self._block(number, header)
                start = int(self._marks.bit[number])
                yield start, _ENTRY.pack(header, int(self._marks.bit[following]) - start), read
                combined = ((combined << 1 | combined >> 31) & 0xFFFFFFFF) ^ read.own
                number, total = following, total + read.length
                self._stream.check_total(total, self._source.url)
            at = self._after(int(self._marks.bit[number]), combined)

    def _header(self, at: int) -> bytes:
        header = bytes(self._source.read(at, min(4, self._end - at)))
        if header not in _LEVELS:
            raise self._wrong(f"expected a stream of bzip2 at byte {at}, found {header!r}")
        return header

    def _at(self, bit: int) -> int:
        """The mark at a bit."""
        number = int(np.searchsorted(self._marks.bit, bit))
        if number == len(self._marks.bit) or self._marks.bit[number] != bit:
            raise self._wrong(f"no block of bzip2 begins at byte {bit // 8}")
        return number

    def _block(self, number: int, header: bytes) -> tuple[int, _Read]:
        """The mark at which a block ends, which mostly is the next, and what came of the block."""
        if number not in self._read:
            self._read_ahead(number, header)
        read = self._read.pop(number)
        for following in range(number + 1, min(number + 1 + _CHANCES, len(self._marks.bit))):
            read = read or self._decoded(number, following, header)
            if read is not None:
                return following, read
        raise self._wrong(f"its block at byte {int(self._marks.bit[number]) // 8} is damaged, or cut short")

    def _read_ahead(self, number: int, header: bytes) -> None:
        """Decompress the blocks from one on, each as if it ended at the next mark."""
        stop = min(number + _TOGETHER, len(self._marks.bit) - 1)
        numbers = [one for one in range(number, stop) if not self._marks.ends[one]]
        self._read = {number: None}  # also where it is the last mark of a file that is cut short
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            found = pool.map(lambda one: self._decoded(one, one + 1, header), numbers)
            self._read.update(zip(numbers, found, strict=True))

    def _decoded(self, number: int, following: int, header: bytes) -> _Read | None:
        """What comes of a block between two marks; None where there is none."""
        start, stop = int(self._marks.bit[number]), int(self._marks.bit[following])
        if stop - start > 8 * _LONGEST_BLOCK:
            return None
        first, bits = divmod(start, 8)
        data = self._source.read(first, (stop + 7) // 8 - first)
        length = crc32 = 0
        try:
            block = Block(data, bits, _ENTRY.pack(header, stop - start))
            while piece := block.more(_STEP):
                length, crc32 = length + len(piece), zlib.crc32(piece, crc32)
        except ValueError:
            return None
        return _Read(length, crc32, _number(data, bits + _MAGIC))

    def _after(self, bit: int, combined: int) -> int:
        """The byte behind the end of a stream, whose checksum is that of its blocks."""
        first, bits = divmod(bit, 8)
        stop = (bit + _HEAD + 7) // 8
        if stop > self._end:
            raise self._wrong("its compressed bytes end too early; it is cut short")
        if _number(self._source.read(first, stop - first), bits + _MAGIC) != combined:
            raise self._wrong("the checksum of a stream is another than that of its blocks")
        return stop

    def _wrong(self, what: str) -> SourceError:
        return SourceError(f"cannot be decompressed: {what}", url=self._source.url)


def _number(data: memoryview, bit: int) -> int:
    """The 32 bits from one on."""
    first, bits = divmod(bit, 8)
    return int.from_bytes(data[first : first + 5], "big") >> (8 * len(data[first : first + 5]) - 32 - bits) & 0xFFFFFFFF


def _found(source: Source, stream: Stream) -> _Marks:
    """All marks of a stream, in order, searched a few megabytes at a time."""
    bits: list[int] = []
    ends: list[bool] = []
    stop = stream.first + stream.length
    for start in range(stream.first, stop, _SEARCHED):
        data = bytes(source.read(start, min(_SEARCHED + 6, stop - start)))
        # one that begins in the bytes that the next window begins with is found there
        here = [(bit, end) for end in (False, True) for bit in _marks(data, end=end) if bit < 8 * _SEARCHED]
        for bit, end in sorted(here):
            bits.append(8 * start + bit)
            ends.append(end)
        if len(bits) > MOST_PIECES:
            raise Unsupported(
                f"it has more than {MOST_PIECES:,} blocks of bzip2; unpack it", feature="bzip2 file", url=source.url
            )
    return _Marks(np.array(bits, np.int64), np.array(ends, np.bool_))


def _marks(data: bytes, *, end: bool) -> Iterator[int]:
    """The bits at which one of the marks begins. Of seven bytes that it touches, five are known whole."""
    mark = _END if end else _BEGIN
    for bits in range(8):
        pattern = (mark << (8 - bits)).to_bytes(7, "big")
        low, high = 0xFF >> bits, 0xFF << (8 - bits) & 0xFF
        at = data.find(pattern[1:6], 1)
        while at >= 0:
            behind = data[at + 5] if at + 5 < len(data) else None
            if data[at - 1] & low == pattern[0] and (not high or (behind is not None and behind & high == pattern[6])):
                yield 8 * (at - 1) + bits
            at = data.find(pattern[1:6], at + 1)
