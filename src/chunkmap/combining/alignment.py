"""Whether the chunks of the inputs fall on the cells of one grid, and into what they are cut where they do not."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.combining.axes import Axis
from chunkmap.model import ArrayMeta, Cells
from chunkmap.model.record_slices import records_of

__all__ = ["MOST_CHUNKS", "Places", "Stands", "common_chunks"]

MOST_CHUNKS: Final = 10**8
"""Into more chunks an array is not cut: their references would take gigabytes."""


class Places:
    """Where every input stands along one axis, in the terms of its positions and of grids of chunks."""

    def __init__(self, axis: Axis) -> None:
        self.axis = axis
        self.lengths: list[int] = axis.positions.lengths.tolist()
        self._start = axis.positions.firsts
        self._cells: dict[int, list[Cells]] = {}
        self._misfits: dict[int, frozenset[int]] = {}
        self.own_grids: dict[Hashable, Any] = {}
        """Grids of the inputs' own chunks, which arrays of the same chunks share (see `rectilinear`)."""

    def cells(self, chunk: int) -> list[Cells]:
        """Input -> the cells that its chunks take: the first one, or each where they are scattered."""
        if chunk not in self._cells:
            first = (self._start // chunk).tolist()
            for index, positions in self.axis.positions.scattered.items():
                first[index] = positions[::chunk] // chunk
            self._cells[chunk] = first
        return self._cells[chunk]

    def misfits(self, chunk: int) -> frozenset[int]:
        """The inputs whose whole chunks are not whole cells of the grid."""
        if chunk == 1:
            return frozenset()
        if chunk not in self._misfits:
            lengths = np.array(self.lengths, np.int64)
            ends = (lengths % chunk == 0) | (self._start + lengths == len(self.axis))
            fits = (self._start % chunk == 0) & ends
            for index, positions in self.axis.positions.scattered.items():
                fits[index] = _aligned(positions, chunk, len(self.axis))
            self._misfits[chunk] = frozenset(np.flatnonzero(~fits & (lengths > 0)).tolist())
        return self._misfits[chunk]

    def divisor(self, chunk: int, indexes: Sequence[int]) -> int:
        """The largest divisor of a chunk length on whose grid all these inputs fall."""
        own = np.array([index for index in indexes if self.lengths[index]], np.int64)
        if not len(own):
            return chunk
        if not self.axis.positions.scattered.keys().isdisjoint(own.tolist()):
            return 1
        start, lengths = self._start[own], np.array(self.lengths, np.int64)[own]
        inner = lengths[start + lengths < len(self.axis)]
        return int(np.gcd.reduce(np.concatenate([[chunk], start, inner])))

    def extent(self, index: int) -> tuple[int, int]:
        """The first position of an input, and the one after its last."""
        block = self.axis.positions[index]
        return int(block.min()), int(block.max()) + 1


Stands = Mapping[str, Places]
"""Where the inputs stand, by the path of an axis."""


def _aligned(positions: NDArray[np.int64], chunk: int, length: int) -> bool:
    """Whether whole chunks of an input are whole cells of the grid."""
    n = len(positions)
    if not n:
        return True
    blocks = -(-n // chunk)
    starts = positions[::chunk]
    if bool((starts % chunk).any()):
        return False
    within = np.arange(n) - np.repeat(np.arange(blocks) * chunk, chunk)[:n]
    if not bool((positions == np.repeat(starts, chunk)[:n] + within).all()):
        return False
    last = n - (blocks - 1) * chunk
    return last == chunk or int(positions[-1]) == length - 1


def common_chunks(
    metas: Mapping[int, ArrayMeta], shape: Sequence[int], places: Sequence[Places | None]
) -> tuple[int, ...] | None:
    """Chunks on whose grid the chunks of all inputs fall, when they are cut to it; None where they cannot be cut.

    `metas` are the arrays of the inputs, `shape` that of the result, and `places` says where the inputs stand along
    each axis. A cut chunk must be a range of the bytes of the
    old one: axes slower than the fastest one that is cut are cut to single elements.
    """
    records = {records_of(meta) for meta in metas.values()}
    if any((meta.codecs and records_of(meta) is None) or meta.dtype.hasobject for meta in metas.values()):
        return None
    indexes, first = list(metas), next(iter(metas.values()))
    grid = []
    cut = []
    for axis, place in enumerate(places):
        lengths = {meta.chunk_shape[axis] for meta in metas.values()}
        common = math.gcd(*lengths) if axis or len(records) == 1 else 1
        grid.append(common if place is None else place.divisor(common, indexes))
        if lengths != {grid[-1]}:
            cut.append(axis)
    slower = range(max(cut, default=0)) if first.order == "C" else range(min(cut, default=0) + 1, len(grid))
    for axis in slower if cut else ():
        grid[axis] = 1
    chunks = math.prod(-(-n // c) for n, c in zip(shape, grid, strict=True))
    return tuple(grid) if chunks <= MOST_CHUNKS else None
