"""kerchunk's dictionaries, version 0 and 1, to and from columns.

Specification: https://fsspec.github.io/kerchunk/spec.html. A key is the path of a Zarr document or chunk; a value is
text (`base64:` before bytes that are no text), or `[url]` for a whole file, or `[url, offset, length]`.

The keys and values of a million chunks are made and read by columns: the only work per chunk is done inside
`str.join`, `zip`, and numpy.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from chunkmap.errors import StorageError
from chunkmap.model.array import ManifestArray
from chunkmap.model.gathering import Arrays, Gathering, Groups, collector_at_rest, decode_inline, prefix_of
from chunkmap.model.manifest import WHOLE_FILE, ChunkManifest
from chunkmap.model.templates import check_templates, expand_templates, generate
from chunkmap.model.zarr_v2 import GROUP, array_document, attrs_document

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


# ---------------------------------------------------------------------- writing


def to_refs(arrays: Mapping[str, ManifestArray], groups: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Every document as JSON text, and every chunk as text or `[url, offset, length]`, by key."""
    refs: dict[str, Any] = {key: json_text(document) for key, document in documents(arrays, groups).items()}
    with collector_at_rest():
        for path, array in arrays.items():
            refs.update(zip(array.chunks.keys(prefix_of(path)), chunk_values(array.chunks), strict=True))
    return refs


def documents(
    arrays: Mapping[str, ManifestArray], groups: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """The Zarr v2 documents of a set, by key; groups above an array are there even when nothing is said of them."""
    out: dict[str, Mapping[str, Any]] = {}
    for path in _all_groups(arrays, groups):
        out[f"{prefix_of(path)}.zgroup"] = GROUP
        attrs = groups.get(path)
        if attrs or not path:
            out[f"{prefix_of(path)}.zattrs"] = dict(attrs or {})
    for path, array in arrays.items():
        out[f"{prefix_of(path)}.zarray"] = array_document(array.meta, path)
        out[f"{prefix_of(path)}.zattrs"] = attrs_document(array.meta)
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
    gathering = Gathering(templates)
    gathering.add(refs)
    return gathering.finish()


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
