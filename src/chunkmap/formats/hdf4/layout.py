"""From where bytes are to chunks: one piece, linked blocks, one compressed stream, or a table of chunks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import Unsupported
from chunkmap.formats.hdf4.coders import Coder, codecs_of
from chunkmap.formats.hdf4.descriptors import File
from chunkmap.formats.hdf4.elements import (
    COMPRESSED,
    DFTAG_COMPRESSED,
    HOLE,
    Chunked,
    Element,
    bytes_of,
    join,
    locate,
    read_bytes,
)
from chunkmap.formats.hdf4.vdata import DFTAG_VH, DFTAG_VS
from chunkmap.io.rounds import Gather, Other, Parser, Together
from chunkmap.model import ChunkManifest, CodecConfig, Sources
from chunkmap.model.grid import index_dtype
from chunkmap.model.meta import grid_shape_of

__all__ = ["Layout", "lay_out", "part_of"]

_MOST_INLINE: Final = 16 << 20
"""Bytes of one array that are held inline because they are in no single range of the file."""
_MOST_ROWS: Final = 1 << 22


class Layout(NamedTuple):
    """How the data of one array lie in the file."""

    chunk_shape: tuple[int, ...]
    codecs: tuple[CodecConfig, ...]
    chunks: ChunkManifest
    fill: bytes | None = None
    """What chunks that are missing read as, where the element says so itself."""


def lay_out(file: File, element: Element, shape: tuple[int, ...], itemsize: int) -> Parser[Layout]:
    """The chunks of an array. Raises Unsupported where its bytes are in no ranges of this file."""
    if element.chunked is not None:
        return (yield from _chunked(file, element.chunked, shape, itemsize))
    whole = tuple(max(n, 1) for n in shape)
    nbytes = math.prod(shape) * itemsize
    if not element.extents and element.external is None:
        return Layout(whole, (), ChunkManifest.empty(grid_shape_of(shape, whole)))
    if element.length < nbytes:
        raise file.error(f"expected {nbytes} bytes of data, found {element.length}")
    if not nbytes:
        return Layout(whole, (), ChunkManifest.empty(grid_shape_of(shape, whole)))
    if element.external is not None:
        return Layout(whole, (), (yield from _elsewhere(file, element, nbytes, len(shape))))
    if element.coder is not None:
        return (yield from _one_stream(file, element, whole, itemsize))
    extents = _cut(_merged(element.extents), nbytes)
    if sum(n for _, n in extents) < nbytes:
        raise file.error(f"expected {nbytes} bytes of data, found {sum(n for _, n in extents)} in its blocks")
    return (yield from _in_blocks(file, extents, shape, itemsize))


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
    """Compressed as a whole: one chunk, whose stream may have been written in several blocks."""
    assert element.coder is not None
    codecs = codecs_of(element.coder, itemsize, math.prod(shape) * itemsize)
    extents = _merged(element.extents)
    if len(extents) == 1 and extents[0][0] != HOLE:
        offset, length = extents[0]
        _check_inside(file, np.array([offset]), np.array([length]))
        return Layout(shape, codecs, ChunkManifest.single(file.url, offset, length, len(shape)))
    data = yield from _inline(file, extents)
    return Layout(shape, codecs, ChunkManifest.single(data, 0, len(data), len(shape)))


def _in_blocks(file: File, extents: list[tuple[int, int]], shape: tuple[int, ...], itemsize: int) -> Parser[Layout]:
    """Uncompressed: one chunk where it is one range, else chunks of as many rows as no block divides."""
    _check_inside(file, np.array([o for o, _ in extents]), np.array([n for _, n in extents]))
    if len(extents) == 1 and extents[0][0] != HOLE:
        return Layout(shape, (), ChunkManifest.single(file.url, *extents[0], len(shape)))
    row = math.prod(shape[1:]) * itemsize
    rows = shape[0] if shape else 1
    ends = np.cumsum([n for _, n in extents])
    step = max(math.gcd(*(ends // row).tolist()), 1) if not (ends % row).any() else 1
    if not shape or rows // step > _MOST_ROWS:
        data = yield from _inline(file, extents)
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
        chunks = yield from _rows_inline(file, chunks, extents, starts, np.flatnonzero(split))
    return Layout((step, *shape[1:]), (), chunks)


def _rows_inline(
    file: File, chunks: ChunkManifest, extents: list[tuple[int, int]], starts: NDArray[Any], rows: NDArray[Any]
) -> Parser[ChunkManifest]:
    """Rows that go over the end of a block are held inline."""
    length = int(chunks.length[0])
    if len(rows) * length > _MOST_INLINE:
        raise Unsupported(
            f"its data is in {len(extents)} linked blocks that end in the midst of rows, and {len(rows)} rows of"
            f" {length} bytes are too much to hold inline",
            feature="linked blocks",
        )
    pieces = []
    for row in rows.tolist():
        parts = _cut(_after(extents, int(starts[row])), length)
        blocks = yield [file.span(*part) for part in parts if part[0] != HOLE]
        pieces.append(join(parts, blocks))
    return chunks.with_inline(rows, pieces)


def _inline(file: File, extents: Sequence[tuple[int, int]]) -> Parser[bytes]:
    total = sum(n for _, n in extents)
    if total > _MOST_INLINE:
        raise Unsupported(
            f"its data is one stream of {total} bytes in {len(extents)} linked blocks, too long to hold inline",
            feature="linked blocks",
        )
    return (yield from bytes_of(file, Element(total, tuple(extents))))


def _merged(extents: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges that touch, as one."""
    out: list[tuple[int, int]] = []
    for offset, length in extents:
        if out and offset != HOLE and out[-1][0] != HOLE and sum(out[-1]) == offset:
            out[-1] = (out[-1][0], out[-1][1] + length)
        else:
            out.append((offset, length))
    return out


