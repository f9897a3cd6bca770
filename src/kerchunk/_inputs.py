"""What `kerchunk.combine` is given: dictionaries of references, and files of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import fsspec
import orjson

from chunkmap.model import Precedent, ReferenceSet

__all__ = ["as_set", "load_inputs", "open_document"]


def load_inputs(
    path: str | Sequence[Any], indicts: Sequence[Mapping[str, Any]] | None, options: Mapping[str, Any]
) -> list[ReferenceSet]:
    """The inputs of a combine: dictionaries, or JSON files by path or pattern, under the names that selectors see."""
    precedent = Precedent()
    if indicts is not None:
        names = [None] * len(indicts) if path is None else list(path)
        return [_from_mapping(refs, name, precedent) for refs, name in zip(indicts, names, strict=True)]
    if not isinstance(path, str) and all(isinstance(item, (Mapping, ReferenceSet)) for item in path):
        return [as_set(item, precedent=precedent) for item in path]
    return [_from_file(file, precedent) for file in fsspec.open_files(path, **options)]


def _from_mapping(refs: Mapping[str, Any], name: str | None, precedent: Precedent | None) -> ReferenceSet:
    if name is None:
        name = (refs.get("templates") or {}).get("u") if "version" in refs else None
    return ReferenceSet.from_dict(refs, name=name, precedent=precedent)


def _from_file(file: Any, precedent: Precedent | None) -> ReferenceSet:
    with file as opened:
        document = orjson.loads(opened.read())
    return ReferenceSet.from_dict(document, name=file.fs.unstrip_protocol(file.path), precedent=precedent)


def as_set(refs: Any, options: Mapping[str, Any] | None = None, *, precedent: Precedent | None = None) -> ReferenceSet:
    """One reference set: given, as a dictionary or another mapping, or as the URL of its JSON."""
    if isinstance(refs, ReferenceSet):
        return refs
    if isinstance(refs, Mapping):
        return _from_mapping(refs if isinstance(refs, dict) else dict(refs), None, precedent)
    return _from_file(fsspec.open(refs, **(options or {})), precedent)


def open_document(file: Any, options: Mapping[str, Any] | None) -> Any:
    """A dictionary of references, given as it is or as the URL of its JSON."""
    if isinstance(file, Mapping):
        return file
    with fsspec.open(file, mode="rb", **(options or {})) as opened:
        return orjson.loads(opened.read())
