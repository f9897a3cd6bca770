"""The verbs of sets at rest: load one, open one without its chunks, write one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

from chunkmap.errors import NotPortable, Unsupported
from chunkmap.io.filesystem import Located, limited, locate
from chunkmap.logs import logger
from chunkmap.model import Precedent, ReferenceSet
from chunkmap.model.dictionary import ZarrFormat
from chunkmap.model.edits import uneven_apart
from chunkmap.storage.explicit_ranges import with_explicit_ranges
from chunkmap.storage.stores import ICECHUNK, FoundSet, Icechunk, Store, find_set, is_open, store_for
from chunkmap.warning import warn_caller

__all__ = ["check_format", "convert", "load", "open_set", "warn_unless_portable", "write"]

_LOG = logger("write")


def load(
    url: str | os.PathLike[str] | Mapping[str, Any] | Icechunk,
    *,
    storage_options: Mapping[str, Any] | None = None,
    timeout: float | None = None,
) -> ReferenceSet:
    """Read a stored set into memory: JSON or Parquet, here or wherever fsspec reads; an Icechunk repository here, or
    one that was opened; or a dictionary of version 0 or 1. A server may be silent for `timeout` seconds at a
    time, 30 by default: see `chunkmap`.

    Raises SourceError when there is nothing, StorageError when what is there is damaged, Unsupported when it holds what
    references cannot point to.

    >>> load({"version": 1, "refs": {".zgroup": '{"zarr_format": 2}'}})
    <ReferenceSet  0 arrays, 0 chunks, 0 problems>
    """
    if isinstance(url, Mapping):
        return ReferenceSet.from_dict(url)
    found = find_set(url, storage_options=limited(storage_options, timeout))
    refs: ReferenceSet = found.read_as.reading.load(found)
    return refs


def open_set(
    url: str | os.PathLike[str] | Icechunk | FoundSet,
    *,
    storage_options: Mapping[str, Any] | None = None,
    problems: bool = True,
    precedent: Precedent | None = None,
) -> ReferenceSet:
    """The same, where it can be without chunks, which are read when they are asked for.

    Who reads through the set needs no `problems`: finding those of a set that another tool wrote takes requests. One
    `precedent` for all the sets of a series saves reading what is the same in each.
    """
    found = url if isinstance(url, FoundSet) else find_set(url, storage_options=storage_options)
    refs: ReferenceSet = found.read_as.reading.open_set(found, problems=problems, precedent=precedent)
    return refs


def write(
    refs: ReferenceSet,
    url: str | os.PathLike[str] | Icechunk,
    *,
    storage_options: Mapping[str, Any] | None = None,
    record_size: int = 100_000,
    zarr_format: ZarrFormat = 2,
    uneven_group: str | None = None,
    portable: bool = False,
    timeout: float | None = None,
) -> None:
    """Store a set: `.json`, `.json.gz` and `.json.zst` are JSON; `.parq`, `.parquet`, or a directory, Parquet;
    `.icechunk`, or the directory of a repository, Icechunk, and so is what icechunk itself opened (see `to_icechunk`).

    A set that is there is replaced whole or not at all. `record_size` is the number of chunks in a Parquet file.
    `zarr_format` is that of the keys and documents: 2, which every reader of references knows, or in JSON 3; Icechunk
    is always of 3. One array whose chunks are of several lengths hides its whole group from readers of Zarr v3 that do
    not know such, as zarr-python without its option `array.rectilinear_chunks`: with `uneven_group` those arrays go to
    a group of that name beside the others.

    With `portable` the set is said as more readers take it, with the same values: JSON without NaN, chunks without the
    checksum behind them, codecs in the places and with the entries that every reader knows. A warning, `NotPortable`,
    lists the arrays that some reader does not decode still, and why; `inspect` says the same of any set.

    A server may be silent for `timeout` seconds at a time, 30 by default: see `chunkmap`.

    Raises Unsupported naming the array that the format has no words for, and for a set whose arrays were all left out.
    """
    if not isinstance(refs, ReferenceSet):
        raise TypeError(f"write() takes a ReferenceSet, as chunkmap.load gives it, found {type(refs).__name__}")
    refs.check_not_emptied(", so there is nothing to write")
    if uneven_group is not None:
        refs = uneven_apart(refs, uneven_group)
    if is_open(url):
        store, at = ICECHUNK, url
    else:
        at = locate(url, limited(storage_options, timeout))
        store = check_format(at, zarr_format)
    _write(refs, store, at, _How(record_size, zarr_format, portable))


class _How(NamedTuple):
    """How a set is written."""

    record_size: int = 100_000
    zarr_format: ZarrFormat = 2
    portable: bool = False
    origin: Mapping[str, Any] | None = None
    """How it came about."""


def _write(refs: ReferenceSet, store: Store, at: Any, how: _How) -> None:
    refs = with_explicit_ranges(refs)
    if how.portable:
        refs = _portable(refs, 3 if store is ICECHUNK else how.zarr_format)
    store.writing.write(refs, at, record_size=how.record_size, zarr_format=how.zarr_format, origin=how.origin)
    _LOG.info("%s: wrote %s, %d arrays, %d chunks", at, store.name, len(refs.arrays), refs.nchunks)


def convert(
    url: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    storage_options: Mapping[str, Any] | None = None,
    uneven_group: str | None = None,
    **how: Any,
) -> ReferenceSet:
    """A stored set in another form, written `how` `write` says. Gives the set.

    What is written down of how it came about goes along, where both forms keep it and references stay as they are.
    """
    found = find_set(url, storage_options=storage_options)
    refs: ReferenceSet = found.read_as.reading.load(found)
    if found.store is ICECHUNK or how.get("portable") or uneven_group is not None:
        write(refs, out, storage_options=storage_options, uneven_group=uneven_group, **how)
        return refs
    at, chosen = locate(out, storage_options), _How(**how, origin=found.read_as.reading.origin_of(found))
    _write(refs, check_format(at, chosen.zarr_format), at, chosen)
    return refs


def _portable(refs: ReferenceSet, zarr_format: ZarrFormat) -> ReferenceSet:
    """The set as more readers take it; a warning says which do not."""
    refs = import_module("chunkmap.model.portable").portable(refs, zarr_format)
    warn_unless_portable(refs, zarr_format)
    return refs


def warn_unless_portable(refs: ReferenceSet, zarr_format: ZarrFormat) -> None:
    """Warn of the arrays of a set that some reader does not decode."""
    left = import_module("chunkmap.model.readers").obstacles_of(refs, zarr_format)
    if left:
        warn_caller(NotPortable(left))


def check_format(at: Located, zarr_format: ZarrFormat) -> Store:
    """How a set is to be written. Raises Unsupported for a version of Zarr in which it cannot be kept so."""
    store = store_for(at)
    if zarr_format not in store.zarr_formats:
        raise Unsupported(
            f"references in {store.name.capitalize()} are of Zarr v2, because fsspec's reader of them knows no other;"
            f" write JSON for Zarr v{zarr_format}",
            feature=f"Zarr v{zarr_format} in {store.name.capitalize()}",
            url=at.url,
        )
    return store
