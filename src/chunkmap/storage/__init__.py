"""Reference sets at rest: JSON, Parquet in the layout that fsspec reads, and Icechunk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np

from chunkmap.errors import StorageError, Unsupported
from chunkmap.model import WHOLE_FILE, ChunkManifest, ManifestArray, ReferenceSet, Target
from chunkmap.model.dictionary import ZarrFormat
from chunkmap.storage.json import COMPRESSIONS, read_json, write_json
from chunkmap.storage.parquet import write_parquet
from chunkmap.storage.place import Place, find_place
from chunkmap.storage.references import ParquetReferences
from chunkmap.storage.repositories import Icechunk, is_icechunk, is_repository, repository_of, require_icechunk

__all__ = [
    "ParquetReferences",
    "check_format",
    "explicit_ranges",
    "is_icechunk",
    "is_json",
    "is_parquet",
    "kind_of",
    "load",
    "whole_files",
    "with_explicit_ranges",
    "write",
]


def load(
    url: str | os.PathLike[str] | Mapping[str, Any] | Icechunk, *, storage_options: Mapping[str, Any] | None = None
) -> ReferenceSet:
    """Read a stored set into memory: JSON or Parquet, here or wherever fsspec reads; an Icechunk repository here, or
    one that was opened; or a dictionary of version 0 or 1.

    Raises SourceError when there is nothing, StorageError when what is there is damaged, Unsupported when it holds what
    references cannot point to.

    >>> load({"version": 1, "refs": {".zgroup": '{"zarr_format": 2}'}})
    <ReferenceSet  0 arrays, 0 chunks, 0 problems>
    """
    if isinstance(url, Mapping):
        return ReferenceSet.from_dict(url)
    if is_icechunk(url, storage_options=storage_options):
        stored: ReferenceSet = require_icechunk().read_icechunk(repository_of(url, storage_options))
        return stored
    if is_parquet(url, storage_options=storage_options):
        return ParquetReferences(url, storage_options=storage_options).load()
    return read_json(find_place(url, storage_options))


def write(
    refs: ReferenceSet,
    url: str | os.PathLike[str] | Icechunk,
    *,
    storage_options: Mapping[str, Any] | None = None,
    record_size: int = 100_000,
    zarr_format: ZarrFormat = 2,
) -> None:
    """Store a set: `.json`, `.json.gz` and `.json.zst` are JSON; `.parq`, `.parquet`, or a directory, Parquet;
    `.icechunk`, or the directory of a repository, Icechunk, and so is what icechunk itself opened (see `to_icechunk`).

    A set that is there is replaced whole or not at all. `record_size` is the number of chunks in a Parquet file.
    `zarr_format` is that of the keys and documents: 2, which every reader of references knows, or in JSON 3; Icechunk
    is always of 3. Raises Unsupported naming the array that the format has no words for.
    """
    refs = with_explicit_ranges(refs)
    if is_icechunk(url, storage_options=storage_options):
        require_icechunk().write_icechunk(refs, repository_of(url, storage_options), overwrite=True)
        return
    place = find_place(url, storage_options)
    check_format(place, zarr_format)
    if kind_of(place) == "json":
        write_json(refs, place, zarr_format=zarr_format)
        return
    refs = replace(refs, arrays={path: array.without_background() for path, array in refs.arrays.items()})
    write_parquet(refs, place, record_size=record_size)


def check_format(place: Place, zarr_format: ZarrFormat) -> None:
    """Raise Unsupported for Zarr v3 where a set is to be written as Parquet."""
    if kind_of(place) == "parquet" and zarr_format != 2:
        raise Unsupported(
            "references in Parquet are of Zarr v2, because fsspec's reader of them knows no other; write JSON for Zarr"
            f" v{zarr_format}",
            feature="Zarr v3 in Parquet",
            url=place.url,
        )


def kind_of(place: Place) -> Literal["json", "parquet", "icechunk"]:
    """How a set is to be written, told from its name. Raises StorageError when that says nothing."""
    if is_repository(place):
        return "icechunk"
    kind = _kind(place.url)
    if kind == "parquet" or (kind == "" and place.is_directory()):
        return "parquet"
    if kind == "json":
        return "json"
    raise StorageError(
        f"{place.url}: expected a name ending in .json, .json.gz, .json.zst, .parq, .parquet or .icechunk"
    )


def with_explicit_ranges(refs: ReferenceSet) -> ReferenceSet:
    """The set with a range for every whole file whose size is known: some readers in other languages need one."""
    sizes = whole_files(refs.targets)
    arrays = dict(refs.arrays)
    for path, array in refs.arrays.items():
        chunks = array.chunks
        explicit = explicit_ranges(path, chunks, sizes)
        if explicit is not chunks:
            arrays[path] = ManifestArray(array.meta, explicit)
    return replace(refs, arrays=arrays)


def whole_files(targets: Mapping[str, Target]) -> dict[str, tuple[str, int, int]]:
    """The ranges that whole files are, where their size is known."""
    return {url: (url, 0, target.size) for url, target in targets.items() if target.size}


def explicit_ranges(path: str, chunks: ChunkManifest, sizes: Mapping[str, tuple[str, int, int]]) -> ChunkManifest:
    """The chunks of an array with a range for every whole file of known size: `sizes` are as `moved` takes them."""
    if not bool((chunks.length == np.uint64(WHOLE_FILE)).any()):
        return chunks
    try:
        return chunks.moved(sizes)
    except ValueError as error:
        raise StorageError(f"{path}: {error}") from error


def is_parquet(url: str | os.PathLike[str], *, storage_options: Mapping[str, Any] | None = None) -> bool:
    """Whether a stored set is Parquet: by its name, and where that says nothing, by its being a directory."""
    if is_icechunk(url, storage_options=storage_options):
        return False
    kind = _kind(os.fspath(url))
    return kind == "parquet" or (kind == "" and find_place(url, storage_options).is_directory())


def is_json(url: str | os.PathLike[str], *, storage_options: Mapping[str, Any] | None = None) -> bool:
    """Whether a stored set is JSON: by its name, and where that says nothing, by how it begins.

    Raises SourceError when there is no such file.
    """
    kind = _kind(os.fspath(url))
    if kind:
        return kind == "json"
    return find_place(url, storage_options).head(16).lstrip().startswith((b"{", *COMPRESSIONS.values()))


def _kind(url: str) -> str:
    if url.endswith("/"):
        return "parquet"
    suffixes = PurePosixPath(url).suffixes
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return {".json": "json", ".parq": "parquet", ".parquet": "parquet"}.get(suffixes[-1] if suffixes else "", "")