def _cut(extents: Sequence[tuple[int, int]], nbytes: int) -> list[tuple[int, int]]:
    """The first bytes of a sequence of ranges: what was allocated may be longer than the data."""
    out = []
    for offset, length in extents:
        if nbytes <= 0:
            break
        out.append((offset, min(length, nbytes)))
        nbytes -= length
    return out


def part_of(element: Element, start: int, length: int) -> Element:
    """Some of the bytes of an element."""
    if element.coder is not None or element.chunked is not None:
        return element
    if element.external is not None:
        return Element(length, external=(element.external[0], element.external[1] + start))
    return Element(min(length, max(element.length - start, 0)), tuple(_cut(_after(element.extents, start), length)))


def _after(extents: Sequence[tuple[int, int]], skipped: int) -> list[tuple[int, int]]:
    """What comes behind the first bytes of a sequence of ranges."""
    out = []
    for offset, length in extents:
        if skipped < length:
            out.append((offset if offset == HOLE else offset + skipped, length - skipped))
        skipped = max(skipped - length, 0)
    return out


def _check_inside(file: File, offsets: NDArray[Any], lengths: NDArray[Any]) -> None:
    outside = np.flatnonzero((offsets != HOLE) & (offsets + lengths > file.size))
    if len(outside):
        place = int(offsets[outside[0]])
        raise file.error(f"expected {lengths[outside[0]]} bytes of data, but the file ends at byte {file.size}", place)


# ---------------------------------------------------------------------- tables of chunks


def _chunked(file: File, header: Chunked, shape: tuple[int, ...], itemsize: int) -> Parser[Layout]:
    """Chunks that are compressed one by one, or not at all."""
    if len(header.chunk_shape) + 1 == len(shape) and header.element == itemsize * shape[-1]:
        header = _of_pixels(header, shape[-1], itemsize)  # an image: its elements are pixels of several components
    if len(header.chunk_shape) != len(shape) or header.element != itemsize or header.shape[1:] != shape[1:]:
        raise file.error(
            f"an array of {shape} and elements of {itemsize} bytes is said to be in chunks of {header.chunk_shape}"
            f" and elements of {header.element} bytes"
        )
    nbytes = math.prod(header.chunk_shape) * itemsize
    grid = grid_shape_of(shape, header.chunk_shape)
    codecs = codecs_of(header.coder, itemsize, nbytes)
    fill = header.fill if len(header.fill) == itemsize else None
    coords, tags, refs = yield from _table(file, header, len(shape))
    inside = (coords < np.array(grid)).all(1) & (coords >= 0).all(1)
    coords, tags, refs = coords[inside], tags[inside], refs[inside]
    offsets, lengths, special = file.lookup(tags, refs)
    inline: dict[int, bytes] = {}
    if header.coder is not None:
        offsets, lengths, inline = yield from _streams(file, header.coder, (offsets, lengths, special))
    elif special.any():
        inline = yield from _special_chunks(file, tags, refs, np.flatnonzero(special))
        lengths[list(inline)], offsets[list(inline)] = nbytes, 0
    keep = np.flatnonzero(lengths > 0)
    if not codecs and (lengths[keep] != nbytes).any():
        raise file.error(f"expected chunks of {nbytes} bytes, found some of {lengths[keep].min()}")
    _check_inside(file, offsets[keep], lengths[keep])
    index = np.ravel_multi_index(tuple(coords[keep].T), grid) if len(keep) else np.empty(0, np.int64)
    chunks = _manifest(file, grid, index, offsets[keep], lengths[keep])
    if inline:
        rows = {int(index[np.searchsorted(keep, row)]): data for row, data in inline.items()}
        places = np.sort(np.array(list(rows)))
        chunks = chunks.with_inline(np.searchsorted(np.sort(index), places), [rows[int(p)] for p in places])
    return Layout(header.chunk_shape, codecs, chunks, fill)


