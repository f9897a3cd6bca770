"""Arrays out of records: rows of a table, or random groups, of which an array takes the same bytes of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chunkmap.formats.fits.images import Values
from chunkmap.model import ArrayMeta, ChunkManifest, CodecConfig, ManifestArray, Sources

__all__ = ["ROWS_NBYTES", "Records"]

ROWS_NBYTES: Final = 16 << 20
"""Bytes of rows in one chunk, where nobody says how many: who reads a column fetches them all."""


@dataclass(frozen=True, slots=True)
class Records:
    """Records one behind the other in a file."""

    url: str
    """The file."""
    at: int
    """The first byte of the first record."""
    nbytes: int
    """Bytes of a record."""
    count: int
    """How many there are."""
    chunk: int
    """How many of them are one chunk."""

    @classmethod
    def of(cls, url: str, at: int, nbytes: int, count: int, chunk_nbytes: int | None) -> Records:
        """Records in chunks of at most so many bytes."""
        chunk = (chunk_nbytes or ROWS_NBYTES) // max(nbytes, 1)
        return cls(url, at, nbytes, count, max(min(chunk, count), 1))

    def array(
        self, offset: int, nbytes: int, values: Values, inner: tuple[int, ...], attrs: dict[str, Any]
    ) -> ManifestArray:
        """The array of `nbytes` bytes at `offset` in each record: values of the shape `inner`."""
        shape = (self.count, *inner)
        meta = ArrayMeta(
            shape=shape,
            chunk_shape=(self.chunk if self.count else 1, *(max(n, 1) for n in inner)),
            dtype=values.dtype,
            filters=(*values.filters, *self._slice(nbytes)) if nbytes else (),
            fill_value=values.fill_value,
            attrs={**attrs, **values.attrs},
        )
        return ManifestArray(meta, self._chunks(meta.grid_shape, offset, nbytes))

    def _slice(self, nbytes: int) -> tuple[CodecConfig, ...]:
        """What takes the bytes out of a chunk; nothing where they are all there is."""
        config = {"id": "record_slice", "record": self.nbytes, "nbytes": nbytes}
        if self.count % self.chunk:
            return ({**config, "records": self.chunk},)
        return () if nbytes == self.nbytes or self.chunk == 1 else (config,)

    def _chunks(self, grid_shape: tuple[int, ...], offset: int, nbytes: int) -> ChunkManifest:
        """Each chunk begins with the first byte that is taken, and ends with the last."""
        if not nbytes or 0 in grid_shape:
            return ChunkManifest.empty(grid_shape)
        count = grid_shape[0]
        rows = np.full(count, self.chunk, np.uint64)
        rows[-1] = self.count - (count - 1) * self.chunk
        starts = np.arange(count, dtype=np.uint64) * np.uint64(self.chunk * self.nbytes)
        return ChunkManifest(
            grid_shape,
            Sources((None, self.url)),
            np.ones(count, np.uint32),
            starts + np.uint64(self.at + offset),
            (rows - np.uint64(1)) * np.uint64(self.nbytes) + np.uint64(nbytes),
        )
