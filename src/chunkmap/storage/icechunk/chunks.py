"""The chunks of one array into a store of Icechunk: ranges of files as virtual references, inline bytes as they are.

References go by columns, a block of the grid in a call, where Icechunk takes them so. A call has one checksum, so rows
are grouped by it: in a combined set the rows of a file, which fill a block of the grid. Rows that are scattered, and
all rows for Icechunk 1, go as lists of objects, whatever their checksums.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

import icechunk
import numpy as np
from numpy.typing import NDArray
from zarr.buffer.cpu import Buffer

from chunkmap.errors import StorageError
from chunkmap.model import WHOLE_FILE, ChunkManifest, Target
from chunkmap.storage.icechunk.repository import IS_FIRST, Transaction, awaited

__all__ = ["Names", "check_rows", "chunk_key", "write_chunks"]

_ROWS: Final = 1 << 20
"""Chunks that are handed over at once."""

_FEW: Final = 32
"""Rows of one checksum for which a call of their own does not pay."""

_LISTED: Final = 1 << 16
"""Objects that are handed over at once."""

_SPARSE: Final = 4
"""Cells of a block for each row in it, from which on the block does not pay."""

_AT_ONCE: Final = 64
"""Native chunks that are written at once."""


@dataclass(frozen=True, slots=True)
class Names:
    """What Icechunk calls the files of a set, and by what it tells that they changed."""

    locations: Mapping[str, str]
    """URL -> location."""
    checksums: Mapping[str, str | datetime | None]
    """URL -> checksum."""
    targets: Mapping[str, Target]
    """What is known of each file, by the URL that its location is read back as."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """References to be set: a row each."""

    coords: NDArray[np.int64]
    """Row -> chunk index; shape (rows, axes)."""
    location: NDArray[Any]
    """Row -> its file, as Python strings."""
    offset: NDArray[np.uint64]
    length: NDArray[np.uint64]
    checksum: NDArray[Any]
    """Row -> what tells that its file changed, or None."""

    @classmethod
    def concatenated(cls, parts: Sequence[_Rows]) -> _Rows:
        """The rows of several, one after another."""
        return cls(*map(np.concatenate, zip(*(part.columns() for part in parts), strict=True)))

    def columns(self) -> tuple[NDArray[Any], ...]:
        """The columns, in the order in which they stand here."""
        return self.coords, self.location, self.offset, self.length, self.checksum

    @property
    def is_scattered(self) -> bool:
        """Whether the rows do not fill a block of the grid well enough to go as columns."""
        _, block = self.within()
        return len(self.location) < _FEW or math.prod(block) > _SPARSE * len(self.location)

    def within(self) -> tuple[NDArray[np.int64], tuple[int, ...]]:
        """The first chunk index of the block that the rows lie in, and the shape of the block."""
        low = self.coords.min(axis=0)
        return low, tuple((self.coords.max(axis=0) - low + 1).tolist())


def check_rows(path: str, chunks: ChunkManifest) -> None:
    """Raise StorageError for a chunk that has no bytes, or whose length is not known."""
    for length, what, advice in (
        (0, "has no bytes, and such a chunk cannot be read", "write the array anew"),
        (WHOLE_FILE, "is a whole file of a size not known", "scan it again, or give its range"),
    ):
        rows = np.flatnonzero(chunks.length == np.uint64(length))
        if len(rows):
            key = chunks.take(rows[:1]).keys()[0]
            raise StorageError(f"{path}: chunk {key} {what}; Icechunk takes ranges of bytes only, so {advice}")


def chunk_key(path: str, coord: Sequence[int]) -> str:
    """The key of a chunk in a store.

    >>> chunk_key("group/x", (0, 1)), chunk_key("", ())
    ('group/x/c/0/1', 'c')
    """
    return "/".join([*([path] if path else []), "c", *map(str, coord)])


def write_chunks(written: Transaction, path: str, chunks: ChunkManifest, names: Names) -> None:
    """Set the chunks of an array that are in a manifest over its grid; others stay as they are."""
    inline, sources = chunks.is_inline, _Sources.of(chunks, names)
    for start in range(0, len(chunks), _ROWS):
        rows = np.arange(start, min(start + _ROWS, len(chunks)))
        written.make_room(len(rows))
        held = inline[rows]
        if held.any():
            _write_native(written.store, path, chunks, rows[held])
        scattered = []
        for some in sources.grouped(chunks, rows[~held]):
            if IS_FIRST or some.is_scattered:
                scattered.append(some)
            else:
                _write_block(written.store, path, some)
        if scattered:
            _write_listed(written.store, path, _Rows.concatenated(scattered))


def _coords(chunks: ChunkManifest, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Row -> chunk index; shape (rows, axes)."""
    if not chunks.grid_shape:
        return np.empty((len(rows), 0), np.int64)
    position = chunks.positions()[rows].astype(np.int64)
    return np.stack(np.unravel_index(position, chunks.grid_shape), axis=1)


