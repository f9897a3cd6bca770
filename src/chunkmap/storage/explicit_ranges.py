"""Ranges for whole files, which some readers in other languages need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from chunkmap.errors import StorageError
from chunkmap.model import WHOLE_FILE, ChunkManifest, ManifestArray, ReferenceSet, Target
from chunkmap.model.moving import moved

__all__ = ["explicit_ranges", "whole_files", "with_explicit_ranges"]


def with_explicit_ranges(refs: ReferenceSet) -> ReferenceSet:
    """The set with a range for every whole file whose size is known: some readers in other languages need one."""
    sizes = whole_files(refs.targets)
    arrays = dict(refs.arrays)
    for path, array in refs.arrays.items():
        chunks = array.manifest()
        explicit = explicit_ranges(path, chunks, sizes)
        if explicit is not chunks:
            arrays[path] = ManifestArray(array.meta, explicit)
    return replace(refs, arrays=arrays)


def whole_files(targets: Mapping[str, Target]) -> dict[str, tuple[str, int, int]]:
    """The ranges that whole files are, where their size is known."""
    return {url: (url, 0, target.size) for url, target in targets.items() if target.size}


def explicit_ranges(path: str, chunks: ChunkManifest, sizes: Mapping[str, tuple[str, int, int]]) -> ChunkManifest:
    """The chunks of an array with a range for every whole file of known size: `sizes` are as `moved` takes them."""
    if not bool((chunks.length == np.uint64(WHOLE_FILE)).any()):
        return chunks
    try:
        return moved(chunks, sizes)
    except ValueError as error:
        raise StorageError(f"{path}: {error}") from error
