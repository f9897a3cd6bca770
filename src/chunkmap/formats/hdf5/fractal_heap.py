"""III.G: fractal heaps, which hold the links of large groups and the attributes of objects with many of them."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from chunkmap.formats.hdf5.btree_v2 import read_btree_v2
from chunkmap.formats.hdf5.checksums import CHECKSUM, check, check_zeroed
from chunkmap.formats.hdf5.file import UNDEFINED, File, u64, u64_pair
from chunkmap.io.rounds import Parser

__all__ = ["read_heap"]

_HEADER_SIZE: Final = 142
_MOST_ROWS: Final = 64
_CHECKSUMMED: Final = 2  # flag: direct blocks have checksums

_MANAGED, _HUGE, _TINY = 0, 1, 2
_HUGE_INDIRECT: Final = 1  # type of a version 2 B-tree: huge objects, not filtered


class _Block(NamedTuple):
    """A direct block: where it begins in the heap's own address space, its length, its address in the file."""

    start: int
    size: int
    address: int


class _Managed(NamedTuple):
    """The heap's own space: where each direct block begins in it, and its bytes."""

    starts: list[int]
    contents: list[memoryview]


class _Indirect(NamedTuple):
    """An indirect block still to be read."""

    address: int
    rows: int
    start: int


@dataclass(frozen=True, slots=True)
class _Header:
    """What the heap's header says of its blocks ("doubling table")."""

    width: int
    start_size: int
    largest: int
    offset_size: int
    length_size: int
    root: int
    root_rows: int
    identifier_size: int
    """Bytes of a heap ID."""
    huge_index: int
    """Address of the B-tree of objects too large for the heap's own blocks."""
    has_checksums: bool
    """Whether direct blocks have checksums."""

    @property
    def direct_rows(self) -> int:
        """Rows of an indirect block that point to direct blocks."""
        return self.largest.bit_length() - self.start_size.bit_length() + 2

    def block_size(self, row: int) -> int:
        """The first two rows have blocks of the starting size, each row after them of twice the one before."""
        return self.start_size << max(row - 1, 0)


def read_heap(file: File, address: int, identifiers: Sequence[bytes]) -> Parser[list[memoryview]]:
    """The objects with these heap IDs, in order."""
    if not identifiers:
        return []
    block = yield file.span(address, _HEADER_SIZE + CHECKSUM, 160)
    header = _parse_header(file, address, block)
    managed = yield from _read_blocks(file, address, header)
    kinds = [raw[0] >> 4 & 3 for raw in identifiers]
    if not any(kinds):
        return _managed_objects(file, address, header, managed, identifiers)
    objects: list[memoryview] = [memoryview(b"")] * len(identifiers)
    for kind in set(kinds):
        rows = [row for row, found in enumerate(kinds) if found == kind]
        chosen = [identifiers[row] for row in rows]
        if kind == _MANAGED:
            found = _managed_objects(file, address, header, managed, chosen)
        elif kind == _TINY:
            # version and type, of which the lower half is the length less one; then the object itself
            found = [memoryview(raw)[1 : 2 + (raw[0] & 15)] for raw in chosen]
        elif kind == _HUGE:
            found = yield from _read_huge(file, address, header, [raw[1:] for raw in chosen])
        else:
            raise file.error(f"expected a heap ID of type 0, 1 or 2, found {kind}", address)
        for row, content in zip(rows, found, strict=True):
            objects[row] = content
    return objects


def _read_blocks(file: File, address: int, header: _Header) -> Parser[_Managed]:
    """Every direct block of a heap."""
    blocks: list[_Block] = []
    if header.root != UNDEFINED:
        if header.root_rows == 0:
            blocks.append(_Block(0, header.start_size, header.root))
        else:
            blocks = yield from _read_indirect(file, address, header)
    if sum(b.size for b in blocks) > file.size:
        raise file.error("the blocks of a fractal heap are longer than the file", address)
    contents = (yield [file.span(b.address, b.size) for b in blocks]) if blocks else []
    for found, content in zip(blocks, contents, strict=True):
        file.expect(content, b"FHDB", found.address)
        if header.has_checksums:
            check_zeroed(file, content, 13 + header.offset_size, found.address)
    return _Managed([b.start for b in blocks], contents)