# ---------------------------------------------------------------------- native chunks


def _write_native(store: Any, path: str, chunks: ChunkManifest, rows: NDArray[np.int64]) -> None:
    keys = [chunk_key(path, coord) for coord in _coords(chunks, rows).tolist()]
    awaited(_set_all, store, list(zip(keys, map(chunks.inline_bytes, rows.tolist()), strict=True)))


async def _set_all(store: Any, items: Sequence[tuple[str, bytes]]) -> None:
    for start in range(0, len(items), _AT_ONCE):
        some = items[start : start + _AT_ONCE]
        await asyncio.gather(*(store.set(key, Buffer.from_bytes(data)) for key, data in some))


# ---------------------------------------------------------------------- virtual references


@dataclass(frozen=True, slots=True)
class _Sources:
    """The sources of a manifest, as Icechunk has them."""

    location: NDArray[Any]
    """Source -> location, as Python strings."""
    checksum: NDArray[Any]
    """Source -> checksum, or None."""
    group: NDArray[np.int64]
    """Source -> number of its checksum."""

    @classmethod
    def of(cls, chunks: ChunkManifest, names: Names) -> _Sources:
        """Those of a manifest; inline bytes have none, and files that are in its table and no chunk lies in."""
        urls = [source if isinstance(source, str) else "" for source in chunks.sources]
        checksum = list(map(names.checksums.get, urls))
        number = {value: at for at, value in enumerate(dict.fromkeys(checksum))}
        return cls(
            np.array(list(map(names.locations.get, urls)), object),
            np.array(checksum, object),
            np.array([number[value] for value in checksum], np.int64),
        )

    def grouped(self, chunks: ChunkManifest, rows: NDArray[np.int64]) -> Iterator[_Rows]:
        """Rows of the manifest by checksum, in the order of the grid."""
        group = self.group[chunks.source[rows]]
        rows = rows[np.argsort(group, kind="stable")]
        bounds = np.cumsum(np.bincount(group)).tolist()
        coords = _coords(chunks, rows)
        for start, stop in pairwise([0, *bounds]):
            if start < stop:
                some = rows[start:stop]
                source = chunks.source[some]
                yield _Rows(
                    coords[start:stop],
                    self.location[source],
                    chunks.offset[some],
                    chunks.length[some],
                    self.checksum[source],
                )


def _write_block(store: Any, path: str, rows: _Rows) -> None:
    """Set rows of one checksum that fill a block of the grid."""
    low, block = rows.within()
    cells = np.ravel_multi_index(tuple((rows.coords - low).T), block) if block else np.zeros(1, np.intp)
    size = math.prod(block)
    location = np.full(size, "", object)
    offset, length = np.zeros(size, np.uint64), np.zeros(size, np.uint64)
    location[cells], offset[cells], length[cells] = rows.location, rows.offset, rows.length
    refused = store.set_virtual_refs_arr(
        f"/{path}",
        block,
        location.tolist(),
        offset,
        length,
        arr_offset=tuple(low.tolist()),
        checksum=rows.checksum[0],
    )
    _check_taken(path, refused)


def _write_listed(store: Any, path: str, rows: _Rows) -> None:
    """Set rows of any checksums, each as an object of Icechunk's."""
    kinds = {value: (value, None) if isinstance(value, str) else (None, value) for value in set(rows.checksum)}
    for start in range(0, len(rows.location), _LISTED):
        columns = (column[start : start + _LISTED].tolist() for column in rows.columns())
        specs = [
            icechunk.VirtualChunkSpec(index, location, offset, length, *kinds[checksum])
            for index, location, offset, length, checksum in zip(*columns, strict=True)
        ]
        _check_taken(path, store.set_virtual_refs(f"/{path}", specs))


def _check_taken(path: str, refused: Sequence[Any] | None) -> None:
    if refused:
        raise StorageError(f"{path}: Icechunk refused the references of {len(refused)} chunks, the first {refused[0]}")
