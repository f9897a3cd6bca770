"""Arrays that stand in a file as plain elements: in one block, or at even distances; and values held in the set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import FormatError, TruncatedFile
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, Problem
from chunkmap.model.edits import split_shape, subchunk_array

__all__ = ["block", "bytes_after", "cut", "held", "strided"]


def block(url: str, size: int, offset: int, meta: ArrayMeta, *, what: str = "the array") -> ManifestArray:
    """An array of one chunk from `offset` on, in a file of so many bytes; without an element it has none.

    Raises TruncatedFile where the block reaches past the end of the file; `what` names the array in the message.
    """
    whole = replace(meta, chunk_shape=tuple(max(n, 1) for n in meta.shape))
    if not meta.size:
        return ManifestArray(whole, ChunkManifest.empty(whole.grid_shape))
    stop = offset + meta.nbytes
    if offset < 0 or stop > size:
        raise TruncatedFile(
            f"{what} goes on to byte {stop}, but the file ends at byte {size}; it is cut short",
            url=url,
            offset=offset,
        )
    return ManifestArray(whole, ChunkManifest.single(url, offset, meta.nbytes, meta.ndim))


def bytes_after(path: str, stop: int, size: int, url: str, *, more: str = "") -> tuple[Problem, ...]:
    """A problem where a file goes on behind its only array; `more` says what that may be."""
    if size <= stop:
        return ()
    text = f"the {size - stop:,} bytes from byte {stop} to the end of the file are in no array{more}"
    return (Problem(path, "bytes after the array", text, url),)


def strided(url: str, size: int, offset: int, meta: ArrayMeta, strides: Sequence[int]) -> ManifestArray:
    """An array whose elements stand so many bytes apart along each axis, in chunks as large as stand without a gap.

    Raises FormatError where elements would lie over one another, TruncatedFile where the file ends before the last.
    """
    itemsize, inner = meta.dtype.itemsize, meta.ndim
    nbytes = itemsize
    while inner and (strides[inner - 1] == nbytes or meta.shape[inner - 1] == 1):
        inner -= 1
        nbytes *= meta.shape[inner]
    if not inner:
        return block(url, size, offset, meta)
    extent = itemsize
    for length, step in zip(reversed(meta.shape), reversed(strides), strict=True):
        if length > 1 and step < extent:
            raise FormatError(f"rows or bands of {extent} bytes are said to be {step} bytes apart", url=url)
        extent = (length - 1) * step + extent
    if offset + extent > size:
        raise TruncatedFile(
            f"the array goes on to byte {offset + extent}, but the file ends at byte {size}; it is cut short",
            url=url,
            offset=offset,
        )
    whole = replace(meta, chunk_shape=(1,) * inner + meta.shape[inner:])
    places = np.full(1, offset, np.uint64)
    for length, step in zip(meta.shape[:inner], strides[:inner], strict=True):
        places = np.add.outer(places, np.arange(length, dtype=np.uint64) * np.uint64(step)).ravel()
    columns = (np.ones(len(places), np.uint32), places, np.full(len(places), nbytes, np.uint64))
    chunks = ChunkManifest.from_columns(whole.grid_shape, np.arange(len(places)), (None, url), columns)
    return ManifestArray(whole, chunks)


def held(values: NDArray[Any], dims: tuple[str, ...], attrs: Mapping[str, Any]) -> ManifestArray:
    """An array whose values are nowhere in the file: one chunk, held in the set."""
    data = values.tobytes()
    meta = ArrayMeta(
        shape=values.shape,
        chunk_shape=tuple(max(n, 1) for n in values.shape),
        dtype=values.dtype,
        dims=dims,
        attrs=dict(attrs),
    )
    chunks = ChunkManifest.single(data, 0, len(data), values.ndim) if data else ChunkManifest.empty(meta.grid_shape)
    return ManifestArray(meta, chunks)


def cut(array: ManifestArray, nbytes: int) -> ManifestArray:
    """The array in equal chunks of at most so many bytes, as far as divisors of its slowest axes allow.

    Raises ValueError for no bytes.
    """
    if nbytes < 1:
        raise ValueError(f"chunk_nbytes is {nbytes}, expected a number of bytes above 0")
    meta = array.meta
    if not meta.size:
        return array
    slowest_first = meta.chunk_shape if meta.order == "C" else meta.chunk_shape[::-1]
    chunk = split_shape(slowest_first, meta.dtype.itemsize, nbytes)
    return subchunk_array(array, chunk if meta.order == "C" else chunk[::-1])
