"""Write a reference set as a directory of Parquet files, in the layout that fsspec's `LazyReferenceMapper` reads.

    <root>/.zmetadata                    {"metadata": {"x/.zarray": {...}, ...}, "record_size": N, "chunkmap": {...}}
    <root>/<array path>/refs.<k>.parq    cells k*N .. (k+1)*N of the chunk grid, in C order
    <root>/.chunkmap.json                counts and checksums of the partitions, for `PartitionedSet`

A partition in which no chunk is has no file, but for the first few of a set: fsspec, when it is not told the protocol
of the targets, reads partitions until it meets a URL, and stops at a file that is not there.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import islice, pairwise
from typing import Any, Final

import numpy as np

from chunkmap.errors import StorageError
from chunkmap.io.filesystem import Located
from chunkmap.io.threads import Ahead
from chunkmap.model import (
    ArrayInStretches,
    ArrayMeta,
    ChunkManifest,
    ManifestArray,
    ReferenceSet,
    Stretch,
    in_one_stretch,
)
from chunkmap.model.dictionary import ZarrFormat, beside, documents
from chunkmap.storage.about import About
from chunkmap.storage.checksum import checksum
from chunkmap.storage.names import check_names
from chunkmap.storage.parquet.chunks import partition_name
from chunkmap.storage.parquet.partition import MOST_ROWS, check_rows, encode_partition
from chunkmap.storage.parquet.sidecar import (
    SIDECAR,
    TARGETS,
    PartitionRecord,
    PartitionRecords,
    Sidecar,
    encode_targets,
)
from chunkmap.storage.publishing import Stage, replacing
from chunkmap.storage.states import State
from chunkmap.storage.stores import METADATA, is_set
from chunkmap.version import __version__

__all__ = ["WHOLE_SET", "ParquetWriter", "encode_stretch", "replacing_set", "write", "write_parquet"]

WHOLE_SET: Final = (METADATA, SIDECAR)
"""The files by whose state it is seen whether a set was replaced."""

_EMPTY_FILES: Final = 100
"""Partitions without a chunk that get a file of their own, in each array."""


_MANY_ROWS: Final = 1 << 14
"""Chunks of a stretch that is worth a thread."""


def write(
    refs: ReferenceSet,
    at: Located,
    *,
    record_size: int,
    zarr_format: ZarrFormat,  # noqa: ARG001 - v2
    origin: Mapping[str, Any] | None = None,
) -> None:
    """Write a set as Zarr v2 says it, in place of the one that is there."""
    plain = {path: array.without_background() for path, array in refs.arrays.items()}
    write_parquet(replace(refs, arrays=plain), at, record_size=record_size, origin=origin)


def write_parquet(
    refs: ReferenceSet, at: Located, *, record_size: int, origin: Mapping[str, Any] | None = None
) -> None:
    """Write a set, in place of the one that is there. Raises StorageError before anything is changed when the set
    cannot be written.
    """
    if record_size < 1:
        raise ValueError(f"record_size is {record_size}, expected 1 or more")
    check_names(refs.arrays, refs.groups)
    if "" in refs.arrays:
        raise StorageError(f"{at.url}: an array at the root has no directory for its partitions; write JSON instead")
    arrays = dict(refs.arrays)
    for path, array in arrays.items():
        check_rows(path, array.manifest(), 0, array.meta.grid_shape)
    with replacing_set(at) as stage:
        writer = ParquetWriter(stage, record_size)
        for path, array in arrays.items():
            writer.write(in_one_stretch(path, array))
        writer.finish(refs.groups, About(refs.targets, refs.problems, origin or {}))


def replacing_set(
    at: Located, *, keeping: Collection[str] | None = None, expected: State | None = None
) -> AbstractContextManager[Stage]:
    """A directory in the making, which takes the place of the set that is there, if that is the `expected` one."""
    known = None if expected is None else (expected, WHOLE_SET)
    return replacing(at, METADATA, is_set, keeping=keeping, expected=known)


class ParquetWriter:
    """Writes a set array by array, and each array one stretch of its grid after the other.

    With somebody who does work `ahead`, large stretches are, and who made them settles it.
    """

    def __init__(self, stage: Stage, record_size: int, ahead: Ahead | None = None) -> None:
        if record_size > MOST_ROWS:
            raise ValueError(f"record_size is {record_size}, expected {MOST_ROWS} or less")
        self.stage, self.record_size = stage, record_size
        self._do, self._then = (_at_once, _at_once) if ahead is None else (ahead.do, ahead.then)
        self._alone = threading.Lock()
        self.metas: dict[str, ArrayMeta] = {}
        self.records: dict[str, dict[int, PartitionRecord]] = {}

    def write(self, array: ArrayInStretches, kept: Mapping[int, PartitionRecord] | None = None) -> None:
        """Write an array. `kept` are partitions that are there already."""
        records = dict(kept or {})
        for stretch in array.stretches:
            check_rows(array.path, stretch.chunks, stretch.first, array.grid_shape)
            do = self._do if len(stretch.chunks) >= _MANY_ROWS else self._then
            do(self._put, array.path, stretch, math.prod(array.grid_shape), records)
        self._then(self.add, array.path, array.meta(), records)

    def _put(self, path: str, stretch: Stretch, size: int, records: dict[int, PartitionRecord]) -> None:
        for number, count, data in encode_stretch(stretch, self.record_size, size):
            with self._alone:
                self.stage.put({partition_name(path, number): data})
            records[number] = PartitionRecord(count, len(data), checksum(data))

    def add(self, path: str, meta: ArrayMeta, records: Mapping[int, PartitionRecord]) -> None:
        """Add an array whose partitions are written, and files for the first of its empty ones."""
        self.metas[path] = meta
        self.records[path] = dict(sorted(records.items()))
        size = math.prod(meta.grid_shape)
        empty = (number for number in range(math.ceil(size / self.record_size)) if number not in records)
        for number in islice(empty, _EMPTY_FILES):
            cells = range(number * self.record_size, min((number + 1) * self.record_size, size))
            data = encode_partition(ChunkManifest.empty((len(cells),)), np.empty(0, np.bool_), slice(0, 0), cells)
            with self._alone:
                self.stage.put({partition_name(path, number): data})

    def sort(self, paths: Iterable[str]) -> None:
        """Have the arrays in another order."""
        order = list(paths)
        self.metas = {path: self.metas[path] for path in order}
        self.records = {path: self.records[path] for path in order}

    def finish(self, groups: Mapping[str, Mapping[str, Any]], about: About) -> None:
        """Write what makes the files a set."""
        check_names(self.metas, groups)
        targets = None
        if about.targets:
            data = encode_targets(about.targets)
            targets = PartitionRecord(len(about.targets), len(data), checksum(data))
            self.stage.put({TARGETS: data})
        heads = {path: ManifestArray(meta, ChunkManifest.empty(meta.grid_shape)) for path, meta in self.metas.items()}
        said = {"metadata": documents(heads, groups), "record_size": self.record_size}
        metadata = json.dumps({**said, **beside(heads, groups)}, separators=(",", ":")).encode()
        records = {path: PartitionRecords(own) for path, own in self.records.items()}
        sidecar = Sidecar(__version__, records, targets, about.problems, about.origin, checksum(metadata))
        self.stage.put({SIDECAR: sidecar.encode()})
        self.stage.put({METADATA: metadata})


def _at_once(function: Callable[..., object], *given: Any) -> None:
    function(*given)


def encode_stretch(stretch: Stretch, record_size: int, size: int) -> Iterator[tuple[int, int, bytes]]:
    """(number, chunks in it, file) of every partition of a stretch in which chunks are.

    The stretch begins with a partition. `size` is the number of cells of the whole grid.
    """
    chunks = stretch.chunks
    held, starts = np.unique((chunks.positions().astype(np.int64) + stretch.first) // record_size, return_index=True)
    bounds, inline = [*starts.tolist(), len(chunks)], chunks.is_inline
    for number, (start, stop) in zip(held.tolist(), pairwise(bounds), strict=True):
        begin = number * record_size
        cells = range(begin - stretch.first, min(begin + record_size, size) - stretch.first)
        yield number, stop - start, encode_partition(chunks, inline[start:stop], slice(start, stop), cells)
