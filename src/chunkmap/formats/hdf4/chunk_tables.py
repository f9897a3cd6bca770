"""Tables of chunks: those of all arrays of a file, looked up together, by columns.

HDF Specification and Developer's Guide, "chunked elements": a Vdata lists of each chunk its place in the grid, and the
tag and reference number of its bytes. A chunk that is compressed has a header of its own, which names its stream.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import ChunkmapError, Unsupported
from chunkmap.formats.hdf4.coders import codecs_of
from chunkmap.formats.hdf4.contents import Contents, read_records
from chunkmap.formats.hdf4.descriptors import File
from chunkmap.formats.hdf4.elements import (
    COMPRESSED,
    DFTAG_COMPRESSED,
    HOLE,
    Chunked,
    Element,
    bytes_of_all,
    locate_all,
)
from chunkmap.formats.hdf4.extents import MOST_INLINE, Layout, merged
from chunkmap.io.rounds import Gather, Hint, Parser, Span
from chunkmap.model import ChunkManifest, CodecConfig, Sources
from chunkmap.model.grid import index_dtype, linear_strides
from chunkmap.model.meta import grid_shape_of

__all__ = ["ChunkTable", "lay_out_chunks"]

_HEAD: Final = np.dtype(
    [("code", ">u2"), ("version", ">u2"), ("length", ">i4"), ("ref", ">u2"), ("model", ">u2"), ("coder", ">u2")]
)
"""The header of a compressed chunk, without the parameters of its coder: those of the array count."""

_MANY: Final = 64
_NEAR: Final = 64 << 10
"""Headers that are as near to one another, in the mean, are read with what is between them: that is cheaper than a
request each."""
_MOST_BETWEEN: Final = 128 << 20
_MOST_CELLS: Final = 1 << 62


class ChunkTable(NamedTuple):
    """What is to be laid out: the header of a chunked element, and shape and element size of the array."""

    header: Chunked
    shape: tuple[int, ...]
    itemsize: int


class _Table(NamedTuple):
    """One array whose table is understood."""

    number: int
    header: Chunked
    grid: tuple[int, ...]
    codecs: tuple[CodecConfig, ...]
    records: NDArray[np.uint8]
    """The records of its table, a row each."""
    nbytes: int
    """Bytes of a decoded chunk."""


class _Chunks(NamedTuple):
    """All chunks of all arrays: columns, sorted by array and by place in the grid."""

    owner: NDArray[np.int64]
    """Which of the arrays a chunk belongs to."""
    cell: NDArray[np.int64]
    """Its position in the grid of that array."""
    tag: NDArray[Any]
    ref: NDArray[Any]


class _Places:
    """Where the bytes of all chunks are: filled step by step."""

    def __init__(self, offset: NDArray[np.int64], length: NDArray[np.int64]) -> None:
        self.offset, self.length = offset, length
        self.inline: dict[int, bytes] = {}
        """The bytes of chunks that are in no single range, by their row."""
        self.errors: dict[int, ChunkmapError] = {}
        """What is wrong, by the number of the array."""


def lay_out_chunks(contents: Contents, wanted: Sequence[ChunkTable]) -> Parser[list[Layout | ChunkmapError]]:
    """The chunks of many arrays; an error for one whose table is wrong, or whose chunks cannot be decoded."""
    if not wanted:
        return []
    yield from read_records(contents, [table.header.table[1] for table in wanted])
    understood = [_understood(contents, number, table) for number, table in enumerate(wanted)]
    tables = [table for table in understood if isinstance(table, _Table)]
    layouts = iter((yield from _lay_out(contents.file, tables)) if tables else [])
    return [table if isinstance(table, ChunkmapError) else next(layouts) for table in understood]


def _understood(contents: Contents, number: int, wanted: ChunkTable) -> _Table | ChunkmapError:
    """What one header and the records of its table say."""
    header, shape, itemsize = wanted
    if len(header.chunk_shape) + 1 == len(shape) and header.element == itemsize * shape[-1]:
        header = _of_pixels(header, shape[-1], itemsize)  # an image: its elements are pixels of several components
    if len(header.chunk_shape) != len(shape) or header.element != itemsize or header.shape[1:] != shape[1:]:
        return contents.file.error(
            f"an array of {shape} and elements of {itemsize} bytes is said to be in chunks of {header.chunk_shape}"
            f" and elements of {header.element} bytes"
        )
    nbytes, grid = math.prod(header.chunk_shape) * itemsize, grid_shape_of(shape, header.chunk_shape)
    if math.prod(n or 1 for n in grid) > _MOST_CELLS:
        return contents.file.error(f"an array of {shape} is said to be in chunks of {header.chunk_shape}")
    data = contents.records[header.table[1]]
    if isinstance(data, ChunkmapError):
        return data
    try:
        codecs = codecs_of(header.coder, itemsize, nbytes)
    except ChunkmapError as error:
        return error
    vdata = contents.vdatas.get(header.table[1])
    row = 4 * (header.table_axes or len(shape)) + 4
    if vdata is not None and vdata.record_nbytes != row:
        return contents.file.error(f"a table of chunks has records of {vdata.record_nbytes} bytes, expected {row}")
    count = min(0 if vdata is None else vdata.records, len(data) // row)
    records = np.frombuffer(data, np.uint8, count * row).reshape(count, row)
    return _Table(number, header, grid, codecs, records, nbytes)


def _of_pixels(header: Chunked, components: int, itemsize: int) -> Chunked:
    """The header of an image, with its components as an axis; of its fill value one, where all have the same."""
    one = header.fill[:itemsize]
    return header._replace(
        shape=(*header.shape, components),
        chunk_shape=(*header.chunk_shape, components),
        element=itemsize,
        fill=one if header.fill == one * components else header.fill,
        table_axes=len(header.shape),
    )


def _lay_out(file: File, tables: Sequence[_Table]) -> Parser[list[Layout | ChunkmapError]]:
    chunks = _all_chunks(tables)
    found = file.lookup(chunks.tag, chunks.ref)
    places = _Places(found.offsets, found.lengths)
    coders = np.array([-1 if table.header.coder is None else table.header.coder.kind for table in tables])
    is_coded = (coders >= 0)[chunks.owner]
    _each(places, chunks, is_coded & ~found.special & (found.lengths > 0), _mixed)
    yield from _find_streams(file, chunks, places, np.flatnonzero(is_coded & found.special), coders)
    yield from _join_blocks(file, chunks, places, np.flatnonzero(~is_coded & found.special))
    _check(file, chunks, places, tables)
    return _layouts(file, chunks, places, tables)


def _all_chunks(tables: Sequence[_Table]) -> _Chunks:
    """The records of all tables, those of as many axes at once."""
    parts = []
    for width in sorted({table.records.shape[1] for table in tables}):
        own = [number for number, table in enumerate(tables) if table.records.shape[1] == width]
        parts.append(_of_width(tables, own, (width - 4) // 4))
    owner, index, tag, ref = (np.concatenate(column) for column in zip(*parts, strict=True))
    rises = (owner[1:] > owner[:-1]) | ((owner[1:] == owner[:-1]) & (index[1:] > index[:-1]))
    if not rises.all():
        order = np.lexsort((index, owner))
        owner, index, tag, ref = owner[order], index[order], tag[order], ref[order]
    return _Chunks(owner, index, tag, ref)


def _of_width(tables: Sequence[_Table], own: Sequence[int], axes: int) -> tuple[NDArray[Any], ...]:
    """Columns of the tables of one width; chunks outside the grid are not there."""
    row = np.dtype([("origin", ">i4", (axes,)), ("tag", ">u2"), ("ref", ">u2")])
    table = np.concatenate([tables[number].records for number in own]).view(row)[:, 0]
    counts = [len(tables[number].records) for number in own]
    grids = np.array([tables[number].grid[:axes] for number in own], np.int64).reshape(len(own), axes)
    strides = np.array([linear_strides(tables[number].grid)[:axes] for number in own], np.int64).reshape(len(own), axes)
    which = np.repeat(np.arange(len(own)), counts)
    origin = table["origin"].reshape(len(which), axes).astype(np.int64)
    inside = ((origin >= 0) & (origin < grids[which])).all(1)
    index = (origin * strides[which]).sum(1)
    columns = (np.array(own, np.int64)[which], index, table["tag"], table["ref"])
    return columns if inside.all() else tuple(column[inside] for column in columns)


# ---------------------------------------------------------------------- where the bytes are


def _find_streams(
    file: File, chunks: _Chunks, places: _Places, rows: NDArray[np.int64], coders: NDArray[np.int64]
) -> Parser[None]:
    """Compressed chunks: from the header of each to its stream."""
    if not len(rows):
        return
    starts = places.offset[rows]
    span = int(starts.max() - starts.min())
    if len(rows) > _MANY and span < min(_NEAR * len(rows), _MOST_BETWEEN):
        yield Hint([Span(int(starts.min()), span, span)])
    heads: NDArray[np.uint8] = yield Gather(starts.astype(np.uint64), _HEAD.itemsize)
    fields = np.ascontiguousarray(heads).view(_HEAD)[:, 0]
    odd = (fields["code"] != COMPRESSED) | (fields["coder"] != coders[chunks.owner[rows]])
    _each(places, chunks, rows[odd], _several)
    streams = file.lookup(DFTAG_COMPRESSED, fields["ref"])
    places.offset[rows], places.length[rows] = streams.offsets, streams.lengths
    linked = np.flatnonzero(streams.special)
    if not len(linked):
        return
    elements = yield from locate_all(file, [(DFTAG_COMPRESSED, ref) for ref in fields["ref"][linked].tolist()])
    apart = dict[int, Element]()
    for row, element in zip(rows[linked].tolist(), elements, strict=True):
        if isinstance(element, ChunkmapError):
            places.errors[int(chunks.owner[row])] = element
            continue
        extents = merged(element.extents)
        if len(extents) == 1 and extents[0][0] != HOLE:
            places.offset[row], places.length[row] = extents[0]
        else:
            apart[row] = element
    yield from _hold(file, chunks, places, apart)


def _join_blocks(file: File, chunks: _Chunks, places: _Places, rows: NDArray[np.int64]) -> Parser[None]:
    """Uncompressed chunks that are not in one piece."""
    if not len(rows):
        return
    elements = yield from locate_all(file, list(zip(chunks.tag[rows].tolist(), chunks.ref[rows].tolist(), strict=True)))
    apart = dict[int, Element]()
    for row, element in zip(rows.tolist(), elements, strict=True):
        if isinstance(element, ChunkmapError):
            places.errors[int(chunks.owner[row])] = element
        else:
            apart[row] = element
    yield from _hold(file, chunks, places, apart)


def _hold(file: File, chunks: _Chunks, places: _Places, apart: Mapping[int, Element]) -> Parser[None]:
    """Hold chunks inline that are in several pieces, where they are not too many."""
    rows = np.array(list(apart), np.int64)
    owners, sizes = chunks.owner[rows], np.array([element.length for element in apart.values()])
    held = list[int]()
    for owner in np.unique(owners).tolist():
        if sizes[owners == owner].sum() > MOST_INLINE:
            text = "its chunks are in several blocks each, too many to hold inline"
            places.errors[owner] = Unsupported(text, feature="linked blocks")
        else:
            held += rows[owners == owner].tolist()
    found = yield from bytes_of_all(file, [apart[row] for row in held])
    for row, data in zip(held, found, strict=True):
        if isinstance(data, ChunkmapError):
            places.errors[int(chunks.owner[row])] = data
            continue
        places.inline[row] = data
        places.offset[row], places.length[row] = 0, len(data)


def _mixed() -> ChunkmapError:
    return Unsupported("some of its chunks are compressed, and others are not", feature="compression")


def _several() -> ChunkmapError:
    return Unsupported("its chunks are compressed in several ways", feature="compression")


def _each(places: _Places, chunks: _Chunks, rows: NDArray[Any], error: Any) -> None:
    """Something is wrong with all arrays that own these chunks."""
    for owner in np.unique(chunks.owner[rows]).tolist():
        places.errors.setdefault(owner, error())


def _check(file: File, chunks: _Chunks, places: _Places, tables: Sequence[_Table]) -> None:
    """Chunks lie inside the file, have all their bytes, and no two of them one place."""
    held = np.zeros(len(chunks.owner), np.bool_)
    held[list(places.inline)] = True
    there = places.length > 0
    nbytes = np.array([-1 if table.codecs else table.nbytes for table in tables])[chunks.owner]
    wrong = {
        "two chunks stand in one place of the grid": np.flatnonzero(
            (chunks.owner[1:] == chunks.owner[:-1]) & (chunks.cell[1:] == chunks.cell[:-1])
        ),
        "a chunk is shorter or longer than all others": np.flatnonzero(
            there & (nbytes >= 0) & (places.length != nbytes)
        ),
        f"a chunk goes on past the end of the file at byte {file.size}": np.flatnonzero(
            there & ~held & (places.offset + places.length > file.size)
        ),
    }
    for text, rows in wrong.items():
        _each(places, chunks, rows, lambda text=text: file.error(f"the table of chunks is wrong: {text}"))


# ---------------------------------------------------------------------- to manifests


def _layouts(file: File, chunks: _Chunks, places: _Places, tables: Sequence[_Table]) -> list[Layout | ChunkmapError]:
    """Each array with its part of the columns."""
    keep = places.length > 0
    rows = np.flatnonzero(keep)
    columns = [column if keep.all() else column[keep] for column in (chunks.cell, places.offset, places.length)]
    index, (offset, length) = columns[0], (column.astype(np.uint64) for column in columns[1:])
    bounds = np.searchsorted(chunks.owner[rows], np.arange(len(tables) + 1))
    source, sources = np.ones(len(rows), np.uint32), Sources((None, file.url))
    inline = np.sort(np.array(list(places.inline), np.int64))
    held = inline[keep[inline]]
    positions = np.searchsorted(rows, held)
    out: list[Layout | ChunkmapError] = []
    for number, (table, start, stop) in enumerate(zip(tables, bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)):
        if number in places.errors:
            out.append(places.errors[number])
            continue
        own, size = slice(start, stop), math.prod(table.grid)
        where = None if stop - start == size else index[own].astype(index_dtype(size))
        manifest = ChunkManifest(table.grid, sources, source[own], offset[own], length[own], where)
        if len(held):
            mine = (positions >= start) & (positions < stop)
            manifest = manifest.with_inline(
                positions[mine] - start, [places.inline[row] for row in held[mine].tolist()]
            )
        out.append(_with_fill(table.header, Layout(table.header.chunk_shape, table.codecs, manifest)))
    return out


def _with_fill(header: Chunked, layout: Layout) -> Layout | ChunkmapError:
    """An array with what its missing chunks read as; an error where that is not one value."""
    if len(header.fill) == header.element:
        return layout._replace(fill=header.fill)
    if header.table_axes and header.fill and len(layout.chunks) < layout.chunks.size:
        text = "its components read as different values where it was never written"
        return Unsupported(text, feature="fill value")
    return layout
