"""Chunks of which only the beginning along one axis counts: files store their last chunk whole.

Zarr allows a chunk to hang over the end of an array, not over the end of a cell in the middle of it. An uncompressed
chunk, cut along its slowest axis, is a shorter range of the same bytes. Any other must be cut after it is decoded. That
is the codec `TRIM`, `{"id": "chunkmap.trim", "axis": 0}`, the first of a chain: of the bytes that the others give back
it keeps those of the leading elements along its axis, as many as the chunk has, and of a chunk that is no longer than
that, all. Zarr v3 has it under the same name, after the codec `bytes`; `chunkmap.codecs.zarr.trim` makes it known to
zarr-python.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.model.array import ChunksElsewhere, DeferredArray, ManifestArray
from chunkmap.model.manifest import WHOLE_FILE, ChunkManifest
from chunkmap.model.meta import ArrayMeta

__all__ = ["TRIM", "can_be_shortened", "shortened", "trim", "trim_axis", "trimmed_as", "untrimmed", "with_trim"]

TRIM: Final = "chunkmap.trim"
"""The id of the codec, and its name in Zarr v3."""


def trim_axis(meta: ArrayMeta) -> int | None:
    """The axis along which decoded chunks are cut; None when they are not."""
    if not meta.filters or meta.filters[0].get("id") != TRIM:
        return None
    return int(meta.filters[0]["axis"])


def untrimmed(meta: ArrayMeta) -> ArrayMeta:
    """The metadata of the same chunks as they are stored."""
    return meta if trim_axis(meta) is None else replace(meta, filters=meta.filters[1:])


def with_trim(meta: ArrayMeta, axis: int) -> ArrayMeta:
    """The metadata of the same chunks, cut along an axis when they are decoded."""
    return replace(meta, filters=({"id": TRIM, "axis": axis}, *untrimmed(meta).filters))


def trimmed_as(meta: ArrayMeta, others: Iterable[ArrayMeta]) -> ArrayMeta:
    """The metadata under which chunks of the others can stand too, some of which may be cut."""
    axis = next((axis for other in others if (axis := trim_axis(other)) is not None), None)
    return meta if axis is None else with_trim(meta, axis)


def trim(values: NDArray[Any], shape: Sequence[int], axis: int) -> NDArray[Any]:
    """What counts of a decoded chunk, given as its elements in C order: those of a chunk of this shape.

    Raises ValueError when there are fewer, or no whole number along the axis.

    >>> trim(np.arange(6), (2, 2), axis=1)
    array([[0, 1],
           [3, 4]])
    """
    others = math.prod((*shape[:axis], *shape[axis + 1 :]))
    length, rest = divmod(values.size, others)
    if rest or length < shape[axis]:
        raise ValueError(
            f"expected a chunk of {tuple(shape)} values, or longer along axis {axis}, found {values.size} values"
        )
    whole = values.reshape(*shape[:axis], length, *shape[axis + 1 :])
    return whole[(slice(None),) * axis + (slice(shape[axis]),)]


# ---------------------------------------------------------------------- ranges of uncompressed chunks


def can_be_shortened(meta: ArrayMeta, axis: int) -> bool:
    """Whether the beginning of a chunk along an axis is the beginning of its bytes."""
    slower = meta.chunk_shape[:axis] if meta.order == "C" else meta.chunk_shape[axis + 1 :]
    return not meta.codecs and not meta.dtype.hasobject and math.prod(slower) == 1


def shortened(array: ManifestArray, axis: int, kept: int) -> ManifestArray:
    """The same array, the last chunks of which along an axis are referred to no further than their first elements.

    Chunks that are elsewhere stay there. Raises ValueError, then or when they are fetched, for a chunk that is not
    stored whole.
    """
    if isinstance(array, DeferredArray):
        return DeferredArray(array.meta, _Shortened(array, axis, kept))
    return ManifestArray(array.meta, _shorter(array.meta, array.manifest(), axis, kept))


@dataclass(frozen=True, slots=True)
class _Shortened(ChunksElsewhere):
    """Chunks elsewhere, the last of which along an axis are shortened."""

    array: DeferredArray
    axis: int
    kept: int

    @property
    def most_chunks(self) -> int:
        """How many there are, or at most may be."""
        return self.array.most_chunks

    def between(self, start: int, stop: int) -> ChunkManifest:
        """Those in cells `start` to `stop`."""
        return _shorter(self.array.meta, self.array.between(start, stop), self.axis, self.kept)


def _shorter(meta: ArrayMeta, chunks: ChunkManifest, axis: int, kept: int) -> ChunkManifest:
    last = np.flatnonzero(chunks.coords()[axis] == chunks.grid_shape[axis] - 1)
    sizes = [steps.lengths(coord[last]) for steps, coord in zip(meta.axes, chunks.coords(), strict=True)]
    whole = np.prod(sizes, axis=0).astype(np.uint64) * np.uint64(meta.dtype.itemsize)
    stored = chunks.length[last]
    wrong = np.flatnonzero((stored != whole) & (stored != np.uint64(WHOLE_FILE)))
    if len(wrong):
        raise ValueError(f"expected a chunk of {whole[wrong[0]]} bytes, found one of {stored[wrong[0]]}")
    length = chunks.length.copy()
    length[last] = whole // sizes[axis].astype(np.uint64) * np.uint64(kept)
    return replace(chunks, length=length)
