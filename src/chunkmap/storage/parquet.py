"""Write a reference set as a directory of Parquet files, in the layout that fsspec's `LazyReferenceMapper` reads.

    <root>/.zmetadata                    {"metadata": {"x/.zarray": {...}, ...}, "record_size": N}
    <root>/<array path>/refs.<k>.parq    cells k*N .. (k+1)*N of the chunk grid, in C order
    <root>/.chunkmap.json                counts and checksums of the partitions, for `ParquetReferences`

A partition in which no chunk is has no file, but for the first few of a set: fsspec, when it is not told the protocol
of the targets, reads partitions until it meets a URL, and stops at a file that is not there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, Final

import numpy as np

import chunkmap
from chunkmap.errors import StorageError
from chunkmap.model import ChunkManifest, ReferenceSet
from chunkmap.model.dictionary import documents
from chunkmap.storage.names import check_names
from chunkmap.storage.partition import check_rows, encode_partition
from chunkmap.storage.place import Place
from chunkmap.storage.sidecar import SIDECAR, TARGETS, PartitionRecord, Sidecar, checksum, encode_targets

__all__ = ["METADATA", "partition_name", "write_parquet"]

METADATA: Final = ".zmetadata"
"""The file that makes a directory a reference set."""

_EMPTY_FILES: Final = 100
"""Partitions without a chunk that get a file of their own, in each array."""


def write_parquet(refs: ReferenceSet, place: Place, *, record_size: int) -> None:
    """Write a set, in place of the one that is there. Raises StorageError before anything is changed when the set
    cannot be written.
    """
    if record_size < 1:
        raise ValueError(f"record_size is {record_size}, expected 1 or more")
    check_names(refs)
    if "" in refs.arrays:
        raise StorageError(f"{place.url}: an array at the root has no directory for its partitions; write JSON instead")
    for path, array in refs.arrays.items():
        check_rows(path, array.chunks)
    place.publish_directory(_files(refs, record_size), METADATA)


def partition_name(path: str, number: int) -> str:
    """The file of a partition, from the root."""
    return f"{path}/refs.{number}.parq"


def _files(refs: ReferenceSet, record_size: int) -> Iterator[tuple[str, bytes]]:
    """Every file of the set, one at a time; that which makes it a set comes last."""
    partitions: dict[str, dict[int, PartitionRecord]] = {}
    for path, array in refs.arrays.items():
        partitions[path] = {}
        for number, chunks, data in _partitions(array.chunks, record_size):
            if chunks:
                partitions[path][number] = PartitionRecord(chunks, len(data), checksum(data))
            yield partition_name(path, number), data
    targets = None
    if refs.targets:
        data = encode_targets(refs.targets)
        targets = PartitionRecord(len(refs.targets), len(data), checksum(data))
        yield TARGETS, data
    yield SIDECAR, Sidecar(chunkmap.__version__, partitions, targets, refs.problems).encode()
    yield METADATA, _metadata(documents(refs.arrays, refs.groups), record_size)


def _partitions(chunks: ChunkManifest, record_size: int) -> Iterator[tuple[int, int, bytes]]:
    """(number, chunks in it, file) of every partition in which chunks are, and of the first of the others."""
    held, starts = np.unique(chunks.positions().astype(np.int64) // record_size, return_index=True)
    numbers, bounds = held.tolist(), [*starts.tolist(), len(chunks)]
    inline = chunks.is_inline
    for number, (start, stop) in zip(numbers, pairwise(bounds), strict=True):
        cells = range(number * record_size, min((number + 1) * record_size, chunks.size))
        yield number, stop - start, encode_partition(chunks, inline[start:stop], slice(start, stop), cells)
    occupied = set(numbers)
    empty = (number for number in range(math.ceil(chunks.size / record_size)) if number not in occupied)
    for number, _ in zip(empty, range(_EMPTY_FILES), strict=False):
        cells = range(number * record_size, min((number + 1) * record_size, chunks.size))
        yield number, 0, encode_partition(chunks, inline[:0], slice(0, 0), cells)


def _metadata(found: Mapping[str, Mapping[str, Any]], record_size: int) -> bytes:
    return json.dumps({"metadata": found, "record_size": record_size}, separators=(",", ":")).encode()
