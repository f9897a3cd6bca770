"""Data elements: where the bytes of an object are, be it in one piece or a special one.

HDF Specification and Developer's Guide, chapter on extended tags: linked blocks, external, compressed and chunked
elements. Many objects are looked at together, so that what they need is read at once.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import ChunkmapError, Unsupported
from chunkmap.formats.hdf4.coders import Coder, inflate, read_coder
from chunkmap.formats.hdf4.descriptors import File, Key
from chunkmap.io.rounds import Parser, Pieces, Together

__all__ = [
    "COMPRESSED",
    "DFTAG_COMPRESSED",
    "HOLE",
    "Chunked",
    "Element",
    "bytes_of",
    "bytes_of_all",
    "join",
    "locate",
    "locate_all",
    "read_bytes",
    "read_joined",
    "read_ranges",
    "try_bytes",
]

DFTAG_LINKED: Final = 20
DFTAG_COMPRESSED: Final = 40
LINKED, EXTERNAL, COMPRESSED, VARIABLE, CHUNKED, BUFFERED, RASTER = 1, 2, 3, 4, 5, 6, 7
HOLE: Final = -1
"""Where a linked block was never written: it reads as zeros."""

_DEEPEST: Final = 4
_MOST_AXES: Final = 32
_MOST_METADATA: Final = 64 << 20
_MOST_AT_ONCE: Final = 128 << 20
_LONGEST_HEADER: Final = 128 << 10
_CHUNKED: Final = struct.Struct(">iBiiiiHHHHi")


class Chunked(NamedTuple):
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


class Element(NamedTuple):
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


class _Compressed(NamedTuple):
    """A header that leads to a stream."""

    length: int
    ref: int
    coder: Coder


class _Linked(NamedTuple):
    """A header that leads to linked blocks."""

    length: int
    block: int
    blocks: int
    """Blocks that a table lists."""
    ref: int


_EMPTY: Final = Element(0)

Tried = Element | ChunkmapError


def locate(file: File, key: Key) -> Parser[Element]:
    """Find out where the bytes of one object are. Nothing is found of one that never got any."""
    (element,) = yield from locate_all(file, [key])
    if isinstance(element, ChunkmapError):
        raise element
    return element


def locate_all(file: File, keys: Sequence[Key], depth: int = 0) -> Parser[list[Tried]]:
    """Find out where the bytes of many objects are: an error for one of which that cannot be told."""
    found, special = _plain(file, keys)
    if not special:
        return found
    places = [found[number].extents[0] for number in special]  # type: ignore[union-attr]
    headers = yield from read_ranges(file, *_columns(places, _LONGEST_HEADER))
    read = [_header(file, header, offset) for header, (offset, _) in zip(headers, places, strict=True)]
    linked = [header for header in read if isinstance(header, _Linked)]
    streams = [header for header in read if isinstance(header, _Compressed)]
    blocks, inner = yield Together([_linked(file, linked), _streams(file, streams, depth)])
    coming, below = iter(blocks), iter(inner)
    for number, header in zip(special, read, strict=True):
        if isinstance(header, _Linked):
            found[number] = next(coming)
        elif isinstance(header, _Compressed):
            found[number] = next(below)
        else:
            found[number] = header
    return found


def _plain(file: File, keys: Sequence[Key]) -> tuple[list[Tried], list[int]]:
    """Where every object is by its descriptor, and which of them are special: then there is a header."""
    places = file.lookup(*_columns(keys))
    columns = zip(places.offsets.tolist(), places.lengths.tolist(), strict=True)
    found: list[Tried] = [Element(n, ((offset, n),)) if n > 0 else _EMPTY for offset, n in columns]
    return found, np.flatnonzero(places.special).tolist()


def _columns(pairs: Sequence[tuple[int, int]], most: int | None = None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs as two columns; no number of the second is larger than `most`."""
    table = np.array(pairs, np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1] if most is None else np.minimum(table[:, 1], most)


