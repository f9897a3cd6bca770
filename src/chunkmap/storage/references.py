"""Read a set stored as Parquet: the metadata when it is opened, a partition when a chunk in it is asked for.

A partition that was lost or damaged is an error. Sets that other tools wrote (kerchunk, fsspec) have no sidecar, and
leave out the file of a partition in which no chunk is: there, a file that is not there reads as missing chunks, and
`problems` of the loaded set says so.
"""

from __future__ import annotations

import math
import os
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import Any, Final

from chunkmap.errors import NoSuchFile, StorageError
from chunkmap.io import Folder, open_folder
from chunkmap.model import ArrayMeta, ChunkManifest, DeferredArray, ManifestArray, Problem, ReferenceSet, Target
from chunkmap.model.dictionary import ZarrFormat, documents, gathered
from chunkmap.storage.names import check_path
from chunkmap.storage.partitioned import PartitionedChunks, partition_name
from chunkmap.storage.sidecar import SIDECAR, TARGETS, PartitionRecord, Sidecar, decode_targets
from chunkmap.storage.stores import METADATA, ZARR, Found, is_set
from chunkmap.storage.text import parse_json

__all__ = ["ParquetReferences"]

_CACHE: Final = 64 << 20


class ParquetReferences:
    """A reference set at rest as Parquet, read partition by partition.

    Safe to use from many threads; pickles as its URL. `cache_bytes` bounds the partitions that are kept.
    """

    def __init__(
        self,
        url: str | os.PathLike[str],
        *,
        storage_options: Mapping[str, Any] | None = None,
        cache_bytes: int = _CACHE,
        folder: Folder | None = None,
    ) -> None:
        self.url = os.fspath(url)
        self._options, self._cache_bytes = storage_options, cache_bytes
        self.folder = open_folder(self.url, storage_options=storage_options) if folder is None else folder
        metadata, sidecar = self.folder.read_many([METADATA, SIDECAR], optional=True)
        self._arrays, self.groups, self._left_out, self.record_size = _decode_metadata(metadata, self.folder, self.url)
        self._sidecar = None if sidecar is None else Sidecar.decode(sidecar, f"{self.url}/{SIDECAR}")
        self._stored = {path: self._of_array(path, array.chunks.grid_shape) for path, array in self._arrays.items()}
        self._kept: OrderedDict[tuple[str, int], ChunkManifest] = OrderedDict()
        self._lock = threading.Lock()
        self._loading: dict[tuple[str, int], threading.Lock] = {}

    def __reduce__(self) -> tuple[object, ...]:
        return _reopen, (self.url, self._options, self._cache_bytes)

    def __repr__(self) -> str:
        return f"<ParquetReferences {self.url} {len(self._arrays)} arrays, {self.record_size} chunks a partition>"

    @cached_property
    def metas(self) -> Mapping[str, ArrayMeta]:
        """What each array is, by path."""
        return {path: array.meta for path, array in self._arrays.items()}

    @cached_property
    def targets(self) -> Mapping[str, Target]:
        """What was known of the files that the references point into, by URL."""
        if self._sidecar is None or self._sidecar.targets is None:
            return {}
        where = f"{self.url}/{TARGETS}"
        return decode_targets(self._sidecar.targets.check(self.folder.read_many([TARGETS])[0], where), where)

    def documents(self, zarr_format: ZarrFormat, leaving_out: Collection[str] = ()) -> dict[str, Mapping[str, Any]]:
        """The documents of the set, by key, without those of some arrays."""
        arrays = {path: array for path, array in self._arrays.items() if path not in leaving_out}
        return documents(arrays, self.groups, zarr_format)

    def locate(self, path: str, position: int) -> tuple[ChunkManifest, int] | None:
        """A cell of an array's grid, as a row of a manifest; None when there is no chunk.

        Reads the partition that holds the cell, unless it is kept.
        """
        number, cell = divmod(position, self.record_size)
        chunks = self.partition(path, number)
        row = chunks.row_at(cell)
        return None if row is None else (chunks, row)

    def partition(self, path: str, number: int) -> ChunkManifest:
        """The chunks of one partition, as a grid of one axis. Raises StorageError when it is lost or damaged."""
        key = (path, number)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            loading = self._loading.setdefault(key, threading.Lock())
        with loading:
            with self._lock:
                if key in self._kept:
                    return self._kept[key]
            name = partition_name(path, number)
            stored = self._stored[path]
            chunks = stored.decode(number, self.folder.read_many([name])[0] if stored.expected(number) else None)
            with self._lock:
                self._keep(key, chunks)
                self._loading.pop(key, None)
        return chunks

    def chunks(self, path: str) -> ChunkManifest:
        """The whole manifest of one array."""
        return self._stored[path].between(0, self._arrays[path].chunks.size)

    def present(self, path: str) -> list[int]:
        """The partitions of an array in which chunks are."""
        return self._stored[path].present()

    def load(self) -> ReferenceSet:
        """All of it, in memory."""
        arrays = {path: ManifestArray(array.meta, self.chunks(path)) for path, array in self._arrays.items()}
        return ReferenceSet(arrays, self.groups, self._problems(), self.targets, self.url)

    def deferred(self) -> ReferenceSet:
        """The set without its chunks, which are read when they are asked for."""
        arrays = {path: DeferredArray(array.meta, self._stored[path]) for path, array in self._arrays.items()}
        return ReferenceSet(arrays, self.groups, self._problems(), self.targets, self.url)

    @property
    def records(self) -> Mapping[str, Mapping[int, PartitionRecord]] | None:
        """What is known of every partition; None for a set that another tool wrote."""
        return None if self._sidecar is None else self._sidecar.partitions

    @property
    def origin(self) -> Mapping[str, Any]:
        """What was written down of how the set came about; nothing for a set that was not built."""
        return {} if self._sidecar is None else self._sidecar.origin

    def _of_array(self, path: str, grid_shape: tuple[int, ...]) -> PartitionedChunks:
        records = None if self._sidecar is None else self._sidecar.partitions.get(path, {})
        return PartitionedChunks(self.folder, path, grid_shape, self.record_size, records)

    def _keep(self, key: tuple[str, int], chunks: ChunkManifest) -> None:
        """Keep a partition, and let go of those not used for longest."""
        self._kept[key] = chunks
        total = sum(map(_cost, self._kept.values()))
        while total > self._cache_bytes and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            total -= _cost(oldest)

    def _problems(self) -> tuple[Problem, ...]:
        stored = tuple(self._missing_files()) if self._sidecar is None else self._sidecar.problems
        return (*self._left_out, *stored)

    def _missing_files(self) -> Iterator[Problem]:
        for path, array in self._arrays.items():
            count = math.ceil(array.chunks.size / self.record_size)
            missing = count - len(self.present(path))
            if missing:
                yield Problem(
                    path=path,
                    feature="partition without a file",
                    message=f"{missing} of {count} partitions have no file, and are read as missing chunks: the tool"
                    " that wrote the set leaves them out, so whether one was lost cannot be told",
                    url=self.url,
                )


