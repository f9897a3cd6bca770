"""Read a store of Icechunk as a reference set.

Icechunk 2 tells where every chunk is, by columns. Chunks of its own, which it may remove when it collects garbage,
become inline bytes. Icechunk 1 does not tell where virtual chunks are: repositories that have some are refused.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import icechunk
import numpy as np
from numpy.typing import NDArray
from zarr.buffer.cpu import buffer_prototype

from chunkmap.errors import StorageError, Unsupported
from chunkmap.model import ArrayMeta, ChunkManifest, ChunksElsewhere, DeferredArray, ManifestArray, ReferenceSet
from chunkmap.model.manifest import Columns
from chunkmap.model.source_table import SourceTable
from chunkmap.storage import arrow
from chunkmap.storage.icechunk.chunks import chunk_key
from chunkmap.storage.icechunk.documents import below, read_documents
from chunkmap.storage.icechunk.locations import url_of
from chunkmap.storage.icechunk.repository import IS_FIRST, awaited

__all__ = ["read_header", "read_set", "refuse_first"]

_BATCH: Final = 1 << 18
"""Chunks that Icechunk is asked for at once."""

_MOST_OWN: Final = 64 << 20
"""Bytes of chunks of its own that an array may have: they are held in memory."""

_VIRTUAL: Final = 2
"""The kind of a virtual chunk among those that Icechunk 2 lists."""

_AT_ONCE: Final = 64
"""Chunks that are fetched at once."""


def read_set(store: Any, *, group: str = "", name: str | None = None) -> ReferenceSet:
    """Everything in a group of a store, with all references in memory.

    Raises Unsupported for what cannot be referred to.
    """
    if IS_FIRST and store.session.all_virtual_chunk_locations():
        raise refuse_first(str(name))
    metas, groups, targets = read_documents(store, group)
    arrays = {path: ManifestArray(meta, _manifest(store, below(group, path), meta)) for path, meta in metas.items()}
    return ReferenceSet(arrays, groups, targets=targets, name=name, zarr_format=3)


def read_header(store: Any, *, group: str = "", name: str | None = None) -> ReferenceSet:
    """The same without references: chunks are read, through the repository, when they are asked for."""
    metas, groups, targets = read_documents(store, group)
    arrays = {
        path: DeferredArray(meta, _InIcechunk(store, below(group, path), meta.grid_shape))
        for path, meta in metas.items()
    }
    return ReferenceSet(arrays, groups, targets=targets, name=name, zarr_format=3)


def _manifest(store: Any, path: str, meta: ArrayMeta) -> ChunkManifest:
    if IS_FIRST:
        chunks = _InIcechunk(store, path, meta.grid_shape).between(0, math.prod(meta.grid_shape))
        _check_own(path, int(chunks.length.sum()))
        return chunks
    manifest: ChunkManifest = awaited(_listed, store, path, meta.grid_shape)
    return manifest


async def _listed(store: Any, path: str, grid_shape: tuple[int, ...]) -> ChunkManifest:
    """The chunks of an array, from what Icechunk 2 lists."""
    table = SourceTable()
    parts: list[tuple[NDArray[np.int64], Columns]] = []
    own = 0
    async for columns in store.array_chunk_iterator(f"/{path}", _BATCH):
        batch = _Batch(*columns)
        position, is_own = _position(batch.coords, grid_shape), batch.kinds != _VIRTUAL
        parts.append((position[~is_own], _references(batch, ~is_own, table)))
        own += int(batch.lengths[is_own].sum())
        _check_own(path, own)
        if is_own.any():
            parts.append((position[is_own], _held(await _own_bytes(store, path, batch, is_own), table)))
    if not parts:
        return ChunkManifest.empty(grid_shape)
    index = np.concatenate([position for position, _ in parts])
    source, offset, length = (np.concatenate([columns[at] for _, columns in parts]) for at in range(3))
    return ChunkManifest.from_columns(grid_shape, index, table.sources, (source, offset, length))


class _Batch(NamedTuple):
    """Chunks of an array as Icechunk 2 tells them: columns of one length."""

    coords: NDArray[np.uint32]
    """Row -> chunk index; shape (rows, axes)."""
    kinds: NDArray[np.uint8]
    """Row -> value of `icechunk.ChunkType`."""
    paths: list[str]
    """Row -> location, of virtual chunks."""
    offsets: NDArray[np.uint64]
    lengths: NDArray[np.uint64]
    inlined: dict[int, bytes]
    """Row -> bytes, of chunks that are in the manifest itself."""


def _position(coords: NDArray[Any], grid_shape: tuple[int, ...]) -> NDArray[np.int64]:
    if not grid_shape:
        return np.zeros(len(coords), np.int64)
    return np.asarray(np.ravel_multi_index(tuple(coords.astype(np.int64).T), grid_shape), np.int64)


def _references(batch: _Batch, rows: NDArray[np.bool_], table: SourceTable) -> Columns:
    """The columns of virtual chunks; their files go into the table."""
    found = arrow.texts(batch.paths).filter(arrow.flags(rows)).dictionary_encode()
    numbers = np.array([table.number(url_of(location)) for location in found.dictionary.to_pylist()], np.uint32)
    source = numbers[found.indices.to_numpy()] if len(numbers) else np.empty(0, np.uint32)
    return source, batch.offsets[rows], batch.lengths[rows]


def _held(data: Sequence[bytes], table: SourceTable) -> Columns:
    """The columns of chunks that are held inline, in one blob."""
    length = np.array([len(piece) for piece in data], np.uint64)
    number = table.number(b"".join(data))
    return np.full(len(data), number, np.uint32), np.cumsum(length) - length, length


async def _own_bytes(store: Any, path: str, batch: _Batch, rows: NDArray[np.bool_]) -> list[bytes]:
    """The bytes of some rows, none of which is virtual."""
    numbers = np.flatnonzero(rows).tolist()
    absent = [number for number in numbers if number not in batch.inlined]
    keys = [chunk_key(path, coord) for coord in batch.coords[absent].tolist()]
    fetched = dict(zip(absent, await _fetch(store, keys), strict=True))
    return [batch.inlined[number] if number in batch.inlined else fetched[number] for number in numbers]


def _check_own(path: str, nbytes: int) -> None:
    if nbytes > _MOST_OWN:
        raise Unsupported(
            f"{path}: {nbytes:,} bytes of it are in the repository itself, where no reference may point, because they"
            f" may be removed when garbage is collected; at most {_MOST_OWN:,} are held inline",
            feature="native chunks",
        )


# ---------------------------------------------------------------------- through the repository


@dataclass(frozen=True, slots=True)
class _InIcechunk(ChunksElsewhere):
    """The chunks of one array, which are read through the repository, virtual or not, and held inline."""

    store: Any
    path: str
    grid_shape: tuple[int, ...]

    @property
    def most_chunks(self) -> int:
        """How many there may be."""
        return math.prod(self.grid_shape)

    def between(self, start: int, stop: int) -> ChunkManifest:
        """Those in cells `start` to `stop`. Raises StorageError for one that Icechunk cannot read."""
        found = awaited(_coordinates, self.store.session, self.path)
        coords = np.array(found, np.int64).reshape(len(found), len(self.grid_shape))
        position = _position(coords, self.grid_shape)
        wanted = (position >= start) & (position < stop)
        table = SourceTable()
        keys = [chunk_key(self.path, coord) for coord in coords[wanted].tolist()]
        columns = _held(awaited(_fetch, self.store, keys), table)
        return ChunkManifest.from_columns(self.grid_shape, position[wanted], table.sources, columns)


def refuse_first(where: str) -> Unsupported:
    """The error that says why references are not read with Icechunk 1."""
    return Unsupported(
        f"{where}: Icechunk {icechunk.__version__} does not tell where a virtual chunk is; its references are read with"
        " Icechunk 2, which reads repositories of Icechunk 1 too",
        feature="virtual chunks",
    )


async def _coordinates(session: Any, path: str) -> list[tuple[int, ...]]:
    return [coord async for coord in session.chunk_coordinates(f"/{path}")]


async def _fetch(store: Any, keys: Sequence[str]) -> list[bytes]:
    found: list[bytes] = []
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        found.extend(await asyncio.gather(*(_get(store, key) for key in some)))
    return found


async def _get(store: Any, key: str) -> bytes:
    try:
        data = await store.get(key, buffer_prototype)
    except icechunk.IcechunkError as error:
        reason = " ".join(str(error).split())
        raise StorageError(f"{key}: Icechunk cannot read it: {reason}") from error
    if data is None:
        raise StorageError(f"{key}: the Icechunk repository lists it, but does not have it")
    stored: bytes = data.to_bytes()
    return stored
