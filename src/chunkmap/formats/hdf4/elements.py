"""Data elements: where the bytes of an object are, be it in one piece or a special one.

HDF Specification and Developer's Guide, chapter on extended tags: linked blocks, external, compressed and chunked
elements.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chunkmap.errors import Unsupported
from chunkmap.formats.hdf4.coders import Coder, inflate, read_coder
from chunkmap.formats.hdf4.descriptors import File, Key
from chunkmap.io.rounds import Parser, Together

__all__ = ["HOLE", "Chunked", "Element", "bytes_of", "join", "locate", "read_bytes"]

DFTAG_LINKED: Final = 20
DFTAG_COMPRESSED: Final = 40
LINKED, EXTERNAL, COMPRESSED, VARIABLE, CHUNKED, BUFFERED, RASTER = 1, 2, 3, 4, 5, 6, 7
HOLE: Final = -1
"""Where a linked block was never written: it reads as zeros."""

_MOST_BLOCKS: Final = 1 << 16
_DEEPEST: Final = 4
_MOST_AXES: Final = 32
_MOST_METADATA: Final = 64 << 20
_LINKED: Final = struct.Struct(">iiiH")
_CHUNKED: Final = struct.Struct(">iBiiiiHHHHi")


@dataclass(frozen=True, slots=True)
class Chunked:
    """The header of an element that is stored in chunks."""

    shape: tuple[int, ...]
    """Length of each axis."""
    chunk_shape: tuple[int, ...]
    element: int
    """Bytes of one element of the array."""
    table: Key
    """The table of chunks: a Vdata."""
    fill: bytes
    coder: Coder | None
    table_axes: int = 0
    """Axes of the table, where it has fewer than the array."""


@dataclass(frozen=True, slots=True)
class Element:
    """Where the bytes of an object are."""

    length: int
    """Bytes in all, decoded."""
    extents: tuple[tuple[int, int], ...] = ()
    """Ranges of the file, in their order; one that begins at `HOLE` reads as zeros."""
    coder: Coder | None = None
    """How what lies there is compressed."""
    external: tuple[str, int] | None = None
    """The file in which the bytes are, and from where on."""
    chunked: Chunked | None = None


_EMPTY: Final = Element(0)


def locate(file: File, key: Key, depth: int = 0) -> Parser[Element]:
    """Find out where the bytes of an object are. Nothing is found of one that never got any."""
    entry = file.find(key)
    if entry is None:
        return _EMPTY
    if not entry.special:
        return Element(entry.length, ((entry.offset, entry.length),))
    if depth > _DEEPEST:
        raise file.error(f"special elements are nested more than {_DEEPEST} times", entry.offset)
    header = bytes((yield file.span(entry.offset, entry.length)))
    code = int.from_bytes(header[:2], "big")
    try:
        if code == LINKED:
            return (yield from _linked(file, header))
        if code == EXTERNAL:
            return _external(file, header, entry.offset)
        if code == COMPRESSED:
            return (yield from _compressed(file, header, depth))
        if code == CHUNKED:
            return Element(0, chunked=_chunked(file, header, entry.offset))
    except struct.error as error:
        raise file.error(f"the header of a special element (code {code}) is cut short", entry.offset) from error
    raise Unsupported(f"special elements of code {code} are not read", feature="special element", url=file.url)


def _linked(file: File, header: bytes) -> Parser[Element]:
    """Blocks that were added as the data grew. The blocks may be longer than the data: the header's length counts."""
    length, block, count, ref = _LINKED.unpack_from(header, 2)
    if length < 0 or block < 0 or not 0 <= count < _MOST_BLOCKS:
        raise file.error(f"a linked element of {length} bytes in blocks of {block}, {count} a table")
    blocks = yield from _blocks(file, count, ref)
    extents, left = list[tuple[int, int]](), length
    for number in blocks:
        found = file.find((DFTAG_LINKED, number)) if number else None
        size = block if found is None else found.length if not extents else min(found.length, block)
        if left <= 0 or size <= 0:
            break
        extents.append((HOLE if found is None else found.offset, min(size, left)))
        left -= size
    return Element(length, tuple(extents))


