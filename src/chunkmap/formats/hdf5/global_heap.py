"""III.E: global heap collections, where data of variable length lies."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from chunkmap.formats.hdf5.file import UNDEFINED, File, u16, u64
from chunkmap.io.rounds import Parser

__all__ = ["HeapReference", "heap_references", "read_heap_objects"]

_SMALLEST: Final = 4096
"""No collection that the library writes is shorter."""

_NOTHING: Final = memoryview(b"")
_NOWHERE: Final = (0, UNDEFINED)

_reference = struct.Struct("<IQI")


class HeapReference(NamedTuple):
    """One element of variable length: how many elements, and which object of which collection holds them."""

    size: int
    address: int
    number: int


def heap_references(data: bytes | memoryview) -> list[HeapReference]:
    """The elements of variable length in stored data of 16 bytes each."""
    return list(map(HeapReference._make, _reference.iter_unpack(data)))


def read_heap_objects(file: File, references: Iterable[HeapReference]) -> Parser[Iterator[memoryview]]:
    """The bytes of each reference, in order; empty for a reference to nothing."""
    references = list(references)
    collections = file.collections
    missing = dict.fromkeys([a for size, a, _ in references if size and a not in collections])
    if missing:
        yield from _read_collections(file, [a for a in missing if a not in _NOWHERE])
    objects = []
    for size, address, number in references:
        found = collections[address].get(number) if size and address not in _NOWHERE else _NOTHING
        if found is None:
            raise file.error(f"expected object {number} in the global heap, found none", address)
        objects.append(found)
    return iter(objects)


def _read_collections(file: File, addresses: list[int]) -> Parser[None]:
    if not addresses:
        return
    blocks = yield [file.span(address, 16, _SMALLEST) for address in addresses]
    longer = []
    for address, block in zip(addresses, blocks, strict=True):
        if address in file.collections:
            continue
        file.expect(block, b"GCOL", address)
        size = u64(block, 8)[0]
        if size > len(block):
            longer.append((address, size))
    whole = (yield [file.span(*where) for where in longer]) if longer else []
    found = dict(zip(addresses, blocks, strict=True)) | dict(zip([a for a, _ in longer], whole, strict=True))
    for address, block in found.items():
        if address not in file.collections:  # another object may have had it fetched meanwhile
            file.collections[address] = _split(file, address, block)


def _split(file: File, address: int, block: memoryview) -> dict[int, memoryview]:
    """Heap object: index, reference count, reserved, size, data padded to a multiple of 8. Index 0 is free space."""
    end = min(u64(block, 8)[0], len(block))
    place, objects = 16, {}
    while place + 16 <= end:
        (index,), (size,) = u16(block, place), u64(block, place + 8)
        if index == 0:
            break
        if place + 16 + size > end:
            raise file.error(f"object {index} reaches past the end of its global heap collection", address)
        objects[index] = block[place + 16 : place + 16 + size]
        place += 16 + (size + 7 & ~7)
    return objects
