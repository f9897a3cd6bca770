"""The documents of a store -> its arrays and groups.

A document of Zarr v3, `zarr.json`, or of v2, `.zarray`, `.zgroup` and `.zattrs`; all of them in one where they are
consolidated, which is what zarr-python then reads.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from chunkmap.errors import ChunkmapError, FormatError, StorageError, Unsupported
from chunkmap.formats.zarr.names import CONSOLIDATED, KeyEncoding
from chunkmap.formats.zarr.sharding import Level, unsharded
from chunkmap.io.rounds import Parser
from chunkmap.io.rounds.folders import Files
from chunkmap.model import ArrayMeta, Problem
from chunkmap.model.hierarchy import ZarrFormat
from chunkmap.model.zarr_v2 import array_from_documents
from chunkmap.model.zarr_v3 import DOCUMENT, array_from_document, consolidated_documents, is_array

__all__ = ["Node", "Store", "read_documents"]

_ROOTS: Final = (DOCUMENT, CONSOLIDATED, ".zgroup", ".zarray", ".zattrs")
_MOST_AXES: Final = 64  # numpy's own bound
_WRONG: Final = (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)


@dataclass(frozen=True, slots=True)
class Node:
    """An array of the store."""

    outer: ArrayMeta
    """What it is, its grid being that of the files: the chunks, or the shards."""
    encoding: KeyEncoding
    """How the files are named."""
    levels: tuple[Level, ...] = ()
    """Shards that are to be opened, the outermost first."""
    is_scalar: bool = False
    """Whether it is one of NCZarr's scalars, which are stored as arrays of one element."""

    @property
    def meta(self) -> ArrayMeta:
        """What it is, of the innermost chunks."""
        if not self.levels:
            return self.outer
        return replace(self.outer, chunk_shape=self.levels[-1].chunk_shape, edges=())


@dataclass(slots=True)
class Store:
    """What the documents say."""

    zarr_format: ZarrFormat = 2
    whole: bool = False
    """Whether shards stay as they are."""
    arrays: dict[str, Node] = field(default_factory=dict)
    groups: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def read_documents(
    url: str,
    listed: Sequence[str] | None,
    *,
    consolidated: bool,
    zarr_format: ZarrFormat | None = None,
    whole: bool = False,
) -> Parser[Store]:
    """Read the documents that are among the names of the files; None where nothing could be listed.

    With `whole`, shards are the chunks of their arrays.

    Raises FormatError naming the document that is none.
    """
    known = None if listed is None else frozenset(listed)
    roots = [name for name in _ROOTS if known is None or name in known]
    found = dict(zip(roots, (yield Files(roots)), strict=True))
    documents = {name: _parse(url, name, data) for name, data in found.items() if data is not None}
    _check_store(url, documents)
    version = zarr_format or _version(documents, listed or ())
    below = _consolidated(url, documents, version) if consolidated else None
    is_array = ".zarray" in documents or documents.get(DOCUMENT, {}).get("node_type") == "array"
    if below is None and listed is None and not is_array:
        found_here = " and ".join(documents) or "none of its documents"
        raise FormatError(
            f"expected a Zarr store with consolidated metadata, or an array, found {found_here}. Where files cannot be"
            " listed, as over HTTP, nothing else can be scanned",
            url=url,
        )
    if below is None:
        wanted = [name for name in listed or () if name not in documents]
        data = yield Files(wanted)
        below = {name: _parse(url, name, one) for name, one in zip(wanted, data, strict=True) if one is not None}
    every = {**documents, **below}
    every.pop(CONSOLIDATED, None)
    store = Store(version, whole=whole)
    for path, node in _nodes(every, version):
        _take_in(store, url, path, node)
    return store


def _check_store(url: str, documents: Mapping[str, Any]) -> None:
    """Raise FormatError for a set of references in Parquet, whose documents are in a file of the same name: scanned as
    a store it would be one in which every chunk is missing.
    """
    if "record_size" in documents.get(CONSOLIDATED, {}):
        raise FormatError(
            "expected a Zarr store, found a set of references in Parquet, which was scanned already. Load it"
            " (chunkmap.load), or give its URL to combine, which takes stored sets",
            url=url,
        )


def _version(documents: Mapping[str, Any], listed: Sequence[str]) -> ZarrFormat:
    """That of the root, as zarr-python prefers; of a root that is neither group nor array, that of what is below."""
    if DOCUMENT in documents:
        return 3
    if documents:
        return 2
    return 3 if any(name.endswith(f"/{DOCUMENT}") for name in listed) else 2