def _header(file: File, header: bytes, offset: int) -> Element | _Linked | _Compressed | ChunkmapError:
    """What the header of a special element says."""
    code = int.from_bytes(header[:2], "big")
    rule = _RULES.get(code)
    if rule is None:
        return Unsupported(f"special elements of code {code} are not read", feature="special element", url=file.url)
    try:
        found: Element | _Linked | _Compressed = rule(file, header, offset)
    except struct.error:
        return file.error(f"the header of a special element (code {code}) is cut short", offset)
    except ChunkmapError as error:
        return error
    return found


def _link(file: File, header: bytes, offset: int) -> _Linked:
    length, block, count, ref = struct.unpack_from(">iiiH", header, 2)
    if length < 0 or block < 0 or not 0 <= count < 1 << 16:
        raise file.error(f"a linked element of {length} bytes in blocks of {block}, {count} a table", offset)
    return _Linked(length, block, count, ref)


def _external(file: File, header: bytes, offset: int) -> Element:
    """Bytes in another file: `0002`, length, offset, length of the name, name."""
    length, start, name_length = struct.unpack_from(">iii", header, 2)
    name = header[14 : 14 + max(name_length, 0)].split(b"\0")[0]
    if length < 0 or start < 0 or not name:
        raise file.error(f"an external element of {length} bytes from byte {start} of {name!r}", offset)
    return Element(length, external=(name.decode("utf-8", "replace"), start))


def _compressed(_file: File, header: bytes, _offset: int) -> _Compressed:
    _, length, ref = struct.unpack_from(">HiH", header, 2)
    return _Compressed(max(length, 0), ref, read_coder(header[10:]))


def _in_chunks(file: File, header: bytes, offset: int) -> Element:
    _, _, flag, _, _, element, tag, ref, _, _, ndim = _CHUNKED.unpack_from(header, 2)
    if not 0 < ndim <= _MOST_AXES or not 0 < element < 1 << 16:
        raise file.error(f"a chunked element of {ndim} axes and elements of {element} bytes", offset)
    place = 2 + _CHUNKED.size
    axes = struct.unpack_from(f">{3 * ndim}i", header, place)
    shape, chunks = axes[1::3], axes[2::3]
    if min(chunks) < 1 or min(shape) < 0:
        raise file.error(f"a chunked element with axes of {shape} and chunks of {chunks}", offset)
    place += 12 * ndim
    (fill_length,) = struct.unpack_from(">i", header, place)
    place += 4
    fill = header[place : place + max(fill_length, 0)]
    place += max(fill_length, 0)
    coder = read_coder(header[place + 6 :]) if flag & 0xFF == COMPRESSED else None
    return Element(0, chunked=Chunked(shape, chunks, element, (tag, ref), fill, coder))


_RULES: Final[dict[int, Any]] = {LINKED: _link, EXTERNAL: _external, COMPRESSED: _compressed, CHUNKED: _in_chunks}


# ---------------------------------------------------------------------- linked blocks


def _linked(file: File, headers: Sequence[_Linked]) -> Parser[list[Tried]]:
    """Blocks that were added as the data grew. The blocks may be longer than the data: the header's length counts."""
    tables = yield from _tables(file, headers)
    numbers = np.array([ref for refs in tables if isinstance(refs, list) for ref in refs], np.int64)
    found = file.lookup(DFTAG_LINKED, numbers)
    columns = zip(
        np.where(numbers > 0, found.offsets, HOLE).tolist(),
        np.where(numbers > 0, np.maximum(found.lengths, 0), -1).tolist(),
        strict=True,
    )
    return [
        refs if isinstance(refs, ChunkmapError) else _joined(header, [next(columns) for _ in refs])
        for header, refs in zip(headers, tables, strict=True)
    ]


