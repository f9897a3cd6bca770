"""Chunks that were never written, given a chunk that is full of what they read as.

Where that is not what is masked, Zarr v2 has no words for it: it has one `fill_value`, which xarray takes for both.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from chunkmap.model import ChunkManifest

__all__ = ["MOST_CELLS", "MOST_INLINE", "fill_missing"]

MOST_INLINE: Final = 1 << 20
"""Bytes that the chunks which hold nothing but the fill value may cost."""

MOST_CELLS: Final = 1 << 16
"""Cells that may be given such a chunk."""


def fill_missing(chunks: ChunkManifest, blob: bytes, variant: int = 0) -> ChunkManifest | None:
    """The same encoded chunk, held once, in every cell that has none; None when that would cost too much.

    `variant` is how it is encoded, where chunks are in several ways.
    """
    missing = chunks.size - len(chunks)
    if missing > MOST_CELLS or missing * len(blob) > MOST_INLINE:
        return None
    empty = np.ones(chunks.size, np.bool_)
    empty[chunks.positions()] = False
    index = np.concatenate([chunks.positions().astype(np.uint64), np.flatnonzero(empty).astype(np.uint64)])
    columns = (
        np.concatenate([chunks.source, np.full(missing, len(chunks.sources), np.uint32)]),
        np.concatenate([chunks.offset, np.zeros(missing, np.uint64)]),
        np.concatenate([chunks.length, np.full(missing, len(blob), np.uint64)]),
        None if chunks.variant is None else np.concatenate([chunks.variant, np.full(missing, variant, np.uint16)]),
    )
    return ChunkManifest.from_columns(chunks.grid_shape, index, chunks.sources.with_blob(blob), columns)
