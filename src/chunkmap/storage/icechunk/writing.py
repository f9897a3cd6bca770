"""Write a reference set into a store of Icechunk.

Everything is checked before anything is written: that Icechunk can read every file, and has a container for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Any

from chunkmap.errors import StorageError
from chunkmap.model import ArrayMeta, ChunkManifest, ReferenceSet, Target
from chunkmap.model.zarr_v3 import DOCUMENT
from chunkmap.storage.icechunk.chunks import Names, check_rows, write_chunks
from chunkmap.storage.icechunk.documents import (
    array_above,
    below,
    check_group,
    has_array,
    written_and_read,
    written_documents,
)
from chunkmap.storage.icechunk.locations import check_containers, checksum_of, location_of, url_of
from chunkmap.storage.icechunk.repository import IS_FIRST, Transaction, awaited
from chunkmap.storage.names import check_names
from chunkmap.warning import warn_caller

__all__ = ["Writer", "check_set", "names_of", "write_set"]


def names_of(sets: Sequence[ReferenceSet]) -> Names:
    """What Icechunk calls the files that sets name. Raises StorageError for one that it cannot read.

    A warning says of how many files nothing is known by which Icechunk could tell that they changed.
    """
    targets = {url: target for refs in sets for url, target in refs.targets.items()}
    arrays = (array for refs in sets for array in refs.arrays.values())
    urls = dict.fromkeys(url for array in arrays for url in array.manifest().compact().urls)
    locations = {url: location_of(url, keeps_ports=not IS_FIRST) for url in urls}
    checksums = {url: checksum_of(location, targets.get(url, Target())) for url, location in locations.items()}
    unknown = [url for url, checksum in checksums.items() if checksum is None]
    if unknown:
        warn_caller(
            f"of {len(unknown):,} of {len(urls):,} files neither etag nor time of change is known, one is {unknown[0]}:"
            " Icechunk cannot tell when they change. Sets of other tools do not say it, scans and sets of chunkmap do"
        )
    known = {url_of(location): targets.get(url, Target()) for url, location in locations.items()}
    return Names(locations, checksums, known)


def check_set(refs: ReferenceSet) -> None:
    """Raise StorageError or Unsupported, naming the array, for a set that Icechunk cannot hold."""
    check_names(refs.arrays, refs.groups)
    for path, attrs in refs.groups.items():
        check_group(path, attrs)
    for path, array in refs.arrays.items():
        check_rows(path, array.manifest())
        written_and_read(path, array.meta)


class Writer:
    """Writes arrays into a group of a store. What it is given was checked.

    Raises StorageError at once for files that no container of the repository holds, and for a group below an array.
    """

    def __init__(self, written: Transaction, names: Names, group: str) -> None:
        check_containers(names.locations.values(), written.prefixes)
        array = awaited(array_above, written.store, group)
        if array is not None:
            raise StorageError(f"{group}: expected a group of the Icechunk store, but {array or '/'!r} is an array")
        self._written, self._names, self._group = written, names, group

    def is_empty(self) -> bool:
        """Whether there is nothing in the group, but for its document."""
        return bool(awaited(_is_empty, self._written.store, self._group))

    def remove(self, path: str = "") -> None:
        """Remove an array, or everything."""
        awaited(_remove, self._written.store, below(self._group, path))

    def described(
        self,
        metas: Mapping[str, ArrayMeta],
        groups: Mapping[str, Mapping[str, Any]],
        known: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
        targets: Mapping[str, Target] = MappingProxyType({}),
    ) -> AbstractContextManager[None]:
        """What arrays are, the attributes of groups, and what is known of the files, written around a block that sets
        chunks. An array keeps the chunks that it has.

        `known` are groups that are there and stay as they are, `targets` files that chunks that are there point into.
        """
        return written_documents(
            self._written.store,
            {below(self._group, path): meta for path, meta in metas.items()},
            {below(self._group, path): attrs for path, attrs in groups.items()},
            {below(self._group, path): attrs for path, attrs in known.items()},
            {**targets, **self._names.targets},
        )

    def check_size(self, path: str, count: int) -> None:
        """Raise StorageError for an array of too many chunks."""
        self._written.check_manifest(below(self._group, path), count)

    def set_chunks(self, path: str, chunks: ChunkManifest) -> None:
        """Set those chunks of an array that are in a manifest over its grid."""
        write_chunks(self._written, below(self._group, path), chunks, self._names)


def write_set(refs: ReferenceSet, writer: Writer, *, overwrite: bool) -> None:
    """Write a checked set in place of what is there.

    Raises StorageError, before anything is changed, when there is something that shall not be overwritten.
    """
    for path, array in refs.arrays.items():
        writer.check_size(path, len(array.manifest()))
    if not writer.is_empty():
        if not overwrite:
            raise StorageError(
                "the group of the Icechunk store is not empty: pass append_dim to append to it, or overwrite=True to"
                " replace it"
            )
        writer.remove()
    with writer.described({path: array.meta for path, array in refs.arrays.items()}, refs.groups):
        for path, array in refs.arrays.items():
            writer.set_chunks(path, array.manifest())


async def _is_empty(store: Any, group: str) -> bool:
    inside = [name async for name in store.list_dir(group) if name != DOCUMENT]
    return not inside and not await has_array(store, group)


async def _remove(store: Any, path: str) -> None:
    if path:
        await store.delete_dir(path)
    else:
        await store.clear()
