"""Arrays with chunks of several lengths, and arrays of sequences, as zarr can open them whatever its version.

Who reads values through an `ArrayReader` takes metadata alone from zarr: shape, type, attributes. To zarr the array is
then shown in a regular grid, or as one of text, of which it reads no chunk.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from chunkmap.access.fetching import Fetcher
from chunkmap.access.selection import ArrayReader
from chunkmap.access.store import ReferenceStore
from chunkmap.access.values import sequences_of
from chunkmap.errors import Unsupported
from chunkmap.model import ArrayMeta, ChunkManifest, ChunksElsewhere, DeferredArray, ManifestArray, ReferenceSet
from chunkmap.model.dictionary import ZarrFormat
from chunkmap.model.trimming import trim_axis, untrimmed
from chunkmap.model.variants import seen_by_readers

__all__ = ["EvenStore", "lengths_of_chunks"]


_TEXT: Final = ({"id": "vlen-utf8"},)
"""What is shown for arrays of sequences: objects too, which zarr knows."""


class EvenStore(ReferenceStore):
    """A store in which zarr knows the grid and the type of every array. What it is shown otherwise than it is, is read
    by `reader`, and not by zarr.
    """

    def __init__(
        self,
        refs: ReferenceSet,
        fetcher: Fetcher | None = None,
        zarr_format: ZarrFormat | None = None,
    ) -> None:
        super().__init__(_in_even_grids(refs), fetcher, zarr_format)
        self._own = refs

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self._own, self._fetcher, self.zarr_format)

    @property
    def source(self) -> tuple[ReferenceSet, Fetcher]:
        """The references in the grids that they have, and what fetches the bytes that they name."""
        return self._own, self._fetcher

    def reader(self, path: str) -> ArrayReader:
        """Reads selections of an array at once, in the grid that it has."""
        return ArrayReader(self._own, path, self._fetcher)


def lengths_of_chunks(meta: ArrayMeta) -> tuple[int | tuple[int, ...], ...]:
    """Of each axis the length of its chunks, or the length of each as far as the axis goes, as xarray has them."""
    lengths: list[int | tuple[int, ...]] = []
    for n, chunks in zip(meta.shape, meta.chunks, strict=True):
        if isinstance(chunks, int):
            lengths.append(chunks)
        else:
            lengths.append(tuple(np.diff(np.minimum(chunks.ends, n), prepend=0).tolist()))
    return tuple(lengths)


def _in_even_grids(refs: ReferenceSet) -> ReferenceSet:
    return replace(refs, arrays={path: _evenly(path, array) for path, array in refs.arrays.items()})


def _evenly(path: str, array: ManifestArray) -> ManifestArray:
    meta = seen_by_readers(array.meta)
    if sequences_of(meta) is not None:
        shown = replace(meta, filters=_TEXT, compressor=None, fill_value=None, edges=())
        return DeferredArray(shown, _NotThroughZarr(path, "its elements are sequences"))
    if not meta.edges and trim_axis(meta) is None:
        return array
    shown = replace(untrimmed(meta), edges=())
    return DeferredArray(shown, _NotThroughZarr(path, "its chunks are of several lengths"))


@dataclass(frozen=True, slots=True)
class _NotThroughZarr(ChunksElsewhere):
    """The chunks of an array that zarr is not to read."""

    path: str
    why: str

    @property
    def most_chunks(self) -> int:
        """None that zarr may have."""
        return 0

    def between(self, start: int, stop: int) -> ChunkManifest:
        """Not possible."""
        raise Unsupported(
            f"{self.path}: {self.why}; cells {start} to {stop} of what stands for them in zarr are not there",
            feature="array that is shown to zarr as another one",
        )