def _blocks(file: File, count: int, ref: int) -> Parser[list[int]]:
    """The reference numbers of the blocks, from tables that are chained: 0 where a block was never written."""
    blocks, seen = list[int](), set[int]()
    while ref and len(blocks) < _MOST_BLOCKS:
        if ref in seen:
            raise file.error("the tables of a linked element come back to one another")
        seen.add(ref)
        entry = file.find((DFTAG_LINKED, ref))
        if entry is None:
            break
        table = bytes((yield file.span(entry.offset, entry.length)))
        numbers = struct.unpack(f">{len(table) // 2}H", table[: len(table) // 2 * 2])[: count + 1]
        ref, more = (numbers[0], numbers[1:]) if numbers else (0, ())
        blocks += more
    return blocks


def _external(file: File, header: bytes, offset: int) -> Element:
    """Bytes in another file: `0002`, length, offset, length of the name, name."""
    length, start, name_length = struct.unpack_from(">iii", header, 2)
    name = header[14 : 14 + max(name_length, 0)].split(b"\0")[0]
    if length < 0 or start < 0 or not name:
        raise file.error(f"an external element of {length} bytes from byte {start} of {name!r}", offset)
    return Element(length, external=(name.decode("utf-8", "replace"), start))


def _compressed(file: File, header: bytes, depth: int) -> Parser[Element]:
    _, length, ref = struct.unpack_from(">HiH", header, 2)
    coder = read_coder(header[10:])
    found = yield from locate(file, (DFTAG_COMPRESSED, ref), depth + 1)
    if found.coder is not None or found.chunked is not None:
        raise file.error("compressed data are said to be special a second time")
    return Element(max(length, 0), found.extents, coder, found.external)


def _chunked(file: File, header: bytes, offset: int) -> Chunked:
    _, _, flag, _, _, element, tag, ref, _, _, ndim = _CHUNKED.unpack_from(header, 2)
    if not 0 < ndim <= _MOST_AXES or not 0 < element < 1 << 16:
        raise file.error(f"a chunked element of {ndim} axes and elements of {element} bytes", offset)
    place = 2 + _CHUNKED.size
    axes = [struct.unpack_from(">iii", header, place + 12 * axis) for axis in range(ndim)]
    if any(chunk < 1 or length < 0 for _, length, chunk in axes):
        raise file.error(f"a chunked element with axes and chunks of {[a[1:] for a in axes]}", offset)
    place += 12 * ndim
    (fill_length,) = struct.unpack_from(">i", header, place)
    fill = header[place + 4 : place + 4 + max(fill_length, 0)]
    place += 4 + max(fill_length, 0)
    coder = read_coder(header[place + 6 :]) if flag & 0xFF == COMPRESSED else None
    shape, chunks = tuple(a[1] for a in axes), tuple(a[2] for a in axes)
    return Chunked(shape, chunks, element, (tag, ref), fill, coder)


def bytes_of(file: File, element: Element) -> Parser[bytes]:
    """All bytes of an element, decoded: of metadata and of what is to be held inline."""
    if element.external is not None:
        raise Unsupported(
            f"the bytes are in another file, {element.external[0]!r}", feature="external element", url=file.url
        )
    if sum(n for _, n in element.extents) > _MOST_METADATA or element.length > _MOST_METADATA:
        raise file.error(f"expected at most {_MOST_METADATA} bytes of metadata, found {element.length}")
    blocks = yield [file.span(offset, n) for offset, n in element.extents if offset != HOLE]
    data = join(element.extents, blocks)
    return data if element.coder is None else inflate(element.coder, data, element.length)


def join(extents: Sequence[tuple[int, int]], blocks: Sequence[memoryview]) -> bytes:
    """Ranges one behind the other, holes as zeros."""
    coming = iter(blocks)
    return b"".join(bytes(n) if offset == HOLE else next(coming) for offset, n in extents)


def read_bytes(file: File, keys: Sequence[Key]) -> Parser[dict[Key, bytes]]:
    """The bytes of many objects, in the same rounds; nothing of those that never got any."""
    plain, special = list[tuple[Key, tuple[int, int]]](), list[Key]()
    for key in dict.fromkeys(keys):
        entry = file.find(key)
        if entry is None:
            continue
        if entry.special:
            special.append(key)
        else:
            plain.append((key, (entry.offset, entry.length)))
    found, blocks = yield Together([_all(file, special), _plain(file, [place for _, place in plain])])
    data = {key: bytes(block) for (key, _), block in zip(plain, blocks, strict=True)}
    return data | dict(zip(special, found, strict=True))


def _plain(file: File, places: Sequence[tuple[int, int]]) -> Parser[list[memoryview]]:
    blocks: list[memoryview] = (yield [file.span(*place) for place in places]) if places else []
    return blocks


def _all(file: File, keys: Sequence[Key]) -> Parser[list[bytes]]:
    found: list[bytes] = (yield Together([_whole(file, key) for key in keys])) if keys else []
    return found


def _whole(file: File, key: Key) -> Parser[bytes]:
    element = yield from locate(file, key)
    if element.chunked is not None:
        raise file.error(f"metadata {key} are stored in chunks")
    return (yield from bytes_of(file, element))
