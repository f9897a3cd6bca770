"""One array of a reference set: metadata and manifest together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from chunkmap.model.manifest import ChunkManifest
from chunkmap.model.meta import ArrayMeta

__all__ = ["ManifestArray"]


@dataclass(frozen=True, slots=True)
class ManifestArray:
    """One array: what it is, and where its chunks are."""

    meta: ArrayMeta
    chunks: ChunkManifest

    def __post_init__(self) -> None:
        if self.meta.grid_shape != self.chunks.grid_shape:
            raise ValueError(f"a grid {self.chunks.grid_shape} of chunks does not fit an array of {self.meta.shape}")

    def with_meta(self, **changes: Any) -> ManifestArray:
        """The same chunks under metadata with some entries changed."""
        return replace(self, meta=replace(self.meta, **changes))
