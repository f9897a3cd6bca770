"""III.F: messages that a file keeps once for many objects, in fractal heaps that one table lists by type of message."""

from __future__ import annotations

from typing import Final

from chunkmap.formats.hdf5.structures.checksums import CHECKSUM, check
from chunkmap.formats.hdf5.structures.file import File
from chunkmap.formats.hdf5.structures.fractal_heap import read_heap
from chunkmap.io.rounds import Parser

__all__ = ["read_shared_message", "read_shared_table"]

_INDEX: Final = "BBHIHHHAA"
"""Version, index type, message type flags, minimum size, cutoffs (2), number of messages, index and heap address."""
_MOST_INDEXES: Final = 8


def read_shared_table(file: File, address: int, count: int) -> Parser[None]:
    """Signature, indexes, checksum: fills in which heap holds messages of which type."""
    if not 0 < count <= _MOST_INDEXES:
        raise file.error(f"expected 1 to {_MOST_INDEXES} indexes of shared messages, found {count}", address)
    index = file.fields(_INDEX)
    size = 4 + count * index.size + CHECKSUM
    block = yield file.span(address, size)
    file.expect(block, b"SMTB", address)
    check(file, block, size, address)
    for number in range(count):
        _, _, types, _, _, _, _, _, heap = index.unpack_from(block, 4 + number * index.size)
        file.shared_heaps.update({kind: heap for kind in range(16) if types >> kind & 1})


def read_shared_message(file: File, kind: int, identifier: bytes) -> Parser[memoryview]:
    """One message by its heap ID."""
    key = (kind, identifier)
    if key not in file.shared:
        if kind not in file.shared_heaps:
            raise file.error(f"expected a heap of shared messages of type {kind:#x}, found none", 0)
        (file.shared[key],) = yield from read_heap(file, file.shared_heaps[kind], [identifier])
    return file.shared[key]