def _manifest(
    file: File, grid: tuple[int, ...], index: NDArray[Any], offsets: NDArray[Any], lengths: NDArray[Any]
) -> ChunkManifest:
    columns = (np.ones(len(index), np.uint32), offsets.astype(np.uint64), lengths.astype(np.uint64))
    try:
        return ChunkManifest.from_columns(
            grid, index.astype(index_dtype(math.prod(grid))), Sources((None, file.url)), columns
        )
    except ValueError as error:
        raise file.error(f"the table of chunks is wrong: {error}") from error


def _table(file: File, header: Chunked, ndim: int) -> Parser[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
    """The table of chunks: of each its place in the grid, and the tag and reference number of its bytes."""
    ref = header.table[1]
    data = yield from read_bytes(file, [(DFTAG_VH, ref), (DFTAG_VS, ref)])
    axes = header.table_axes or ndim
    row = np.dtype([("origin", ">i4", (axes,)), ("tag", ">u2"), ("ref", ">u2")])
    records = data.get((DFTAG_VS, ref), b"")
    described = data.get((DFTAG_VH, ref), b"")
    count = min(int.from_bytes(described[2:6], "big"), len(records) // row.itemsize)
    table = np.frombuffer(records, row, count=count)
    origin = np.zeros((count, ndim), np.int64)
    origin[:, :axes] = table["origin"].reshape(count, axes)
    return origin, table["tag"], table["ref"]


def _of_pixels(header: Chunked, components: int, itemsize: int) -> Chunked:
    """The header of an image, with its components as an axis."""
    return replace(
        header,
        shape=(*header.shape, components),
        chunk_shape=(*header.chunk_shape, components),
        element=itemsize,
        fill=b"",
        table_axes=len(header.shape),
    )


def _streams(
    file: File,
    coder: Coder,
    found: tuple[NDArray[np.int64], ...],
) -> Parser[tuple[NDArray[np.int64], NDArray[np.int64], dict[int, bytes]]]:
    """Where the streams of compressed chunks are: each chunk has a header of its own, which names its stream.

    Gives offsets, lengths (not above 0 where nothing was written), and the bytes of chunks that are in several blocks.
    """
    offsets, lengths, special = found
    headed = np.flatnonzero(special)
    if (lengths[special == 0] > 0).any():
        raise Unsupported("some of its chunks are compressed, and others are not", feature="compression")
    heads = (yield Gather(offsets[headed].astype(np.uint64), 14)) if len(headed) else np.empty((0, 14), np.uint8)
    fields = np.ascontiguousarray(heads).view(
        np.dtype([("code", ">u2"), ("v", ">u2"), ("n", ">i4"), ("ref", ">u2"), ("model", ">u2"), ("coder", ">u2")])
    )[:, 0]
    odd = (fields["code"] != COMPRESSED) | (fields["coder"] != coder.kind)
    if odd.any():
        raise Unsupported("its chunks are compressed in several ways", feature="compression")
    starts, sizes, again = file.lookup(np.full(len(headed), DFTAG_COMPRESSED), fields["ref"])
    out_offsets, out_lengths = np.full_like(offsets, -1), np.full_like(offsets, -1)
    out_offsets[headed], out_lengths[headed] = starts, sizes
    inline: dict[int, bytes] = {}
    linked = np.flatnonzero(again)
    if len(linked):
        elements = yield Together(
            [locate(file, (DFTAG_COMPRESSED, int(ref))) for ref in fields["ref"][linked].tolist()]
        )
        for row, element in zip(headed[linked].tolist(), elements, strict=True):
            extents = _merged(element.extents)
            if len(extents) == 1 and extents[0][0] != HOLE:
                out_offsets[row], out_lengths[row] = extents[0]
            else:
                inline[row] = yield from _inline(file, extents)
                out_offsets[row], out_lengths[row] = 0, len(inline[row])
    return out_offsets, out_lengths, inline


def _special_chunks(file: File, tags: NDArray[Any], refs: NDArray[Any], rows: NDArray[Any]) -> Parser[dict[int, bytes]]:
    """Uncompressed chunks that are not in one piece."""
    keys = [(int(tags[row]), int(refs[row])) for row in rows.tolist()]
    data = yield from read_bytes(file, keys)
    if sum(map(len, data.values())) > _MOST_INLINE:
        raise Unsupported("its chunks are in several blocks each, too many to hold inline", feature="linked blocks")
    return {row: data[key] for row, key in zip(rows.tolist(), keys, strict=True) if key in data}
