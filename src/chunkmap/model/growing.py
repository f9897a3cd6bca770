"""The chunks of one array while they come, some at a time: columns that grow in place."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.model.source_table import SourceTable
from chunkmap.model.sources import Sources

__all__ = ["Columns", "GrowingChunks", "Some"]

Columns = tuple[NDArray[np.uint32], NDArray[np.uint64], NDArray[np.uint64]]

Some = tuple[NDArray[np.int64], Sources, Columns]
"""Positions in the grid, the table of sources, and the columns of some chunks."""

_LEAST: Final = 1024


class GrowingChunks:
    """Takes chunks, and gives all of them. What comes alone is not copied; more is put where it stays, so that columns
    are never in memory twice.

    >>> few = np.array([0]), Sources((None, "a.nc")), (np.ones(1, "u4"), np.zeros(1, "u8"), np.ones(1, "u8"))
    >>> chunks = GrowingChunks()
    >>> chunks.add(*few)
    >>> chunks.add(*few)
    >>> chunks.all()[2][0]
    array([1, 1], dtype=uint32)
    """

    def __init__(self) -> None:
        self._only: Some | None = None
        self._table, self._count = SourceTable(), 0
        self._columns: list[NDArray[Any]] = [
            np.empty(0, dtype) for dtype in (np.int64, np.uint32, np.uint64, np.uint64)
        ]

    def add(self, index: NDArray[np.int64], sources: Sources, columns: Columns) -> None:
        """Some more chunks."""
        if self._only is None and not self._count:
            self._only = index, sources, columns
            return
        if self._only is not None:
            only, self._only = self._only, None
            self._append(*only)
        self._append(index, sources, columns)

    def _append(self, index: NDArray[np.int64], sources: Sources, columns: Columns) -> None:
        start, self._count = self._count, self._count + len(index)
        if self._count > len(self._columns[0]):
            self._resize(max(self._count, len(self._columns[0]) * 3 // 2, _LEAST))
        source, offset, length = columns
        for column, more in zip(
            self._columns, (index, self._table.numbers(sources)[source], offset, length), strict=True
        ):
            column[start : self._count] = more

    def _resize(self, size: int) -> None:
        for column in self._columns:
            column.resize(size, refcheck=False)  # nobody else has seen them

    def all(self) -> Some:
        """All that came, as it came. Nothing can be added after."""
        if self._only is not None:
            return self._only
        self._resize(self._count)
        index, source, offset, length = self._columns
        return index, self._table.sources, (source, offset, length)
