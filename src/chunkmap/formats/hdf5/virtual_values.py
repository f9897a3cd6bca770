"""Small virtual datasets whose mapping moves parts of chunks: their values are read, and held inline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import Unsupported
from chunkmap.formats.hdf5.objects import Dataset
from chunkmap.formats.hdf5.stored import Stored, chunk_bytes, is_own
from chunkmap.formats.hdf5.structures.file import File
from chunkmap.formats.hdf5.structures.filters import decode
from chunkmap.io.rounds import Parser
from chunkmap.model import ChunkManifest

__all__ = ["MOST_HELD", "held", "values_of"]

MOST_HELD: Final = 1 << 20
"""Bytes of a virtual dataset whose values are held inline."""

_MOST_READ: Final = 16 << 20
"""Bytes of a source that is read for it."""


def values_of(file: File, dataset: Dataset, stored: Stored) -> Parser[NDArray[Any]]:
    """All elements of a dataset of this file, as bytes. Raises Unsupported where they are too many, or elsewhere."""
    size = dataset.datatype.size
    if math.prod(dataset.shape) * size > _MOST_READ:
        raise Unsupported(f"a source of more than {_MOST_READ} bytes is not read", feature="virtual dataset")
    if not is_own(file, stored.chunks):
        raise Unsupported("the data of a source is in other files", feature="virtual dataset")
    element = np.dtype((np.void, size))
    values = np.zeros(dataset.shape, element)
    if dataset.fill_value:
        values[...] = np.frombuffer(dataset.fill_value, element)[0]
    contents = yield from chunk_bytes(file, stored.chunks, list(range(len(stored.chunks))))
    corners = zip(*(axis.tolist() for axis in stored.chunks.coords()), strict=True) if dataset.shape else [()]
    for corner, data in zip(corners, contents, strict=True):
        chunk = np.frombuffer(decode(stored.codecs, data), element).reshape(stored.chunk_shape)
        place = tuple(slice(c * n, (c + 1) * n) for c, n in zip(corner, stored.chunk_shape, strict=True))
        values[place] = chunk[tuple(map(slice, values[place].shape))]
    return values


def held(
    dataset: Dataset,
    shape: tuple[int, ...],
    pieces: Sequence[tuple[NDArray[Any], Sequence[NDArray[np.int64]], Sequence[NDArray[np.int64]]]],
) -> Stored:
    """The virtual dataset as one chunk. `pieces` are the values of each source, and which of its elements are which of
    the virtual dataset's: HDF5 takes both in C order.
    """
    element = np.dtype((np.void, dataset.datatype.size))
    values = np.zeros(shape, element)
    if dataset.fill_value:
        values[...] = np.frombuffer(dataset.fill_value, element)[0]
    for source, here, there in pieces:
        values[np.ix_(*there)] = source[np.ix_(*here)].reshape(list(map(len, there)))
    if not values.size:
        return Stored(tuple(max(n, 1) for n in shape), (), ChunkManifest.empty(tuple(min(n, 1) for n in shape)))
    data = values.tobytes()
    return Stored(shape, (), ChunkManifest.single(data, 0, len(data), len(shape)))
