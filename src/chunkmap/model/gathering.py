"""Keys and values of kerchunk's dictionaries -> columns, all at once or a part of the set at a time.

The keys and values of a million chunks are read by columns: the only work per chunk is done inside `str.join`, `zip`,
and numpy. Of a set that is read in parts, only the columns of what was read are held.
"""

from __future__ import annotations

import base64
import gc
import json
import operator
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import StorageError
from chunkmap.model.array import ManifestArray
from chunkmap.model.keys import Precedent, positions_of
from chunkmap.model.manifest import WHOLE_FILE, ChunkManifest
from chunkmap.model.meta import ArrayMeta
from chunkmap.model.source_table import SourceTable
from chunkmap.model.templates import expand_templates

__all__ = ["Arrays", "Gathering", "Groups", "collector_at_rest", "decode_inline", "prefix_of"]

_BASE64: Final = "base64:"
_NO_ATTRS: Final[Mapping[str, Any]] = {}

Arrays = dict[str, ManifestArray]
Groups = dict[str, Mapping[str, Any]]
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

    def __init__(self, templates: Mapping[str, str] | None = None, precedent: Precedent | None = None) -> None:
        self._templates = templates or {}
        self._precedent = precedent or Precedent()
        self._parsed: dict[str, dict[str, Any]] = {}
        self._parts: dict[str, list[_Part]] = {}
        self._waiting: dict[str, Owned] = {}

    def add(self, refs: Mapping[str, Any]) -> None:
        """Take in some references. Raises StorageError naming the key that is wrong.

        Chunks whose array is known become columns now, others wait for it.
        """
        with collector_at_rest():
            keys, values = self._precedent.keys(list(refs)), list(refs.values())
            for row, key in keys.documents:
                text = expand_templates(values[row], self._templates)
                self._parsed[key] = self._precedent.document(key, text, _parse_document)
            for parent, below in keys.chunks.items():
                if f"{prefix_of(parent)}.zarray" in self._parsed and parent not in self._waiting:
                    meta = self._meta(parent)
                    self._keep(parent, below.positions(parent, meta.grid_shape), below.names, below.of(values))
                    continue
                waiting = self._waiting.setdefault(parent, ([], []))
                waiting[0].extend(below.names)
                waiting[1].extend(below.of(values))

    def finish(self) -> tuple[Arrays, Groups]:
        """The arrays and groups. Raises StorageError for a chunk without an array, or two in one cell."""
        parsed = self._parsed
        parsed.pop(".zmetadata", None)
        paths = [key.rpartition("/")[0] for key in parsed if key.rpartition("/")[2] == ".zarray"]
        metas = {path: self._meta(path) for path in paths}
        with collector_at_rest():
            for path, (names, values) in _owners(self._waiting, paths).items():
                self._keep(path, positions_of(path, names, metas[path].grid_shape), names, values)
        arrays: Arrays = {
            path: ManifestArray(meta, _joined(path, meta, self._parts.pop(path, []))) for path, meta in metas.items()
        }
        groups: Groups = {} if "" in arrays else {"": {}}
        for key in parsed:
            path, _, name = key.rpartition("/")
            if path not in arrays and name in (".zgroup", ".zattrs"):
                groups[path] = parsed.get(f"{prefix_of(path)}.zattrs", {})
        return arrays, groups

    def _meta(self, path: str) -> ArrayMeta:
        prefix = prefix_of(path)
        return self._precedent.meta(
            path, self._parsed[f"{prefix}.zarray"], self._parsed.get(f"{prefix}.zattrs", _NO_ATTRS)
        )

    def _keep(self, path: str, index: NDArray[np.int64], names: list[str], values: list[Any]) -> None:
        self._parts.setdefault(path, []).append((index, *_value_columns(path, names, values, self._templates)))


_Part = tuple[NDArray[np.int64], tuple[str | bytes | None, ...], Columns]
"""Positions in the grid, the table of sources, and the columns of some chunks."""


def _joined(path: str, meta: ArrayMeta, parts: Sequence[_Part]) -> ChunkManifest:
    """One manifest of the parts of an array."""
    if not parts:
        return ChunkManifest.empty(meta.grid_shape)
    index, sources, columns = parts[0] if len(parts) == 1 else _one_part(parts)
    try:
        return ChunkManifest.from_columns(meta.grid_shape, index, sources, columns)
    except ValueError as error:
        raise StorageError(f"{path}: the chunk keys do not fit its shape and chunks: {error}") from error


def _one_part(parts: Sequence[_Part]) -> _Part:
    table = SourceTable()
    numbers = [table.numbers(sources)[columns[0]] for _, sources, columns in parts]
    index = np.concatenate([part[0] for part in parts])
    offset, length = (np.concatenate([part[2][n] for part in parts]) for n in (1, 2))
    return index, table.sources, (np.concatenate(numbers), offset, length)


def decode_inline(value: Any) -> bytes:
    """The bytes that a dictionary holds inline: text, `base64:` text, bytes, or a JSON document."""
    if isinstance(value, str):
        return base64.b64decode(value[len(_BASE64) :], validate=True) if value.startswith(_BASE64) else value.encode()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if hasattr(value, "to_bytes") and not isinstance(value, int):
        return bytes(value.to_bytes())
    return json.dumps(value).encode()


def prefix_of(path: str) -> str:
    """What the keys of an array or group begin with; an array may be all that a set is, at the root."""
    return f"{path}/" if path else ""


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


def _parse_document(key: str, value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    try:
        document = json.loads(decode_inline(value))
    except (ValueError, RecursionError) as error:
        raise StorageError(f"{key}: expected a JSON document, found {str(value)[:60]!r}: {error}") from error
    if not isinstance(document, dict):
        raise StorageError(f"{key}: expected a JSON document, found {str(value)[:60]!r}")
    return document


def _value_columns(
    path: str, names: list[str], values: list[Any], templates: Mapping[str, str]
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
