"""III.G: fractal heaps, which hold the links of large groups and the attributes of objects with many of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from chunkmap.formats.hdf5.structures.btree_v2 import read_btree_v2
from chunkmap.formats.hdf5.structures.checksums import CHECKSUM, check, check_zeroed
from chunkmap.formats.hdf5.structures.file import File
from chunkmap.formats.hdf5.structures.filters import codecs_of, decode
from chunkmap.formats.hdf5.structures.messages import Filter, parse_filter_pipeline
from chunkmap.io.rounds import Parser

__all__ = ["read_heap"]

_HEADER: Final = "5xHHBILALA8LHLLHHAH"
"""Signature, version; heap ID length, I/O filters' encoded length, flags, maximum size of managed objects; next huge
object ID, B-tree of huge objects; free space; statistics; table width, starting block size, maximum direct block size,
maximum heap size (bits), starting rows, root, rows of the root."""

_HAS_CHECKSUMS: Final = 2  # flag: of direct blocks
_MOST_ROWS: Final = 64

_MANAGED, _HUGE, _TINY = 0, 1, 2
_HUGE_PLAIN, _HUGE_FILTERED = 1, 2  # types of a version 2 B-tree
_INFLATED: Final = 1100
"""Most bytes that a filter makes of one: deflate makes 1032."""


class _Stored(NamedTuple):
    """Bytes in the file, and which of the heap's filters they skip."""

    address: int
    size: int
    mask: int


class _Block(NamedTuple):
    """A direct block: where it begins in the heap's own address space, its length, where it is stored."""

    start: int
    size: int
    stored: _Stored


class _Managed(NamedTuple):
    """The heap's own space: where each direct block begins in it, and its bytes."""

    starts: list[int]
    contents: Sequence[memoryview]


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
    filters: tuple[Filter, ...]
    """What its blocks and huge objects are filtered with."""
    root_stored: _Stored
    """Of a heap that is one direct block: where it is stored."""
    has_checksums: bool
    """Whether direct blocks have checksums."""

    @property
    def direct_rows(self) -> int:
        """Rows of an indirect block that point to direct blocks."""
        return self.largest.bit_length() - self.start_size.bit_length() + 2

    @property
    def pointer(self) -> str:
        """The fields of a pointer to a direct block: address, (filtered: size and filter mask)."""
        return "ALI" if self.filters else "A"

    def direct_cells(self, node: _Indirect) -> int:
        """Children of an indirect block that are direct blocks."""
        return min(node.rows, self.direct_rows) * self.width

    def children_size(self, file: File, node: _Indirect) -> int:
        """Bytes of all pointers of an indirect block."""
        direct = self.direct_cells(node)
        return direct * file.fields(self.pointer).size + (node.rows * self.width - direct) * file.sizes[0]

    def cells(self, node: _Indirect) -> Iterator[tuple[int, int]]:
        """Start and size of each child: the first two rows have blocks of the starting size, the others double it."""
        start = node.start
        for row in range(node.rows):
            size = self.start_size << max(row - 1, 0)
            for _ in range(self.width):
                yield start, size
                start += size


def read_heap(file: File, address: int, identifiers: Sequence[bytes]) -> Parser[list[memoryview]]:
    """The objects with these heap IDs, in order."""
    if not identifiers:
        return []
    header = yield from _read_header(file, address)
    managed = yield from _read_blocks(file, address, header)
    kinds = [raw[0] >> 4 & 3 for raw in identifiers]
    if not any(kinds):
        return _managed_objects(file, address, header, managed, identifiers)
    objects: list[memoryview] = [memoryview(b"")] * len(identifiers)
    found: Sequence[memoryview]
    for kind in set(kinds):
        rows = [row for row, other in enumerate(kinds) if other == kind]
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
    if header.root != file.undefined:
        if header.root_rows == 0:
            blocks.append(_Block(0, header.start_size, header.root_stored))
        else:
            blocks = yield from _read_indirect(file, address, header)
    contents = yield from _read_stored(file, address, header, [block.stored for block in blocks])
    if header.filters and sum(block.size for block in blocks) > _INFLATED * file.size:
        raise file.error("the blocks of a fractal heap are longer than its filters can make them", address)
    for found, content in zip(blocks, contents, strict=True):
        file.expect(content, b"FHDB", found.stored.address)
        if header.has_checksums:
            check_zeroed(file, content, 5 + file.sizes[0] + header.offset_size, found.stored.address)
    return _Managed([b.start for b in blocks], contents)


def _read_stored(file: File, address: int, header: _Header, places: Sequence[_Stored]) -> Parser[Sequence[memoryview]]:
    """Blocks or huge objects, without their filters."""
    if sum(place.size for place in places) > file.size:
        raise file.error("what a fractal heap holds is longer than the file", address)
    contents: list[memoryview] = (yield [file.span(p.address, p.size) for p in places]) if places else []
    if not header.filters:
        return contents
    return [
        memoryview(decode(codecs_of(header.filters, place.mask), content[: place.size]))
        for place, content in zip(places, contents, strict=True)
    ]


