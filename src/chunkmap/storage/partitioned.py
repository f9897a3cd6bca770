"""The chunks of one array at rest in partitions, read by stretches of its grid."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chunkmap.errors import StorageError
from chunkmap.model import ChunkManifest, Placement, place
from chunkmap.storage.partition import decode_partition
from chunkmap.storage.place import Place
from chunkmap.storage.sidecar import PartitionRecord

__all__ = ["PartitionedChunks", "partition_name"]


def partition_name(path: str, number: int) -> str:
    """The file of a partition, from the root."""
    return f"{path}/refs.{number}.parq"


@dataclass(frozen=True, slots=True)
class PartitionedChunks:
    """Where the chunks of one array are: a handle that costs little, and can be pickled."""

    place: Place
    """The root of the set."""
    path: str
    """The array."""
    grid_shape: tuple[int, ...]
    record_size: int
    records: Mapping[int, PartitionRecord] | None
    """Partitions in which chunks are, by number; None where that was not written down."""

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
        numbers = [number for number in self.present() if first <= number < last] if start < stop else []
        files = self.place.read_many([partition_name(self.path, number) for number in numbers])
        parts = [
            Placement(self.decode(number, data), (number * self.record_size,))
            for number, data in zip(numbers, files, strict=True)
        ]
        return place((size,), parts).reshape_grid(self.grid_shape).between(start, stop)

    def cells(self, number: int) -> int:
        """How many cells of the grid a partition stands for."""
        return max(0, min(self.record_size, math.prod(self.grid_shape) - number * self.record_size))

    def expected(self, number: int) -> bool:
        """Whether there may be chunks in a partition."""
        return self.records is None or number in self.records

    def present(self) -> list[int]:
        """The partitions in which chunks are."""
        if self.records is not None:
            return sorted(self.records)
        count = math.ceil(math.prod(self.grid_shape) / self.record_size)
        return sorted(number for number in _numbers(self.place.names(self.path)) if number < count)

    def decode(self, number: int, data: bytes | None) -> ChunkManifest:
        """The chunks of a partition from the bytes of its file, None when there is no file.

        Raises StorageError when it is lost or damaged.
        """
        cells, where = self.cells(number), f"{self.place.url}/{partition_name(self.path, number)}"
        if not self.expected(number):
            return ChunkManifest.empty((cells,))
        if self.records is not None:
            record = self.records[number]
            chunks = decode_partition(record.check(data, where), cells, where)
            if len(chunks) != record.chunks:
                raise StorageError(f"{where}: expected {record.chunks} chunks, found {len(chunks)}")
            return chunks
        return ChunkManifest.empty((cells,)) if data is None else decode_partition(data, cells, where)


def _numbers(names: set[str]) -> Iterator[int]:
    """The numbers of the partitions among the names of files."""
    for name in names:
        parts = name.split(".")
        if len(parts) == 3 and parts[0] == "refs" and parts[2] == "parq" and parts[1].isdecimal():
            yield int(parts[1])