def _read_huge(file: File, address: int, header: _Header, identifiers: list[bytes]) -> Parser[list[memoryview]]:
    """Heap ID of a huge object: address and length where they fit, else a number that a B-tree knows (type 1).

    Record: address, length, ID.
    """
    if header.identifier_size >= 1 + 16:
        places = [u64_pair(raw) for raw in identifiers]
    else:
        records = yield from read_btree_v2(file, header.huge_index, (_HUGE_INDIRECT,))
        known = {number: (where, length) for where, length, number in records.view("<u8").tolist()}
        numbers = [int.from_bytes(raw[:8], "little") for raw in identifiers]
        if not all(number in known for number in numbers):
            raise file.error("expected a huge object of a fractal heap, found none", address)
        places = [known[number] for number in numbers]
    if sum(length for _, length in places) > file.size:
        raise file.error("the huge objects of a fractal heap are longer than the file", address)
    contents: list[memoryview] = yield [file.span(*place) for place in places]
    return contents


def _managed_objects(
    file: File, address: int, header: _Header, blocks: _Managed, identifiers: Sequence[bytes]
) -> list[memoryview]:
    """Heap ID of a managed object: version and type, offset, length."""
    split = 1 + header.offset_size
    end = split + header.length_size
    starts, contents = blocks
    objects = []
    for raw in identifiers:
        offset, length = int.from_bytes(raw[1:split], "little"), int.from_bytes(raw[split:end], "little")
        number = bisect_right(starts, offset) - 1
        place = offset - starts[number] if number >= 0 else 0
        found = contents[number][place : place + length] if number >= 0 else memoryview(b"")
        if len(found) != length:
            raise file.error(
                f"expected {length} bytes at offset {offset} of a fractal heap, found no such block", address
            )
        objects.append(found)
    return objects


def _parse_header(file: File, address: int, block: memoryview) -> _Header:
    file.expect(block, b"FRHP", address)
    # version, heap ID length, I/O filters' encoded length, flags, maximum size of managed objects
    identifier_size, filters, flags, most_managed = struct.unpack_from("<HHBI", block, 5)
    if filters:
        raise file.unsupported("the blocks of a fractal heap are filtered", "filtered fractal heap")
    check(file, block, _HEADER_SIZE + CHECKSUM, address)
    # next huge object ID, address of the B-tree of huge objects
    (huge_index,) = u64(block, 22)
    # table width, starting block size, maximum direct block size, maximum heap size (bits), starting rows, root
    width, start_size, largest, bits, _, root, rows = struct.unpack_from("<HQQHHQH", block, 110)
    if not (width and start_size and start_size & start_size - 1 == 0 and largest >= start_size and bits <= 64):
        raise file.error(f"a fractal heap has {width} blocks of {start_size} to {largest} bytes in a row", address)
    if rows > _MOST_ROWS or start_size > file.size:
        raise file.error(f"a fractal heap claims {rows} rows of blocks from {start_size} bytes up", address)
    length_size = max(1, (min(largest, most_managed).bit_length() + 7) // 8)
    return _Header(
        width,
        start_size,
        largest,
        (bits + 7) // 8,
        length_size,
        root,
        rows,
        identifier_size,
        huge_index,
        bool(flags & _CHECKSUMMED),
    )


def _read_indirect(file: File, address: int, header: _Header) -> Parser[list[_Block]]:
    """All direct blocks, found one level of indirect blocks at a time.

    Indirect block: signature, version, heap header address, block offset, addresses of the child blocks.
    """
    blocks: list[_Block] = []
    waiting = [_Indirect(header.root, header.root_rows, 0)]
    budget = file.size
    prefix = 13 + header.offset_size
    while waiting:
        spans = [file.span(node.address, prefix + 8 * node.rows * header.width + CHECKSUM) for node in waiting]
        budget -= sum(span.need for span in spans)
        if budget < 0:
            raise file.error("the indirect blocks of a fractal heap are longer than the file", address)
        contents = yield spans
        below: list[_Indirect] = []
        for node, content in zip(waiting, contents, strict=True):
            file.expect(content, b"FHIB", node.address)
            check(file, content, len(content), node.address)
            if not _split_indirect(node, content, header, blocks, below):
                raise file.error("an indirect block of a fractal heap has rows larger than itself", node.address)
        waiting = below
    blocks.sort()
    return blocks


def _split_indirect(
    node: _Indirect, content: memoryview, header: _Header, blocks: list[_Block], below: list[_Indirect]
) -> bool:
    """Whether every indirect block below is smaller than this one: else the heap would have no end."""
    place, start = 13 + header.offset_size, node.start
    for cell in range(node.rows * header.width):
        row = cell // header.width
        size = header.block_size(row)
        (child,) = u64(content, place)
        if child != UNDEFINED and row < header.direct_rows:
            blocks.append(_Block(start, size, child))
        elif child != UNDEFINED:
            rows = size.bit_length() - (header.start_size * header.width).bit_length() + 1
            if not 0 < rows < node.rows:
                return False
            below.append(_Indirect(child, rows, start))
        place, start = place + 8, start + size
    return True
