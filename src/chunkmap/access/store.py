"""A Zarr store over a reference set: read-only, in the keys of Zarr v2 or v3, for zarr-python 3.

The chunks of a set at rest are looked up as they are asked for, a stretch of the grid at a time; a stretch that is lost
or damaged is an error, never a missing chunk. Chunks that are asked for at the same moment are fetched together.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype

from chunkmap.access.fetching import Fetcher, Stored
from chunkmap.access.keys import cell_of
from chunkmap.access.selection import ArrayReader
from chunkmap.access.trust import Trust
from chunkmap.access.values import Decoder, check_codecs, check_filled, decoder_of
from chunkmap.access.zarr_support import unknown_to_zarr
from chunkmap.codecs import register
from chunkmap.codecs.zarr.numcodecs_in_v3 import register_with_zarr
from chunkmap.errors import Unsupported
from chunkmap.model import ChunkManifest, ManifestArray, ReferenceSet
from chunkmap.model.dictionary import ZarrFormat, chunk_keys, documents, json_text
from chunkmap.model.trimming import untrimmed
from chunkmap.model.typed import as_numpy
from chunkmap.model.variants import seen_by_readers, variants_of
from chunkmap.model.zarr_v3 import DOCUMENT, group_document

register()
register_with_zarr()

__all__ = ["ReferenceStore"]

_CONSOLIDATED: Final = ".zmetadata"

Keys = list[str]
Found = list[Stored | None]


def _and_above(path: str) -> Iterator[str]:
    """A path, and those of the groups above it.

    >>> list(_and_above("a/b"))
    ['a/b', 'a', '']
    """
    yield path
    while path:
        path = path.rpartition("/")[0]
        yield path


def _by_group(item: tuple[str, object]) -> tuple[int, str]:
    """Orders documents group by group, upper groups first: zarr-python takes consolidated metadata in runs of these.

    >>> sorted([("a/x/.zarray", {}), ("b/x/.zarray", {}), ("a/y/.zarray", {})], key=_by_group)[1][0]
    'a/y/.zarray'
    """
    path = item[0].rpartition("/")[0]
    return path.count("/"), path.rpartition("/")[0]


class ReferenceStore(Store):
    """A reference set as a read-only Zarr store, of v2 or v3; when that is not said, as the set is stored.

    An array of a type or grid that zarr does not know, or of a codec that is not installed, which would keep zarr from
    opening any of the set, is not in the consolidated metadata: `left_out` has its path, and what lacks. `reader` reads
    it, or says what lacks.

    >>> import zarr
    >>> refs = ReferenceSet.from_dict({"version": 1, "refs": {
    ...     "x/.zarray": '{"shape": [4], "chunks": [4], "dtype": "|u1", "compressor": null, "filters": null,'
    ...                  ' "fill_value": null, "order": "C", "zarr_format": 2}',
    ...     "x/0": "abcd"}})
    >>> bytes(zarr.open_group(ReferenceStore(refs), mode="r")["x"][:])
    b'abcd'
    """

    supports_writes = False
    supports_deletes = False
    supports_listing = True

    def __init__(
        self,
        refs: ReferenceSet,
        fetcher: Fetcher | None = None,
        zarr_format: ZarrFormat | None = None,
    ) -> None:
        super().__init__(read_only=True)
        self.zarr_format: ZarrFormat = refs.zarr_format if zarr_format is None else zarr_format
        self._refs, self._fetcher = refs, Fetcher(trust=Trust(refs.name)).learn([refs]) if fetcher is None else fetcher
        self._shown = {path: _as_seen(array) for path, array in refs.arrays.items()}
        self._metas = {path: array.meta for path, array in self._shown.items()}
        self.left_out = {
            path: why for path, meta in self._metas.items() if (why := unknown_to_zarr(meta, self.zarr_format))
        }
        self._texts = {key: json_text(document).encode() for key, document in self._documents().items()}
        self._decoders: dict[str, Decoder] = {}
        self._waiting: dict[asyncio.AbstractEventLoop, list[_Cell]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def _documents(self) -> dict[str, Mapping[str, Any]]:
        """The documents by key, consolidated as zarr-python takes them: group by group, upper groups first."""
        if self.zarr_format == 2:
            found = documents(self._shown, self._refs.groups, 2)
            hidden = {f"{path}/{name}" for path in self.left_out for name in (".zarray", ".zattrs")}
            shown = sorted(((key, document) for key, document in found.items() if key not in hidden), key=_by_group)
            return {**found, _CONSOLIDATED: {"zarr_consolidated_format": 1, "metadata": dict(shown)}}
        known = {path: array for path, array in self._shown.items() if path not in self.left_out}
        found = documents(known, self._refs.groups, 3)
        if "" in self._metas:
            return found
        below = {key.removesuffix(f"/{DOCUMENT}"): document for key, document in found.items() if key != DOCUMENT}
        ordered = dict(sorted(below.items(), key=lambda item: _by_group((f"{item[0]}/", None))))
        return {**found, DOCUMENT: group_document(found[DOCUMENT]["attributes"], ordered)}

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self._refs, self._fetcher, self.zarr_format)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ReferenceStore) and self._refs is other._refs and self.zarr_format == other.zarr_format

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return f"references://{self._refs.name or 'memory'}"

    def with_read_only(self, read_only: bool = False) -> ReferenceStore:
        """The same store; it cannot be written to."""
        if not read_only:
            raise ValueError("a store of references is read-only")
        return ReferenceStore(self._refs, self._fetcher, self.zarr_format)

    @property
    def source(self) -> tuple[ReferenceSet, Fetcher]:
        """The references, and what fetches the bytes that they name."""
        return self._refs, self._fetcher

    def attributes(self, path: str) -> dict[str, Any]:
        """The attributes of an array or group in the types that they have in their file, which JSON has not.

        >>> ReferenceStore(ReferenceSet({}, {"": {"level": 2}})).attributes("")
        {'level': 2}
        """
        attrs = self._metas[path].attrs if path in self._metas else self._refs.groups.get(path, {})
        return {name: as_numpy(value) for name, value in attrs.items()}

    def check_coordinate(self, path: str) -> None:
        """Raise StorageError for a coordinate that would fill much memory, and for which there are few references."""
        check_filled(path, self._refs.arrays[path])

    def reader(self, path: str) -> ArrayReader:
        """Reads selections of an array at once, which zarr does not."""
        return ArrayReader(self._refs, path, self._fetcher)

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """A document, or the stored bytes of a chunk; None where there is none.

        xarray asks without a prototype where an array has no names of dimensions.
        """
        prototype = default_buffer_prototype() if prototype is None else prototype
        data: Stored
        path, _, name = key.rpartition("/")
        if self.zarr_format == 3 and name == DOCUMENT and path in self.left_out:
            raise Unsupported(f"{self.left_out[path]} {path}", feature="zarr")
        if key in self._texts:
            data = self._texts[key]
        else:
            cell = self._cell(key)
            stored = None if cell is None else await self._stored(*cell)
            if stored is None:
                return None
            data = stored
        return prototype.buffer.from_bytes(_part(data, byte_range))

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Parts of many values."""
        return [*await asyncio.gather(*(self.get(key, prototype, part) for key, part in key_ranges))]

    async def exists(self, key: str) -> bool:
        """Whether there is a document or a chunk."""
        if key in self._texts:
            return True
        cell = self._cell(key)
        return cell is not None and await asyncio.to_thread(self._locate, *cell) is not None

    async def set(self, key: str, value: Buffer) -> None:
        """Not possible."""
        raise ValueError(f"{key}: a store of references is read-only, {len(value)} bytes cannot be written to it")

    async def delete(self, key: str) -> None:
        """Not possible."""
        raise ValueError(f"{key}: a store of references is read-only")

    async def list(self) -> AsyncIterator[str]:
        """Every key. Reads every partition."""
        async for key in self.list_prefix(""):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Every key that begins so. Reads the partitions of the arrays below."""
        for key in self._texts:
            if key.startswith(prefix):
                yield key
        for path in self._metas:
            start = f"{path}/" if path else ""
            if start.startswith(prefix) or prefix.startswith(start):
                for key in await asyncio.to_thread(self._chunk_keys, path):
                    if key.startswith(prefix):
                        yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """What stands directly below: names of documents, groups, arrays and chunks."""
        directory = prefix.rstrip("/")
        start = f"{directory}/" if directory else ""
        names = dict(self._children.get(directory, {}))
        above = next((path for path in _and_above(directory) if path in self._metas), None)
        if above is not None:
            keys = await asyncio.to_thread(self._chunk_keys, above)
            names |= dict.fromkeys(key[len(start) :].partition("/")[0] for key in keys if key.startswith(start))
        for name in names:
            yield name

    @cached_property
    def _children(self) -> dict[str, dict[str, None]]:
        """The names of documents, arrays and groups that stand directly below each group."""
        found: dict[str, dict[str, None]] = {}
        for key in self._texts:
            for path in _and_above(key):
                parent, _, name = path.rpartition("/")
                known = found.setdefault(parent, {})
                if not path or name in known:
                    break
                known[name] = None
        return found

    def _chunk_keys(self, path: str) -> Keys:
        return chunk_keys(path, self._refs.arrays[path].manifest(), self.zarr_format)

    def _locate(self, path: str, position: int) -> tuple[ChunkManifest, int] | None:
        return self._refs.arrays[path].locate(position)

    def _cell(self, key: str) -> tuple[str, int] | None:
        """The array and the cell of its grid that a key names; None when it names none."""
        cell = cell_of(key, self._metas, self.zarr_format)
        if cell is not None:
            check_codecs(cell[0], self._metas[cell[0]])
        return cell

    async def _stored(self, path: str, position: int) -> Stored | None:
        """The stored bytes of a cell, fetched with whatever else is asked for in the same turn of the loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Stored | None] = loop.create_future()
        waiting = self._waiting.setdefault(loop, [])
        waiting.append(_Cell(path, position, future))
        if len(waiting) == 1:
            loop.call_soon(self._start_fetching, loop)
        return await future

    def _start_fetching(self, loop: asyncio.AbstractEventLoop) -> None:
        task = loop.create_task(self._answer(self._waiting.pop(loop)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, cells: Sequence[_Cell]) -> None:
        """Fetch cells together; when that fails, one by one, so that each hears of its own error only."""
        try:
            found = await asyncio.to_thread(self._fetch, cells)
        except Exception as error:  # noqa: BLE001 - whoever waits for the cell hears of it, whatever it is
            if len(cells) == 1:
                _settle(cells[0], error=error)
                return
            await asyncio.gather(*(self._answer([cell]) for cell in cells))
            return
        for cell, stored in zip(cells, found, strict=True):
            _settle(cell, stored)

    def _fetch(self, cells: Sequence[_Cell]) -> Found:
        rows = [self._locate(cell.path, cell.position) for cell in cells]
        there = [(chunks, np.array([row])) for chunks, row in filter(None, rows)]
        stored = iter(self._fetcher.fetch_many(there))
        return [
            None if row is None else self._whole(cell, next(stored)[0], *row)
            for cell, row in zip(cells, rows, strict=True)
        ]

    def _whole(self, cell: _Cell, stored: Stored, chunks: ChunkManifest, row: int) -> Stored:
        """The bytes of a chunk without a codec, as many as its values have: zarr does not say where they are not.
        Chunks that are decoded in several ways are handed out decoded.

        Raises FormatError naming the file and the byte.
        """
        meta = self._refs.arrays[cell.path].meta
        variants = variants_of(meta)
        if not variants and (meta.codecs or meta.edges or meta.dtype.kind == "O" or len(stored) == meta.chunk_nbytes):
            return stored
        coord = np.unravel_index(cell.position, meta.grid_shape) if meta.edges else None
        shape = None if coord is None else meta.shape_of_chunk([int(at) for at in coord])
        if cell.path not in self._decoders:
            self._decoders[cell.path] = decoder_of(meta)
        return self._decoders[cell.path].decode(stored, chunks, row, shape).tobytes(meta.order)


def _as_seen(array: ManifestArray) -> ManifestArray:
    """An array as zarr is shown it: where chunks are decoded in several ways, it is handed decoded ones."""
    if not variants_of(array.meta):
        return array
    meta = seen_by_readers(array.meta)
    return array.under(untrimmed(meta) if meta.edges else meta)


class _Cell(NamedTuple):
    """A cell that somebody waits for."""

    path: str
    position: int
    future: asyncio.Future[Stored | None]


def _settle(cell: _Cell, stored: Stored | None = None, error: Exception | None = None) -> None:
    if cell.future.done():
        return
    if error is None:
        cell.future.set_result(stored)
    else:
        cell.future.set_exception(error)


def _part(data: Stored, request: ByteRequest | None) -> bytes:
    view = memoryview(data)
    if isinstance(request, RangeByteRequest):
        view = view[request.start : request.end]
    elif isinstance(request, OffsetByteRequest):
        view = view[request.offset :]
    elif isinstance(request, SuffixByteRequest):
        view = view[max(0, len(view) - request.suffix) :]
    return bytes(view)
