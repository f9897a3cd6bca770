"""One array of a reference set: metadata and manifest together, or metadata and a way to the manifest."""

from __future__ import annotations

import math
import pickle
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Final, Self

from chunkmap.model.manifest import ChunkManifest
from chunkmap.model.meta import ArrayMeta
from chunkmap.model.placement import end_to_end
from chunkmap.notebooks import Shown

__all__ = ["ChunksElsewhere", "DeferredArray", "ManifestArray", "fetched_together", "manifests_of"]

_WHOLE: Final = 2**63 - 1
"""Cells of a stretch that is the whole grid, however large it is."""

_KEPT: Final = 16
"""Chunks of an array that are kept once they have been fetched: those of coordinates, which are asked for again."""


@dataclass(frozen=True, slots=True)
class ManifestArray(Shown):
    """One array: what it is, and where its chunks are."""

    meta: ArrayMeta
    chunks: ChunkManifest
    """Where they are, of an array whose chunks are in memory; who takes any array calls `manifest`."""

    def __post_init__(self) -> None:
        if self.meta.grid_shape != self.chunks.grid_shape:
            raise ValueError(f"a grid {self.chunks.grid_shape} of chunks does not fit an array of {self.meta.shape}")

    def manifest(self) -> ChunkManifest:
        """Where the chunks are: at hand, or fetched by this call each time where they are elsewhere."""
        return self.chunks

    def with_meta(self, **changes: Any) -> ManifestArray:
        """The same chunks under metadata with some entries changed."""
        return self.under(replace(self.meta, **changes))

    def under(self, meta: ArrayMeta) -> ManifestArray:
        """The same chunks under other metadata of the same shape."""
        return ManifestArray(meta, self.chunks)

    def in_grid_of(self, meta: ArrayMeta) -> ManifestArray:
        """The same chunks under metadata whose grid has axes of one cell more or less."""
        return ManifestArray(meta, self.chunks.reshape_grid(meta.grid_shape))

    def without_background(self) -> ManifestArray:
        """The same array; where no chunk is missing, it does not say what missing chunks read as."""
        if self.meta.background is None or len(self.chunks) < self.chunks.size:
            return self
        return self.with_meta(background=None)

    def between(self, start: int, stop: int) -> ChunkManifest:
        """The chunks that stand in cells `start` to `stop` of the grid, C order, in a grid of the same shape."""
        return self.chunks.between(start, stop)

    def trimmed(self, start: int, stop: int) -> ManifestArray:
        """The same array, all other chunks of which are forgotten."""
        return ManifestArray(self.meta, self.between(start, stop).compact())

    @property
    def most_chunks(self) -> int:
        """How many chunks there are, or at most may be where that is not known before they are fetched."""
        return len(self.chunks)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the columns take here."""
        return self.chunks.nbytes

    @property
    def stretch(self) -> int:
        """How many cells of the grid are looked up together: all of them, where all chunks are at hand."""
        return _WHOLE

    def stretches(self) -> Sequence[int]:
        """The numbers of the stretches in which chunks may be."""
        return (0,)

    def in_stretch(self, number: int) -> ChunkManifest:
        """The chunks of one stretch, whose positions count from its first cell, `number * stretch`."""
        return self.chunks if number == 0 else ChunkManifest.empty((0,))

    def locate(self, position: int) -> tuple[ChunkManifest, int] | None:
        """A cell of the grid as a row of a manifest; None where there is no chunk. Fetches no more than its stretch.

        >>> meta = ArrayMeta(shape=(4,), chunk_shape=(2,), dtype="<i2")
        >>> array = ManifestArray(meta, ChunkManifest.from_rows((2,), [[1]], ["a.nc"], [8], [4]))
        >>> array.locate(0), array.locate(1)
        (None, (<ChunkManifest 1 of 2 chunks, grid (2,), 1 url>, 0))
        """
        number, cell = divmod(position, self.stretch)
        chunks = self.in_stretch(number)
        row = chunks.row_at(cell)
        return None if row is None else (chunks, row)


class ChunksElsewhere(ABC):
    """The chunks of one array at rest: what a `DeferredArray` fetches them from. It can be pickled."""

    __slots__ = ()

    @property
    @abstractmethod
    def most_chunks(self) -> int:
        """How many there are, or at most may be."""

    @abstractmethod
    def between(self, start: int, stop: int) -> ChunkManifest:
        """Those in cells `start` to `stop` of the grid, C order, in the grid of the whole array."""

    @classmethod
    def together(cls, wanted: Sequence[tuple[Self, range]]) -> ChunkManifest:
        """Those of many arrays, in some cells of each, end to end on one axis. Where fetching many at once is less work
        than one after the other, it is done so.
        """
        return end_to_end([(chunks.between(cells.start, cells.stop), cells) for chunks, cells in wanted])

    @property
    def stretch(self) -> int:
        """How many cells of the grid lie together, and are fetched and kept as one; all, where that is not said."""
        return _WHOLE

    def stretches(self) -> Sequence[int]:
        """The numbers of the stretches in which chunks may be."""
        return (0,)

    def in_stretch(self, number: int) -> ChunkManifest:
        """The chunks of one stretch, whose positions count from its first cell."""
        return self.between(number * self.stretch, (number + 1) * self.stretch)


class DeferredArray(ManifestArray):
    """An array whose chunks are elsewhere, and are fetched each time they are asked for.

    It costs what its metadata costs. Only where there are few chunks are they kept.
    """

    __slots__ = ("_elsewhere", "_kept")

    meta: ArrayMeta
    _elsewhere: ChunksElsewhere
    _kept: ChunkManifest | None

    def __init__(self, meta: ArrayMeta, chunks: ChunksElsewhere) -> None:
        object.__setattr__(self, "meta", meta)
        object.__setattr__(self, "_elsewhere", chunks)
        object.__setattr__(self, "_kept", chunks if isinstance(chunks, ChunkManifest) else None)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.meta, self._elsewhere)

    def __eq__(self, other: object) -> bool:
        """The same metadata and the same chunks, wherever they are."""
        if not isinstance(other, ManifestArray):
            return NotImplemented
        return self.meta == other.meta and self.manifest() == other.manifest()

    __hash__ = None  # type: ignore[assignment]

    def __dask_tokenize__(self) -> tuple[object, ...]:
        """What tells it from others, for dask: where its chunks are, and not what they are."""
        return type(self).__qualname__, pickle.dumps(self)

    def __repr__(self) -> str:
        return f"<DeferredArray {self.meta.shape} in chunks {self.meta.chunks}>"

    @property
    def chunks(self) -> ChunkManifest:
        """They are not here: an attribute fetches nothing. Raises AttributeError."""
        raise AttributeError(f"the chunks of {self!r} are at rest: .manifest() fetches them")

    def manifest(self) -> ChunkManifest:
        """All chunks, fetched."""
        if self._kept is not None:
            return self._kept
        chunks = self._elsewhere.between(0, math.prod(self.meta.grid_shape))
        if len(chunks) <= _KEPT:
            object.__setattr__(self, "_kept", chunks)
        return chunks

    def under(self, meta: ArrayMeta) -> Self:
        """The same chunks under other metadata of the same shape."""
        array = type(self)(meta, self._elsewhere)
        object.__setattr__(array, "_kept", self._kept)
        return array

    def in_grid_of(self, meta: ArrayMeta) -> ManifestArray:
        """The same chunks under metadata whose grid has axes of one cell more or less."""
        if self._kept is not None:
            return ManifestArray(meta, self._kept.reshape_grid(meta.grid_shape))
        return type(self)(meta, _InGrid(self._elsewhere, meta.grid_shape))

    def between(self, start: int, stop: int) -> ChunkManifest:
        """Some chunks, fetched."""
        return self._elsewhere.between(start, stop) if self._kept is None else self._kept.between(start, stop)

    @property
    def elsewhere(self) -> ChunksElsewhere:
        """What its chunks are fetched from."""
        return self._elsewhere

    @property
    def at_rest(self) -> bool:
        """Whether its chunks have to be fetched: few are kept once they were."""
        return self._kept is None

    @property
    def most_chunks(self) -> int:
        """How many chunks there are, or at most may be."""
        return self._elsewhere.most_chunks

    @property
    def nbytes(self) -> int:
        """Nothing to speak of."""
        return 0

    @property
    def stretch(self) -> int:
        """How many cells of the grid are fetched together."""
        return self._elsewhere.stretch

    def stretches(self) -> Sequence[int]:
        """The numbers of the stretches in which chunks may be."""
        return self._elsewhere.stretches()

    def in_stretch(self, number: int) -> ChunkManifest:
        """The chunks of one stretch, fetched."""
        return self.manifest() if self.stretch == _WHOLE else self._elsewhere.in_stretch(number)


@dataclass(frozen=True, slots=True)
class _InGrid(ChunksElsewhere):
    """Chunks elsewhere, in a grid of another number of axes."""

    chunks: ChunksElsewhere
    grid_shape: tuple[int, ...]

    @property
    def most_chunks(self) -> int:
        """How many there are, or at most may be."""
        return self.chunks.most_chunks

    def between(self, start: int, stop: int) -> ChunkManifest:
        """Those in cells `start` to `stop`."""
        return self.chunks.between(start, stop).reshape_grid(self.grid_shape)

    @classmethod
    def together(cls, wanted: Sequence[tuple[Self, range]]) -> ChunkManifest:
        """As what is below fetches them."""
        return _together([(some.chunks, cells) for some, cells in wanted])


def fetched_together(wanted: Sequence[tuple[DeferredArray, range]]) -> ChunkManifest:
    """The chunks in some cells of each of many arrays, end to end on one axis, fetched together."""
    return _together([(array.elsewhere, cells) for array, cells in wanted])


def manifests_of(arrays: Sequence[ManifestArray]) -> list[ChunkManifest]:
    """Where the chunks of many arrays are; those at rest are fetched together, and not kept."""
    resting = [
        (array, range(math.prod(array.meta.grid_shape)))
        for array in arrays
        if isinstance(array, DeferredArray) and array.at_rest
    ]
    if len(resting) < 2:
        return [array.manifest() for array in arrays]
    found, first, own = fetched_together(resting), 0, dict[int, ChunkManifest]()
    for array, cells in resting:
        part = end_to_end([(found, range(first, first + len(cells)))])
        own[id(array)] = part.reshape_grid(array.meta.grid_shape).compact()  # without the sources of all others
        first += len(cells)
    return [own[id(array)] if id(array) in own else array.manifest() for array in arrays]


def _together(wanted: Sequence[tuple[ChunksElsewhere, range]]) -> ChunkManifest:
    groups = [list(group) for _, group in groupby(wanted, lambda pair: type(pair[0]))]
    found = [type(group[0][0]).together(group) for group in groups]
    return end_to_end([(chunks, range(chunks.size)) for chunks in found])
