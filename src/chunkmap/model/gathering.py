"""Keys and values of kerchunk's dictionaries -> columns, all at once or a part of the set at a time.

The keys and values of a million chunks are read by columns: the only work per chunk is done inside `str.join`, `zip`,
and numpy. Of a set that is read in parts, only the columns of what was read are held.
"""

from __future__ import annotations

import gc
import operator
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import compress, count, starmap
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import StorageError
from chunkmap.model.array import ManifestArray
from chunkmap.model.growing import Columns, GrowingChunks
from chunkmap.model.hierarchy import Groups, Hierarchy, ZarrFormat, decode_inline
from chunkmap.model.keys import Below, Precedent, StrayKey
from chunkmap.model.manifest import WHOLE_FILE, ChunkManifest
from chunkmap.model.meta import ArrayMeta
from chunkmap.model.printed import Lines
from chunkmap.model.problem import Problem
from chunkmap.model.ranges import Ranges
from chunkmap.model.source_table import SourceTable
from chunkmap.model.sources import Sources
from chunkmap.model.templates import expand_templates
from chunkmap.model.told import told_in
from chunkmap.model.typed import codes_of, with_codes
from chunkmap.model.variant_runs import RUNS, with_runs
from chunkmap.model.zarr_v2 import NoFillValue

__all__ = ["Arrays", "Gathering", "collector_at_rest"]


_BLOCK: Final = 4096
"""References that are made columns at once."""

_MANY: Final = 100_000
"""Objects that were made, and are worth not being looked at."""

Arrays = dict[str, ManifestArray]
Owned = tuple[list[str], list[Any]]


