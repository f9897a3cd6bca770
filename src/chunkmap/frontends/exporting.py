"""A set as a Zarr store of its own: the values are copied, in chunks as asked, and each is read back and compared.

The documents of the copy are those of the set, in the words of Zarr v2 or v3, with other chunks and a codec that every
reader has; so packing, masks, dimensions and attributes are what they are in the set. Values are not unpacked. A region
of some chunks at a time is in memory.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Unpack

import numpy as np
import zarr
from numpy.typing import NDArray

from chunkmap.access.fetching import Fetcher
from chunkmap.access.selection import ArrayReader
from chunkmap.combining.spelling import meant
from chunkmap.errors import StorageError, Unsupported
from chunkmap.execution.bars import steps
from chunkmap.execution.mapping import Progress
from chunkmap.frontends.opening import HowToReach, Openable, check_how, open_references
from chunkmap.io.filesystem import Located, ask, limited, locate
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, ReferenceSet
from chunkmap.model.dictionary import ZarrFormat
from chunkmap.storage.publishing import directory_beside

__all__ = ["export"]

_AT_ONCE: Final = 128 << 20
"""Bytes of values that are copied at once, unless one chunk of the copy is more."""

_ROOTS: Final = frozenset({".zgroup", ".zattrs", "zarr.json"})
_CODEC: Final = {"id": "zstd", "level": 3}


def export(
    refs_or_path: Openable,
    out: str | os.PathLike[str],
    *,
    chunks: Mapping[str, int] | None = None,
    arrays: Collection[str] | None = None,
    zarr_format: ZarrFormat = 3,
    overwrite: bool = False,
    output_options: Mapping[str, Any] | None = None,
    progress: Progress | bool | None = None,
    **how: Unpack[HowToReach],
) -> int:
    """Copy the values of a set, or of a file, into a Zarr store, and make sure that they are the same.

    `chunks` are lengths by dimension; the others are those of the set. `arrays` are the ones to copy; None is all. The
    copy is compressed by zstd. Each region is read back after it was written, and compared. A store on this machine
    appears whole or not at all; elsewhere its root, without which nobody finds the rest, is written last. What is there
    is refused, unless it shall be replaced: `overwrite`. `how` the set is opened is said as for `open_store`.

    Gives the number of bytes of values that were copied.

    Raises Unsupported naming an array that Zarr has no words for, StorageError where what is read back is not what was
    written.
    """
    check_how("export", how, HowToReach)
    refs, fetcher = open_references(refs_or_path, **how)
    copy = _Copy(_chosen(refs, arrays), fetcher, chunks or {}, zarr_format)
    documents = copy.documents()
    at = locate(out, limited(output_options, how.get("timeout")))
    _check_free(at, overwrite=overwrite)
    with steps(progress) as begin:
        count = begin("copying")
        with _appearing(at, overwrite=overwrite) as place:
            _put(place, {key: text for key, text in documents.items() if key not in _ROOTS})
            done, total = 0, sum(meta.nbytes for meta in copy.metas.values())
            for nbytes in copy.values(_store(place)):
                done += nbytes
                if count is not None:
                    count(done, total)
            _put(place, {key: text for key, text in documents.items() if key in _ROOTS})
            _consolidate(_store(place), zarr_format)
    return total


def _chosen(refs: ReferenceSet, arrays: Collection[str] | None) -> ReferenceSet:
    if arrays is None:
        return refs
    for path in arrays:
        if path not in refs.arrays:
            raise ValueError(f"{refs.name}: no array {path!r} to export{meant(path, refs.arrays)}")
    return replace(refs, arrays={path: array for path, array in refs.arrays.items() if path in set(arrays)})


@dataclass(frozen=True, slots=True)
class _Copy:
    """What is copied, and how its chunks are to be."""

    refs: ReferenceSet
    fetcher: Fetcher
    chunks: Mapping[str, int]
    zarr_format: ZarrFormat

    @property
    def metas(self) -> dict[str, ArrayMeta]:
        """What the arrays of the copy are."""
        return {path: self._meta(path, array.meta) for path, array in self.refs.arrays.items()}

    def documents(self) -> dict[str, str]:
        """The documents of the copy by their keys. Raises Unsupported for what Zarr has no words for."""
        dims = {dim for array in self.refs.arrays.values() for dim in array.meta.dims or ()}
        for dim, length in self.chunks.items():
            if dim not in dims:
                raise ValueError(f"chunks: no array has a dimension {dim!r}{meant(dim, dims)}")
            if length < 1:
                raise ValueError(f"chunks: {length} along {dim}, expected 1 or more")
        empty = {path: ManifestArray(meta, ChunkManifest.empty(meta.grid_shape)) for path, meta in self.metas.items()}
        refs = ReferenceSet(empty, self.refs.groups).to_dict(zarr_format=self.zarr_format)["refs"]
        return {key: text if isinstance(text, str) else json.dumps(text) for key, text in refs.items()}

    def values(self, store: Any) -> Iterator[int]:
        """Copy all values; gives the bytes of each region when it is copied and compared."""
        for path, meta in self.metas.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what zarr warns of in v3, types of texts and times, is read by all
                target = zarr.open_array(store, path=path, mode="r+", zarr_format=self.zarr_format)
            reader = ArrayReader(self.refs, path, self.fetcher)
            for region in _regions(meta, self.refs.arrays[path].meta.chunk_shape):
                values = reader.read(region)
                target[region] = values
                if not _same(values, np.asarray(target[region])):
                    raise StorageError(f"{path}{_spoken(region)}: what was read back is not what was written")
                yield values.nbytes

    def _meta(self, path: str, meta: ArrayMeta) -> ArrayMeta:
        is_text = meta.dtype.kind == "O" and any(codec["id"] == "vlen-utf8" for codec in meta.codecs)
        if meta.dtype.kind == "O" and not is_text:
            raise Unsupported(
                f"{path}: objects of the codecs {[codec['id'] for codec in meta.codecs]} have no type in Zarr that"
                " others read; leave it out",
                feature="objects",
            )
        lengths = (
            min(self.chunks.get(dim, own), max(n, 1))
            for dim, own, n in zip(meta.dims or ("",) * meta.ndim, meta.chunk_shape, meta.shape, strict=True)
        )
        filters = ({"id": "vlen-utf8"},) if is_text else ()
        return replace(meta, chunk_shape=tuple(lengths), filters=filters, compressor=_CODEC, edges=(), order="C")


def _regions(meta: ArrayMeta, source: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Parts of an array, each of whole chunks of the copy: as many as hold those of the source, then as fit at once."""
    block = [min(chunk, n) for chunk, n in zip(meta.chunk_shape, meta.shape, strict=True)]
    for wanted in (source, meta.shape):
        for axis in reversed(range(meta.ndim)):
            others = math.prod(block[:axis] + block[axis + 1 :]) * max(meta.dtype.itemsize, 1)
            most = max(_AT_ONCE // max(others, 1) // max(block[axis], 1), 1) * block[axis]
            chunk = meta.chunk_shape[axis]
            block[axis] = max(block[axis], min(-(-wanted[axis] // chunk) * chunk, most // chunk * chunk))
    ranges = (range(0, n, max(step, 1)) for n, step in zip(meta.shape, block, strict=True))
    for starts in itertools.product(*ranges):
        yield tuple(
            slice(start, min(start + step, n)) for start, step, n in zip(starts, block, meta.shape, strict=True)
        )


def _same(written: NDArray[Any], read: NDArray[Any]) -> bool:
    if written.dtype.kind == "O" or read.dtype.kind in "OT":
        return written.shape == read.shape and written.tolist() == read.tolist()
    if written.dtype.kind in "fcmM":
        return np.array_equal(written, read, equal_nan=True)
    return written.shape == read.shape and written.tobytes() == read.astype(written.dtype, copy=False).tobytes()


def _spoken(region: tuple[slice, ...]) -> str:
    return f"[{', '.join(f'{one.start}:{one.stop}' for one in region)}]"


# ---------------------------------------------------------------------- where it goes


def _check_free(at: Located, *, overwrite: bool) -> None:
    if not overwrite and ask(lambda: at.fs.exists(at.path), at.url):
        raise StorageError(f"{at.url}: there is something already. Give another name, or overwrite it")


@contextmanager
def _appearing(at: Located, *, overwrite: bool) -> Iterator[Located]:
    """Where to write: on this machine beside the place, where it appears in the end."""
    if not at.is_local:
        if overwrite and ask(lambda: at.fs.exists(at.path), at.url):
            ask(lambda: at.fs.rm(at.path, recursive=True), at.url)
        yield at
        return
    with directory_beside(at) as place:
        yield place


def _put(at: Located, documents: Mapping[str, str]) -> None:
    for key, text in documents.items():
        path = f"{at.path}/{key}"
        if at.is_local:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        ask(lambda path=path, text=text: at.fs.pipe_file(path, text.encode()), at.url)  # type: ignore[misc]


def _store(at: Located) -> Any:
    if at.is_local:
        return zarr.storage.LocalStore(at.path)
    options = {key: value for key, value in (at.options or {}).items() if key not in {"timeout", "engine"}}
    return zarr.storage.FsspecStore.from_url(at.url, storage_options=options)


def _consolidate(store: Any, zarr_format: ZarrFormat) -> None:
    """Put all documents into one, with which a reader far away begins."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # that it is no part of the specification of v3: who does not know it passes over
        zarr.consolidate_metadata(store, zarr_format=zarr_format)
