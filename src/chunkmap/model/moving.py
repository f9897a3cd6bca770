"""References to members of archives as references to the archives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from chunkmap.model.manifest import WHOLE_FILE, ChunkManifest

__all__ = ["moved"]


def moved(chunks: ChunkManifest, targets: Mapping[str, tuple[str, int, int]]) -> ChunkManifest:
    """Each range of a URL in `targets` becomes a range of the file that holds it.

    `targets` maps a URL to (outer URL, first byte of the URL's content in it, number of bytes). Raises ValueError
    for a range that goes on past the end of what it was a range of.
    """
    found = chunks.sources.found(targets)
    if not found:
        return chunks
    found.sort()
    touched, numbers = np.zeros(len(chunks.sources), np.bool_), [number for number, _ in found]
    outer, base, size = zip(*(targets[url] for _, url in found), strict=True)
    touched[numbers] = True
    rows = np.flatnonzero(touched[chunks.source])
    at, offset, length = np.searchsorted(numbers, chunks.source[rows]), chunks.offset[rows], chunks.length[rows]
    whole, bound = length == np.uint64(WHOLE_FILE), np.array(size, np.uint64)[at]
    outside = ~whole & ((length > bound) | (offset > bound - np.minimum(length, bound)))
    if outside.any():
        row = chunks.row(int(rows[np.flatnonzero(outside)[0]]))
        raise ValueError(f"{row.length} bytes at byte {row.offset} go on past the end of {row.source!r}")
    offsets, lengths = chunks.offset.copy(), chunks.length.copy()
    offsets[rows], lengths[rows] = offset + np.array(base, np.uint64)[at], np.where(whole, bound, length)
    sources, given = chunks.sources.replaced(dict(zip(numbers, outer, strict=True)))
    return replace(chunks, sources=sources, source=given[chunks.source], offset=offsets, length=lengths)
