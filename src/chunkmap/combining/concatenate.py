"""Joining without coordinates: arrays end to end by their order alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chunkmap.combining.differences import WAIVABLE, differences
from chunkmap.errors import CombineError
from chunkmap.model import ManifestArray, Placement, place
from chunkmap.model.trimming import trim_axis

__all__ = ["concatenate"]


def concatenate(arrays: Sequence[ManifestArray], axis: int = 0, *, names: Sequence[str] = ()) -> ManifestArray:
    """Arrays end to end along an axis, in the order given.

    Raises CombineError when an array differs from the first, or one before the last ends within a chunk.

    >>> import numpy as np
    >>> from chunkmap.model import ArrayMeta, ChunkManifest
    >>> one = ManifestArray(ArrayMeta(shape=(4,), chunk_shape=(2,), dtype=np.dtype("u1"), dims=("x",)),
    ...                     ChunkManifest.from_rows((2,), [[0], [1]], ["a", "a"], [0, 2], [2, 2]))
    >>> concatenate([one, one]).meta.shape
    (8,)
    """
    names = names or [f"input {index}" for index in range(len(arrays))]
    first = arrays[0].meta
    if not -first.ndim <= axis < first.ndim:
        raise CombineError(f"axis {axis} is not one of the {first.ndim} axes of the arrays")
    axis %= first.ndim
    if any(array.meta.edges or trim_axis(array.meta) is not None for array in arrays):
        raise CombineError("arrays whose chunks are of several lengths are not joined by their order; combine sets")
    along = first.dims[axis] if first.dims is not None else f"axis {axis}"
    placements, cell, length = [], 0, 0
    for index, array in enumerate(arrays):
        _refuse_different(arrays[0], array, axis, along, (names[0], names[index]))
        chunk = first.chunk_shape[axis]
        if length % chunk:
            raise CombineError(
                f"Array at index {index - 1} has irregular chunking at its boundary: {names[index - 1]} ends at"
                f" {length}, within a chunk of {chunk}. Only the last may",
                inputs=[names[index - 1]],
            )
        placements.append(Placement(array.manifest(), tuple(cell if a == axis else 0 for a in range(first.ndim))))
        cell += array.meta.grid_shape[axis]
        length += array.meta.shape[axis]
    meta = replace(first, shape=(*first.shape[:axis], length, *first.shape[axis + 1 :]))
    return ManifestArray(meta, place(meta.grid_shape, placements))


def _refuse_different(
    first: ManifestArray, other: ManifestArray, axis: int, along: str, names: tuple[str, str]
) -> None:
    if other.meta is first.meta:
        return
    shapes = [meta.shape[:axis] + meta.shape[axis + 1 :] for meta in (first.meta, other.meta)]
    if shapes[0] != shapes[1]:
        raise CombineError(
            f"Incompatible array shape: {first.meta.shape} in {names[0]} but {other.meta.shape} in {names[1]}",
            inputs=names,
        )
    for difference in differences(first.meta, other.meta, {along}):
        if difference.check not in WAIVABLE and difference.check not in {"shape", "meaning"}:
            raise CombineError(
                f"Incompatible array {difference.what}: {difference.expected} in {names[0]} but {difference.found}"
                f" in {names[1]}",
                inputs=names,
            )
