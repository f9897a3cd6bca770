"""IV.A.2.h: external files, which hold the data of a contiguous dataset as they are."""

from __future__ import annotations

from typing import NamedTuple

from chunkmap.formats.hdf5.structures.file import File, u16
from chunkmap.io.rounds import Parser

__all__ = ["Segment", "read_external_files"]


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
    used, heap = u16(body, 6)[0], file.address(body, 8)[0]
    fields = file.fields("8xLLA")
    header = yield file.span(heap, fields.size)
    file.expect(header, b"HEAP", heap)
    size, _, data = fields.unpack_from(header)
    names = bytes((yield file.span(data, size)))
    segments, slot = [], file.fields("LLL")
    for number in range(used):
        name, offset, length = slot.unpack_from(body, 8 + file.sizes[0] + slot.size * number)
        end = names.find(b"\0", name)
        if not 0 <= name < end:
            raise file.error(f"expected the name of an external file at {name} of the local heap, found none", heap)
        text = names[name:end].decode("utf-8", "surrogateescape")
        segments.append(Segment(text, offset, None if length == (1 << 8 * file.sizes[1]) - 1 else length))
    return tuple(segments)
