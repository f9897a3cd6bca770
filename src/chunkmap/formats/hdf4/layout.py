"""From where bytes are to chunks: one piece, linked blocks, one compressed stream, or a table of chunks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import ChunkmapError, Unsupported
from chunkmap.formats.hdf4.chunk_tables import ChunkTable, lay_out_chunks
from chunkmap.formats.hdf4.coders import codecs_of
from chunkmap.formats.hdf4.contents import Contents
from chunkmap.formats.hdf4.descriptors import File
from chunkmap.formats.hdf4.elements import HOLE, Element, join, read_ranges
from chunkmap.formats.hdf4.extents import MOST_INLINE, Extents, Layout, check_inside, cut, in_one, merged
from chunkmap.io.rounds import Other, Parser, Together
from chunkmap.model import ChunkManifest, Sources
from chunkmap.model.meta import grid_shape_of

__all__ = ["Stored", "lay_out"]

_MOST_ROWS: Final = 1 << 22


class Stored(NamedTuple):
    """What is to be laid out: where the values of an array are, its shape, and the bytes of one of its elements."""

    element: Element
    shape: tuple[int, ...]
    itemsize: int


def lay_out(contents: Contents, stored: Sequence[Stored]) -> Parser[list[Layout | ChunkmapError]]:
    """The chunks of many arrays; an error for one whose bytes are in no ranges of this file."""
    in_chunks = [number for number, array in enumerate(stored) if array.element.chunked is not None]
    out: list[Any] = [None if array.element.chunked is not None else _at_once(contents.file, array) for array in stored]
    slow = [number for number, array in enumerate(stored) if out[number] is None and array.element.chunked is None]
    tables = [ChunkTable(n.chunked, shape, size) for n, shape, size in (stored[i] for i in in_chunks) if n.chunked]
    chunked, others = yield Together(
        [
            lay_out_chunks(contents, tables),
            _all([_one(contents.file, *stored[number]) for number in slow]),
        ]
    )
    for number, layout in zip((*in_chunks, *slow), (*chunked, *others), strict=True):
        out[number] = layout
    return out


def _all(parsers: Sequence[Parser[Any]]) -> Parser[list[Any]]:
    return (yield Together(parsers)) if parsers else []


def _at_once(file: File, array: Stored) -> Layout | ChunkmapError | None:
    """The layout of what is in one piece, or nowhere; None where more has to be known."""
    element, shape, itemsize = array
    nbytes = math.prod(shape) * itemsize
    whole = tuple([n or 1 for n in shape])
    if (not element.extents and element.external is None) or (not nbytes and element.length >= 0):
        return Layout(whole, (), ChunkManifest.empty(grid_shape_of(shape, whole)))
    if element.length < nbytes:
        return file.error(f"expected {nbytes} bytes of data, found {element.length}")
    if len(element.extents) != 1 or element.extents[0][0] == HOLE:
        return None
    try:
        codecs = () if element.coder is None else codecs_of(element.coder, itemsize, nbytes)
        offset, length = element.extents[0]
        length = min(length, nbytes) if element.coder is None else length
        if offset + length > file.size:
            raise file.error(f"expected {length} bytes of data, but the file ends at byte {file.size}", offset)
    except ChunkmapError as error:
        return error
    return Layout(whole, codecs, ChunkManifest.single(file.url, offset, length, len(shape)))


def _one(file: File, element: Element, shape: tuple[int, ...], itemsize: int) -> Parser[Layout | ChunkmapError]:
    """The layout of what is in several pieces, or in another file."""
    try:
        if element.external is not None:
            nbytes = math.prod(shape) * itemsize
            return Layout(shape, (), (yield from _elsewhere(file, element, nbytes, len(shape))))
        if element.coder is not None:
            return (yield from _one_stream(file, element, shape, itemsize))
        return (yield from _in_blocks(file, element, shape, itemsize))
    except ChunkmapError as error:
        return error


def _elsewhere(file: File, element: Element, nbytes: int, ndim: int) -> Parser[ChunkManifest]:
    """Data in another file, uncompressed: one range of it."""
    assert element.external is not None
    name, start = element.external
    if element.coder is not None:
        raise Unsupported(f"its data is compressed in another file, {name!r}", feature="external element")
    found = yield Other(name)
    if found is None:
        raise Unsupported(f"its data is in another file, {name!r}, which is not there", feature="external element")
    if found.target.size is not None and start + nbytes > found.target.size:
        raise file.error(f"expected {start + nbytes} bytes in {name!r}, found {found.target.size}")
    file.others[found.url] = found.target
    return ChunkManifest.single(found.url, start, nbytes, ndim)


def _one_stream(file: File, element: Element, shape: tuple[int, ...], itemsize: int) -> Parser[Layout]:
    """Compressed as a whole: one chunk, whose stream was written in several blocks."""
    assert element.coder is not None
    codecs = codecs_of(element.coder, itemsize, math.prod(shape) * itemsize)
    extents = merged(element.extents)
    if len(extents) == 1 and extents[0][0] != HOLE:
        offset, length = extents[0]
        check_inside(file, np.array([offset]), np.array([length]))
        return Layout(shape, codecs, ChunkManifest.single(file.url, offset, length, len(shape)))
    data = yield from in_one(file, extents)
    return Layout(shape, codecs, ChunkManifest.single(data, 0, len(data), len(shape)))


def _in_blocks(file: File, element: Element, shape: tuple[int, ...], itemsize: int) -> Parser[Layout]:
    """Uncompressed: one chunk where it is one range, else chunks of as many rows as no block divides."""
    nbytes = math.prod(shape) * itemsize
    extents = cut(merged(element.extents), nbytes)
    if sum(n for _, n in extents) < nbytes:
        raise file.error(f"expected {nbytes} bytes of data, found {sum(n for _, n in extents)} in its blocks")
    check_inside(file, np.array([o for o, _ in extents]), np.array([n for _, n in extents]))
    if len(extents) == 1 and extents[0][0] != HOLE:
        return Layout(shape, (), ChunkManifest.single(file.url, *extents[0], len(shape)))
    row = math.prod(shape[1:]) * itemsize
    rows = shape[0] if shape else 1
    ends = np.cumsum([n for _, n in extents])
    step = max(math.gcd(*(ends // row).tolist()), 1) if not (ends % row).any() else 1
    if not shape or rows // step > _MOST_ROWS:
        data = yield from in_one(file, extents)
        return Layout(shape, (), ChunkManifest.single(data, 0, len(data), len(shape)))
    starts = np.arange(0, rows * row, step * row)
    at = np.searchsorted(ends, starts, side="right")
    begins = ends - np.array([n for _, n in extents])
    offsets = np.array([o for o, _ in extents])[at]
    split = (starts + step * row > ends[at]) | (offsets == HOLE)
    chunks = ChunkManifest(
        (len(starts),) + (1,) * (len(shape) - 1),
        Sources((None, file.url)),
        np.ones(len(starts), np.uint32),
        (np.where(split, 0, offsets + starts - begins[at])).astype(np.uint64),
        np.full(len(starts), step * row, np.uint64),
    )
    if split.any():
        places = np.stack([at, starts - begins[at]])[:, split]
        chunks = yield from _rows_inline(file, chunks, extents, np.flatnonzero(split), places)
    return Layout((step, *shape[1:]), (), chunks)


def _rows_inline(
    file: File, chunks: ChunkManifest, extents: Extents, rows: NDArray[Any], places: NDArray[Any]
) -> Parser[ChunkManifest]:
    """Rows that go over the end of a block are held inline; of each its first block, and where in it it begins."""
    length = int(chunks.length[0])
    if len(rows) * length > MOST_INLINE:
        raise Unsupported(
            f"its data is in {len(extents)} linked blocks that end in the midst of rows, and {len(rows)} rows of"
            f" {length} bytes are too much to hold inline",
            feature="linked blocks",
        )
    parts = [_parts(extents, first, skipped, length) for first, skipped in places.T.tolist()]
    offsets, lengths = np.array([part for row in parts for part in row], np.int64).T
    pieces = iter((yield from read_ranges(file, offsets, np.where(offsets == HOLE, 0, lengths))))
    return chunks.with_inline(rows, [join(row, [next(pieces) for _ in row]) for row in parts])


def _parts(extents: Extents, number: int, skipped: int, length: int) -> list[tuple[int, int]]:
    """So many bytes of a sequence of ranges, from a byte of one of them on."""
    out = []
    while length > 0:
        offset, size = extents[number]
        out.append((offset if offset == HOLE else offset + skipped, min(size - skipped, length)))
        length -= out[-1][1]
        number, skipped = number + 1, 0
    return out
