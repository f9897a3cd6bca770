"""Read a set stored as Parquet: the metadata when it is opened, a partition when a chunk in it is asked for.

A partition that was lost or damaged is an error. Sets that other tools wrote (kerchunk, fsspec) have no sidecar, and
leave out the file of a partition in which no chunk is: there, a file that is not there reads as missing chunks, and
`problems` of the loaded set says so.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from chunkmap.errors import NoSuchFile, StorageError
from chunkmap.io import Folder, LocalFolder
from chunkmap.io.folder import Renamed
from chunkmap.model import DeferredArray, ManifestArray, Precedent, Problem, ReferenceSet, Target
from chunkmap.model.dictionary import BESIDE, gathered
from chunkmap.model.variants import variants_of
from chunkmap.model.wording import counted
from chunkmap.storage.journal import JOURNAL, waiting_names
from chunkmap.storage.names import check_path
from chunkmap.storage.parquet.cache import PartitionCache
from chunkmap.storage.parquet.chunks import PartitionedChunks, stamp_of
from chunkmap.storage.parquet.sidecar import (
    SIDECAR,
    TARGETS,
    PartitionRecord,
    PartitionRecords,
    Sidecar,
    belongs_to,
    decode_targets,
)
from chunkmap.storage.place import set_aside
from chunkmap.storage.stores import METADATA, PARQUET, ZARR, FoundSet, is_set
from chunkmap.storage.text import parse_json

__all__ = ["PartitionedSet", "load", "open_set"]


_TRIES: Final = 3
"""How often the files of a set are read that do not belong together: then somebody changed them by hand."""


_NO_RECORDS: Final = PartitionRecords({})


class PartitionedSet:
    """The directory of a set: what its metadata say, and what was written down of its partitions.

    It is where a `ReferenceSet` comes from, and what appending must know.
    """

    def __init__(self, found: FoundSet, precedent: Precedent | None = None) -> None:
        self.url, self.folder = str(found.url), found.folder()
        self.folder, metadata, sidecar = _files_of_one_set(self.folder)
        alike = precedent or Precedent(are_parsed=True)
        self._arrays, self._groups, self._left_out, self.record_size = alike.whole(
            metadata or b"", lambda: _decode_metadata(metadata, self.folder, self.url, alike)
        )
        self._sidecar = None if sidecar is None else Sidecar.decode(sidecar, f"{self.url}/{SIDECAR}")
        _check_variants(self._arrays, self._sidecar, self.url)
        cache, stamp = PartitionCache(), stamp_of(self.folder) if sidecar is None else None
        self._chunks = {
            path: PartitionedChunks(
                self.folder,
                path,
                array.meta.grid_shape,
                self.record_size,
                None if self.records is None else self.records.get(path, _NO_RECORDS),
                stamp,
                cache,
            )
            for path, array in self._arrays.items()
        }

    def load(self) -> ReferenceSet:
        """All of it, in memory."""
        arrays = {
            path: ManifestArray(array.meta, self._chunks[path].between(0, math.prod(array.meta.grid_shape)))
            for path, array in self._arrays.items()
        }
        return ReferenceSet(arrays, self._groups, self._problems(), dict(self._targets()), self.url)

    def deferred(self, *, problems: bool = True) -> ReferenceSet:
        """The set whose chunks, and what is known of its files, are read when they are asked for.

        Without `problems` it is not looked for partitions that have no file, which takes a listing of every array.
        """
        arrays = {path: DeferredArray(array.meta, self._chunks[path]) for path, array in self._arrays.items()}
        known = self._problems() if problems or self._sidecar is not None else self._left_out
        return ReferenceSet(arrays, self._groups, known, self._targets(), self.url)

    @property
    def records(self) -> Mapping[str, PartitionRecords] | None:
        """What is known of every partition; None for a set that another tool wrote."""
        return None if self._sidecar is None else self._sidecar.partitions

    @property
    def origin(self) -> Mapping[str, Any]:
        """What was written down of how the set came about; nothing for a set that was not built."""
        return {} if self._sidecar is None else self._sidecar.origin

    def _targets(self) -> Mapping[str, Target]:
        record = None if self._sidecar is None else self._sidecar.targets
        return {} if record is None else _StoredTargets(self.folder, record)

    def _problems(self) -> tuple[Problem, ...]:
        stored = tuple(self._missing_files()) if self._sidecar is None else self._sidecar.problems
        return (*self._left_out, *stored)

    def _missing_files(self) -> Iterator[Problem]:
        for path, array in self._arrays.items():
            count = math.ceil(math.prod(array.meta.grid_shape) / self.record_size)
            missing = count - len(self._chunks[path].stretches())
            if missing:
                yield Problem(
                    path=path,
                    feature="partition without a file",
                    message=f"{missing} of {count} partitions have no file, and are read as missing chunks: the tool"
                    " that wrote the set leaves them out, so whether one was lost cannot be told",
                    url=self.url,
                )


class _StoredTargets(Mapping[str, Target]):
    """What was known of each file, by URL: a table that is read when the first file is looked for."""

    def __init__(self, folder: Folder, record: PartitionRecord) -> None:
        self._folder, self._record = folder, record

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self._folder, self._record)

    def __getitem__(self, url: str) -> Target:
        return self._read[url]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read)

    def __len__(self) -> int:
        return self._record.chunks

    @cached_property
    def _read(self) -> dict[str, Target]:
        where = f"{self._folder.url}/{TARGETS}"
        return decode_targets(self._record.check(self._folder.read_many([TARGETS])[0], where), where)


def _check_variants(arrays: Mapping[str, ManifestArray], sidecar: Sidecar | None, url: str) -> None:
    """Raise StorageError where nobody says whether the variants of chunks are those that were written."""
    unsure = [path for path, array in arrays.items() if len(variants_of(array.meta)) > 1]
    if unsure and sidecar is None:
        raise StorageError(
            f"{url}: chunks of {unsure[0]} are encoded in several ways, and {SIDECAR} is lost, by which it is sure that"
            " the partitions say rightly in which. Write the set again (chunkmap.load, chunkmap.write)"
        )


def load(found: FoundSet) -> ReferenceSet:
    """The set in memory."""
    return PartitionedSet(found).load()


def origin_of(found: FoundSet) -> Mapping[str, Any]:
    """How a set came about, as it is written down; nothing of one that does not say it."""
    return PartitionedSet(found).origin


def open_set(found: FoundSet, *, problems: bool = True, precedent: Precedent | None = None) -> ReferenceSet:
    """The set without its chunks, which are read when they are asked for."""
    return PartitionedSet(found, precedent).deferred(problems=problems)


def _decode_metadata(
    data: bytes | None, folder: Folder, url: str, precedent: Precedent
) -> tuple[dict[str, ManifestArray], Mapping[str, Mapping[str, Any]], tuple[Problem, ...], int]:
    where = f"{url}/{METADATA}"
    if data is None:
        folder.read_many([METADATA])  # says so where it is there, and may not be read
        if any(size >= 0 for size in folder.sizes(ZARR).tolist()):
            raise _zarr(url)
        raise NoSuchFile(
            f"expected a reference set as Parquet, there is no {METADATA}{_what_is_there(folder)}", url=url
        )
    if b"zarr_consolidated_format" in data and not is_set(data):
        raise _zarr(url)
    try:
        document = parse_json(data)
        record_size, found = document["record_size"], document["metadata"]
        if not isinstance(record_size, int) or isinstance(record_size, bool) or record_size < 1:
            raise StorageError(f"{where}: expected a record_size of 1 or more, found {record_size!r}")
        gathering = gathered(found, precedent, said=document.get(BESIDE))
        arrays, groups = gathering.finish()
    except StorageError as error:
        raise StorageError(f"{where}: {error}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StorageError(f"{where}: expected the metadata of a reference set, found otherwise: {error!r}") from error
    for path in arrays:
        check_path(path)
    return arrays, groups, gathering.problems, record_size


def _files_of_one_set(folder: Folder) -> tuple[Folder, bytes | None, bytes | None]:
    """What makes a folder a set, of one and the same writer: read again where another one was at work meanwhile."""
    for _ in range(_TRIES):
        metadata, sidecar = folder.read_many([METADATA, SIDECAR], optional=True)
        if metadata is None:
            between = _set_in_between(folder)
            metadata, sidecar = between.read_many([METADATA, SIDECAR], optional=True)
            if metadata is not None:
                return between, metadata, sidecar
        elif sidecar is None or belongs_to(sidecar, metadata):
            break
    return folder, metadata, sidecar


def _set_in_between(folder: Folder) -> Folder:
    """Where the files of a set are whose writer died between the old set and the new one."""
    if isinstance(folder, LocalFolder):
        aside = set_aside(Path(folder.path))
        return folder if aside is None else LocalFolder(aside, folder.url)
    journal = folder.read_many([JOURNAL], optional=True)[0]
    return folder if journal is None else Renamed(folder, waiting_names(journal, f"{folder.url}/{JOURNAL}"))


def _what_is_there(folder: Folder) -> str:
    """What makes a set of the files of a directory that is none; nothing is said of one without files, or of what is
    called a set.
    """
    if not isinstance(folder, LocalFolder):
        is_listed = not folder.url.startswith(("http://", "https://"))
        return _remedy(folder, ".nc") if is_listed and not folder.url.endswith(PARQUET.suffixes) else ""
    if not Path(folder.path).exists():
        return ": nothing is there"
    lies = os.scandir(folder.path) if Path(folder.path).is_dir() else ()
    files = sorted(file.name for file in lies if not file.name.startswith(".") and file.is_file())
    if not files:
        return ""
    what = f". It is a directory of {counted(len(files), 'file')}: {files[0]} is one"
    return what + _remedy(folder, Path(files[0]).suffix)


def _remedy(folder: Folder, suffix: str) -> str:
    return f". Files become one set with chunkmap.build('{folder.url}/*{suffix}', 'set.json', concat_dims=[...])"


def _zarr(url: str) -> StorageError:
    return StorageError(f"{url}: expected a set of references, found a Zarr store. It is to be scanned: chunkmap.scan")