def _joined(header: _Linked, blocks: Sequence[tuple[int, int]]) -> Element:
    """The ranges of one element; a block that was never written is a hole, but the first one has its own length."""
    extents, left = list[tuple[int, int]](), header.length
    for number, (offset, length) in enumerate(blocks):
        if not number and not length:  # what was empty when it was continued elsewhere
            continue
        size = header.block if offset == HOLE else min(length, header.block) if number else length
        if left <= 0 or size <= 0:
            break
        extents.append((offset, min(size, left)))
        left -= size
    return Element(header.length, tuple(extents))


def _tables(file: File, headers: Sequence[_Linked]) -> Parser[list[list[int] | ChunkmapError]]:
    """For each element the reference numbers of its blocks, from tables that are chained; 0 of one never written."""
    out: list[list[int] | ChunkmapError] = [[] for _ in headers]
    seen = [set[int]() for _ in headers]
    waiting = {number: header.ref for number, header in enumerate(headers) if header.ref}
    hops = 0
    while waiting:
        hops += 1
        places = file.lookup(DFTAG_LINKED, np.array(list(waiting.values())))
        if hops > _HOPS:
            yield from _all_tables(file, {headers[number].blocks for number in waiting})
        sizes = np.array([2 + 2 * headers[number].blocks for number in waiting])
        data = yield from read_ranges(file, places.offsets, np.minimum(places.lengths, sizes))
        following = dict[int, int]()
        for (number, ref), table in zip(waiting.items(), data, strict=True):
            blocks = out[number]
            assert isinstance(blocks, list)
            seen[number].add(ref)
            numbers = struct.unpack(f">{len(table) // 2}H", table[: len(table) // 2 * 2])
            blocks += numbers[1:]
            if numbers and numbers[0] in seen[number]:
                out[number] = file.error("the tables of a linked element come back to one another")
            elif numbers and numbers[0] and len(blocks) < 1 << 16:
                following[number] = numbers[0]
        waiting = following
    return out


_HOPS: Final = 3
"""Tables that are followed one by one, before all that might be tables are fetched at once."""


def _all_tables(file: File, counts: set[int]) -> Parser[None]:
    """Fetch every block that is as long as a table of so many blocks: the chain goes on in some of them."""
    places = file.lookup(DFTAG_LINKED, np.array(file.refs(DFTAG_LINKED), np.int64))
    could_be = np.isin(places.lengths, [2 + 2 * count for count in counts])
    yield from read_ranges(file, places.offsets[could_be], places.lengths[could_be])


# ---------------------------------------------------------------------- compressed streams


def _streams(file: File, headers: Sequence[_Compressed], depth: int) -> Parser[list[Tried]]:
    if not headers:
        return []
    if depth > _DEEPEST:
        error = file.error(f"special elements are nested more than {_DEEPEST} times")
        return [error for _ in headers]
    inner = yield from locate_all(file, [(DFTAG_COMPRESSED, header.ref) for header in headers], depth + 1)
    return [_stream(file, header, element) for header, element in zip(headers, inner, strict=True)]


def _stream(file: File, header: _Compressed, found: Tried) -> Tried:
    if isinstance(found, ChunkmapError):
        return found
    if found.coder is not None or found.chunked is not None:
        return file.error("compressed data are said to be special a second time")
    return Element(header.length, found.extents, header.coder, found.external)


# ---------------------------------------------------------------------- bytes


def read_joined(file: File, offsets: NDArray[np.int64], lengths: NDArray[np.int64]) -> Parser[bytes]:
    """The bytes of many ranges, in one round, one behind the other; nothing of those that have no length."""
    there = lengths > 0
    total = int(lengths[there].sum())
    if total > min(_MOST_AT_ONCE, 2 * file.size + _MOST_METADATA // 64):
        raise file.error(f"expected metadata that fit into the file, found {total} bytes in {there.sum()} objects")
    data: bytes = (yield Pieces(offsets[there], lengths[there])) if total else b""
    return data


def read_ranges(file: File, offsets: NDArray[np.int64], lengths: NDArray[np.int64]) -> Parser[list[bytes]]:
    """The same, each for itself."""
    data = yield from read_joined(file, offsets, lengths)
    stops = np.cumsum(np.maximum(lengths, 0)).tolist()
    return [data[start:stop] for start, stop in zip([0, *stops], stops, strict=False)]


def bytes_of(file: File, element: Element) -> Parser[bytes]:
    """All bytes of an element, decoded: of metadata and of what is to be held inline."""
    (data,) = yield from bytes_of_all(file, [element])
    if isinstance(data, ChunkmapError):
        raise data
    return data


def bytes_of_all(file: File, elements: Sequence[Tried]) -> Parser[list[bytes | ChunkmapError]]:
    """The bytes of many elements; an error for one that cannot be read."""
    checked = [_readable(file, element) for element in elements]
    total = sum(max(element.length, 0) for element in checked if isinstance(element, Element))
    if total > _MOST_AT_ONCE:
        raise file.error(f"expected at most {_MOST_AT_ONCE} bytes of metadata, found {total}")
    extents = [extent for element in checked if isinstance(element, Element) for extent in element.extents]
    offsets, lengths = _columns(extents)
    pieces = iter((yield from read_ranges(file, offsets, np.where(offsets == HOLE, 0, lengths))))
    return [
        element if isinstance(element, ChunkmapError) else _whole(element, [next(pieces) for _ in element.extents])
        for element in checked
    ]


def _readable(file: File, element: Tried) -> Tried:
    """An element of metadata, or why it cannot be one."""
    if isinstance(element, ChunkmapError):
        return element
    if element.external is not None:
        name = element.external[0]
        return Unsupported(f"the bytes are in another file, {name!r}", feature="external element", url=file.url)
    if element.chunked is not None:
        return file.error("metadata are stored in chunks")
    if element.length > _MOST_METADATA:
        return file.error(f"expected at most {_MOST_METADATA} bytes of metadata, found {element.length}")
    return element


def _whole(element: Element, pieces: Sequence[bytes]) -> bytes | ChunkmapError:
    data = join(element.extents, pieces)
    if element.coder is None:
        return data
    try:
        return inflate(element.coder, data, element.length)
    except ChunkmapError as error:
        return error


def join(extents: Sequence[tuple[int, int]], pieces: Sequence[bytes | memoryview]) -> bytes:
    """Ranges one behind the other, holes as zeros; a piece for each of them."""
    return b"".join(bytes(n) if offset == HOLE else piece for (offset, n), piece in zip(extents, pieces, strict=True))


def try_bytes(file: File, keys: Sequence[Key]) -> Parser[dict[Key, bytes | ChunkmapError]]:
    """The bytes of many objects, in the same rounds; nothing of those that never got any."""
    keys = list(dict.fromkeys(keys))
    places = file.lookup(*_columns(keys))
    special = [key for key, is_special in zip(keys, places.special.tolist(), strict=True) if is_special]
    plain, others = yield Together(
        [
            read_ranges(file, places.offsets, np.where(places.special, 0, places.lengths)),
            _behind_headers(file, special),
        ]
    )
    found: dict[Key, bytes | ChunkmapError] = {key: data for key, data in zip(keys, plain, strict=True) if data}
    return found | dict(zip(special, others, strict=True))


def _behind_headers(file: File, keys: Sequence[Key]) -> Parser[list[bytes | ChunkmapError]]:
    if not keys:
        return []
    return (yield from bytes_of_all(file, (yield from locate_all(file, keys))))


def read_bytes(file: File, keys: Sequence[Key]) -> Parser[dict[Key, bytes]]:
    """The same; raises the first error."""
    found = yield from try_bytes(file, keys)
    data = dict[Key, bytes]()
    for key, value in found.items():
        if isinstance(value, ChunkmapError):
            raise value
        data[key] = value
    return data