class Gathering:
    """Gathers the references of a set, part by part: `add` each part, then `finish`.

    >>> gathering = Gathering()
    >>> gathering.add({"x/.zarray": {"shape": [4], "chunks": [2], "dtype": "<i2"}, "x/0": ["a.nc", 0, 4]})
    >>> gathering.add({"x/1": ["a.nc", 4, 4]})
    >>> gathering.finish()[0]["x"].chunks
    <ChunkManifest 2 of 2 chunks, grid (2,), 1 url>
    """

    def __init__(self, templates: Mapping[str, str] | None = None, precedent: Precedent | None = None) -> None:
        self._templates = templates or {}
        self._precedent = precedent or Precedent()
        self._hierarchy = Hierarchy(self._precedent)
        self._chunks: dict[str, GrowingChunks] = {}
        self._waiting: dict[str, Owned] = {}
        self._unread: dict[str, str] = {}
        """Arrays whose documents cannot be read, and why."""
        self._types: dict[str, Mapping[str, str]] = {}
        """The codes of the types of attributes, by path and name."""
        self._bare: dict[str, Any] = {}
        """The chunk of an array without axes under the key `x/`, where some writers put it; `x/0` comes before it."""
        self._strays: dict[str, list[str]] = {}
        """Keys that name no chunk, by the array they stand below."""
        self._runs: dict[str, Any] = {}
        """Of which variant chunks are, by path."""

    @property
    def zarr_format(self) -> ZarrFormat:
        """3 when anything was said in the words of Zarr v3, else 2."""
        return self._hierarchy.zarr_format

    def add(self, refs: Mapping[str, Any]) -> None:
        """Take in some references. Raises StorageError naming the key that is wrong.

        Chunks whose array is known become columns now, others wait for it.
        """
        self._add(list(refs), list(refs.values()))

    def add_ranges(self, keys: list[str] | Lines, ranges: Ranges) -> None:
        """The same for references that are ranges in files, all of them."""
        self._add(keys, ranges)

    def _add(self, names: list[str] | Lines, values: Sequence[Any]) -> None:
        with collector_at_rest():
            keys = self._precedent.keys(names, lambda found: self._v3_arrays(found, values))
            self._add_documents(keys.documents, values)
            for parent, below in keys.chunks.items():
                if self._hierarchy.knows(parent) and parent not in self._waiting:
                    self._take(parent, below, below.of(values))
                    continue
                waiting = self._waiting.setdefault(parent, ([], []))
                waiting[0].extend(below.names)
                waiting[1].extend(below.of(values))

    def add_beside(self, said: Any) -> None:
        """Take in what stands beside the references. What is not understood of it says nothing."""
        told = told_in(said)
        runs, types = told.get(RUNS), told.get("attribute_types")
        self._runs |= runs if isinstance(runs, Mapping) else {}
        for item in types if isinstance(types, list) else ():
            own, paths = item if isinstance(item, list) and len(item) == 2 else ({}, [])
            if isinstance(own, Mapping) and isinstance(paths, list):
                codes = codes_of(own)
                self._types |= {path: codes for path in paths if isinstance(path, str)}

    def finish(self) -> tuple[Arrays, Groups]:
        """The arrays and groups. Raises StorageError for two chunks in one cell, and where there are no documents.

        What was left out is in `problems`.
        """
        arrays_named = self._hierarchy.arrays()
        metas = {path: meta for path in arrays_named if (meta := self._meta(path)) is not None}
        owned, lost = _owners(self._waiting, arrays_named)
        if lost and self._hierarchy.is_empty:
            raise StorageError(f"{lost[0]}: a chunk key without an array: no metadata of Zarr in the set")
        self._strays.update({key: [key] for key in lost})
        with collector_at_rest():
            for path, (names, values) in owned.items():
                self._take(path, Below.of_names(names), values)
            for path, value in self._bare.items():
                if path in self._chunks:
                    self._strays.setdefault(path, []).append(f"{path}/")
                else:
                    self._keep(path, np.zeros(1, np.int64), Below.of_names([""]), [value])
        arrays: Arrays = {
            path: ManifestArray(
                self._typed(path, meta),
                with_runs(path, meta, _manifest(path, meta, self._chunks.pop(path, None)), self._runs),
            )
            for path, meta in metas.items()
        }
        groups = self._hierarchy.groups()
        return arrays, {path: with_codes(attrs, self._types.get(path, {})) for path, attrs in groups.items()}

    def _typed(self, path: str, meta: ArrayMeta) -> ArrayMeta:
        """The metadata of an array, with the types of its attributes."""
        types = self._types.get(path)
        return self._precedent.typed(path, meta, types) if types else meta

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was left out: arrays whose documents cannot be read, and keys that name no chunk."""
        unread = [
            Problem(path=path, feature="damaged metadata", message=f"{why}. The array is left out")
            for path, why in self._unread.items()
        ]
        return (*unread, *starmap(_stray, self._strays.items()))

    def _meta(self, path: str) -> ArrayMeta | None:
        """What an array is; None where its documents lack what they must say, or call fill value what is none."""
        if path in self._unread:
            return None
        try:
            return self._hierarchy.meta(path)
        except StorageError as error:
            if not isinstance(error.__cause__, NoFillValue) and not self._hierarchy.lacks(path):
                raise
            self._unread[path] = str(error)
            return None

    def _take(self, path: str, below: Below, values: Sequence[Any]) -> None:
        """Keep the chunks of an array. Keys that name none of it are noted, and left out as Zarr does."""
        meta = self._meta(path)
        if meta is None:
            return
        if not meta.grid_shape and "" in below.names:
            self._bare[path] = values[below.names.index("")]
            others = [(name, value) for name, value in zip(below.names, values, strict=True) if name]
            below, values = Below.of_names([name for name, _ in others]), [value for _, value in others]
            if not others:
                return
        try:
            self._keep(path, self._hierarchy.positions(path, below), below, values)
        except StrayKey:
            waiting, names = [(0, len(values))], below.names
            while waiting:
                start, stop = waiting.pop()
                some = Below.of_names(names[start:stop])
                try:
                    index = self._hierarchy.positions(path, some)
                except StrayKey:
                    middle = (start + stop) // 2
                    if middle == start:
                        self._strays.setdefault(path, []).extend(names[start:stop])
                    else:
                        waiting += [(middle, stop), (start, middle)]
                else:
                    self._keep(path, index, some, values[start:stop])

    def _add_documents(self, documents: Sequence[tuple[int, str]], values: Sequence[Any]) -> None:
        for row, key in documents:
            self._hierarchy.add(key, expand_templates(values[row], self._templates))

    def _v3_arrays(self, documents: Sequence[tuple[int, str]], values: Sequence[Any]) -> frozenset[str]:
        """Take in the documents of Zarr v3, which say what the keys of chunks stand below: the arrays known so far."""
        self._add_documents(documents, values)
        return self._hierarchy.v3_arrays()

    def _keep(self, path: str, index: NDArray[np.int64], below: Below, values: Sequence[Any]) -> None:
        chunks = self._chunks.setdefault(path, GrowingChunks())
        chunks.add(index, *_value_columns(path, below, values, self._templates))


_LONGEST_INDEX: Final = 1024
"""Letters of a chunk index that is printed with slashes."""


def _manifest(path: str, meta: ArrayMeta, chunks: GrowingChunks | None) -> ChunkManifest:
    """The chunks of an array in its grid."""
    if chunks is None:
        return _none(meta.grid_shape)
    index, sources, columns = chunks.all()
    try:
        return ChunkManifest.from_columns(meta.grid_shape, index, sources, columns)
    except ValueError as error:
        raise StorageError(f"{path}: the chunk keys do not fit its shape and chunks: {error}") from error


@lru_cache(1024)
def _none(grid_shape: tuple[int, ...]) -> ChunkManifest:
    """The same manifest for all arrays of a series of sets that are kept in other files than their chunks."""
    return ChunkManifest.empty(grid_shape)


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Keep Python from looking for cycles while millions of lists are made, none of which is garbage.

    Where there are many of them, they are handed to the oldest generation: else all would be looked at at the end.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            if gc.get_count()[0] > _MANY and not gc.get_freeze_count():
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def _owners(
    chunks: Mapping[str, tuple[list[str], list[Any]]], paths: Sequence[str]
) -> tuple[dict[str, tuple[list[str], list[Any]]], list[str]]:
    """Chunks by the array they belong to: keys with `/` between the numbers stand below their array. And the keys that
    stand below none, one for each path.
    """
    lost: list[str] = []
    owners: dict[str, tuple[list[str], list[Any]]] = {}
    known = set(paths)
    for parent, (names, values) in chunks.items():
        path, numbers = parent, ""
        while path not in known and path and len(numbers) < _LONGEST_INDEX:
            path, _, last = path.rpartition("/")
            numbers = f"{last}.{numbers}"
        if path not in known:
            lost.append(f"{parent}/{names[0]}".lstrip("/"))
            continue
        if path not in owners and not numbers:
            owners[path] = (names, values)
            continue
        owned = owners.setdefault(path, ([], []))
        owned[0].extend([numbers + name for name in names] if numbers else names)
        owned[1].extend(values)
    return owners, lost


def _stray(path: str, names: Sequence[str]) -> Problem:
    """What is said of keys that name no chunk."""
    known = path != names[0]
    what = f"{len(names):,} keys below it name no chunk of it, as {names[0]!r}" if known else "a key without an array"
    return Problem(path=path, feature="stray key", message=f"{what}: left out, as Zarr's readers do")


def _value_columns(
    path: str, below: Below, values: Sequence[Any], templates: Mapping[str, str]
) -> tuple[Sources, Columns]:
    if isinstance(values, Ranges):
        known, numbers = _numbered(values.urls, templates)
        offset, length = values.offsets.view(np.uint64), values.lengths.view(np.uint64)
        return known, (numbers[values.numbers], offset, length)
    ranges = _range_columns(path, values, templates)
    if ranges is not None:
        return ranges
    table = SourceTable()
    blob: list[bytes] = []
    rows: list[tuple[int, int, int]] = []
    stop = 0
    for name, value in zip(below.names, values, strict=True):
        if not isinstance(value, (list, tuple)):
            blob.append(_inline_bytes(f"{path}/{name}", expand_templates(value, templates)))
            rows.append((0, stop, len(blob[-1])))
            stop += len(blob[-1])
        elif len(value) in (1, 3):
            offset, length = value[1:] or (0, WHOLE_FILE)
            rows.append((table.number(_url(value[0], templates)), offset, length))
        else:
            raise StorageError(f"{path}/{name}: expected text, [url] or [url, offset, length], found {value!r}")
    number = table.number(b"".join(blob)) if blob else 0
    sources, offsets, lengths = zip(*rows, strict=True)
    source = np.array([s or number for s in sources], np.uint32)
    return table.sources, (source, _bytes_column(path, offsets), _bytes_column(path, lengths))


def _inline_bytes(key: str, value: Any) -> bytes:
    try:
        return decode_inline(value)
    except (ValueError, TypeError) as error:
        raise StorageError(f"{key}: expected text or base64 of bytes, found {str(value)[:60]!r}: {error}") from error


def _range_columns(path: str, values: Sequence[Any], templates: Mapping[str, str]) -> tuple[Sources, Columns] | None:
    """The columns of values that are ranges; None where any is not. A block at a time, so that each is looked at while
    it is near.
    """
    table = SourceTable()
    numbers: dict[Any, int] = {}
    source = np.empty(len(values), np.uint32)
    offset, length = np.empty(len(values), np.uint64), np.empty(len(values), np.uint64)
    for start in range(0, len(values), _BLOCK):
        some = values[start : start + _BLOCK]
        columns = list(zip(*some, strict=False)) if set(map(type, some)) <= {list, tuple} else []
        if len(columns) != 3 or set(map(len, some)) != {3}:
            return None
        urls, offsets, lengths = columns
        firsts = [0, *compress(count(1), map(operator.is_not, urls, urls[1:]))]
        found = list(map(urls.__getitem__, firsts))
        for url in dict.fromkeys(found):
            if url not in numbers:
                numbers[url] = table.number(_url(url, templates))
        rows = slice(start, start + len(some))
        runs = np.fromiter(map(numbers.__getitem__, found), np.uint32, len(found))
        source[rows] = np.repeat(runs, np.diff(firsts, append=len(some)))
        offset[rows], length[rows] = _bytes_column(path, offsets), _bytes_column(path, lengths)
    return table.sources, (source, offset, length)


def _numbered(urls: Sequence[str], templates: Mapping[str, str]) -> tuple[Sources, NDArray[np.uint32]]:
    """The table of some URLs, and the number of each in it."""
    table = SourceTable()
    numbers = {url: table.number(_url(url, templates)) for url in dict.fromkeys(urls)}
    return table.sources, np.fromiter(map(numbers.__getitem__, urls), np.uint32, len(urls))


def _url(value: Any, templates: Mapping[str, str]) -> str:
    """A missing URL, as a scan of an unnamed file object gives, is the empty text."""
    return "" if value is None else str(expand_templates(value, templates))


def _bytes_column(path: str, numbers: Sequence[Any]) -> NDArray[np.uint64]:
    try:
        try:
            column: NDArray[Any] = np.array(array("q", numbers))
        except (OverflowError, TypeError):  # beyond 63 bits, or no whole numbers
            column = np.array(list(map(operator.index, numbers)), np.uint64)
        if int(column.min()) < 0:
            raise ValueError("a negative number")
        return column.astype(np.uint64, copy=False)
    except (ValueError, OverflowError, TypeError) as error:
        raise StorageError(
            f"{path}: expected offsets and lengths in bytes, found {list(numbers[:3])}: {error}"
        ) from error
