"""kerchunk's dictionaries, version 0 and 1, to and from columns.

Specification: https://fsspec.github.io/kerchunk/spec.html. A key is the path of a Zarr document or chunk, of Zarr v2 or
v3; a value is text (`base64:` before bytes that are no text), or `[url]` for a whole file, or `[url, offset, length]`.

Beside `refs`, an entry `chunkmap` has what readers of references have no use for (see `chunkmap.model.told`):
`{"attribute_types": [[{code: [names]}, [paths]], ...]}`, the types of attributes (see `chunkmap.model.typed`).

The keys and values of a million chunks are made and read by columns: the only work per chunk is done inside
`str.join`, `zip`, and numpy.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from chunkmap.errors import StorageError, Unsupported
from chunkmap.model import zarr_v3
from chunkmap.model.array import ManifestArray
from chunkmap.model.gathering import Arrays, Gathering, collector_at_rest
from chunkmap.model.hierarchy import Groups, ZarrFormat, decode_inline, prefix_of
from chunkmap.model.keys import Precedent
from chunkmap.model.manifest import WHOLE_FILE, ChunkManifest
from chunkmap.model.templates import check_templates, expand_templates, generate
from chunkmap.model.told import BESIDE, entry
from chunkmap.model.typed import types_of
from chunkmap.model.zarr_v2 import GROUP, array_document, attrs_document

__all__ = [
    "BESIDE",
    "ZarrFormat",
    "beside",
    "chunk_key_parts",
    "chunk_keys",
    "collector_at_rest",
    "decode_inline",
    "documents",
    "encode_inline",
    "expand_templates",
    "from_refs",
    "gathered",
    "json_text",
    "to_refs",
]

_BASE64: Final = "base64:"


# ---------------------------------------------------------------------- writing


def to_refs(
    arrays: Mapping[str, ManifestArray], groups: Mapping[str, Mapping[str, Any]], zarr_format: ZarrFormat = 2
) -> dict[str, Any]:
    """Every document as JSON text, and every chunk as text or `[url, offset, length]`, by key."""
    found = documents(arrays, groups, zarr_format)
    refs: dict[str, Any] = {key: json_text(document) for key, document in found.items()}
    with collector_at_rest():
        for path, array in arrays.items():
            chunks = array.manifest()
            refs.update(zip(chunk_keys(path, chunks, zarr_format), chunk_values(chunks), strict=True))
    return refs


def chunk_keys(path: str, chunks: ChunkManifest, zarr_format: ZarrFormat) -> list[str]:
    """Row -> its key: `"x/0.1"` in Zarr v2, `"x/c/0/1"` in v3.

    >>> chunk_keys("x", ChunkManifest.single("a.nc", 0, 4, ndim=2), 3)
    ['x/c/0/0']
    """
    prefix, separator = chunk_key_parts(path, chunks.grid_shape, zarr_format)
    return chunks.keys(prefix, separator) if chunks.grid_shape else [prefix] * len(chunks)


def chunk_key_parts(path: str, grid_shape: tuple[int, ...], zarr_format: ZarrFormat) -> tuple[str, str]:
    """What the keys of an array's chunks begin with, and what stands between the numbers of a chunk index.

    An array without axes has one chunk, whose key is the beginning.
    """
    if zarr_format == 2:
        return prefix_of(path) + ("" if grid_shape else "0"), "."
    return prefix_of(path) + ("c/" if grid_shape else "c"), "/"


def documents(
    arrays: Mapping[str, ManifestArray], groups: Mapping[str, Mapping[str, Any]], zarr_format: ZarrFormat = 2
) -> dict[str, Mapping[str, Any]]:
    """The documents of a set, by key; groups above an array are there even when nothing is said of them.

    Raises Unsupported naming the array that this version of Zarr has no words for.
    """
    if zarr_format not in (2, 3):
        raise ValueError(f"zarr_format is {zarr_format!r}, expected 2 or 3")
    out: dict[str, Mapping[str, Any]] = {}
    for path in _all_groups(arrays, groups):
        if zarr_format == 3:
            out[f"{prefix_of(path)}{zarr_v3.DOCUMENT}"] = zarr_v3.group_document(groups.get(path, {}))
            continue
        out[f"{prefix_of(path)}.zgroup"] = GROUP
        attrs = groups.get(path)
        if attrs or not path:
            out[f"{prefix_of(path)}.zattrs"] = dict(attrs or {})
    for path, array in arrays.items():
        try:
            out |= _array_documents(prefix_of(path), array, zarr_format)
        except Unsupported as error:
            raise error.of(path) from error
    return out


def beside(
    arrays: Mapping[str, ManifestArray],
    groups: Mapping[str, Mapping[str, Any]],
    zarr_format: ZarrFormat = 2,
    more: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """What a stored set says for chunkmap alone, as its one entry `BESIDE`; nothing where there is nothing to say.

    `more` is what it says beyond the types of attributes.

    The documents of arrays of Zarr v3 say their types themselves.
    """
    every = {path: types_of(attrs) for path, attrs in groups.items()}
    every |= {path: array.meta.types() for path, array in arrays.items() if zarr_format == 2}
    alike: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    for path, types in every.items():
        if types:
            alike.setdefault(tuple((code, *names) for code, names in types.items()), []).append(path)
    said = [[{code: names for code, *names in types}, paths] for types, paths in alike.items()]
    return entry({"attribute_types": said, **(more or {})})


def _array_documents(prefix: str, array: ManifestArray, zarr_format: ZarrFormat) -> dict[str, Mapping[str, Any]]:
    if zarr_format == 3:
        return {f"{prefix}{zarr_v3.DOCUMENT}": zarr_v3.array_document(array.meta)}
    meta = array.without_background().meta
    return {f"{prefix}.zarray": array_document(meta), f"{prefix}.zattrs": attrs_document(meta)}


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


def encode_inline(data: bytes, *, zeros: bool = True) -> str:
    """Inline bytes as a JSON string: as text where they are text.

    Without `zeros` text that has them is in base64: written out it is shorter so, and GDAL cuts it off at the first.

    >>> encode_inline(b"abc"), encode_inline(bytes([255])), encode_inline(bytes(1), zeros=False)
    ('abc', 'base64:/w==', 'base64:AA==')
    """
    try:
        text = data.decode("utf-8") if zeros or b"\0" not in data else _BASE64
    except UnicodeDecodeError:
        text = _BASE64
    return _BASE64 + base64.standard_b64encode(data).decode("ascii") if text.startswith(_BASE64) else text


def _all_groups(arrays: Iterable[str], groups: Mapping[str, Any]) -> list[str]:
    found = {} if "" in arrays else {"": None}
    for path in (*groups, *(a.rpartition("/")[0] for a in arrays)):
        parts = path.split("/") if path else []
        found.update({"/".join(parts[:depth]): None for depth in range(1, len(parts) + 1)})
    return list(found)


# ---------------------------------------------------------------------- reading


def from_refs(document: Mapping[str, Any], precedent: Precedent | None = None) -> tuple[Arrays, Groups]:
    """The arrays and groups of a dictionary of version 0 or 1. Raises StorageError naming the key that is wrong."""
    return gathered(document, precedent).finish()


def gathered(document: Mapping[str, Any], precedent: Precedent | None = None, said: Any = None) -> Gathering:
    """All of a dictionary of version 0 or 1, about to be finished. `said` is what stands beside one of version 0."""
    refs, templates = _unwrap(document)
    gathering = Gathering(templates, precedent)
    gathering.add_beside(said if refs is document else document.get(BESIDE))
    gathering.add(refs)
    return gathering


def _unwrap(document: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    if "version" not in document or not isinstance(document.get("refs"), Mapping):
        return document, {}
    if document["version"] != 1:
        raise StorageError(f"a reference set of version {document['version']!r}: expected 0 or 1")
    templates = check_templates(document.get("templates") or {})
    if not document.get("gen"):
        return document["refs"], templates
    generated = dict(generate(document["gen"], templates))
    return {**generated, **document["refs"]}, templates
