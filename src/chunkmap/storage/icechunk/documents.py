"""The documents of a store of Icechunk, `zarr.json` of every group and array, read and written."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from zarr.buffer.cpu import Buffer, buffer_prototype

from chunkmap.errors import StorageError
from chunkmap.model import ArrayMeta
from chunkmap.model.zarr_v3 import DOCUMENT, array_document, array_from_document, group_document, is_array
from chunkmap.storage.icechunk.asking import ask
from chunkmap.storage.text import parse_json

__all__ = ["below", "read_documents", "write_documents", "written_and_read"]


def below(group: str, path: str) -> str:
    """The path of something in a group.

    >>> below("", "x"), below("a/b", "x"), below("a/b", "")
    ('x', 'a/b/x', 'a/b')
    """
    return "/".join(part for part in (group, path) if part)


def written_and_read(path: str, meta: ArrayMeta) -> ArrayMeta:
    """Metadata as they come back from a repository: what Zarr v3 cannot tell apart is the same then."""
    return array_from_document(path, json.loads(json.dumps(array_document(meta))))


def write_documents(store: Any, metas: Mapping[str, ArrayMeta], groups: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the documents of arrays and groups, by path in the store; groups that are above them come to be."""
    documents = {path: group_document(attrs) for path, attrs in groups.items()}
    documents.update({path: array_document(meta) for path, meta in metas.items()})
    ask(_write, store, documents)


async def _write(store: Any, documents: Mapping[str, Mapping[str, Any]]) -> None:
    for path, document in sorted(documents.items()):
        await store.set(below(path, DOCUMENT), Buffer.from_bytes(json.dumps(document).encode()))
        for depth in range(path.count("/") + 1 if path else 0):
            above = below("/".join(path.split("/")[:depth]), DOCUMENT)
            if not await store.exists(above):
                await store.set(above, Buffer.from_bytes(json.dumps(group_document({})).encode()))


def read_documents(store: Any, group: str) -> tuple[dict[str, ArrayMeta], dict[str, Mapping[str, Any]]]:
    """What is in a group of a store, and below: arrays, and attributes of groups, by path from that group.

    Raises StorageError for what is no document of Zarr v3, Unsupported for what is not read of it.
    """
    found: dict[str, Mapping[str, Any]] = dict(sorted(ask(_walk, store, group, "").items()))
    arrays = {path: array_from_document(path, document) for path, document in found.items() if is_array(document)}
    groups = {path: document.get("attributes") or {} for path, document in found.items() if path not in arrays}
    return arrays, groups


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
