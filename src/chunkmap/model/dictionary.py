"""kerchunk's dictionaries, version 0 and 1, to and from columns.

Specification: https://fsspec.github.io/kerchunk/spec.html. A key is the path of a Zarr document or chunk; a value is
text (`base64:` before bytes that are no text), or `[url]` for a whole file, or `[url, offset, length]`.

The keys and values of a million chunks are made and read by columns: the only work per chunk is done inside
`str.join`, `zip`, and numpy.
"""

from __future__ import annotations

import base64
import gc
import json
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import StorageError, Unsupported
from chunkmap.model.array import ManifestArray
from chunkmap.model.grid import linear
from chunkmap.model.manifest import WHOLE_FILE, ChunkManifest
from chunkmap.model.meta import ArrayMeta
from chunkmap.model.source_table import SourceTable
from chunkmap.model.zarr_v2 import GROUP, array_document, array_from_documents, attrs_document

__all__ = [
    "collector_at_rest",
    "decode_inline",
    "documents",
    "encode_inline",
    "expand_templates",
    "from_refs",
    "json_text",
    "to_refs",
]

_BASE64: Final = "base64:"
_STRETCH: Final = 8192
_DOCUMENTS: Final = frozenset({".zarray", ".zattrs", ".zgroup", ".zmetadata"})

Arrays = dict[str, ManifestArray]
Groups = dict[str, Mapping[str, Any]]


# ---------------------------------------------------------------------- writing


