"""An array whose chunks come one stretch of the grid after another: what is written without being held as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from chunkmap.model.array import ManifestArray
from chunkmap.model.manifest import ChunkManifest
from chunkmap.model.meta import ArrayMeta

__all__ = ["ArrayInStretches", "Stretch", "in_one_stretch"]


class Stretch(NamedTuple):
    """The chunks of a stretch of a grid in C order."""

    first: int
    """The cell that the stretch begins at."""
    chunks: ChunkManifest
    """Its chunks, as a grid of one axis."""


@dataclass(frozen=True, slots=True)
class ArrayInStretches:
    """One array, stretch by stretch, in rising order; a stretch that does not come has no chunk."""

    path: str
    grid_shape: tuple[int, ...]
    stretches: Iterator[Stretch]
    """Can be gone through once."""
    meta: Callable[[], ArrayMeta]
    """What the array is: known for certain when all stretches have come."""


def in_one_stretch(path: str, array: ManifestArray) -> ArrayInStretches:
    """An array that is at hand."""
    chunks = array.manifest()
    whole = Stretch(0, chunks.reshape_grid((chunks.size,)))
    return ArrayInStretches(path, array.meta.grid_shape, iter([whole]), lambda: array.meta)
