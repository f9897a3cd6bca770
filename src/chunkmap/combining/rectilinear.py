"""A grid of the inputs' own chunks, of whatever lengths, where they do not fall on the steps of a regular one.

Only Zarr v3 has such grids. Along every axis that is combined, the edges are the places where a chunk of some input
begins or ends; a chunk of every input must be one cell between two of them. What an input's last chunk holds beyond
the input's end has no place in the middle of an axis: see `chunkmap.model.trimming`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.combining.alignment import Places
from chunkmap.model import ArrayMeta, Cells, Edges, ManifestArray
from chunkmap.model.trimming import can_be_shortened, shortened, trim_axis, untrimmed, with_trim

__all__ = ["OwnGrid", "own_grid"]

Arrays = Mapping[int, ManifestArray]
"""The arrays of the inputs."""
Name = Callable[[int], str]
"""What messages call an input."""


class OwnGrid(NamedTuple):
    """The grid of the inputs' own chunks."""

    meta: ArrayMeta
    arrays: Arrays
    """The arrays of the inputs, with the ranges that count."""
    cells: Mapping[int, tuple[Cells, ...]]
    """Where the chunks of each input go."""


class _Axis(NamedTuple):
    """One axis of the result."""

    chunks: int | Edges
    cells: Mapping[int, Cells]
    hanging: Mapping[int, int]
    """The inputs whose last chunk is longer than its cell -> how much of it counts."""


def own_grid(meta: ArrayMeta, arrays: Arrays, places: Sequence[Places | None], name: Name) -> OwnGrid:
    """The grid of the arrays' own chunks.

    `meta` is what the result is but for its chunks; `places` says where the inputs stand along each axis, None where
    each lies along all of it. Raises ValueError where there is no such grid.
    """
    axes = []
    for axis, place in enumerate(places):
        dim = str(axis if meta.dims is None else meta.dims[axis])
        axes.append(_common(arrays, axis, dim, name) if place is None else _ragged(arrays, axis, place, name))
    meta, arrays = _without_overhang(meta, arrays, [axis.hanging for axis in axes])
    chunks = [axis.chunks for axis in axes]
    longest = tuple(n if isinstance(n, int) else n.longest for n in chunks)
    edges = tuple(None if isinstance(n, int) else n for n in chunks)
    cells = {index: tuple(axis.cells[index] for axis in axes) for index in arrays}
    return OwnGrid(replace(meta, chunk_shape=longest, edges=edges), arrays, cells)


def _common(arrays: Arrays, axis: int, dim: str, name: Name) -> _Axis:
    """An axis that no input has a place of its own along: the chunks of all must be the same."""
    (first, array), *others = arrays.items()
    chunks = array.meta.chunks[axis]
    other = next((index for index, array in others if array.meta.chunks[axis] != chunks), None)
    if other is not None:
        found = arrays[other].meta.chunks[axis]
        raise ValueError(f"chunks along {dim} are {chunks} in {name(first)} but {found} in {name(other)}")
    return _Axis(chunks, dict.fromkeys(arrays, 0), {})


def _ragged(arrays: Arrays, axis: int, place: Places, name: Name) -> _Axis:
    """An axis along which inputs are combined: edges where a chunk of some input begins or ends."""
    key = tuple((index, array.meta.chunks[axis]) for index, array in arrays.items())
    if key not in place.own_grids:
        own = [_own_chunks(array.meta, axis, place.axis.positions[index]) for index, array in arrays.items()]
        for index, chunks in zip(arrays, own, strict=True):
            if chunks is None:
                raise ValueError(f"a chunk of {name(index)} holds places along {place.axis.dim} that are apart")
        place.own_grids[key] = _joined(list(arrays), [chunks for chunks in own if chunks is not None], place, name)
    found: _Axis = place.own_grids[key]
    return found


class _Chunks(NamedTuple):
    """The chunks of one input along an axis of the result."""

    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    stored: NDArray[np.int64]
    """How long each is, what hangs over the end of the input included."""


