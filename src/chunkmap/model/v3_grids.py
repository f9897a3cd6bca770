"""The chunk grids of Zarr v3, `regular` and `rectilinear`, to and from those of `ArrayMeta`.

Specifications: https://zarr-specs.readthedocs.io/en/latest/v3/chunk-grids/regular-grid/index.html and
https://github.com/zarr-developers/zarr-extensions/tree/main/chunk-grids/rectilinear. A rectilinear grid gives for each
axis one length for all chunks, or a list of lengths, in which `[length, count]` stands for a run of the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from chunkmap.errors import Unsupported
from chunkmap.model.edges import Edges
from chunkmap.model.meta import ArrayMeta, lengths_of

__all__ = ["decode_grid", "encode_grid"]

_MOST_EDGES: Final = 10**7
"""More chunks of several lengths than this along one axis are not read: a document of a few bytes may ask for any."""


def encode_grid(meta: ArrayMeta) -> dict[str, Any]:
    """The `chunk_grid` of an array.

    Chunks of one length along an axis of a rectilinear grid are counted, because Icechunk does not read a bare length.
    """
    if not meta.edges:
        return {"name": "regular", "configuration": {"chunk_shape": [max(1, n) for n in meta.chunk_shape]}}
    shapes = [
        [[max(1, n), max(1, count)]] if isinstance(n, int) else _runs(n)
        for n, count in zip(meta.chunks, meta.grid_shape, strict=True)
    ]
    return {"name": "rectilinear", "configuration": {"kind": "inline", "chunk_shapes": shapes}}


def _runs(edges: Edges) -> list[int | list[int]]:
    """Lengths of chunks, with runs of one length told once.

    >>> _runs(Edges.of([50, 50, 50, 1]))
    [[50, 3], 1]
    """
    lengths = edges.lengths(np.arange(len(edges)))
    starts = np.flatnonzero(np.diff(lengths, prepend=0))
    counts = np.diff(starts, append=len(lengths)).tolist()
    return [n if count == 1 else [n, count] for n, count in zip(lengths[starts].tolist(), counts, strict=True)]


def decode_grid(
    name: str, configuration: Mapping[str, Any], shape: Sequence[int]
) -> tuple[tuple[int, ...], tuple[Edges | None, ...]]:
    """The shape of the chunks, of the longest where they vary, and the edges of the axes along which they do.

    Raises Unsupported for other grids, KeyError, TypeError or ValueError for what is none.
    """
    if name == "regular":
        return lengths_of(configuration["chunk_shape"]), ()
    if name != "rectilinear" or configuration["kind"] != "inline":
        raise Unsupported(f"the chunk grid {name!r} is not read, only regular and rectilinear are", feature=name)
    shapes = configuration["chunk_shapes"]
    chunks = [_decode_axis(given, length) for given, length in zip(shapes, shape, strict=True)]
    longest = tuple(n if isinstance(n, int) else n.longest for n in chunks)
    return longest, tuple(n if isinstance(n, Edges) else None for n in chunks)


def _decode_axis(given: Any, length: int) -> int | Edges:
    """The lengths of the chunks of one axis, without those that lie beyond its end."""
    if isinstance(given, int):
        return given
    runs = np.array([item if isinstance(item, list) else (item, 1) for item in given])
    if runs.ndim != 2 or runs.shape[1] != 2 or runs.dtype.kind != "i" or int(runs.min()) < 1:
        raise ValueError(f"chunk_shapes has {str(given)[:60]}, expected lengths or [length, count], of 1 or more")
    covered = 0
    kept: list[tuple[int, int]] = []
    for size, count in runs.tolist():
        kept.append((size, min(count, max(-(-(length - covered) // size), 0))))
        covered += size * count
    lengths, counts = np.array(kept).T
    if covered < length:
        raise ValueError(f"chunks of {covered} elements in all do not cover an axis of {length}")
    if int(counts.sum()) > _MOST_EDGES:
        raise Unsupported(f"{counts.sum():,} chunks of several lengths along one axis", feature="rectilinear")
    lengths = np.repeat(lengths, counts)
    if not length or bool((lengths == lengths[0]).all()):
        return int(runs[0, 0])
    return Edges.of(lengths)