def load(found: Found) -> ReferenceSet:
    """The set in memory."""
    return ParquetReferences(found.url, storage_options=found.options, folder=found.folder()).load()


def open_set(found: Found) -> ReferenceSet:
    """The set without its chunks, which are read when they are asked for."""
    return ParquetReferences(found.url, storage_options=found.options, folder=found.folder()).deferred()


def _decode_metadata(
    data: bytes | None, folder: Folder, url: str
) -> tuple[dict[str, ManifestArray], Mapping[str, Mapping[str, Any]], tuple[Problem, ...], int]:
    where = f"{url}/{METADATA}"
    if data is None:
        folder.read_many([METADATA])  # says so where it is there, and may not be read
        if any(size >= 0 for size in folder.sizes(ZARR).tolist()):
            raise _zarr(url)
        raise NoSuchFile(f"expected a reference set as Parquet, there is no {METADATA}", url=url)
    if b"zarr_consolidated_format" in data and not is_set(data):
        raise _zarr(url)
    try:
        document = parse_json(data)
        record_size, found = document["record_size"], document["metadata"]
        if not isinstance(record_size, int) or isinstance(record_size, bool) or record_size < 1:
            raise StorageError(f"{where}: expected a record_size of 1 or more, found {record_size!r}")
        gathering = gathered(found)
        arrays, groups = gathering.finish()
    except StorageError as error:
        raise StorageError(f"{where}: {error}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StorageError(f"{where}: expected the metadata of a reference set, found otherwise: {error!r}") from error
    for path in arrays:
        check_path(path)
    return arrays, groups, gathering.problems, record_size


def _zarr(url: str) -> StorageError:
    return StorageError(f"{url}: expected a set of references, found a Zarr store. It is to be scanned: chunkmap.scan")


def _cost(chunks: ChunkManifest) -> int:
    """Bytes of memory, with the text of the URLs."""
    return chunks.nbytes + chunks.sources.nbytes


def _reopen(url: str, options: Mapping[str, Any] | None, cache_bytes: int) -> ParquetReferences:
    return ParquetReferences(url, storage_options=options, cache_bytes=cache_bytes)