def _read_huge(file: File, address: int, header: _Header, identifiers: list[bytes]) -> Parser[Sequence[memoryview]]:
    """Heap ID of a huge object: where it is stored, if that fits, else a number that a B-tree knows.

    Stored: address, length, (filtered: filter mask, length without filters). Record: the same, and the number.
    """
    stored = file.fields("ALIL" if header.filters else "AL")
    if header.identifier_size >= 1 + stored.size:
        places = [stored.unpack_from(raw) for raw in identifiers]
    else:
        record = file.fields("ALILL" if header.filters else "ALL")
        kind = _HUGE_FILTERED if header.filters else _HUGE_PLAIN
        records = yield from read_btree_v2(file, header.huge_index, (kind,))
        if records.shape[1] != record.size:
            raise file.error(f"expected records of {record.size} bytes, found {records.shape[1]}", header.huge_index)
        known = {number: place for *place, number in record.iter_unpack(records.tobytes())}
        numbers = [int.from_bytes(raw[:8], "little") for raw in identifiers]
        if not all(number in known for number in numbers):
            raise file.error("expected a huge object of a fractal heap, found none", address)
        places = [tuple(known[number]) for number in numbers]
    found = [_Stored(place[0], place[1], place[2] if header.filters else 0) for place in places]
    return (yield from _read_stored(file, address, header, found))


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


def _read_header(file: File, address: int) -> Parser[_Header]:
    """What `_HEADER` says, then for filtered heaps: size and filter mask of the root block, filter pipeline message."""
    fields, filtered = file.fields(_HEADER), file.fields("LI")
    block = yield file.span(address, fields.size + CHECKSUM, 160)
    file.expect(block, b"FRHP", address)
    found = fields.unpack_from(block)
    (identifier_size, filters, flags, most_managed, _, huge_index), table = found[:6], found[-7:]
    if filters:
        block = yield file.span(address, fields.size + filtered.size + filters + CHECKSUM)
    check(file, block, fields.size + (filtered.size + filters if filters else 0) + CHECKSUM, address)
    width, start_size, largest, bits, _, root, rows = table
    if file.sizes[1] == 2 and not largest:
        raise file.unsupported(
            "the largest block of a fractal heap has a length that two bytes do not hold",
            "fractal heap of short lengths",
        )
    if not (width and start_size and start_size & start_size - 1 == 0 and largest >= start_size and bits <= 64):
        raise file.error(f"a fractal heap has {width} blocks of {start_size} to {largest} bytes in a row", address)
    if rows > _MOST_ROWS or start_size > _INFLATED * file.size:
        raise file.error(f"a fractal heap claims {rows} rows of blocks from {start_size} bytes up", address)
    pipeline, stored = tuple[Filter, ...](), _Stored(root, start_size, 0)
    if filters:
        start = fields.size + filtered.size
        pipeline = parse_filter_pipeline(bytes(block[start : start + filters]))
        stored = _Stored(root, *filtered.unpack_from(block, fields.size))
    sizes = (bits + 7) // 8, max(1, (min(largest, most_managed).bit_length() + 7) // 8)
    return _Header(
        width,
        start_size,
        largest,
        *sizes,
        root,
        rows,
        identifier_size,
        huge_index,
        pipeline,
        stored,
        bool(flags & _HAS_CHECKSUMS),
    )


def _read_indirect(file: File, address: int, header: _Header) -> Parser[list[_Block]]:
    """All direct blocks, found one level of indirect blocks at a time.

    Indirect block: signature, version, heap header address, block offset, child blocks: first the direct ones, each
    with its address, (filtered: size and filter mask); then the addresses of the indirect ones.
    """
    blocks: list[_Block] = []
    waiting = [_Indirect(header.root, header.root_rows, 0)]
    budget = file.size
    prefix = 5 + file.sizes[0] + header.offset_size
    while waiting:
        spans = [file.span(n.address, prefix + header.children_size(file, n) + CHECKSUM) for n in waiting]
        budget -= sum(span.need for span in spans)
        if budget < 0:
            raise file.error("the indirect blocks of a fractal heap are longer than the file", address)
        contents = yield spans
        waiting, parents = [], waiting
        for node, content in zip(parents, contents, strict=True):
            file.expect(content, b"FHIB", node.address)
            check(file, content, len(content), node.address)
            direct, below = _split_indirect(file, node, content[prefix:-CHECKSUM], header)
            blocks += direct
            waiting += below
    blocks.sort()
    return blocks


def _split_indirect(
    file: File, node: _Indirect, content: memoryview, header: _Header
) -> tuple[list[_Block], list[_Indirect]]:
    """The blocks that a block leads to: indirect ones must be smaller than itself, else the heap would have no end."""
    blocks, below, cells = list[_Block](), list[_Indirect](), header.cells(node)
    pointer = file.fields(header.pointer)
    split = header.direct_cells(node) * pointer.size
    for found, (start, size) in zip(pointer.iter_unpack(content[:split]), cells, strict=False):
        if found[0] != file.undefined:
            blocks.append(_Block(start, size, _Stored(*found) if header.filters else _Stored(found[0], size, 0)))
    for start, size in cells:
        ((child,), split) = file.address(content, split), split + file.sizes[0]
        if child != file.undefined:
            rows = size.bit_length() - (header.start_size * header.width).bit_length() + 1
            if not 0 < rows < node.rows:
                raise file.error("an indirect block of a fractal heap has rows larger than itself", node.address)
            below.append(_Indirect(child, rows, start))
    return blocks, below
