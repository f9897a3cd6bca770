"""The chunks of one array at rest in partitions, read by stretches of its grid."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from chunkmap.errors import NoSuchFile, StorageError
from chunkmap.io import Folder
from chunkmap.model import ChunkManifest, ChunksElsewhere, Placement, Target, place
from chunkmap.storage.parquet.cache import PartitionCache
from chunkmap.storage.parquet.partition import decode_partition
from chunkmap.storage.parquet.sidecar import PartitionRecord
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
    records: Mapping[int, PartitionRecord] | None
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
        return sum(record.chunks for record in self.records.values())

    def between(self, start: int, stop: int) -> ChunkManifest:
        """The chunks in cells `start` to `stop`: only the partitions that hold these are read."""
        size = math.prod(self.grid_shape)
        start, stop = max(start, 0), min(stop, size)
        first, last = start // self.record_size, -(-stop // self.record_size)
        numbers = self._there(first, last) if start < stop else []
        parts = [
            Placement(self.decode(number, data), (number * self.record_size,))
            for first in range(0, len(numbers), _AT_ONCE)
            for number, data in self._read(numbers[first : first + _AT_ONCE])
        ]
        return place((size,), parts).reshape_grid(self.grid_shape).between(start, stop)

    def _there(self, first: int, last: int) -> list[int]:
        """The partitions between two in which chunks may be; few are not looked for among all."""
        if self.records is None:
            if last - first <= _AT_ONCE:
                return list(range(first, last))
            found = self.cache.numbers(self.path, self.stretches)
            return found[bisect_left(found, first) : bisect_left(found, last)]
        if last - first < len(self.records):
            return [number for number in range(first, last) if number in self.records]
        return sorted(number for number in self.records if first <= number < last)

    def _read(self, numbers: Sequence[int]) -> Iterable[tuple[int, bytes | None]]:
        """The files of some partitions, fetched together."""
        names = [partition_name(self.path, number) for number in numbers]
        files = self.folder.read_many(names)
        self.check_stamp()
        return zip(numbers, files, strict=True)

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
        name = partition_name(self.path, number)
        data = self.folder.read_many([name])[0] if self.expected(number) else None
        self.check_stamp()
        return self.decode(number, data)

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

    def decode(self, number: int, data: bytes | None) -> ChunkManifest:
        """The chunks of a partition from the bytes of its file, None when there is no file.

        Raises StorageError when it is lost or damaged.
        """
        cells, where = self.cells(number), f"{self.folder.url}/{partition_name(self.path, number)}"
        if not self.expected(number):
            return ChunkManifest.empty((cells,))
        if self.records is not None:
            record = self.records[number]
            chunks = decode_partition(record.check(data, where), cells, where)
            if len(chunks) != record.chunks:
                raise StorageError(f"{where}: expected {record.chunks} chunks, found {len(chunks)}")
            return chunks
        return ChunkManifest.empty((cells,)) if data is None else decode_partition(data, cells, where)


def _numbers(names: Iterable[str]) -> Iterator[int]:
    """The numbers of the partitions among the names of files."""
    for name in names:
        parts = name.split(".")
        if len(parts) == 3 and parts[0] == "refs" and parts[2] == "parq" and parts[1].isdecimal():
            yield int(parts[1])
