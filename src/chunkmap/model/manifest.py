"""Where the chunks of one array are, as columns.

A `ChunkManifest` has a row for each chunk that exists, in C order of the chunk grid: the source that holds it
(an index into an interned table), the offset and the length in bytes. That is 20 bytes a chunk whatever the length of
the URLs; an array of which not every chunk exists pays 4 bytes more for the position of each row (8 when its grid has
more than 2**32 cells). Memory follows the references, never the grid.

Where chunks of one array are decoded in different ways (`chunkmap.model.variants`), 2 bytes more say in which.

A source is a URL, or bytes held inline: an inline chunk is a range of a blob, as any other is a range of a file.
Source 0 stands for "no chunk" and never appears in a row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.model.columns import column_of, short_of
from chunkmap.model.grid import (
    block_rows,
    check_inside,
    coordinates,
    index_dtype,
    linear,
    linear_cell,
    moved_positions,
    printed_cells,
    rising,
)
from chunkmap.model.renaming import renamed
from chunkmap.model.source_table import SourceTable
from chunkmap.model.sources import Sources, same_sources
from chunkmap.model.wording import counted

__all__ = ["WHOLE_FILE", "ChunkManifest", "Reference"]

WHOLE_FILE: Final = 2**64 - 1
"""The length of a reference to all bytes of a URL whose size is not known."""

_FIRST: Final = np.ones(1, np.uint32)
_AT_0: Final = np.zeros(1, np.uint64)

AllColumns = tuple[NDArray[np.uint32], NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint16] | None]
Columns = tuple[NDArray[np.uint32], NDArray[np.uint64], NDArray[np.uint64]] | AllColumns
"""Source, offset, length, and variant where it is said."""


class Reference(NamedTuple):
    """One chunk: a range of bytes of a URL, or of a blob held inline."""

    source: str | bytes
    offset: int
    length: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ChunkManifest:
    """Where one array's chunks are. Read-only: every operation returns a new manifest.

    Build one with `from_rows`, `single` or `empty`, which check what they are given; the constructor does not.

    >>> manifest = ChunkManifest.from_rows((2, 2), [(0, 0), (1, 1)], ["a.nc", "a.nc"], [100, 200], [10, 20])
    >>> manifest.keys()
    ['0.0', '1.1']
    >>> manifest[1, 1]
    Reference(source='a.nc', offset=200, length=20)
    >>> manifest[0, 1] is None
    True
    """

    grid_shape: tuple[int, ...]
    """Number of chunks along each axis."""
    sources: Sources = field(default_factory=lambda: Sources((None,)))
    """The interned table: URLs, and blobs held inline; number 0 is None. A tuple given becomes one."""
    source: NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, np.uint32))
    """Row -> number of its source."""
    offset: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    """Row -> first byte."""
    length: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    """Row -> number of bytes, or `WHOLE_FILE`."""
    index: NDArray[Any] | None = None
    """Row -> position in the grid, C order, rising; None when there is a row for every cell."""
    variant: NDArray[np.uint16] | None = None
    """Row -> number of the variant by which its bytes are decoded; None where it is 0 for all."""

    def __post_init__(self) -> None:
        if type(self.sources) is not Sources:
            object.__setattr__(self, "sources", Sources.of(self.sources))
        if self.index is None and len(self.source) != self.size:
            if len(self.source):
                raise ValueError(f"{len(self.source)} rows without positions do not fill a grid of {self.size} cells")
            object.__setattr__(self, "index", np.empty(0, index_dtype(self.size)))
        self.source.setflags(write=False)  # no loop: a scan makes thousands of these
        self.offset.setflags(write=False)
        self.length.setflags(write=False)
        if self.index is not None:
            self.index.setflags(write=False)
        if self.variant is not None:
            self.variant.setflags(write=False)

    def __reduce__(self) -> tuple[object, ...]:
        columns = [short_of(column) for column in (self.source, self.offset, self.length)]
        return _again, (self.grid_shape, self.sources, columns, self.index, self.variant)

    @classmethod
    def empty(cls, grid_shape: Sequence[int]) -> ChunkManifest:
        """A manifest without a chunk: it costs nothing, however large the grid."""
        return cls(tuple(grid_shape))

    @classmethod
    def single(cls, source: str | bytes, offset: int, length: int, ndim: int) -> ChunkManifest:
        """The manifest of an array stored as one chunk."""
        return cls(
            (1,) * ndim,
            Sources((None, source)),
            _FIRST,
            np.array([offset], np.uint64) if offset else _AT_0,
            np.array([length], np.uint64),
        )

    @classmethod
    def from_rows(
        cls,
        grid_shape: Sequence[int],
        coords: object,
        urls: Sequence[str | bytes],
        offsets: object,
        lengths: object,
    ) -> ChunkManifest:
        """Rows in any order. For few rows, or where speed does not matter: see `from_columns`.

        `coords` has shape (rows, axes); raises ValueError for a row outside the grid, or two in one cell.
        """
        table = SourceTable()
        numbers = np.array([table.number(u) for u in urls], np.uint32)
        return cls.from_columns(
            grid_shape,
            linear(np.asarray(coords, np.int64).reshape(len(urls), len(grid_shape)), grid_shape),
            table.sources,
            (numbers, np.asarray(offsets, np.uint64), np.asarray(lengths, np.uint64)),
        )

    @classmethod
    def from_columns(
        cls,
        grid_shape: Sequence[int],
        index: NDArray[Any],
        sources: Sequence[str | bytes | None],
        columns: Columns,
    ) -> ChunkManifest:
        """Columns in any order, with the position of each row in the grid.

        Raises ValueError for a position outside the grid, or for two rows in one cell.
        """
        grid_shape = tuple(grid_shape)
        size = math.prod(grid_shape)
        if len(index) and not (int(index.min()) >= 0 and int(index.max()) < size):
            raise ValueError(f"a chunk lies outside the grid {grid_shape}")
        source, offset, length, variant = columns if len(columns) == 4 else (*columns, None)
        if len(index) > 1 and not bool(np.all(index[1:] > index[:-1])):
            order = rising(index, size)
            index, source, offset, length = (np.take(column, order) for column in (index, source, offset, length))
            variant = None if variant is None else np.take(variant, order)
            if not bool(np.all(index[1:] > index[:-1])):
                raise ValueError("two chunks stand in one cell of the grid")
        whole = len(index) == size
        return cls(
            grid_shape,
            Sources.of(sources),
            np.ascontiguousarray(source, np.uint32),
            np.ascontiguousarray(offset, np.uint64),
            np.ascontiguousarray(length, np.uint64),
            None if whole else np.ascontiguousarray(index, index_dtype(size)),
            variant,
        )

    def __len__(self) -> int:
        return len(self.source)

    def __repr__(self) -> str:
        urls = counted(len(self.urls), "url")
        return f"<ChunkManifest {len(self)} of {counted(self.size, 'chunk')}, grid {self.grid_shape}, {urls}>"

    def __eq__(self, other: object) -> bool:
        """The same chunks in the same cells, however the tables of sources are ordered."""
        if not isinstance(other, ChunkManifest):
            return NotImplemented
        return self.grid_shape == other.grid_shape and len(self) == len(other) and self._same_rows(other)

    __hash__ = None  # type: ignore[assignment]

    def _same_rows(self, other: ChunkManifest) -> bool:
        if self.index is not other.index and not np.array_equal(self.positions(), other.positions()):
            return False
        few = self.sources.few
        if few and few == other.sources.few and all(map(np.array_equal, self.columns(), other.columns())):  # type: ignore[arg-type]
            return True
        inline = self.is_inline
        if not np.array_equal(self.length, other.length) or not np.array_equal(inline, other.is_inline):
            return False
        ranged = slice(None) if not inline.any() else ~inline
        if not np.array_equal(self.offset[ranged], other.offset[ranged]):
            return False
        sources = self.sources, self.source[ranged], other.sources, other.source[ranged]
        if not np.array_equal(self.variants(), other.variants()) or not same_sources(*sources):
            return False
        return all(self.inline_bytes(row) == other.inline_bytes(row) for row in np.flatnonzero(inline).tolist())

    @property
    def size(self) -> int:
        """Number of cells of the grid."""
        return math.prod(self.grid_shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.grid_shape)

    @property
    def nbytes(self) -> int:
        """Bytes held in memory by the columns and by inline data, without the text of the URLs."""
        more = sum([0 if column is None else column.nbytes for column in (self.index, self.variant)])
        return self.sources.inline_nbytes + self.source.nbytes + self.offset.nbytes + self.length.nbytes + more

    @property
    def is_inline(self) -> NDArray[np.bool_]:
        """Row -> whether its bytes are held inline."""
        return self.sources.inline[self.source]

    @property
    def urls(self) -> Sequence[str]:
        """The URLs of the table, in its order; where they are many, each is made when it is asked for."""
        return self.sources.urls

    def positions(self) -> NDArray[Any]:
        """Row -> position in the grid, C order."""
        return np.arange(len(self), dtype=index_dtype(self.size)) if self.index is None else self.index

    def variants(self, rows: slice | NDArray[Any] = slice(None)) -> NDArray[np.uint16]:
        """Some rows -> the number of the variant of each."""
        return np.zeros(len(self.source[rows]), np.uint16) if self.variant is None else self.variant[rows]

    def columns(self, rows: slice | NDArray[Any] = slice(None)) -> AllColumns:
        """What is known of some rows, but for their positions."""
        variant = None if self.variant is None else self.variant[rows]
        return self.source[rows], self.offset[rows], self.length[rows], variant

    def coords(self) -> tuple[NDArray[np.int64], ...]:
        """Row -> grid coordinate, one array an axis."""
        return tuple(coordinates(self.positions(), self.grid_shape))

    def keys(self, prefix: str = "", separator: str = ".") -> list[str]:
        """Row -> printed chunk index: `"0.1"`, and `"0"` for an array without axes."""
        if not self.grid_shape:
            return [f"{prefix}0"] * len(self)
        if self.index is None:
            return printed_cells(self.grid_shape, prefix, separator)
        columns = [list(map(str, c.tolist())) for c in self.coords()]
        columns[0] = [prefix + text for text in columns[0]]
        return columns[0] if len(columns) == 1 else list(map(separator.join, zip(*columns, strict=True)))

    def row_at(self, coord: Sequence[int] | int) -> int | None:
        """The row of a grid cell, given by its coordinates or by its position; None where there is no chunk."""
        position = coord if isinstance(coord, int) else 0
        if not isinstance(coord, int):
            if len(coord) != self.ndim or not all(0 <= c < n for c, n in zip(coord, self.grid_shape, strict=True)):
                raise IndexError(f"chunk index {tuple(coord)} lies outside the grid {self.grid_shape}")
            position = linear_cell(coord, self.grid_shape)
        if self.index is None:
            return position
        row = int(np.searchsorted(self.index, position))
        return row if row < len(self.index) and int(self.index[row]) == position else None

    def __getitem__(self, coord: Sequence[int] | int) -> Reference | None:
        """The reference of one grid cell, or None where there is no chunk."""
        row = self.row_at(coord)
        return None if row is None else self.row(row)

    def row(self, row: int) -> Reference:
        """The reference in one row."""
        source = self.sources[int(self.source[row])]
        assert source is not None
        return Reference(source, int(self.offset[row]), int(self.length[row]))

    def rows(self) -> Iterator[Reference]:
        """Every reference, in C order. For display and small sets: a Python object a chunk."""
        return map(self.row, range(len(self)))

    def inline_bytes(self, row: int) -> bytes:
        """The bytes of a row that is held inline."""
        offset = int(self.offset[row])
        return self.sources.inline_range(int(self.source[row]), offset, offset + int(self.length[row]))

    def positions_in(self, grid_shape: Sequence[int], cells: Sequence[int | NDArray[np.int64]]) -> NDArray[Any]:
        """Row -> position in a larger grid, when the cells of this one go to `cells` (see `chunkmap.model.placement`).

        Raises ValueError where this grid reaches outside the larger one.
        """
        check_inside(self.grid_shape, grid_shape, cells)
        return moved_positions(self.positions(), self.grid_shape, grid_shape, cells)

    def take(self, rows: NDArray[Any] | NDArray[np.bool_]) -> ChunkManifest:
        """Only some rows, in the same grid."""
        rows = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        return ChunkManifest.from_columns(self.grid_shape, self.positions()[rows], self.sources, self.columns(rows))

    def between(self, start: int, stop: int) -> ChunkManifest:
        """Only the rows whose positions lie between two, half-open, in the same grid: views of the columns."""
        if start <= 0 and stop >= self.size:
            return self
        low, high = (start, stop) if self.index is None else np.searchsorted(self.index, [start, stop]).tolist()
        rows = slice(max(low, 0), max(low, 0, min(high, len(self))))
        dtype = index_dtype(self.size)
        index = np.arange(rows.start, rows.stop, dtype=dtype) if self.index is None else self.index[rows]
        return self.of_rows(self.grid_shape, rows, index)

    def of_rows(
        self, grid_shape: tuple[int, ...], rows: slice | NDArray[Any], index: NDArray[Any] | None
    ) -> ChunkManifest:
        """Some rows in another grid, at the positions that are given, which rise."""
        source, offset, length, variant = self.columns(rows)
        return ChunkManifest(grid_shape, self.sources, source, offset, length, index, variant)

    @property
    def most_chunks(self) -> int:
        """The number of chunks, under the name that manifests at rest have for it."""
        return len(self)

    def select(self, start: Sequence[int], stop: Sequence[int]) -> ChunkManifest:
        """The block of the grid between two cells (half-open), as a grid of its own.

        Raises ValueError for a block that is not inside the grid.
        """
        if not all(0 <= low <= high <= n for low, high, n in zip(start, stop, self.grid_shape, strict=True)):
            raise ValueError(f"the block from {tuple(start)} to {tuple(stop)} is not inside {self.grid_shape}")
        shape = tuple(high - low for low, high in zip(start, stop, strict=True))
        if self.index is None:
            block = tuple(map(slice, start, stop))
            rows = np.arange(self.size).reshape(self.grid_shape)[block].reshape(-1)
            return self.of_rows(shape, rows, None).compact()
        rows, index = block_rows(self.index, self.grid_shape, start, stop)
        return ChunkManifest.from_columns(shape, index, self.sources, self.columns(rows)).compact()

    def reshape_grid(self, grid_shape: Sequence[int]) -> ChunkManifest:
        """The same rows in a grid of the same size: an axis of length 1 more or less."""
        if math.prod(grid_shape) != self.size:
            raise ValueError(f"a grid {self.grid_shape} cannot be read as {tuple(grid_shape)}")
        return replace(self, grid_shape=tuple(grid_shape))

    def map_urls(self, rename: Callable[[str], str] | Mapping[str, str]) -> ChunkManifest:
        """The same chunks with each URL passed through a function, or renamed by a mapping: see `model.renaming`."""
        sources, numbers = renamed(self.sources, rename)
        return replace(self, sources=sources, source=numbers[self.source])

    def with_inline(self, rows: NDArray[Any], data: Iterable[bytes]) -> ChunkManifest:
        """The same chunks, some of which are now held inline, in one blob."""
        pieces = list(data)
        return self.with_inline_rows(rows, b"".join(pieces), np.array([len(p) for p in pieces], np.uint64))

    def with_inline_rows(self, rows: NDArray[Any], blob: bytes, lengths: NDArray[Any]) -> ChunkManifest:
        """The same by columns: the bytes of the rows stand one after the other in a blob.

        >>> manifest = ChunkManifest.from_rows((3,), [[0], [1], [2]], ["a.nc"] * 3, [0, 10, 20], [10, 10, 10])
        >>> manifest = manifest.with_inline_rows(np.array([0, 2]), b"firstlast", np.array([5, 4]))
        >>> [manifest.inline_bytes(0), manifest[1], manifest.inline_bytes(2)]
        [b'first', Reference(source='a.nc', offset=10, length=10), b'last']
        """
        if not len(rows):
            return self
        lengths = lengths.astype(np.uint64, copy=False)
        starts = np.cumsum(lengths, dtype=np.uint64) - lengths
        if len(rows) == len(self):
            order, ones = np.argsort(rows, kind="stable"), np.ones(len(self), np.uint32)
            columns = (ones, starts[order], lengths[order], self.index, self.variant)
            return ChunkManifest(self.grid_shape, Sources((None, blob)), *columns)
        source, offset, length = self.source.copy(), self.offset.copy(), self.length.copy()
        source[rows], offset[rows], length[rows] = len(self.sources), starts, lengths
        sources = self.sources.with_blob(blob)
        manifest = replace(self, sources=sources, source=source, offset=offset, length=length)
        return manifest if sources.few is None else manifest.compact()

    def compact(self) -> ChunkManifest:
        """The same manifest without sources that no row names."""
        used = np.zeros(len(self.sources), np.bool_)
        used[self.source] = True
        if bool(used[1:].all()):
            return self
        sources, numbers = self.sources.kept(used)
        return replace(self, sources=sources, source=numbers[self.source])


def _again(grid_shape: tuple[int, ...], sources: Sources, columns: Sequence[Any], *more: Any) -> ChunkManifest:
    """The manifest of what was pickled."""
    return ChunkManifest(grid_shape, sources, *map(column_of, columns), *more)
