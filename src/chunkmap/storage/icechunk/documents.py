"""The documents of a store of Icechunk, `zarr.json` of every group and array, read and written."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, NamedTuple

from zarr.buffer.cpu import Buffer, buffer_prototype

from chunkmap.errors import StorageError, Unsupported
from chunkmap.model import ArrayMeta, Target
from chunkmap.model.typed import Types, spelled, with_types
from chunkmap.model.variants import variants_of
from chunkmap.model.zarr_v3 import (
    DOCUMENT,
    EXTENSION,
    array_document,
    array_from_document,
    group_document,
    is_array,
)
from chunkmap.storage.icechunk.files import packed, unpacked
from chunkmap.storage.icechunk.repository import IS_FIRST, awaited
from chunkmap.storage.text import parse_json

__all__ = [
    "array_above",
    "below",
    "check_group",
    "has_array",
    "read_documents",
    "written_and_read",
    "written_documents",
]

_DECODING: Final = ("missing_value", "scale_factor", "add_offset")
_OF_GROUPS: Final = "group_attribute_types"
_FILES: Final = "files"


def below(group: str, path: str) -> str:
    """The path of something in a group.

    >>> below("", "x"), below("a/b", "x"), below("a/b", "")
    ('x', 'a/b/x', 'a/b')
    """
    return "/".join(part for part in (group, path) if part)


def written_and_read(path: str, meta: ArrayMeta) -> ArrayMeta:
    """Metadata as they come back from a repository: what Zarr v3 cannot tell apart is the same then.

    Raises StorageError or Unsupported, naming the array, for what a repository cannot hold.
    """
    if variants_of(meta):
        raise Unsupported(
            f"{path}: its chunks are encoded in several ways, which Icechunk cannot say of single chunks. Keep the set"
            " as Parquet or JSON, or combine without variants",
            feature="variants",
        )
    if IS_FIRST and meta.edges:
        raise Unsupported(
            f"{path}: its chunks are of several lengths, {meta.chunks}, for which Icechunk 1 has no grid; Icechunk 2"
            " has one",
            feature="rectilinear",
        )
    try:
        document = _document(meta)
    except Unsupported as error:
        raise error.of(path) from error
    return array_from_document(path, parse_json(_encoded(path, document)))


def check_group(path: str, attrs: Mapping[str, Any]) -> None:
    """Raise StorageError for attributes of a group that a repository cannot hold."""
    _encoded(path, group_document(spelled(attrs)[0]))


@contextmanager
def written_documents(
    store: Any,
    metas: Mapping[str, ArrayMeta],
    groups: Mapping[str, Mapping[str, Any]],
    known: Mapping[str, Mapping[str, Any]],
    targets: Mapping[str, Target],
) -> Iterator[None]:
    """Write the documents of arrays and groups, by path in the store; groups that are above them come to be.

    The references are set within the block: Icechunk 1 reads the document of their array for each one, so what is said
    of the files, which is long, is written when the block ends.

    Many of Zarr's readers take no entry of a group that they do not know, so the types of the attributes of all groups,
    of those too that are `known` and not written, stand in the document of the first array; where there is none, in an
    attribute of the first group. What is known of the files stands in the document of the first array too.
    """
    documents = {path: _document(meta) for path, meta in metas.items()}
    told = {path: spelled(attrs) for path, attrs in {**known, **groups}.items()}
    types = {path: own for path, (_, own) in told.items() if own}
    carrier = min(documents, default=None)
    documents.update((path, group_document(told[path][0])) for path in groups)
    if types and carrier is not None:
        documents[carrier].setdefault(EXTENSION, {"must_understand": False})[_OF_GROUPS] = types
    elif types and groups:
        documents[min(groups)]["attributes"].setdefault(EXTENSION, json.dumps({_OF_GROUPS: types}))
    awaited(_write, store, {path: _encoded(path, document) for path, document in documents.items()})
    yield
    files = packed(targets)
    if files is not None and carrier is not None:
        documents[carrier].setdefault(EXTENSION, {"must_understand": False})[_FILES] = files
        awaited(_write, store, {carrier: _encoded(carrier, documents[carrier])})


def _document(meta: ArrayMeta) -> dict[str, Any]:
    """The document of an array. Numbers that Icechunk does not take are spelled, and where they say how values are
    decoded, only chunkmap sees them: they mask what is NaN already.
    """
    attrs, types = spelled(meta.attrs)
    hidden = {name: attrs.pop(name) for name in _DECODING if attrs.get(name) is not meta.attrs.get(name)}
    document = array_document(replace(meta, attrs=attrs))
    types = {**meta.types(), **types}
    if types:
        said = document.setdefault(EXTENSION, {"must_understand": False})
        said["attribute_types"] = types
        if hidden:
            said["attributes"] = {**hidden, **said.get("attributes", {})}
    return document


def _encoded(path: str, document: Mapping[str, Any]) -> bytes:
    """A document as Icechunk takes it: numbers are those that JSON has."""
    entries = {**document, **document["attributes"]}
    odd = [name for name, value in entries.items() if not _is_finite(value) and name != "attributes"]
    if odd:
        raise StorageError(
            f"{path or '/'}: the value of {odd[0]!r} is NaN or infinite, and Icechunk takes no such numbers; leave it"
            " out, or write it as text"
        )
    return json.dumps(document).encode()


def _is_finite(value: Any) -> bool:
    """Whether there is no NaN and no infinity in a value of JSON."""
    if isinstance(value, Mapping):
        return all(map(_is_finite, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


async def _write(store: Any, documents: Mapping[str, bytes]) -> None:
    for path, document in sorted(documents.items()):
        await store.set(below(path, DOCUMENT), Buffer.from_bytes(document))
        for above in _above(path):
            if not await store.exists(below(above, DOCUMENT)):
                await store.set(below(above, DOCUMENT), Buffer.from_bytes(_encoded(above, group_document({}))))


def _above(path: str) -> list[str]:
    """The groups above a path, from the root on.

    >>> _above("a/b/c"), _above("")
    (['', 'a', 'a/b'], [])
    """
    parts = path.split("/") if path else []
    return ["/".join(parts[:depth]) for depth in range(len(parts))]


async def array_above(store: Any, path: str) -> str | None:
    """The array that a path stands below, if there is one."""
    for above in _above(path):
        if await has_array(store, above):
            return above
    return None


async def has_array(store: Any, path: str) -> bool:
    """Whether there is an array."""
    data = await store.get(below(path, DOCUMENT), buffer_prototype)
    return data is not None and is_array(parse_json(data.to_bytes()))


class Described(NamedTuple):
    """What the documents in a group say."""

    arrays: dict[str, ArrayMeta]
    groups: dict[str, Mapping[str, Any]]
    targets: dict[str, Target]
    """What was known of files, by URL."""


def read_documents(store: Any, group: str) -> Described:
    """What is in a group of a store, and below: arrays, and attributes of groups, by path from that group.

    Raises StorageError for what is no document of Zarr v3, Unsupported for what is not read of it.
    """
    found: dict[str, Mapping[str, Any]] = dict(sorted(awaited(_walk, store, group, "").items()))
    arrays = {path: array_from_document(path, document) for path, document in found.items() if is_array(document)}
    types: dict[str, Any] = {}
    targets: dict[str, Target] = {}
    attrs = {path: dict(document.get("attributes") or {}) for path, document in found.items() if path not in arrays}
    for path, document in found.items():
        said = document.get(EXTENSION) if path in arrays else _in_attribute(attrs[path])
        if isinstance(said, Mapping):
            types |= _types_of_groups(said)
            targets |= unpacked(said[_FILES]) if _FILES in said else {}
    groups = {path: with_types(own, types.get(below(group, path), {})) for path, own in attrs.items()}
    if not found:
        groups[""] = {}
    return Described(arrays, groups, targets)


def _types_of_groups(said: Mapping[str, Any]) -> dict[str, Types]:
    """What the document of an array says of the attributes of groups."""
    types = said.get(_OF_GROUPS)
    return {path: own for path, own in types.items() if isinstance(own, Mapping)} if isinstance(types, Mapping) else {}


def _in_attribute(attrs: dict[str, Any]) -> Any:
    """What an attribute of a group says instead, where there was no array; it is taken out."""
    text = attrs.get(EXTENSION)
    try:
        said = parse_json(text.encode()) if isinstance(text, str) else None
    except ValueError:  # an attribute of a file, which is called so by chance
        return None
    if not isinstance(said, Mapping) or _OF_GROUPS not in said:
        return None
    del attrs[EXTENSION]
    return said


async def _walk(store: Any, group: str, path: str) -> dict[str, Any]:
    where = below(group, path)
    data = await store.get(below(where, DOCUMENT), buffer_prototype)
    if data is None:
        return {}
    document = parse_json(data.to_bytes())
    if not isinstance(document, dict):
        raise StorageError(f"{where}/{DOCUMENT}: expected an object, found {str(document)[:60]!r}")
    found = {path: document}
    if not is_array(document):
        names = [name async for name in store.list_dir(where) if name != DOCUMENT]
        for inner in await asyncio.gather(*(_walk(store, group, below(path, name)) for name in names)):
            found.update(inner)
    return found
