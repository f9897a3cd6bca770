"""Edits of reference sets that need no byte of any file: each takes a set and gives a new one.

What needs bytes (`inline`) is handed a function that fetches them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import Unsupported
from chunkmap.model.array import ManifestArray
from chunkmap.model.grid import linear_strides
from chunkmap.model.manifest import WHOLE_FILE, ChunkManifest
from chunkmap.model.meta import ArrayMeta, grid_shape_of
from chunkmap.model.moving import moved
from chunkmap.model.placement import Placement, place
from chunkmap.model.problem import Problem
from chunkmap.model.record_slices import cut_records, records_of
from chunkmap.model.references import ReferenceSet, Target
from chunkmap.model.renaming import renamer

__all__ = [
    "Fetch",
    "dereference",
    "drop",
    "group_beside",
    "inline",
    "inline_chunks",
    "moved_problems",
    "rename_urls",
    "select",
    "split_shape",
    "subchunk",
    "subchunk_array",
    "uneven_apart",
]

Fetch = Callable[[ChunkManifest, NDArray[Any]], Sequence[bytes | memoryview]]
"""Gives the stored bytes of some rows of a manifest."""


def rename_urls(refs: ReferenceSet, renames: Mapping[str, str] | Callable[[str], str]) -> ReferenceSet:
    """The same references to files of other names.

    A mapping renames a URL to another; a key that ends in a slash stands for all URLs that begin with it, so that a
    store that moved is renamed at once, however many files it has. A function is called for every URL.
    """
    rename = renamer(renames) if isinstance(renames, Mapping) else renames
    arrays = {
        path: ManifestArray(array.meta, array.manifest().map_urls(renames)) for path, array in refs.arrays.items()
    }
    return replace(refs, arrays=arrays, targets={rename(url): target for url, target in refs.targets.items()})


def drop(refs: ReferenceSet, paths: Iterable[str]) -> ReferenceSet:
    """The set without some arrays or groups; a group goes with all that it holds.

    Raises KeyError for a path that is not in the set.
    """
    gone = _known(refs, paths)
    return _kept(refs, lambda path: not any(_holds(top, path) for top in gone))


def select(refs: ReferenceSet, paths: Iterable[str]) -> ReferenceSet:
    """Only some arrays or groups, under the paths they had; a group comes with all that it holds.

    Raises KeyError for a path that is not in the set.
    """
    wanted = _known(refs, paths)
    return _kept(refs, lambda path: any(_holds(top, path) for top in wanted))


def dereference(
    refs: ReferenceSet, members: Mapping[str, tuple[str, int, int]], targets: Mapping[str, Target] | None = None
) -> ReferenceSet:
    """References to members of archives become ranges of the archives.

    `members` maps the URL of a member to (URL of the archive, first byte, length); `targets` says what is known of the
    archives.
    """
    arrays = {path: ManifestArray(array.meta, moved(array.manifest(), members)) for path, array in refs.arrays.items()}
    kept = {url: target for url, target in refs.targets.items() if url not in members}
    return replace(refs, arrays=arrays, targets={**kept, **(targets or {})})


def inline(refs: ReferenceSet, fetch: Fetch, *, threshold: int, paths: Iterable[str] | None = None) -> ReferenceSet:
    """Hold chunks of fewer than `threshold` stored bytes inline, of all arrays or of some; one fetch for all of them.

    Whole-file references, whose length is not known, stay as they are.
    """
    wanted = refs.arrays if paths is None else {path: refs.arrays[path] for path in paths}
    rows = {path: _small_rows(array.manifest(), threshold) for path, array in wanted.items()}
    rows = {path: found for path, found in rows.items() if len(found)}
    if not rows:
        return refs
    gathered = _gathered([(wanted[path].manifest(), found) for path, found in rows.items()])
    data = iter(fetch(gathered, np.arange(len(gathered))))
    arrays = dict(refs.arrays)
    for path, found in rows.items():
        pieces = [bytes(next(data)) for _ in range(len(found))]
        arrays[path] = ManifestArray(wanted[path].meta, wanted[path].manifest().with_inline(found, pieces))
    return replace(refs, arrays=arrays)


def inline_chunks(chunks: ChunkManifest, fetch: Fetch, *, threshold: int) -> ChunkManifest:
    """The same for one manifest."""
    rows = _small_rows(chunks, threshold)
    return chunks.with_inline(rows, map(bytes, fetch(chunks, rows))) if len(rows) else chunks


def subchunk(refs: ReferenceSet, path: str, chunk_shape: Sequence[int]) -> ReferenceSet:
    """Cut the chunks of one uncompressed array into smaller ones. See `subchunk_array`."""
    array = subchunk_array(refs.arrays[path], chunk_shape, path)
    return replace(refs, arrays={**refs.arrays, path: array})


def subchunk_array(array: ManifestArray, chunk_shape: Sequence[int], path: str = "the array") -> ManifestArray:
    """Cut the chunks of an uncompressed array, or of a part of records, into smaller ones, each a range of the old.

    So the new chunks must divide the old, and be whole along every axis that varies faster than the first one that is
    cut to more than one element. Raises Unsupported for compressed chunks, ValueError for chunks of another shape
    or of the wrong length.
    """
    meta, new = array.meta, tuple(map(int, chunk_shape))
    if meta.edges:
        raise ValueError(f"{path}: its chunks are of several lengths, {meta.chunks}; only those of one are cut")
    if new == meta.chunk_shape:
        return array
    if records_of(meta) is not None:
        rows = new[0] if new[1:] == meta.chunk_shape[1:] else 1
        return subchunk_array(cut_records(array, rows), new, path)
    if meta.codecs or meta.dtype.hasobject:
        raise Unsupported(f"{path}: its chunks are encoded, so no part of one is a chunk", feature="subchunk")
    factors = _factors(meta, new, path)
    lengths = array.manifest().length
    wrong = (lengths != np.uint64(meta.chunk_nbytes)) & (lengths != np.uint64(WHOLE_FILE))
    if wrong.any():
        raise ValueError(
            f"{path}: expected chunks of {meta.chunk_nbytes} bytes, found one of {lengths[wrong][0]}; cannot be cut"
        )
    return ManifestArray(replace(meta, chunk_shape=new), _divided(array, new, factors))


def split_shape(shape: Sequence[int], itemsize: int, nbytes: int) -> tuple[int, ...]:
    """The chunks of at most `nbytes` into which an array can be cut exactly, each contiguous in C order.

    The slowest axes are cut first, always by a divisor, so that every chunk is whole.

    >>> split_shape((12, 100), itemsize=8, nbytes=4000), split_shape((12, 100), itemsize=8, nbytes=300)
    ((4, 100), (1, 25))
    """
    chunk = list(shape)
    for axis, length in enumerate(shape):
        inner = math.prod(shape[axis + 1 :]) * itemsize
        chunk[axis] = _largest_divisor(length, nbytes // inner) if inner and length else max(length, 1)
        if inner <= nbytes:
            break
    return tuple(chunk)


def _largest_divisor(number: int, most: int) -> int:
    if most >= number:
        return number
    low = np.arange(1, math.isqrt(number) + 1)
    low = low[number % low == 0]
    divisors = np.concatenate([low, number // low])
    return int(divisors[divisors <= max(most, 1)].max())


def uneven_apart(refs: ReferenceSet, name: str = "uneven") -> ReferenceSet:
    """Arrays whose chunks are of several lengths in a group of their own, with the coordinates along their axes.

    zarr-python opens nothing of a group in which one array has such chunks, unless its option for them is set. Those of
    the root go to the group `name`, those of a group `g` to its sibling `g_name`.

    Raises ValueError where there is such a group already.
    """
    arrays, groups, moves = dict(refs.arrays), dict(refs.groups), {}
    for path in [path for path, array in refs.arrays.items() if array.meta.edges]:
        group, _, own = path.rpartition("/")
        beside = group_beside(group, name)
        if beside in refs.groups or any(_holds(beside, other) for other in refs.arrays):
            raise ValueError(f"there is a group {beside!r} in the set already; choose another name")
        groups[beside] = refs.groups.get(group, {})
        moves[path] = f"{beside}/{own}"
        arrays[moves[path]] = arrays.pop(path)
        for dim in arrays[f"{beside}/{own}"].meta.dims or ():
            coordinate = refs.arrays.get(f"{group}/{dim}".strip("/"))
            if coordinate is not None:
                arrays.setdefault(f"{beside}/{dim}", coordinate)
    return replace(refs, arrays=arrays, groups=groups, problems=moved_problems(refs.problems, moves))


def moved_problems(problems: Iterable[Problem], moves: Mapping[str, str]) -> tuple[Problem, ...]:
    """What is said of arrays that moved, under their new paths."""
    return tuple(replace(one, path=moves.get(one.path, one.path)) for one in problems)


def group_beside(group: str, name: str) -> str:
    """The group in which what is put apart from a group goes.

    >>> group_beside("", "uneven"), group_beside("g", "uneven")
    ('uneven', 'g_uneven')
    """
    return f"{group}_{name}" if group else name


def _factors(meta: ArrayMeta, new: tuple[int, ...], path: str) -> tuple[int, ...]:
    """Into how many pieces each axis of a chunk is cut."""
    old = meta.chunk_shape
    if len(new) != len(old) or any(n < 1 or o % n for o, n in zip(old, new, strict=True)):
        raise ValueError(f"{path}: chunks {new} do not divide its chunks {old}")
    slowest_first = range(len(old)) if meta.order == "C" else range(len(old) - 1, -1, -1)
    split = False
    for axis in slowest_first:
        if split and new[axis] != old[axis]:
            raise ValueError(
                f"{path}: chunks {new} are no ranges of its chunks {old}, whose order is {meta.order};"
                " cut the slowest axes to 1 before a faster one"
            )
        split = split or new[axis] > 1
    return tuple(o // n for o, n in zip(old, new, strict=True))


def _divided(array: ManifestArray, new: tuple[int, ...], factors: tuple[int, ...]) -> ChunkManifest:
    chunks, meta = array.manifest(), array.meta
    grid_shape = grid_shape_of(meta.shape, new)
    pieces = math.prod(factors)
    nbytes = math.prod(new) * meta.dtype.itemsize
    inner = np.unravel_index(np.arange(pieces), factors, order=meta.order)
    position = np.zeros((len(chunks), pieces), np.int64)
    inside = np.ones((len(chunks), pieces), np.bool_)
    axes = zip(chunks.coords(), inner, factors, grid_shape, linear_strides(grid_shape), strict=True)
    for outer, piece, factor, count, stride in axes:
        coord = outer[:, None] * factor + piece
        inside &= coord < count
        position += coord * stride
    offset = chunks.offset[:, None] + np.arange(pieces, dtype=np.uint64) * np.uint64(nbytes)
    source = np.broadcast_to(chunks.source[:, None], inside.shape)
    kept = offset[inside]
    columns = (source[inside], kept, np.full(len(kept), nbytes, np.uint64))
    return ChunkManifest.from_columns(grid_shape, position[inside], chunks.sources, columns)


def _small_rows(chunks: ChunkManifest, threshold: int) -> NDArray[np.intp]:
    small = np.flatnonzero(chunks.length < np.uint64(max(threshold, 0)))
    return small[~chunks.sources.inline[chunks.source[small]]]


def _gathered(parts: Sequence[tuple[ChunkManifest, NDArray[Any]]]) -> ChunkManifest:
    """Rows of several manifests, one after the other, as one manifest."""
    placements, stop = [], 0
    for chunks, rows in parts:
        row = ChunkManifest((len(rows),), chunks.sources, chunks.source[rows], chunks.offset[rows], chunks.length[rows])
        placements.append(Placement(row, (stop,)))
        stop += len(rows)
    return place((stop,), placements)


def _kept(refs: ReferenceSet, keep: Callable[[str], bool]) -> ReferenceSet:
    """The set with only some arrays and groups; the root group stays."""
    arrays = {path: array for path, array in refs.arrays.items() if keep(path)}
    groups = {path: attrs for path, attrs in refs.groups.items() if not path or keep(path)}
    above = {path: attrs for path, attrs in refs.groups.items() if any(_holds(path, a) for a in arrays)}
    problems = tuple(p for p in refs.problems if keep(p.path))
    return replace(refs, arrays=arrays, groups={**groups, **above}, problems=problems)


def _holds(top: str, path: str) -> bool:
    return path == top or path.startswith(f"{top}/")


def _known(refs: ReferenceSet, paths: Iterable[str]) -> tuple[str, ...]:
    """The paths asked for, each of which is there."""
    asked = tuple(paths)
    present = (*refs.arrays, *refs.groups)
    for path in asked:
        if not path or not any(_holds(path, p) for p in present):
            raise KeyError(f"{path!r} is not in the set; it has {', '.join(sorted(refs.arrays)[:10]) or 'no arrays'}")
    return asked
