"""Keys and values of kerchunk's dictionaries -> columns, all at once or a part of the set at a time.

The keys and values of a million chunks are read by columns: the only work per chunk is done inside `str.join`, `zip`,
and numpy. Of a set that is read in parts, only the columns of what was read are held.
"""

from __future__ import annotations

import gc
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import StorageError
from chunkmap.model.array import ManifestArray
from chunkmap.model.grid import linear
from chunkmap.model.hierarchy import DOCUMENTS, Groups, Hierarchy, ZarrFormat, decode_inline
from chunkmap.model.manifest import WHOLE_FILE, ChunkManifest
from chunkmap.model.meta import ArrayMeta
from chunkmap.model.source_table import SourceTable
from chunkmap.model.templates import expand_templates
from chunkmap.model.zarr_v3 import DOCUMENT

__all__ = ["Arrays", "Gathering", "collector_at_rest"]

_STRETCH: Final = 8192

Arrays = dict[str, ManifestArray]
Columns = tuple[NDArray[np.uint32], NDArray[np.uint64], NDArray[np.uint64]]
Owned = tuple[list[str], list[Any]]


class Gathering:
    """Gathers the references of a set, part by part: `add` each part, then `finish`.

    >>> gathering = Gathering()
    >>> gathering.add({"x/.zarray": {"shape": [4], "chunks": [2], "dtype": "<i2"}, "x/0": ["a.nc", 0, 4]})
    >>> gathering.add({"x/1": ["a.nc", 4, 4]})
    >>> gathering.finish()[0]["x"].chunks
    <ChunkManifest 2 of 2 chunks, grid (2,), 1 urls>
    """

    def __init__(self, templates: Mapping[str, str] | None = None) -> None:
        self._templates = templates or {}
        self._hierarchy = Hierarchy()
        self._parts: dict[str, list[_Part]] = {}
        self._waiting: dict[str, Owned] = {}

    @property
    def zarr_format(self) -> ZarrFormat:
        """3 when anything was said in the words of Zarr v3, else 2."""
        return self._hierarchy.zarr_format

    def add(self, refs: Mapping[str, Any]) -> None:
        """Take in some references. Raises StorageError naming the key that is wrong.

        Chunks whose array is known become columns now, others wait for it.
        """
        with collector_at_rest():
            self._add_v3_documents(refs)
            texts, chunks = _split(refs, self._hierarchy.has_v3_array if self.zarr_format == 3 else None)
            for key, value in texts.items():
                self._hierarchy.add(key, expand_templates(value, self._templates))
            for parent, (names, values) in chunks.items():
                if self._hierarchy.knows(parent) and parent not in self._waiting:
                    self._keep(parent, self._hierarchy.meta(parent), (names, values))
                    continue
                waiting = self._waiting.setdefault(parent, ([], []))
                waiting[0].extend(names)
                waiting[1].extend(values)

    def finish(self) -> tuple[Arrays, Groups]:
        """The arrays and groups. Raises StorageError for a chunk without an array, or two in one cell."""
        metas = {path: self._hierarchy.meta(path) for path in self._hierarchy.arrays()}
        with collector_at_rest():
            for path, owned in _owners(self._waiting, list(metas)).items():
                self._keep(path, metas[path], owned)
        arrays: Arrays = {
            path: ManifestArray(meta, _joined(path, meta, self._parts.pop(path, []))) for path, meta in metas.items()
        }
        return arrays, self._hierarchy.groups()

    def _add_v3_documents(self, refs: Mapping[str, Any]) -> None:
        """Take in the documents of Zarr v3, which say below what chunks stand, before the chunks."""
        keys = list(refs)
        for start in range(0, len(keys), _STRETCH):
            if DOCUMENT in "\n".join(keys[start : start + _STRETCH]):
                for key in keys[start : start + _STRETCH]:
                    if key.rpartition("/")[2] == DOCUMENT:
                        self._hierarchy.add(key, expand_templates(refs[key], self._templates))

    def _keep(self, path: str, meta: ArrayMeta, owned: Owned) -> None:
        names, values = self._hierarchy.printed_indexes(path, owned[0]), owned[1]
        index = _positions(path, names, meta.grid_shape)
        self._parts.setdefault(path, []).append((index, *_value_columns(path, names, values, self._templates)))


