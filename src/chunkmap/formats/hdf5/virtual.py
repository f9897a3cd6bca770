"""Virtual datasets: the chunks of the datasets that they are made of.

A chunk of a source becomes a chunk of the virtual dataset where the mapping moves it as a whole. Blocks without
filters are cut into rows as the mapping needs them; a small dataset whose mapping moves parts of chunks is held inline.
Sources that are not there read as the fill value, as HDF5 has it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import Unsupported
from chunkmap.formats.hdf5.fill import fill_native
from chunkmap.formats.hdf5.mapping import Mapped
from chunkmap.formats.hdf5.objects import Dataset
from chunkmap.formats.hdf5.stored import Stored, cut_rows
from chunkmap.formats.hdf5.structures.selections import Selection
from chunkmap.formats.hdf5.virtual_values import MOST_HELD, held
from chunkmap.io.rounds import Parser
from chunkmap.model import ChunkManifest, CodecConfig
from chunkmap.model.codecs import decodes_as
from chunkmap.model.grid import linear
from chunkmap.model.meta import grid_shape_of
from chunkmap.model.source_table import SourceTable

__all__ = ["Find", "MappedSource", "ResolvedVirtual", "Sources", "numbered_name", "plain_name", "resolve_virtual"]

_MOST_BLOCKS: Final = 1 << 16
_MOST_CHUNKS: Final = 1 << 22
_MOST_INDICES: Final = 1 << 23
"""Of all selections of one virtual dataset."""


class MappedSource(NamedTuple):
    """A dataset that a mapping names."""

    dataset: Dataset
    stored: Stored
    problems: Sequence[tuple[str, str]] = ()
    """Of a source that is a virtual dataset itself: what is not as it should be."""


Sources = Mapping[tuple[str, str], MappedSource | None]
"""Datasets by file and path; None for one that is not there."""

Find = Callable[[Sequence[tuple[str, str]]], Parser[Sources]]
"""Looks for datasets by file and path."""


@dataclass(slots=True)
class ResolvedVirtual:
    """What a virtual dataset is made of."""

    stored: Stored
    shape: tuple[int, ...]
    problems: list[tuple[str, str]] = field(default_factory=list)


Read = Callable[[Sequence[tuple[str, MappedSource]]], Parser[list[NDArray[Any]]]]
"""Gives the elements of datasets, as bytes; each with the file that it is in."""


class _Piece(NamedTuple):
    """A source, and which of its elements are which of the virtual dataset's: indices along each axis of both."""

    file: str
    source: MappedSource
    here: list[NDArray[np.int64]]
    there: list[NDArray[np.int64]]


def resolve_virtual(dataset: Dataset, mapping: Sequence[Mapped], find: Find, read: Read) -> Parser[ResolvedVirtual]:
    """The chunks of a virtual dataset; its values, where it is small and its chunks are not those of its sources.

    Raises Unsupported saying why where they are not, and it is not small.
    """
    shape, named, missing = yield from _expand(dataset, mapping, find)
    sources = yield from find([(file, path) for file, path, _ in named])
    pieces, total = list[_Piece](), 0
    for file, path, (source, there) in named:
        found = sources[file, path]
        if found is None:
            missing.append(f"{file}:{path}")
            continue
        pieces.append(_piece(file, found, source, there, shape))
        total = _within(total, pieces[-1].here)
    problems = list(dict.fromkeys(problem for found in sources.values() if found for problem in found.problems))
    if missing:
        text = f"{len(missing)} of its sources cannot be found and read as the fill value: {', '.join(missing[:3])}"
        problems.append(("virtual dataset", text))
    try:
        stored = _assemble(dataset, shape, pieces)
    except Unsupported as refusal:
        stored = yield from _held(dataset, shape, pieces, read, refusal)
    return ResolvedVirtual(stored, shape, problems)


def _held(
    dataset: Dataset, shape: tuple[int, ...], pieces: Sequence[_Piece], read: Read, refusal: Unsupported
) -> Parser[Stored]:
    """The values of a small virtual dataset. Raises the refusal where there is no place for them."""
    own = dataset.datatype
    types = [piece.source.dataset.datatype for piece in pieces]
    alike = all((kind.dtype, kind.bits, kind.padding) == (own.dtype, None, own.padding) for kind in types)
    if own.dtype is None or not (alike and shape) or math.prod(shape) * own.size > MOST_HELD:
        raise refusal
    sources = {id(piece.source): (piece.file, piece.source) for piece in pieces}
    values = dict(zip(sources, (yield from read(list(sources.values()))), strict=True))
    return held(dataset, shape, [(values[id(p.source)], p.here, p.there) for p in pieces])


