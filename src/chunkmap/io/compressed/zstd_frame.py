"""Frames of Zstandard (RFC 8878, section 3.1): how long their content is, and where each ends in a file of many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from chunkmap.errors import FormatError, TruncatedFile, Unsupported
from chunkmap.io.source import Source

__all__ = ["MAGIC", "Frame", "content_size", "frames", "is_one_frame", "is_skippable"]

MAGIC: Final = b"\x28\xb5\x2f\xfd"
"""How a frame begins."""

_SKIPPABLE: Final = b"\x2a\x4d\x18"
"""How a frame goes on that holds something else, behind a byte from 0x50 on."""

_HEADER: Final = 18
"""Most bytes of the header of a frame."""

_RLE, _RESERVED = 1, 3


class Frame(NamedTuple):
    """A frame in a file."""

    start: int
    stop: int
    decoded: int | None
    """Bytes of its content, where its header says so: nothing in a frame that is skipped."""


def content_size(data: memoryview) -> int | None:
    """The bytes that come out of a frame; None where its header does not say, or where it is none.

    >>> content_size(memoryview(MAGIC + bytes([0x20, 9, 0])))
    9
    """
    head = bytes(data[:_HEADER])
    if len(head) < 6 or head[:4] != MAGIC:
        return None
    start, size = _size_field(head[4])
    if not size or len(head) < start + size:
        return None
    return int.from_bytes(head[start : start + size], "little") + (256 if size == 2 else 0)


def is_one_frame(data: memoryview) -> bool:
    """Whether bytes begin with a frame and end with it, as far as the headers of its blocks tell.

    >>> is_one_frame(memoryview(MAGIC + bytes([0x20, 2, 17, 0, 0, 65, 66])))
    True
    """
    at, last, end = sum(_size_field(data[4])), False, len(data)
    while not last and at + 3 <= end:
        header = int.from_bytes(data[at : at + 3], "little")
        last, kind = bool(header & 1), header >> 1 & 3
        at += 3 + (1 if kind == _RLE else header >> 3)
    return at + (4 if data[4] & 4 else 0) >= end


def is_skippable(head: bytes) -> bool:
    """Whether a frame holds something else than content, as `pzstd` writes one before each."""
    return head[1:4] == _SKIPPABLE and 0x50 <= head[0] <= 0x5F


def frames(source: Source, first: int, length: int) -> Iterator[Frame]:
    """The frames of a stream, one after the other, by their headers and those of their blocks.

    Raises FormatError where something else follows, Unsupported for one that needs a dictionary.
    """
    at, end = first, first + length
    while at < end:
        head = bytes(source.read(at, min(_HEADER, end - at)))
        decoded: int | None = 0
        if is_skippable(head):
            stop = at + 8 + int.from_bytes(head[4:8], "little")
        elif head[:4] == MAGIC and len(head) > 5:
            stop, decoded = _end(source, at, head[4], end), content_size(memoryview(head))
        else:
            raise FormatError(f"expected a frame of zstd, found {head[:4]!r}", url=source.url, offset=at)
        if stop > end:
            raise TruncatedFile(f"its frame of zstd goes on to byte {stop}, it is cut short", url=source.url, offset=at)
        yield Frame(at, stop, decoded)
        at = stop


def _size_field(descriptor: int) -> tuple[int, int]:
    """Where in a header the size of the content stands, and how long it is: 0 where it is not there."""
    single, flag = descriptor >> 5 & 1, descriptor >> 6
    return 5 + (0 if single else 1) + (0, 1, 2, 4)[descriptor & 3], (single, 2, 4, 8)[flag]


def _end(source: Source, at: int, descriptor: int, end: int) -> int:
    """Where a frame ends: its blocks say how long they are."""
    if descriptor & 3:
        raise Unsupported("it is compressed by zstd with a dictionary", feature="dictionary of zstd", url=source.url)
    at += sum(_size_field(descriptor))
    last = False
    while not last and at + 3 <= end:
        header = int.from_bytes(source.read(at, 3), "little")
        last, kind = bool(header & 1), header >> 1 & 3
        if kind == _RESERVED:
            raise FormatError("expected a block of zstd, found the type 3", url=source.url, offset=at)
        at += 3 + (1 if kind == _RLE else header >> 3)
    return at + (4 if descriptor & 4 else 0) if last else end + 1
