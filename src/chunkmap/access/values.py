"""Whole arrays through their references: one round of reading for all of them, then decoding with numcodecs.

What a missing chunk reads as is zarr-python's rule for Zarr v2: the fill value, and where there is none, zeros; for
times NaT, for text the empty text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numcodecs
import numpy as np
from numcodecs.abc import Codec
from numpy.typing import NDArray

from chunkmap.access.fetching import Fetcher, Stored
from chunkmap.codecs import register
from chunkmap.errors import ChunkmapError, FormatError, Unsupported
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray

register()

__all__ = ["ChunkDecoder", "empty_array", "read_array", "read_arrays", "stored_at"]


def read_array(array: ManifestArray, fetcher: Fetcher) -> NDArray[Any]:
    """All values of an array. Raises FormatError naming the chunk when stored bytes do not decode to one."""
    return read_arrays([array], fetcher)[0]


def read_arrays(arrays: Sequence[ManifestArray], fetcher: Fetcher) -> list[NDArray[Any]]:
    """All values of many arrays, fetched together."""
    stored = fetcher.fetch_many([(array.chunks, None) for array in arrays])
    return [_assemble(array, chunks) for array, chunks in zip(arrays, stored, strict=True)]


def empty_array(meta: ArrayMeta, shape: tuple[int, ...]) -> NDArray[Any]:
    """An array in which no chunk is: fill values, or where there are none what zarr reads: zeros, no time, no text.

    >>> empty_array(ArrayMeta(shape=(2,), chunk_shape=(1,), dtype=np.dtype("i2"), fill_value=7), (2,))
    array([7, 7], dtype=int16)
    """
    if meta.dtype.kind == "O":
        empty = b"" if any(config.get("id") == "vlen-bytes" for config in meta.filters) else ""
        return np.full(shape, meta.fill_value or empty, meta.dtype)
    if meta.fill_value is not None:
        return np.full(shape, meta.fill_value, meta.dtype)
    return np.full(shape, "NaT", meta.dtype) if meta.dtype.kind in "mM" else np.zeros(shape, meta.dtype)


class ChunkDecoder:
    """Decodes the chunks of one array: stored bytes -> values of `chunk_shape`."""

    def __init__(self, meta: ArrayMeta) -> None:
        self._meta = meta
        self._codecs = [_codec(config) for config in reversed(meta.codecs)]
        self._size = math.prod(meta.chunk_shape)

    def decode(self, stored: Stored, where: str) -> NDArray[Any]:
        """The values of a chunk; edge chunks are whole. Raises FormatError saying `where` when there are none."""
        data: Any = stored
        try:
            for codec in self._codecs:
                data = codec.decode(data)
            values = self._typed(data)
        except ChunkmapError:
            raise
        except Exception as error:  # codecs raise what they like
            raise FormatError(f"the stored bytes cannot be decoded: {error}", url=where) from error
        if values.size != self._size:
            raise FormatError(
                f"expected a chunk of {self._size} values of {self._meta.dtype}, found {values.size}", url=where
            )
        return values.reshape(self._meta.chunk_shape, order=self._meta.order)

    def _typed(self, data: Any) -> NDArray[Any]:
        dtype = self._meta.dtype
        if dtype.kind == "O":
            values = np.asarray(data)
            if values.dtype.kind != "O":
                raise TypeError(f"expected objects, found {values.dtype}; a filter that makes them is missing")
            return values.reshape(-1)
        flat = np.frombuffer(np.ascontiguousarray(data) if isinstance(data, np.ndarray) else data, np.uint8)
        return flat.view(dtype)


def stored_at(chunks: ChunkManifest, row: int) -> str:
    """Where a row is stored, for messages."""
    source, offset, _ = chunks.row(row)
    return f"{source} at byte {offset}" if isinstance(source, str) else f"inline chunk {row}"


def _assemble(array: ManifestArray, stored: Sequence[Stored]) -> NDArray[Any]:
    meta, chunks = array.meta, array.chunks
    whole = len(chunks) == chunks.size
    values = np.empty(meta.shape, meta.dtype) if whole else empty_array(meta, meta.shape)
    decoder = ChunkDecoder(meta)
    corners = zip(*(axis.tolist() for axis in chunks.coords()), strict=True) if meta.ndim else [()]
    for row, (data, corner) in enumerate(zip(stored, corners, strict=False)):
        starts = [n * size for n, size in zip(corner, meta.chunk_shape, strict=True)]
        stops = [min(start + size, n) for start, size, n in zip(starts, meta.chunk_shape, meta.shape, strict=True)]
        place = tuple(slice(start, stop) for start, stop in zip(starts, stops, strict=True))
        part = tuple(slice(0, stop - start) for start, stop in zip(starts, stops, strict=True))
        values[place] = decoder.decode(data, stored_at(chunks, row))[part]
    return values


def _codec(config: Mapping[str, Any]) -> Codec:
    try:
        return numcodecs.get_codec(dict(config))
    except (ValueError, TypeError, ImportError, KeyError) as error:
        raise Unsupported(
            f"the codec {dict(config)} cannot be made: {error}; is the package that has it installed?", feature="codec"
        ) from error