_Named = tuple[str, str, tuple[Selection, list[NDArray[np.int64]]]]


def _expand(
    dataset: Dataset, mapping: Sequence[Mapped], find: Find
) -> Parser[tuple[tuple[int, ...], list[_Named], list[str]]]:
    """Every single source with the indices that it has in the virtual dataset, and the shape that comes of it."""
    shape, missing = list(dataset.shape), list[str]()
    grown: dict[int, int] = {}
    named: list[_Named] = []
    total = 0
    for line in mapping:
        total = _within(total, named[-1][2][1] if named else [])
        axis = line.virtual.unlimited
        if axis is None:
            named.append(
                (plain_name(line.file), plain_name(line.path), (line.source, line.virtual.indices(tuple(shape))))
            )
        elif line.is_pattern:
            named += yield from _counted(line, axis, shape, grown, find)
        else:
            key = (plain_name(line.file), plain_name(line.path))
            found = (yield from find([key]))[key]
            if found is None:
                missing.append(":".join(key))
                continue
            there = _as_long(line, axis, found.dataset.shape, shape)
            grown[axis] = max(grown.get(axis, 0), int(there[axis].max(initial=-1)) + 1)
            named.append((*key, (line.source, there)))
    for axis, length in grown.items():
        fixed = [int(t[axis].max(initial=-1)) + 1 for _, _, (_, t) in named]
        shape[axis] = max([length, *fixed])
    return tuple(shape), named, missing


def _within(total: int, indices: list[NDArray[np.int64]]) -> int:
    """How many indices there are so far. Raises Unsupported when they are too many to hold."""
    total += sum(map(len, indices))
    if total > _MOST_INDICES:
        raise Unsupported(f"its mapping has more than {_MOST_INDICES} indices along axes", feature="virtual dataset")
    return total


def plain_name(name: str) -> str:
    """A name in a mapping as it is meant: `%%` stands for `%`."""
    return name.replace("%%", "%")