def _parse(url: str, name: str, data: bytes | memoryview) -> dict[str, Any]:
    try:
        document = json.loads(bytes(data))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"expected a JSON document, found otherwise: {error}", url=f"{url}/{name}") from error
    if not isinstance(document, dict):
        raise FormatError(f"expected a JSON object, found {str(document)[:60]!r}", url=f"{url}/{name}")
    return document


def _consolidated(url: str, documents: Mapping[str, Any], version: ZarrFormat) -> dict[str, Any] | None:
    """The documents that another one holds, by name; None when they are not consolidated."""
    if version == 2:
        if CONSOLIDATED not in documents:
            return None
        held = documents[CONSOLIDATED].get("metadata")
        if not isinstance(held, Mapping) or not all(isinstance(one, Mapping) for one in held.values()):
            raise FormatError("expected documents by name under 'metadata'", url=f"{url}/{CONSOLIDATED}")
        return dict(held)
    root = documents.get(DOCUMENT, {})
    if not root.get("consolidated_metadata"):
        return None
    try:
        return {f"{path}/{DOCUMENT}": node for path, node in consolidated_documents(root).items()}
    except StorageError as error:
        raise FormatError(str(error), url=f"{url}/{DOCUMENT}") from error


def _nodes(documents: Mapping[str, Any], version: ZarrFormat) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Path and documents of each array and group, by the names of the documents, of one version."""
    found: dict[str, dict[str, Any]] = {}
    for name, document in documents.items():
        path, _, last = name.rpartition("/")
        if (last == DOCUMENT) == (version == 3):
            found.setdefault(path, {})[last] = document
    for path in sorted(found):
        if version == 3 or found[path].keys() & {".zarray", ".zgroup"}:
            yield path, found[path]


def _take_in(store: Store, url: str, path: str, node: Mapping[str, Any]) -> None:
    """One array or group into the store; an array that cannot be represented becomes a problem."""
    try:
        if DOCUMENT in node:
            _take_in_v3(store, path, node[DOCUMENT])
        elif ".zarray" in node:
            encoding = KeyEncoding.of_v2(node[".zarray"])
            zarray, zattrs = node[".zarray"], node.get(".zattrs", {})
            meta, own = array_from_documents(path, zarray, zattrs), _of_nczarr(zattrs, zarray)
            store.arrays[path] = Node(_named_by_nczarr(meta, own), encoding, is_scalar=_is_scalar(meta, own))
        else:
            store.groups[path] = node.get(".zattrs", {})
    except Unsupported as error:
        store.problems.append(Problem(path, error.feature, f"{error.message}; left out", url))
    except ChunkmapError as error:
        raise FormatError(str(error), url=url) from error
    except _WRONG as error:
        found = f"no entry {error}" if isinstance(error, KeyError) else str(error)
        raise FormatError(f"{path}: not the metadata of a Zarr array: {found}", url=url) from error


def _take_in_v3(store: Store, path: str, document: Mapping[str, Any]) -> None:
    if not is_array(document):
        store.groups[path] = document.get("attributes") or {}
        return
    if len(document["shape"]) > _MOST_AXES:
        raise Unsupported(f"it has {len(document['shape'])} axes, numpy at most {_MOST_AXES}", feature="shape")
    document, levels = (dict(document), ()) if store.whole else unsharded(document)
    meta, own = array_from_document(path, document), _of_nczarr(document.get("attributes") or {})
    if not meta.shape:
        meta = replace(meta, dims=())  # a scalar has no axes that had to be named
    scalar = _is_scalar(meta, own) and not levels
    store.arrays[path] = Node(_named_by_nczarr(meta, own), KeyEncoding.of_v3(document), levels, scalar)


def _of_nczarr(*documents: Mapping[str, Any]) -> Mapping[str, Any]:
    """What NCZarr says of an array: the first of the documents that has it.

    Specification: https://docs.unidata.ucar.edu/nug/current/nczarr_head.html, `_NCZARR_ARRAY`.
    """
    names = ("_nczarr_array", "_NCZARR_ARRAY", "_NCZARR_ARRAY_")
    found = next((of[key] for of in documents for key in names if key in of), None)
    return found if isinstance(found, Mapping) else {}


def _is_scalar(meta: ArrayMeta, own: Mapping[str, Any]) -> bool:
    return bool(own.get("scalar")) and meta.shape == (1,)


def _named_by_nczarr(meta: ArrayMeta, own: Mapping[str, Any]) -> ArrayMeta:
    """The names that NCZarr gives the dimensions, where xarray's own are not there."""
    if meta.dims is not None:
        return meta
    names = own.get("dimrefs", own.get("dimensions"))
    if not isinstance(names, list) or len(names) != meta.ndim or not all(isinstance(name, str) for name in names):
        return meta
    return replace(meta, dims=tuple(name.rpartition("/")[2] for name in names))
