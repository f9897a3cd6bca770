"""IV.A.2.h: external files, which hold the data of a contiguous dataset as they are."""

from __future__ import annotations

from typing import Final, NamedTuple

from chunkmap.formats.hdf5.file import UNDEFINED, File, u16, u64
from chunkmap.io.rounds import Parser

__all__ = ["Segment", "read_external_files"]

_SLOT: Final = 24


class Segment(NamedTuple):
    """A part of the data: the next `size` bytes are those of a file, from `offset` on."""

    file: str
    offset: int
    size: int | None
    """None: all the rest."""


def read_external_files(file: File, body: bytes) -> Parser[tuple[Segment, ...]]:
    """Version, reserved (3), allocated slots, used slots, address of a local heap; slots.

    Slot: offset of the name in the heap, offset in the file, size.
    """
    used, heap = u16(body, 6)[0], u64(body, 8)[0]
    header = yield file.span(heap, 32)
    file.expect(header, b"HEAP", heap)
    size, data = u64(header, 8)[0], u64(header, 24)[0]
    names = bytes((yield file.span(data, size)))
    segments = []
    for number in range(used):
        name, offset, length = (u64(body, 16 + _SLOT * number + 8 * part)[0] for part in range(3))
        end = names.find(b"\0", name)
        if not 0 <= name < end:
            raise file.error(f"expected the name of an external file at {name} of the local heap, found none", heap)
        text = names[name:end].decode("utf-8", "surrogateescape")
        segments.append(Segment(text, offset, None if length == UNDEFINED else length))
    return tuple(segments)
