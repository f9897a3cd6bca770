"""An array whose chunks come one stretch of the grid after another: what is written without being held as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from chunkmap.model.array import ManifestArray
from chunkmap.model.manifest import ChunkManifest
from chunkmap.model.meta import ArrayMeta

__all__ = ["ArrayInPieces", "Piece", "in_one_piece"]


class Piece(NamedTuple):
    """The chunks of a stretch of a grid in C order."""

    first: int
    """The cell that the stretch begins at."""
    chunks: ChunkManifest
    """Its chunks, as a grid of one axis."""


@dataclass(frozen=True, slots=True)
class ArrayInPieces:
    """One array, stretch by stretch, in rising order; a stretch that does not come has no chunk."""

    path: str
    grid_shape: tuple[int, ...]
    pieces: Iterator[Piece]
    """Can be gone through once."""
    meta: Callable[[], ArrayMeta]
    """What the array is: known for certain when all pieces have come."""


def in_one_piece(path: str, array: ManifestArray) -> ArrayInPieces:
    """An array that is at hand."""
    piece = Piece(0, array.chunks.reshape_grid((array.chunks.size,)))
    return ArrayInPieces(path, array.meta.grid_shape, iter([piece]), lambda: array.meta)
