"""Many manifests in a few columns: as they are sent from one process to another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from chunkmap.model.columns import Short, column_of, short_of
from chunkmap.model.manifest import ChunkManifest
from chunkmap.model.sources import Sources

__all__ = ["Stack"]

Column = NDArray[Any] | Short


class Stack(NamedTuple):
    """Manifests one after the other, each column of all of them as one. It is pickled, and taken apart again.

    >>> rows = [ChunkManifest.from_rows((2,), [[n]], ["a.nc"], [10 * n], [10]) for n in range(2)]
    >>> list(Stack.of(rows).manifests()) == rows
    True
    """

    grids: list[tuple[int, ...]]
    """Manifest -> the shape of its grid."""
    tables: list[Sources]
    """Manifest -> its sources; those that are alike are one object."""
    rows: Column
    """Manifest -> how many rows it has."""
    columns: tuple[Column, Column, Column]
    """The source, the offset and the length of every row."""
    positions: dict[int, NDArray[Any]]
    """The positions of the rows of those that say them."""
    variants: dict[int, NDArray[np.uint16]]
    """The variants of the rows of those that say them."""

    @classmethod
    def of(cls, manifests: Sequence[ChunkManifest]) -> Self:
        """Put them together."""
        known: dict[Any, Sources] = {}
        return cls(
            [chunks.grid_shape for chunks in manifests],
            [known.setdefault(_key(chunks.sources), chunks.sources) for chunks in manifests],
            short_of(np.array([len(chunks.source) for chunks in manifests], np.int64)),
            (
                _together([chunks.source for chunks in manifests], np.uint32),
                _together([chunks.offset for chunks in manifests], np.uint64),
                _together([chunks.length for chunks in manifests], np.uint64),
            ),
            {number: chunks.index for number, chunks in enumerate(manifests) if chunks.index is not None},
            {number: chunks.variant for number, chunks in enumerate(manifests) if chunks.variant is not None},
        )

    def manifests(self) -> Iterator[ChunkManifest]:
        """Take them apart: their columns are pieces of those that all have together."""
        source, offset, length = map(column_of, self.columns)
        stop = 0
        for number, count in enumerate(column_of(self.rows).tolist()):
            rows, stop = slice(stop, stop + count), stop + count
            columns = source[rows], offset[rows], length[rows]
            more = self.positions.get(number), self.variants.get(number)
            yield ChunkManifest(self.grids[number], self.tables[number], *columns, *more)


def _key(sources: Sources) -> Any:
    """What tells a table from others; a large one is but like itself."""
    return id(sources) if sources.few is None else sources.few


def _together(columns: Sequence[NDArray[Any]], dtype: Any) -> Column:
    return short_of(np.concatenate(columns)) if columns else np.empty(0, dtype)
