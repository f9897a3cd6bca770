"""VII.D: the extensible array index: elements in the index block, in data blocks, and in pages of data blocks.

Super blocks double in turn the number of data blocks and the number of elements in each. The index block points
to the data blocks of the first super blocks itself; the others have a secondary block of their own.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.formats.hdf5.chunk_indexes.fixed_array import Rows, page_numbers
from chunkmap.formats.hdf5.structures.checksums import CHECKSUM, check, check_pages
from chunkmap.formats.hdf5.structures.file import File
from chunkmap.io.rounds import Parser

__all__ = ["read_extensible_array"]

# signature, version, client ID, element size, max number of elements (bits), index block elements,
# data block min elements, secondary block min data pointers, max data block page elements (bits)
_header = struct.Struct("<4s8B").unpack_from
_STATISTICS: Final = "LLLLLLA"
"""After the first 12 bytes of the header: secondary blocks and their size, data blocks and their size, max index set,
elements realized; then the address of the index block."""


@dataclass(frozen=True, slots=True)
class _Header:
    """What the header says."""

    address: int
    element: int
    """Bytes of an element."""
    start: int
    """Bytes of a block before its content or its block offset: signature, version, client ID, header address."""
    offset_size: int
    """Bytes of a block offset."""
    direct: int
    """Elements in the index block itself."""
    least: int
    """Elements of the smallest data block."""
    pointers: int
    """Smallest number of data block pointers in a secondary block."""
    page: int
    """Elements of a page; a larger data block is paged."""
    supers: int
    """Number of super blocks."""
    maximum: int
    """Index of the largest element ever set, plus one."""
    index_block: int

    def super_block(self, number: int) -> tuple[int, int]:
        """Number of data blocks, and elements in each."""
        return 1 << number // 2, (1 << (number + 1) // 2) * self.least

    @property
    def prefix(self) -> int:
        """Bytes of a secondary or data block before its content: the block offset comes last."""
        return self.start + self.offset_size


class _DataBlock(NamedTuple):
    """A data block: its elements, the number of its first, its address, and which of its pages were written."""

    elements: int
    first: int
    address: int
    pages: NDArray[np.bool_] | None


def read_extensible_array(file: File, address: int) -> Parser[Rows]:
    """Every element that was set."""
    header = _parse_header(file, address, (yield file.span(address, _header_size(file), 96)))
    if header.index_block == file.undefined:
        return np.empty(0, np.uint64), np.empty((0, header.element), np.uint8)
    direct_supers = 2 * (header.pointers.bit_length() - 1)
    pointers, secondaries = 2 * (header.pointers - 1), max(header.supers - direct_supers, 0)
    place, children = header.start + header.direct * header.element, file.fields(f"{pointers + secondaries}A")
    size = place + children.size + CHECKSUM
    block = yield file.span(header.index_block, size)
    file.expect(block, b"EAIB", header.index_block)
    check(file, block, size, header.index_block)
    addresses = children.unpack_from(block, place)
    blocks = _direct_blocks(file, header, direct_supers, addresses[:pointers])
    blocks += yield from _secondary_blocks(file, header, direct_supers, addresses[pointers:])
    elements = np.frombuffer(block, np.uint8, header.direct * header.element, header.start)
    parts = [(np.arange(header.direct, dtype=np.uint64), elements.reshape(header.direct, header.element))]
    parts += yield from _read_data_blocks(file, header, blocks)
    numbers = np.concatenate([n for n, _ in parts])
    rows = np.concatenate([r for _, r in parts])
    kept = numbers < np.uint64(header.maximum)
    return numbers[kept], rows[kept]


def _header_size(file: File) -> int:
    return 12 + file.fields(_STATISTICS).size + CHECKSUM


def _parse_header(file: File, address: int, block: memoryview) -> _Header:
    signature, _, _, element, bits, direct, least, pointers, page_bits = _header(block)
    file.expect(signature, b"EAHD", address)
    check(file, block, _header_size(file), address)
    powers = all(n and n & n - 1 == 0 for n in (least, pointers))
    if not element or not powers or bits > 64 or page_bits >= 32 or bits < least.bit_length():
        raise file.error(f"an extensible array has blocks of {least} elements and {pointers} pointers", address)
    *_, maximum, _, index_block = file.fields(_STATISTICS).unpack_from(block, 12)
    supers = 1 + bits - (least.bit_length() - 1)
    sizes = element, 6 + file.sizes[0], (bits + 7) // 8
    return _Header(address, *sizes, direct, least, pointers, 1 << page_bits, supers, maximum, index_block)


def _firsts(header: _Header) -> list[int]:
    """Super block -> number of its first element."""
    firsts, first = [], header.direct
    for number in range(header.supers):
        firsts.append(first)
        blocks, count = header.super_block(number)
        first += blocks * count
    return firsts


def _direct_blocks(file: File, header: _Header, supers: int, addresses: Sequence[int]) -> list[_DataBlock]:
    blocks, firsts, place = [], _firsts(header), 0
    for number in range(min(supers, header.supers)):
        many, count = header.super_block(number)
        for within in range(many):
            if place < len(addresses) and addresses[place] != file.undefined:
                blocks.append(_DataBlock(count, firsts[number] + within * count, addresses[place], None))
            place += 1
    return blocks


def _secondary_blocks(file: File, header: _Header, supers: int, addresses: Sequence[int]) -> Parser[list[_DataBlock]]:
    """Secondary block: signature, version, client ID, header address, block offset, page bitmaps, data block addresses.

    The bitmaps of all its data blocks are one stream of bits, not padded block by block.
    """
    firsts = _firsts(header)
    there = [(supers + n, address) for n, address in enumerate(addresses) if address != file.undefined]
    spans = []
    for number, address in there:
        many, count = header.super_block(number)
        content = _bitmap_size(header, many, count) + file.sizes[0] * many
        spans.append(file.span(address, header.prefix + content + CHECKSUM))
    contents = (yield spans) if spans else []
    blocks: list[_DataBlock] = []
    for (number, address), content in zip(there, contents, strict=True):
        file.expect(content, b"EASB", address)
        check(file, content, len(content), address)
        many, count = header.super_block(number)
        pages = count // header.page if count > header.page else 0
        bitmap = _bitmap_size(header, many, count)
        bits = np.unpackbits(np.frombuffer(content, np.uint8, bitmap, header.prefix)).astype(np.bool_)
        children = file.fields(f"{many}A").unpack_from(content, header.prefix + bitmap)
        for within, child in enumerate(children):
            if child != file.undefined:
                written = bits[within * pages : (within + 1) * pages] if pages else None
                blocks.append(_DataBlock(count, firsts[number] + within * count, child, written))
    return blocks


def _bitmap_size(header: _Header, many: int, count: int) -> int:
    return many * ((count // header.page + 7) // 8) if count > header.page else 0


def _read_data_blocks(file: File, header: _Header, blocks: list[_DataBlock]) -> Parser[list[Rows]]:
    spans, budget = [], file.size
    for block in blocks:
        checksums = CHECKSUM if block.pages is None else CHECKSUM * (1 + len(block.pages))
        spans.append(file.span(block.address, header.prefix + block.elements * header.element + checksums))
        budget -= spans[-1].need
    if budget < 0:
        raise file.error("the data blocks of an extensible array are longer than the file", header.address)
    contents = (yield spans) if spans else []
    parts = []
    for block, content in zip(blocks, contents, strict=True):
        file.expect(content, b"EADB", block.address)
        parts.append(_split_data_block(file, header, block, content))
    return parts


def _split_data_block(file: File, header: _Header, block: _DataBlock, content: memoryview) -> Rows:
    """A paged block has a checksum after its prefix, and one after each page."""
    if block.pages is None:
        check(file, content, len(content), block.address)
        rows = np.frombuffer(content, np.uint8, block.elements * header.element, header.prefix)
        numbers = np.arange(block.first, block.first + block.elements, dtype=np.uint64)
        return numbers, rows.reshape(block.elements, header.element)
    start, stride = header.prefix + CHECKSUM, header.page * header.element + CHECKSUM
    check(file, content, start, block.address)
    check_pages(file, content[start:], block.pages, stride, block.address + start)
    pages = np.frombuffer(content, np.uint8, offset=start).reshape(len(block.pages), stride)
    rows = pages[block.pages, : header.page * header.element].reshape(-1, header.element)
    return page_numbers(block.pages, header.page) + np.uint64(block.first), rows