def _own_chunks(meta: ArrayMeta, axis: int, positions: NDArray[np.int64]) -> _Chunks | None:
    """Where each chunk of an input lies; None when the elements of one do not follow one another."""
    steps, numbers = meta.axes[axis], np.arange(meta.grid_shape[axis])
    first, stored = steps.starts(numbers), steps.lengths(numbers)
    last = np.minimum(first + stored, len(positions)) - 1
    breaks = np.flatnonzero(np.diff(positions) != 1)
    if len(breaks) and not bool(np.isin(breaks, last).all()):
        return None
    return _Chunks(positions[first], positions[last] + 1, stored)


def _joined(indexes: Sequence[int], own: Sequence[_Chunks], place: Places, name: Name) -> _Axis:
    start, stop, stored = (np.concatenate(column) for column in zip(*own, strict=True))
    counts = np.array([len(chunks.start) for chunks in own])
    bounds = np.unique(np.concatenate([start, stop, [0, len(place.axis)]]))
    at = np.searchsorted(bounds, start)
    crossed = np.flatnonzero(bounds[at + 1] != stop)
    if len(crossed):
        index = indexes[int(np.repeat(np.arange(len(indexes)), counts)[crossed[0]])]
        raise ValueError(f"another input's chunk begins or ends within one of {name(index)} along {place.axis.dim}")
    bounds = _with_cells_in_gaps(bounds, at, int((stop - start).max()))
    at = np.searchsorted(bounds, start)
    lengths = np.diff(bounds)
    final = np.unique(stored[at == len(lengths) - 1])
    if len(final) == 1:
        lengths[-1] = final[0]
    over = stored > lengths[at]
    owners = np.repeat(np.array(indexes), counts)
    hanging = dict(zip(owners[over].tolist(), lengths[at[over]].tolist(), strict=True))
    cells = {index: _run(block) for index, block in zip(indexes, np.split(at, np.cumsum(counts)[:-1]), strict=True)}
    is_even = bool((lengths == lengths[0]).all())
    return _Axis(int(lengths[0]) if is_even else Edges.of(lengths), cells, hanging)


def _with_cells_in_gaps(bounds: NDArray[np.int64], held: NDArray[np.int64], longest: int) -> NDArray[np.int64]:
    """Cells in which no input has a chunk are cut to the length of the longest chunk."""
    gap = np.diff(bounds) > longest
    gap[held] = False
    more = [np.arange(bounds[n], bounds[n + 1], longest) for n in np.flatnonzero(gap).tolist()]
    return np.unique(np.concatenate([bounds, *more])) if more else bounds


def _run(cells: NDArray[np.int64]) -> Cells:
    """Cells as a placement has them: the first one, where they follow one another."""
    return int(cells[0]) if len(cells) < 2 or bool((np.diff(cells) == 1).all()) else cells


def _without_overhang(
    meta: ArrayMeta, arrays: Arrays, hanging: Sequence[Mapping[int, int]]
) -> tuple[ArrayMeta, Arrays]:
    """Chunks that are longer than their cells are shortened, or are to be cut when they are decoded."""
    cut = {axis for array in arrays.values() if (axis := trim_axis(array.meta)) is not None}
    axes = [axis for axis, found in enumerate(hanging) if found]
    found = hanging[axes[0]] if len(axes) == 1 and not cut else {}
    if found and all(can_be_shortened(arrays[index].meta, axes[0]) for index in found):
        return meta, {
            index: shortened(array, axes[0], found[index]) if index in found else array
            for index, array in arrays.items()
        }
    cut.update(axes)
    if not cut:
        return untrimmed(meta), arrays
    if len(cut) > 1 or meta.order == "F" or meta.dtype.hasobject:
        raise ValueError("chunks hang over the ends of inputs, and chunks of this kind cannot be cut")
    return with_trim(meta, cut.pop()), arrays
