"""Sets as they go from one process to another: many of them in one message.

The chunks of all their arrays stand in a few columns, and what is alike in many of them, metadata, attributes, names
and tables of sources, is one object, which is pickled once: metadata and attributes only where nobody changes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from chunkmap.execution.spreading import Outcome
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, ReferenceSet
from chunkmap.model.stack import Stack
from chunkmap.model.typed import same_types

__all__ = ["Bundle", "bundled", "unbundled"]


class _Head(NamedTuple):
    """A set without its arrays, and what they are but for their chunks."""

    refs: ReferenceSet
    metas: Mapping[str, ArrayMeta]


class Bundle(NamedTuple):
    """What came of many items."""

    outcomes: list[Outcome]
    """Sets in them are heads; those whose chunks are elsewhere are as they were."""
    chunks: Stack
    """The chunks of all arrays of the heads, in their order."""


def bundled(outcomes: list[Outcome], *, share: bool = True) -> Bundle:
    """What is handed over of many items. Sets that do not `share` what is alike may be changed one by one."""
    alike, manifests = _Alike({}, {}), list[ChunkManifest]()
    heads = []
    for outcome in outcomes:
        refs = outcome.result
        if isinstance(refs, ReferenceSet) and all(type(array) is ManifestArray for array in refs.arrays.values()):
            manifests += [array.chunks for array in refs.arrays.values()]
            heads.append(outcome._replace(result=alike.head_of(refs) if share else _head_of(refs)))
        else:
            heads.append(outcome)
    return Bundle(heads, Stack.of(manifests))


def unbundled(bundle: Bundle) -> list[Outcome]:
    """What came of every item again."""
    chunks = bundle.chunks.manifests()
    return [
        outcome._replace(result=_with_chunks(outcome.result, chunks)) if isinstance(outcome.result, _Head) else outcome
        for outcome in bundle.outcomes
    ]


def _with_chunks(head: _Head, chunks: Iterator[ChunkManifest]) -> ReferenceSet:
    return replace(head.refs, arrays={path: ManifestArray(meta, next(chunks)) for path, meta in head.metas.items()})


def _head_of(refs: ReferenceSet) -> _Head:
    return _Head(replace(refs, arrays={}), {path: array.meta for path, array in refs.arrays.items()})


class _Alike(NamedTuple):
    """What was last met under every path: what is the same to the letter becomes the same object."""

    metas: dict[str, ArrayMeta]
    groups: dict[str, Mapping[str, Any]]

    def head_of(self, refs: ReferenceSet) -> _Head:
        """The head of a set."""
        metas = {path: self._meta(path, array.meta) for path, array in refs.arrays.items()}
        groups = {path: self._attrs(path, attrs) for path, attrs in refs.groups.items()}
        return _Head(replace(refs, arrays={}, groups=groups), metas)

    def _meta(self, path: str, meta: ArrayMeta) -> ArrayMeta:
        known = self.metas.setdefault(path, meta)
        if not known.is_same(meta):
            self.metas[path] = known = meta
        return known

    def _attrs(self, path: str, attrs: Mapping[str, Any]) -> Mapping[str, Any]:
        known = self.groups.setdefault(path, attrs)
        if known is not attrs and not (known == attrs and same_types(known, attrs)):
            self.groups[path] = known = attrs
        return known