_Part = tuple[NDArray[np.int64], tuple[str | bytes | None, ...], Columns]
"""Positions in the grid, the table of sources, and the columns of some chunks."""


def _joined(path: str, meta: ArrayMeta, parts: Sequence[_Part]) -> ChunkManifest:
    """One manifest of the parts of an array."""
    if not parts:
        return ChunkManifest.empty(meta.grid_shape)
    table = SourceTable()
    numbers = [table.numbers(sources)[columns[0]] for _, sources, columns in parts]
    index = np.concatenate([part[0] for part in parts])
    offset, length = (np.concatenate([part[2][n] for part in parts]) for n in (1, 2))
    try:
        return ChunkManifest.from_columns(
            meta.grid_shape, index, table.sources, (np.concatenate(numbers), offset, length)
        )
    except ValueError as error:
        raise StorageError(f"{path}: the chunk keys do not fit its shape and chunks: {error}") from error


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Keep Python from looking for cycles while millions of lists are made, none of which is garbage."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _split(
    refs: Mapping[str, Any], is_array: Callable[[str], bool] | None
) -> tuple[dict[str, Any], dict[str, tuple[list[str], list[Any]]]]:
    """Documents of Zarr v2 by key, and chunks by the path that they stand below: runs of keys with one path, as sets
    have them. It is what comes before the last `/`, or an array of v3 that is known.
    """
    texts: dict[str, Any] = {}
    chunks: dict[str, tuple[list[str], list[Any]]] = {}
    values = list(refs.values())
    stop = 0
    for parent, below in _runs(list(refs), is_array):
        start, stop = stop, stop + len(below)
        names, own = below, values[start:stop]
        found = DOCUMENTS.intersection(names)
        if found:
            read = found - {DOCUMENT}
            texts.update((parent + name, value) for name, value in zip(names, own, strict=True) if name in read)
            rest = [pair for pair in zip(names, own, strict=True) if pair[0] not in found]
            names, own = [name for name, _ in rest], [value for _, value in rest]
        if names:
            owned = chunks.setdefault(parent[:-1], ([], []))
            owned[0].extend(names)
            owned[1].extend(own)
    return texts, chunks


def _runs(keys: list[str], is_array: Callable[[str], bool] | None) -> Iterator[tuple[str, list[str]]]:
    """Stretches of keys that stand below one path: the path with its `/`, and what follows it in each key.

    A stretch that turns out to be of several paths is halved, so that the work is done by `join`, `count` and `split`.
    """
    waiting = [(start, min(start + _STRETCH, len(keys))) for start in range(0, len(keys), _STRETCH)][::-1]
    while waiting:
        start, stop = waiting.pop()
        parent = _parent(keys[start], is_array)
        text = "\n".join(keys[start:stop])
        names = text[len(parent) :].split(f"\n{parent}")
        if stop - start == 1:
            yield parent, [text[len(parent) :]]
        elif len(names) == stop - start and text.count("/") == len(names) * keys[start].count("/"):
            yield parent, names
        else:
            middle = (start + stop) // 2
            waiting += [(middle, stop), (start, middle)]


def _parent(key: str, is_array: Callable[[str], bool] | None) -> str:
    """What a key stands below, with its `/`: an array of Zarr v3 that is known, or what comes before its last `/`."""
    path, slash, _ = key.rpartition("/")
    while is_array is not None and slash:
        if is_array(path):
            return path + slash
        path, slash, _ = path.rpartition("/")
    return "" if is_array is not None and is_array("") else key[: key.rfind("/") + 1]