def to_refs(arrays: Mapping[str, ManifestArray], groups: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Every document as JSON text, and every chunk as text or `[url, offset, length]`, by key."""
    refs: dict[str, Any] = {key: json_text(document) for key, document in documents(arrays, groups).items()}
    with collector_at_rest():
        for path, array in arrays.items():
            refs.update(zip(array.chunks.keys(_prefix(path)), chunk_values(array.chunks), strict=True))
    return refs


def documents(
    arrays: Mapping[str, ManifestArray], groups: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """The Zarr v2 documents of a set, by key; groups above an array are there even when nothing is said of them."""
    out: dict[str, Mapping[str, Any]] = {}
    for path in _all_groups(arrays, groups):
        out[f"{_prefix(path)}.zgroup"] = GROUP
        attrs = groups.get(path)
        if attrs or not path:
            out[f"{_prefix(path)}.zattrs"] = dict(attrs or {})
    for path, array in arrays.items():
        out[f"{_prefix(path)}.zarray"] = array_document(array.meta)
        out[f"{_prefix(path)}.zattrs"] = attrs_document(array.meta)
    return out


def chunk_values(chunks: ChunkManifest) -> list[Any]:
    """Row -> its value in a dictionary."""
    urls = [s if isinstance(s, str) and s else None for s in chunks.sources]
    named = list(map(urls.__getitem__, chunks.source.tolist()))
    values: list[Any] = list(map(list, zip(named, chunks.offset.tolist(), chunks.length.tolist(), strict=True)))
    for row in np.flatnonzero(chunks.is_inline).tolist():
        values[row] = encode_inline(chunks.inline_bytes(row))
    for row in np.flatnonzero(chunks.length == np.uint64(WHOLE_FILE)).tolist():
        values[row] = values[row][:1]
    return values


def json_text(document: Mapping[str, Any]) -> str:
    """A Zarr document as compact JSON; NaN is written as `NaN`, which Zarr's readers take."""
    return json.dumps(document, separators=(",", ":"))


def encode_inline(data: bytes) -> str:
    """Inline bytes as a JSON string: as text where they are text.

    >>> encode_inline(b"abc"), encode_inline(bytes([255]))
    ('abc', 'base64:/w==')
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = _BASE64
    return _BASE64 + base64.standard_b64encode(data).decode("ascii") if text.startswith(_BASE64) else text


def _prefix(path: str) -> str:
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


def _all_groups(arrays: Iterable[str], groups: Mapping[str, Any]) -> list[str]:
    found = {} if "" in arrays else {"": None}
    for path in (*groups, *(a.rpartition("/")[0] for a in arrays)):
        parts = path.split("/") if path else []
        found.update({"/".join(parts[:depth]): None for depth in range(1, len(parts) + 1)})
    return list(found)


# ---------------------------------------------------------------------- reading


def from_refs(document: Mapping[str, Any]) -> tuple[Arrays, Groups]:
    """The arrays and groups of a dictionary of version 0 or 1. Raises StorageError naming the key that is wrong."""
    refs, templates = _unwrap(document)
    with collector_at_rest():
        texts, chunks = _split(refs)
        parsed = {key: _parse_document(key, expand_templates(value, templates)) for key, value in texts.items()}
        parsed.pop(".zmetadata", None)
        paths = [key.rpartition("/")[0] for key in parsed if key.rpartition("/")[2] == ".zarray"]
        owners = _owners(chunks, paths)
        arrays: Arrays = {
            path: ManifestArray(meta, _manifest(path, meta.grid_shape, owners.get(path, ([], [])), templates))
            for path, meta in _metas(paths, parsed).items()
        }
    groups: Groups = {} if "" in arrays else {"": {}}
    for key in parsed:
        path, _, name = key.rpartition("/")
        if path not in arrays and name in (".zgroup", ".zattrs"):
            groups[path] = parsed.get(f"{_prefix(path)}.zattrs", {})
    return arrays, groups


def _metas(paths: Sequence[str], parsed: Mapping[str, Any]) -> dict[str, ArrayMeta]:
    return {
        path: array_from_documents(path, parsed[f"{_prefix(path)}.zarray"], parsed.get(f"{_prefix(path)}.zattrs", {}))
        for path in paths
    }


def _manifest(
    path: str, grid_shape: tuple[int, ...], owned: tuple[list[str], list[Any]], templates: Mapping[str, str]
) -> ChunkManifest:
    names, values = owned
    index = _positions(path, names, grid_shape)
    table, columns = _value_columns(path, names, values, templates)
    try:
        return ChunkManifest.from_columns(grid_shape, index, table, columns)
    except ValueError as error:
        raise StorageError(f"{path}: the chunk keys do not fit its shape and chunks: {error}") from error


def expand_templates(value: Any, templates: Mapping[str, str]) -> Any:
    """`{{name}}` in a text becomes the template's text; nothing in it is run.

    >>> expand_templates("{{u}}/a.nc", {"u": "s3://bucket"})
    's3://bucket/a.nc'
    """
    if not templates or not isinstance(value, str) or "{{" not in value:
        return value
    for name, text in templates.items():
        value = value.replace("{{" + name + "}}", text).replace("{{ " + name + " }}", text)
    is_document = value.lstrip().startswith("{") and not value.lstrip().startswith("{{")
    if "{{" in value and not is_document:
        raise Unsupported(
            f"a template in {value!r} is not one of {sorted(templates)}, or calls a function, which is not run",
            feature="template",
        )
    return value


def decode_inline(value: Any) -> bytes:
    """The bytes that a dictionary holds inline: text, `base64:` text, bytes, or a JSON document."""
    if isinstance(value, str):
        return base64.b64decode(value[len(_BASE64) :], validate=True) if value.startswith(_BASE64) else value.encode()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if hasattr(value, "to_bytes") and not isinstance(value, int):
        return bytes(value.to_bytes())
    return json.dumps(value).encode()


def _unwrap(document: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    if "version" not in document or not isinstance(document.get("refs"), Mapping):
        return document, {}
    if document["version"] != 1:
        raise StorageError(f"a reference set of version {document['version']!r}: expected 0 or 1")
    if document.get("gen"):
        raise Unsupported(
            "the set has a 'gen' section, which is not expanded; write it out with the tool that made it", feature="gen"
        )
    templates = document.get("templates") or {}
    if any("{{" in text or "{%" in text for text in templates.values()):
        raise Unsupported("a template that calls a function is not run", feature="template")
    return document["refs"], templates


def _split(refs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, tuple[list[str], list[Any]]]]:
    """Documents by key, and chunks by the path before the last `/`: runs of keys with one path, as sets have them."""
    texts: dict[str, Any] = {}
    chunks: dict[str, tuple[list[str], list[Any]]] = {}
    values = list(refs.values())
    stop = 0
    for parent, below in _runs(list(refs)):
        start, stop = stop, stop + len(below)
        names, own = below, values[start:stop]
        found = _DOCUMENTS.intersection(names)
        if found:
            texts.update((parent + name, value) for name, value in zip(names, own, strict=True) if name in found)
            rest = [pair for pair in zip(names, own, strict=True) if pair[0] not in found]
            names, own = [name for name, _ in rest], [value for _, value in rest]
        if "zarr.json" in names:
            raise Unsupported(
                f"{parent}zarr.json: only sets of Zarr v2 are read, this is v3", feature="Zarr v3 references"
            )
        if names:
            owned = chunks.setdefault(parent[:-1], ([], []))
            owned[0].extend(names)
            owned[1].extend(own)
    return texts, chunks


def _runs(keys: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Stretches of keys that stand below one path: the path, up to its last `/`, and what follows it in each key.

    A stretch that turns out to be of several paths is halved, so that the work is done by `join`, `count` and `split`.
    """
    waiting = [(start, min(start + _STRETCH, len(keys))) for start in range(0, len(keys), _STRETCH)][::-1]
    while waiting:
        start, stop = waiting.pop()
        parent = keys[start][: keys[start].rfind("/") + 1]
        text = "\n".join(keys[start:stop])
        names = text[len(parent) :].split(f"\n{parent}")
        if stop - start == 1:
            yield parent, [text[len(parent) :]]
        elif len(names) == stop - start and text.count("/") == len(names) * parent.count("/"):
            yield parent, names
        else:
            middle = (start + stop) // 2
            waiting += [(middle, stop), (start, middle)]


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
    except ValueError as error:
        raise StorageError(f"{key}: expected a JSON document, found {str(value)[:60]!r}: {error}") from error
    if not isinstance(document, dict):
        raise StorageError(f"{key}: expected a JSON document, found {str(value)[:60]!r}")
    return document


def _positions(path: str, names: list[str], grid_shape: tuple[int, ...]) -> NDArray[np.int64]:
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
