"""III.E: global heap collections, where data of variable length lies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from chunkmap.formats.hdf5.structures.file import File, u16
from chunkmap.formats.text import text_of
from chunkmap.io.rounds import Parser

__all__ = ["HeapReference", "heap_references", "heap_text", "read_heap_objects"]

_SMALLEST: Final = 4096
"""No collection that the library writes is shorter."""

_NOTHING: Final = memoryview(b"")
_NO_OBJECTS: Final[Mapping[int, memoryview]] = {}


class HeapReference(NamedTuple):
    """One element of variable length: how many elements, and which object of which collection holds them."""

    size: int
    address: int
    number: int


def heap_references(file: File, data: bytes | memoryview) -> list[HeapReference]:
    """The elements of variable length in stored data: length, address of a collection, index of an object."""
    return list(map(HeapReference._make, file.heap_references(data)))


def heap_text(file: File, data: bytes) -> str | None:
    """The one text that stored data refers to; None where its collection was not read yet, or has no such text."""
    size, address, number = file.heap_reference(data)
    content = file.collections.get(address, _NO_OBJECTS).get(number)
    if content is None or not size or len(content) < size:
        return None
    return text_of(bytes(content[:size]).partition(b"\0")[0])


def read_heap_objects(file: File, references: Iterable[HeapReference]) -> Parser[Iterator[memoryview]]:
    """The bytes of each reference, in order; empty for a reference to nothing."""
    references = list(references)
    collections, nowhere = file.collections, (0, file.undefined)
    missing = dict.fromkeys([a for size, a, _ in references if size and a not in collections])
    if missing:
        yield from _read_collections(file, [a for a in missing if a not in nowhere])
    objects = []
    for size, address, number in references:
        found = collections[address].get(number) if size and address not in nowhere else _NOTHING
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
        size = file.length(block, 8)[0]
        if size > len(block):
            longer.append((address, size))
    whole = (yield [file.span(*where) for where in longer]) if longer else []
    found = dict(zip(addresses, blocks, strict=True)) | dict(zip([a for a, _ in longer], whole, strict=True))
    for address, block in found.items():
        if address not in file.collections:  # another object may have had it fetched meanwhile
            file.collections[address] = _split(file, address, block)


def _split(file: File, address: int, block: memoryview) -> dict[int, memoryview]:
    """Heap object: index, reference count, reserved, size, data; both padded to 8 bytes. Index 0 is free."""
    end = min(file.length(block, 8)[0], len(block))
    place, objects = 16, {}
    while place + 16 <= end:
        (index,), (size,) = u16(block, place), file.length(block, place + 8)
        if index == 0:
            break
        if place + 16 + size > end:
            raise file.error(f"object {index} reaches past the end of its global heap collection", address)
        objects[index] = block[place + 16 : place + 16 + size]
        place += 16 + (size + 7 & ~7)
    return objects
