"""The verbs of sets at rest: load one, open one without its chunks, write one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chunkmap.errors import Unsupported
from chunkmap.io.filesystem import Located, limited, locate
from chunkmap.model import ReferenceSet
from chunkmap.model.dictionary import ZarrFormat
from chunkmap.storage.explicit_ranges import with_explicit_ranges
from chunkmap.storage.json.writing import write_json
from chunkmap.storage.parquet.writing import write_parquet
from chunkmap.storage.stores import ICECHUNK, JSON, PARQUET, FoundSet, Icechunk, Store, find_set, is_open, store_for

__all__ = ["check_format", "load", "open_set", "write"]


def load(
    url: str | os.PathLike[str] | Mapping[str, Any] | Icechunk,
    *,
    storage_options: Mapping[str, Any] | None = None,
    timeout: float | None = None,
) -> ReferenceSet:
    """Read a stored set into memory: JSON or Parquet, here or wherever fsspec reads; an Icechunk repository here, or
    one that was opened; or a dictionary of version 0 or 1. A server may be silent for `timeout` seconds, 30 by default.

    Raises SourceError when there is nothing, StorageError when what is there is damaged, Unsupported when it holds what
    references cannot point to.

    >>> load({"version": 1, "refs": {".zgroup": '{"zarr_format": 2}'}})
    <ReferenceSet  0 arrays, 0 chunks, 0 problems>
    """
    if isinstance(url, Mapping):
        return ReferenceSet.from_dict(url)
    found = find_set(url, storage_options=limited(storage_options, timeout))
    refs: ReferenceSet = _store(found).functions().load(found)
    return refs


def open_set(
    url: str | os.PathLike[str] | Icechunk | FoundSet,
    *,
    storage_options: Mapping[str, Any] | None = None,
    problems: bool = True,
) -> ReferenceSet:
    """The same, where it can be without chunks, which are read when they are asked for.

    Who reads through the set needs no `problems`: finding those of a set that another tool wrote takes requests.
    """
    found = url if isinstance(url, FoundSet) else find_set(url, storage_options=storage_options)
    refs: ReferenceSet = _store(found).functions().open_set(found, problems=problems)
    return refs


def _store(found: FoundSet) -> Store:
    """How a set is kept; what is none is read as one, for the error to say what it is."""
    return found.store or (PARQUET if found.is_folder else JSON)


def write(
    refs: ReferenceSet,
    url: str | os.PathLike[str] | Icechunk,
    *,
    storage_options: Mapping[str, Any] | None = None,
    record_size: int = 100_000,
    zarr_format: ZarrFormat = 2,
    timeout: float | None = None,
) -> None:
    """Store a set: `.json`, `.json.gz` and `.json.zst` are JSON; `.parq`, `.parquet`, or a directory, Parquet;
    `.icechunk`, or the directory of a repository, Icechunk, and so is what icechunk itself opened (see `to_icechunk`).

    A set that is there is replaced whole or not at all. `record_size` is the number of chunks in a Parquet file.
    `zarr_format` is that of the keys and documents: 2, which every reader of references knows, or in JSON 3; Icechunk
    is always of 3. A server may be silent for `timeout` seconds, 30 by default.

    Raises Unsupported naming the array that the format has no words for.
    """
    if not isinstance(refs, ReferenceSet):
        raise TypeError(f"write() takes a ReferenceSet, as chunkmap.load gives it, found {type(refs).__name__}")
    refs = with_explicit_ranges(refs)
    if is_open(url):
        ICECHUNK.functions().write_icechunk(refs, url, overwrite=True)
        return
    at = locate(url, limited(storage_options, timeout))
    check_format(at, zarr_format)
    store = store_for(at)
    if store is ICECHUNK:
        store.functions().write_icechunk(refs, at, overwrite=True)
    elif store is JSON:
        write_json(refs, at, zarr_format=zarr_format)
    else:
        plain = {path: array.without_background() for path, array in refs.arrays.items()}
        write_parquet(replace(refs, arrays=plain), at, record_size=record_size)


def check_format(at: Located, zarr_format: ZarrFormat) -> None:
    """Raise Unsupported for Zarr v3 where a set is to be written as Parquet."""
    if store_for(at) is PARQUET and zarr_format != 2:
        raise Unsupported(
            "references in Parquet are of Zarr v2, because fsspec's reader of them knows no other; write JSON for Zarr"
            f" v{zarr_format}",
            feature="Zarr v3 in Parquet",
            url=at.url,
        )
