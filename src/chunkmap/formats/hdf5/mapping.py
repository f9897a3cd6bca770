"""IV.A.2.i, class 3, and III.E, "global heap block for virtual datasets": what a virtual dataset is made of."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from chunkmap.errors import Unsupported
from chunkmap.formats.hdf5.structures.file import File
from chunkmap.formats.hdf5.structures.global_heap import HeapReference, read_heap_objects
from chunkmap.formats.hdf5.structures.layout import Virtual
from chunkmap.formats.hdf5.structures.selections import Selection, parse_selection
from chunkmap.io.rounds import Parser

__all__ = ["THIS_FILE", "Mapped", "read_mapping"]

THIS_FILE: Final = "."

_SHARED_NAME, _SHARED_PATH, _IN_THIS_FILE = 1, 2, 4
_MOST_MAPPINGS: Final = 1 << 20


class Mapped(NamedTuple):
    """One line of a mapping: elements of a source that are elements of the virtual dataset."""

    file: str
    path: str
    source: Selection
    virtual: Selection

    @property
    def is_pattern(self) -> bool:
        """Whether the names count the blocks of the virtual selection: `%b`."""
        return "%b" in self.file or "%b" in self.path


def read_mapping(file: File, layout: Virtual) -> Parser[list[Mapped]]:
    """Version, number of entries; of each: file, dataset, its selection, the selection of the virtual dataset."""
    if layout.address in (0, file.undefined):
        return []
    (body,) = yield from read_heap_objects(file, [HeapReference(1, layout.address, layout.number)])
    raw = bytes(body)
    if raw[0] > 1:
        raise Unsupported(f"its mapping has version {raw[0]}, expected 0 or 1", feature="virtual dataset")
    count = file.length(raw, 1)[0]
    if count > min(_MOST_MAPPINGS, len(raw)):
        raise file.error(f"a virtual dataset claims {count} sources", layout.address)
    try:
        return _parse_lines(file, raw, count)
    except (ValueError, struct.error, IndexError) as error:
        raise file.error(f"the mapping of a virtual dataset does not parse: {error}", layout.address) from error


def _parse_lines(file: File, raw: bytes, count: int) -> list[Mapped]:
    """Version 1 has flags before each line, which say what a line shares with one before it."""
    found: list[Mapped] = []
    place, flags = 1 + file.sizes[1], 0
    for _ in range(count):
        if raw[0] == 1:
            flags, place = raw[place], place + 1
        names = []
        for part, shared in ((0, _SHARED_NAME), (1, _SHARED_PATH)):
            if flags & shared:
                names.append(found[file.length(raw, place)[0]][part])
                place += file.sizes[1]
            elif part == 0 and flags & _IN_THIS_FILE:
                names.append(THIS_FILE)
            else:
                end = raw.index(b"\0", place)
                names.append(raw[place:end].decode("utf-8", "surrogateescape"))
                place = end + 1
        source, place = parse_selection(raw, place)
        virtual, place = parse_selection(raw, place)
        found.append(Mapped(str(names[0]), str(names[1]), source, virtual))
    return found