def _as_long(line: Mapped, axis: int, shape: tuple[int, ...], virtual: list[int]) -> list[NDArray[np.int64]]:
    """Where a source without end lies: as many blocks as the source has elements for."""
    selected = math.prod(len(indices) for indices in line.source.indices(shape))
    assert line.virtual.slabs is not None
    slab = line.virtual.slabs[axis]
    others = math.prod(len(i) for n, i in enumerate(line.virtual.indices(tuple(virtual), 0)) if n != axis)
    length = selected // max(others, 1)
    if slab.block < 0:
        virtual = [*virtual[:axis], slab.start + length, *virtual[axis + 1 :]]
        return line.virtual.indices(tuple(virtual))
    found = line.virtual.indices(tuple(virtual), -(-length // slab.block))
    found[axis] = found[axis][:length]
    return found


def _counted(line: Mapped, axis: int, shape: list[int], grown: dict[int, int], find: Find) -> Parser[list[_Named]]:
    """Sources numbered from 0 until there is none: "%b" stands for the number of a block."""
    assert line.virtual.slabs is not None
    slab = line.virtual.slabs[axis]
    named: list[_Named] = []
    for number in range(_MOST_BLOCKS):
        names = (line.file, line.path)
        key = (numbered_name(names[0], number), numbered_name(names[1], number))
        if (yield from find([key]))[key] is None:
            break
        there = line.virtual.indices(tuple(shape), 1)
        there[axis] = there[axis] + number * slab.stride
        named.append((*key, (line.source, there)))
        grown[axis] = max(grown.get(axis, 0), int(there[axis].max(initial=-1)) + 1)
    else:
        raise Unsupported(f"it has more than {_MOST_BLOCKS} sources of one name", feature="virtual dataset")
    grown.setdefault(axis, 0)
    return named


def numbered_name(name: str, number: int) -> str:
    """The name of a block's source: `%b` stands for the number of the block."""
    return "%".join(part.replace("%b", str(number)) for part in name.split("%%"))


def _piece(
    file: str, source: MappedSource, selection: Selection, there: list[NDArray[np.int64]], shape: tuple[int, ...]
) -> _Piece:
    here = selection.indices(source.dataset.shape)
    for indices, length in (*zip(here, source.dataset.shape, strict=True), *zip(there, shape, strict=True)):
        if len(indices) and int(indices.max()) >= length:
            raise Unsupported("it selects elements beyond the end of a dataset", feature="virtual dataset")
    if math.prod(map(len, here)) != math.prod(map(len, there)):
        raise Unsupported("its mapping joins selections of different sizes", feature="virtual dataset")
    return _Piece(file, source, here, there)


def _assemble(dataset: Dataset, shape: tuple[int, ...], pieces: list[_Piece]) -> Stored:
    pieces = [p for p in pieces if all(len(indices) for indices in p.here)]
    if not pieces:
        return Stored(tuple(max(n, 1) for n in shape), (), ChunkManifest.empty(tuple(min(n, 1) for n in shape)))
    pieces = _in_common_rows(pieces)
    first = pieces[0].source.stored
    chunk_shape = _chunk_shape(pieces[0])
    if math.prod(grid_shape_of(shape, chunk_shape)) > _MOST_CHUNKS:
        raise Unsupported(f"it would need chunks of {chunk_shape}, which are too many", feature="virtual dataset")
    grid = grid_shape_of(shape, chunk_shape)
    table = SourceTable()
    parts: list[tuple[NDArray[Any], ...]] = []
    for piece in pieces:
        _check_like(dataset, piece, first.codecs)
        if _chunk_shape(piece) != chunk_shape:
            raise Unsupported("its sources have chunks of different shapes", feature="virtual dataset")
        parts.append(_placed(dataset, piece, (shape, chunk_shape, grid), table))
    index, source, offset, length = (np.concatenate(column) for column in zip(*parts, strict=True))
    columns = (source.astype(np.uint32), offset.astype(np.uint64), length.astype(np.uint64))
    try:
        chunks = ChunkManifest.from_columns(grid, index, table.sources, columns)
    except ValueError as error:
        raise Unsupported(f"its sources overlap: {error}", feature="virtual dataset") from error
    return Stored(chunk_shape, first.codecs, chunks)


def _check_like(dataset: Dataset, piece: _Piece, codecs: tuple[CodecConfig, ...]) -> None:
    own, found = dataset.datatype, piece.source.dataset.datatype
    if found.needs_heap or found.reference:
        raise Unsupported("its elements lie in the heaps of other files", feature="virtual dataset")
    if found.dtype != own.dtype or found.bits != own.bits or found.padding != own.padding:
        raise Unsupported(f"its type is {own.dtype}, that of a source {found.dtype}", feature="virtual dataset")
    if [decodes_as(c) for c in piece.source.stored.codecs] != [decodes_as(c) for c in codecs]:
        raise Unsupported("its sources have different filters", feature="virtual dataset")


def _axes(piece: _Piece) -> list[tuple[int | None, int | None]]:
    """Pairs of axes, virtual and source, that go together; those of one element may stand alone."""
    lengths_here, lengths_there = [list(map(len, side)) for side in (piece.here, piece.there)]
    if lengths_here == lengths_there:
        return [(axis, axis) for axis in range(len(lengths_here))]
    here = [axis for axis, length in enumerate(lengths_here) if length > 1]
    there = [axis for axis, length in enumerate(lengths_there) if length > 1]
    if [lengths_here[a] for a in here] != [lengths_there[a] for a in there]:
        raise Unsupported("its mapping reshapes its sources", feature="virtual dataset")
    alone: list[tuple[int | None, int | None]] = [(a, None) for a, n in enumerate(lengths_there) if n <= 1]
    alone += [(None, a) for a, n in enumerate(lengths_here) if n <= 1]
    return [*zip(there, here, strict=True), *alone]


def _chunk_shape(piece: _Piece) -> tuple[int, ...]:
    shape = [1] * len(piece.there)
    for virtual, source in _axes(piece):
        if virtual is not None and source is not None:
            shape[virtual] = piece.source.stored.chunk_shape[source]
    return tuple(shape)


def _in_common_rows(pieces: list[_Piece]) -> list[_Piece]:
    """Blocks without filters, cut into rows so that each chunk moves as a whole."""
    whole = [p for p in pieces if _is_block(p)]
    if not whole:
        return pieces
    chunked = {p.source.stored.chunk_shape[0] for p in pieces if not _is_block(p) and p.source.stored.chunk_shape}
    rows = math.gcd(*chunked, *(_row_unit(p) for p in whole))
    if sum(p.source.dataset.shape[0] // max(rows, 1) for p in whole if p.source.dataset.shape) > _MOST_CHUNKS:
        raise Unsupported(f"its sources would have to be cut into {rows} rows each", feature="virtual dataset")
    if chunked and chunked != {rows}:
        raise Unsupported("its sources are not aligned with one another", feature="virtual dataset")
    return [_cut(piece, rows) if _is_block(piece) else piece for piece in pieces]


def _cut(piece: _Piece, rows: int) -> _Piece:
    dataset, stored, _ = piece.source
    if not dataset.shape:
        return piece
    return piece._replace(source=MappedSource(dataset, cut_rows(stored, dataset.shape, dataset.datatype.size, rows)))


def _is_block(piece: _Piece) -> bool:
    stored = piece.source.stored
    return not stored.codecs and stored.chunk_shape == piece.source.dataset.shape


def _row_unit(piece: _Piece) -> int:
    """The longest length of rows that all runs along the first axis are multiples of."""
    if not piece.source.dataset.shape:
        return 0
    virtual = next((v for v, s in _axes(piece) if s == 0), None)
    here = piece.here[0]
    there = here if virtual is None else piece.there[virtual]
    breaks = np.flatnonzero((np.diff(here) != 1) | (np.diff(there) != 1)) + 1
    starts = np.concatenate([[0], breaks])
    lengths = np.diff([*starts.tolist(), len(here)])
    return math.gcd(*here[starts].tolist(), *there[starts].tolist(), *lengths.tolist())


def _placed(
    dataset: Dataset,
    piece: _Piece,
    target: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]],
    table: SourceTable,
) -> tuple[NDArray[Any], ...]:
    """Position in the virtual grid, source, offset and length of each chunk of a piece."""
    shape, chunk_shape, grid = target
    chunks = _with_own_fill(dataset, piece.source)
    coords = chunks.coords()
    moved: list[NDArray[np.int64]] = [np.zeros(len(chunks), np.int64) for _ in grid]
    kept = np.ones(len(chunks), np.bool_)
    for virtual, source in _axes(piece):
        if source is None:
            assert virtual is not None
            moved[virtual][:] = piece.there[virtual][0]
            continue
        length = piece.source.stored.chunk_shape[source]
        if virtual is None:
            if length != 1:
                raise _misaligned(source)
            numbers_here, numbers_there = piece.here[source][:1], np.zeros(1, np.int64)
        else:
            numbers_here, numbers_there = _goes(
                piece.here[source], piece.there[virtual], chunk_shape[virtual], shape[virtual]
            )
        place = np.minimum(np.searchsorted(numbers_here, coords[source]), len(numbers_here) - 1)
        kept &= numbers_here[place] == coords[source]
        if virtual is not None:
            moved[virtual] = numbers_there[place]
    rows = np.flatnonzero(kept)
    index = linear(np.stack([m[rows] for m in moved], axis=1), grid) if grid else np.zeros(len(rows), np.int64)
    numbers = table.numbers(chunks.sources)
    return index, numbers[chunks.source[rows]], chunks.offset[rows], chunks.length[rows]


def _misaligned(axis: int) -> Unsupported:
    return Unsupported(
        f"its mapping does not move whole chunks of its sources along their axis {axis}", feature="virtual dataset"
    )


def _goes(
    here: NDArray[np.int64], there: NDArray[np.int64], length: int, end: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Chunks of the source along an axis, rising, and the chunks of the virtual dataset that they become.

    Only the last chunk of the virtual dataset may be less than whole: what a chunk holds beyond is not seen there.
    """
    starts = np.arange(0, len(here), length)
    within = np.arange(len(here)) % length
    first_here, first_there = here[starts], there[starts]
    whole = not (first_here % length).any() and not (first_there % length).any()
    rising = (np.diff(first_here) > 0).all() and (np.diff(first_there) > 0).all()
    steady = (here == first_here[np.arange(len(here)) // length] + within).all() and (
        there == first_there[np.arange(len(there)) // length] + within
    ).all()
    if not (whole and rising and steady) or (len(here) % length and int(there[-1]) != end - 1):
        raise Unsupported("its mapping does not move whole chunks of its sources", feature="virtual dataset")
    return first_here // length, first_there // length


def _with_own_fill(dataset: Dataset, source: MappedSource) -> ChunkManifest:
    """The chunks of a source; what was never written there reads as its fill value, not as the virtual dataset's."""
    chunks = source.stored.chunks
    own, found = dataset.fill_value or b"", source.dataset.fill_value or b""
    if len(chunks) == chunks.size or own == found or not any(own + found):
        return chunks
    filled = fill_native(source.stored, found if any(found) else bytes(source.dataset.datatype.size))
    if filled is None:
        raise Unsupported("parts of its sources were never written", feature="virtual dataset")
    return filled