def _owners(
    chunks: Mapping[str, tuple[list[str], list[Any]]], paths: Sequence[str]
) -> dict[str, tuple[list[str], list[Any]]]:
    """Chunks by the array they belong to: keys with `/` between the numbers stand below their array."""
    owners: dict[str, tuple[list[str], list[Any]]] = {}
    known = set(paths)
    for parent, (names, values) in chunks.items():
        path, numbers = parent, ""
        while path not in known and path:
            path, _, last = path.rpartition("/")
            numbers = f"{last}.{numbers}"
        if path not in known:
            raise StorageError(f"{parent}/{names[0]}: a chunk key without an array: no {parent}/.zarray in the set")
        if path not in owners and not numbers:
            owners[path] = (names, values)
            continue
        owned = owners.setdefault(path, ([], []))
        owned[0].extend([numbers + name for name in names] if numbers else names)
        owned[1].extend(values)
    return owners


def _positions(path: str, names: Sequence[str], grid_shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Printed chunk indexes -> positions in the grid."""
    ndim = max(len(grid_shape), 1)
    text = ".".join(names)
    numbers = np.empty(0, np.int64)
    if text.count(".") == len(names) * ndim - 1 and _is_index(text):
        numbers = np.fromstring(text.replace(".", " "), dtype=np.int64, sep=" ")
    if len(numbers) != len(names) * ndim:
        for name in names:
            if len(name.split(".")) != ndim or not all(map(_is_index, name.split("."))):
                raise StorageError(f"{path}/{name}: expected a chunk index of {ndim} numbers, found {name!r}")
    if not grid_shape:
        return numbers
    try:
        return linear(numbers.reshape(len(names), ndim), grid_shape)
    except ValueError as error:
        raise StorageError(f"{path}: {error}") from error


def _is_index(text: str) -> bool:
    """Whether there are only digits and dots."""
    return text.isascii() and text.replace(".", "0").isdecimal() and bool(text.strip("."))


def _value_columns(
    path: str, names: Sequence[str], values: list[Any], templates: Mapping[str, str]
) -> tuple[tuple[str | bytes | None, ...], tuple[NDArray[np.uint32], NDArray[np.uint64], NDArray[np.uint64]]]:
    kinds = set(map(type, values))
    if kinds <= {list, tuple} and set(map(len, values)) <= {3}:
        return _range_columns(path, values, templates)
    table = SourceTable()
    blob: list[bytes] = []
    rows: list[tuple[int, int, int]] = []
    stop = 0
    for name, value in zip(names, values, strict=True):
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


def _range_columns(
    path: str, values: list[Any], templates: Mapping[str, str]
) -> tuple[tuple[str | bytes | None, ...], tuple[NDArray[np.uint32], NDArray[np.uint64], NDArray[np.uint64]]]:
    if not values:
        return (None,), (np.empty(0, np.uint32), np.empty(0, np.uint64), np.empty(0, np.uint64))
    urls, offsets, lengths = zip(*values, strict=True)
    table = SourceTable()
    numbers = {url: table.number(_url(url, templates)) for url in dict.fromkeys(urls)}
    if len(numbers) == 1:
        source = np.ones(len(urls), np.uint32)
    else:
        source = np.fromiter(map(numbers.__getitem__, urls), np.uint32, len(urls))
    return table.sources, (source, _bytes_column(path, offsets), _bytes_column(path, lengths))


def _url(value: Any, templates: Mapping[str, str]) -> str:
    """A missing URL, as a scan of an unnamed file object gives, is the empty text."""
    return "" if value is None else str(expand_templates(value, templates))


def _bytes_column(path: str, numbers: Sequence[Any]) -> NDArray[np.uint64]:
    try:
        column = np.array(numbers)
        if column.dtype.kind not in "iu":
            column = np.array(list(map(operator.index, numbers)), np.uint64)
        if int(column.min()) < 0:
            raise ValueError("a negative number")
        return column.astype(np.uint64, copy=False)
    except (ValueError, OverflowError, TypeError) as error:
        raise StorageError(f"{path}: expected offsets and lengths in bytes, found {numbers[:3]}: {error}") from error
