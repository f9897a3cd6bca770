"""The chunks of one array at rest in partitions, read by stretches of its grid."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import NoSuchFile, StorageError
from chunkmap.io import Folder, LocalFolder
from chunkmap.model import ChunkManifest, ChunksElsewhere, Placement, Target, place
from chunkmap.model.grid import index_dtype
from chunkmap.model.placement import rows_of_each
from chunkmap.storage.parquet.cache import PartitionCache
from chunkmap.storage.parquet.decoding import PartitionFile, decode_partitions
from chunkmap.storage.parquet.sidecar import PartitionRecords
from chunkmap.storage.stores import METADATA

__all__ = ["PartitionedChunks", "partition_name", "stamp_of"]

_AT_ONCE: Final = 64
"""Partitions whose files are held at one time."""

_MOST_ASKED: Final = 100_000
"""Partitions of one array whose files are asked for one by one, where nothing is listed."""


def partition_name(path: str, number: int) -> str:
    """The file of a partition, from the root."""
    return f"{path}/refs.{number}.parq"


def stamp_of(folder: Folder) -> Target | None:
    """What the filesystem says of the metadata of a set; None where there are none."""
    try:
        return folder.open(METADATA).target()
    except NoSuchFile:
        return None


@dataclass(frozen=True, slots=True)
class PartitionedChunks(ChunksElsewhere):
    """Where the chunks of one array are: a handle that costs little, and can be pickled."""

    folder: Folder
    """The root of the set."""
    path: str
    """The array."""
    grid_shape: tuple[int, ...]
    record_size: int
    records: PartitionRecords | None
    """Partitions in which chunks are, by number; None where that was not written down."""
    stamp: Target | None = None
    """What the filesystem said of the metadata when the set was opened; None where partitions have checksums."""
    cache: PartitionCache = field(default_factory=PartitionCache, compare=False, repr=False)
    """The partitions that are kept, of all arrays of the set."""

    @property
    def most_chunks(self) -> int:
        """How many there are, or may be."""
        if self.records is None:
            return math.prod(self.grid_shape)
        return self.records.chunks

    def between(self, start: int, stop: int) -> ChunkManifest:
        """The chunks in cells `start` to `stop`: only the partitions that hold these are read."""
        size = math.prod(self.grid_shape)
        start, stop = max(start, 0), min(stop, size)
        found = self.together([(self, range(start, max(start, stop)))])
        if len(found) == size:
            return found.reshape_grid(self.grid_shape)
        index = (found.positions() + start).astype(index_dtype(size))
        return replace(found, grid_shape=self.grid_shape, index=index)

    @classmethod
    def together(cls, wanted: Sequence[tuple[Self, range]]) -> ChunkManifest:
        """The chunks of many arrays: their partitions are fetched side by side, and many small ones decoded as one."""
        return _laid_out(_pieces(wanted), sum(len(cells) for _, cells in wanted))

    def numbers_between(self, start: int, stop: int) -> list[int]:
        """The partitions of cells `start` to `stop` in which chunks may be; few are not looked for among all."""
        if start >= stop:
            return []
        first, last = start // self.record_size, -(-stop // self.record_size)
        if self.records is None:
            if last - first <= _AT_ONCE:
                return list(range(first, last))
            found = self.cache.numbers(self.path, self.stretches)
            return found[bisect_left(found, first) : bisect_left(found, last)]
        if last - first < len(self.records):
            return [number for number in range(first, last) if number in self.records]
        return sorted(number for number in self.records if first <= number < last)

    def read(self, numbers: Sequence[int]) -> list[PartitionFile | None]:
        """The files of some partitions, fetched together; None for one that may be missing, and is.

        Raises StorageError for one that was lost or damaged.
        """
        files = self.folder.read_many([partition_name(self.path, number) for number in numbers])
        self.check_stamp()
        return list(map(self._file, numbers, files))

    def _file(self, number: int, data: bytes | None) -> PartitionFile | None:
        where = f"{self.folder.url}/{partition_name(self.path, number)}"
        if self.records is not None:
            record = self.records[number]
            return PartitionFile(record.check(data, where), self.cells(number), where, record.chunks)
        return None if data is None else PartitionFile(data, self.cells(number), where)

    def check_stamp(self) -> None:
        """Raise StorageError where another set is there than was opened, which only checksums would tell else."""
        if self.stamp is not None and stamp_of(self.folder) != self.stamp:
            raise StorageError(f"{self.folder.url}: the set was replaced after it was opened. Open it again")

    def cells(self, number: int) -> int:
        """How many cells of the grid a partition stands for."""
        return max(0, min(self.record_size, math.prod(self.grid_shape) - number * self.record_size))

    def expected(self, number: int) -> bool:
        """Whether there may be chunks in a partition."""
        return self.records is None or number in self.records

    @property
    def stretch(self) -> int:
        """The cells of a partition."""
        return self.record_size

    def in_stretch(self, number: int) -> ChunkManifest:
        """The chunks of one partition, which is kept. Raises StorageError when it is lost or damaged."""
        return self.cache.get(self.path, number, lambda: self._fetched(number))

    def _fetched(self, number: int) -> ChunkManifest:
        files = self.read([number]) if self.expected(number) else [None]
        return ChunkManifest.empty((self.cells(number),)) if files[0] is None else decode_partitions([files[0]])

    def stretches(self) -> list[int]:
        """The partitions in which chunks are."""
        if self.records is not None:
            return sorted(self.records)
        count = math.ceil(math.prod(self.grid_shape) / self.record_size)
        listing = self.folder.listing(self.path)
        if listing is not None:
            return sorted(number for number in _numbers(listing.names) if number < count)
        if count > _MOST_ASKED:
            raise StorageError(
                f"{self.folder.url}/{self.path}: nothing is listed there, and expected at most {_MOST_ASKED} partitions"
                f" to ask for, found {count}; write the set again (chunkmap.load, chunkmap.write)"
            )
        sizes = self.folder.sizes([partition_name(self.path, number) for number in range(count)])
        found: list[int] = np.flatnonzero(sizes >= 0).tolist()
        return found


class _Piece(NamedTuple):
    """A partition that goes into a result, in which the cells of many arrays stand end to end."""

    chunks: PartitionedChunks
    number: int
    first: int
    """Where its first cell goes."""
    inside: range
    """The cells of the result that are those of its array; others of the partition are not wanted."""


def _pieces(wanted: Iterable[tuple[PartitionedChunks, range]]) -> Iterator[_Piece]:
    """The partitions of some cells of many arrays, in the order of the result."""
    first = 0
    for chunks, cells in wanted:
        inside = range(first, first + len(cells))
        for number in chunks.numbers_between(cells.start, cells.stop):
            yield _Piece(chunks, number, number * chunks.record_size + first - cells.start, inside)
        first += len(cells)


def _laid_out(pieces: Iterator[_Piece], size: int) -> ChunkManifest:
    parts = list[Placement]()
    while some := list(islice(pieces, _AT_ONCE)):
        there = [(piece, file) for piece, file in zip(some, _files_of(some), strict=True) if file is not None]
        if there:
            parts.append(_moved(there, size))
    return place((size,), parts)


def _files_of(pieces: Sequence[_Piece]) -> Iterator[PartitionFile | None]:
    """Their files: those of one array together, and where they are far away, those of many arrays side by side."""
    groups = [list(some) for _, some in groupby(pieces, lambda piece: id(piece.chunks))]
    arrays = [(some[0].chunks, [piece.number for piece in some]) for some in groups]
    if len(arrays) == 1 or isinstance(pieces[0].chunks.folder, LocalFolder):
        for chunks, numbers in arrays:
            yield from chunks.read(numbers)
        return
    with ThreadPoolExecutor(len(arrays)) as pool:
        for files in pool.map(lambda pair: pair[0].read(pair[1]), arrays):
            yield from files


def _moved(there: Sequence[tuple[_Piece, PartitionFile]], size: int) -> Placement:
    """The chunks of some partitions, where they go in a result of `size` cells."""
    pieces, files = zip(*there, strict=True)
    chunks = decode_partitions(files)
    lengths = np.array([file.ncells for file in files])
    counts = rows_of_each(chunks, lengths)
    moved_by = np.array([piece.first for piece in pieces]) - (np.cumsum(lengths) - lengths)
    if chunks.index is None and all(_is_wanted(piece, file.ncells) for piece, file in there) and np.ptp(moved_by) == 0:
        return Placement(chunks, (int(moved_by[0]),))
    position = chunks.positions().astype(np.int64) + np.repeat(moved_by, counts)
    low = np.repeat(np.array([piece.inside.start for piece in pieces]), counts)
    high = np.repeat(np.array([piece.inside.stop for piece in pieces]), counts)
    inside = (position >= low) & (position < high)
    rows: slice | NDArray[np.bool_] = slice(None) if bool(inside.all()) else inside
    position = position[rows]
    index = None if len(position) == size else position.astype(index_dtype(size))
    return Placement(chunks.of_rows((size,), rows, index), (0,))


def _is_wanted(piece: _Piece, ncells: int) -> bool:
    """Whether all cells of a partition are."""
    return piece.inside.start <= piece.first and piece.first + ncells <= piece.inside.stop


def _numbers(names: Iterable[str]) -> Iterator[int]:
    """The numbers of the partitions among the names of files."""
    for name in names:
        parts = name.split(".")
        if len(parts) == 3 and parts[0] == "refs" and parts[2] == "parq" and parts[1].isdecimal():
            yield int(parts[1])
