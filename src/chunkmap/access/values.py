"""Whole arrays through their references: one round of reading for all of them, then decoding with numcodecs.

What a missing chunk reads as is zarr-python's rule for Zarr v2: the fill value, and where there is none, zeros; for
times NaT, for text the empty text; for sequences, which no version of zarr fills, an empty one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, groupby
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.access.bounds import bound_of
from chunkmap.access.decoding import make_steps
from chunkmap.access.fetching import Fetcher, Stored
from chunkmap.errors import ChunkmapError, FormatError, StorageError, Unsupported
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray
from chunkmap.model.array import manifests_of
from chunkmap.model.trimming import trim, trim_axis, untrimmed
from chunkmap.model.variants import ChunkVariant, variants_of

_TOGETHER: Final = 1 << 26
"""Bytes of arrays that are fetched together."""

_ALIGNED: Final = 16

_MUCH: Final = 1 << 28
_LARGEST_ELEMENT: Final = 1 << 26
_MOSTLY_EMPTY: Final = 16
"""Bytes of an array, and of an element, that are made whatever references there are; of more, so great a part must have
references.
"""
_NUMBERS: Final = frozenset(np.dtype(f"{order}{code}").str for order in "<>" for code in "bBhHiIqQefd?")
"""Types of which a sequence may be, as its codec says them."""

__all__ = [
    "ChunkDecoder",
    "Decoder",
    "check_codecs",
    "check_filled",
    "decoder_of",
    "empty_array",
    "read_array",
    "read_arrays",
    "sequences_of",
    "stored_at",
]


def read_array(array: ManifestArray, fetcher: Fetcher) -> NDArray[Any]:
    """All values of an array. Raises FormatError naming the chunk when stored bytes do not decode to one."""
    return read_arrays([array], fetcher)[0]


def read_arrays(arrays: Sequence[ManifestArray], fetcher: Fetcher) -> list[NDArray[Any]]:
    """All values of many arrays, fetched together; of very many, some at a time, so that what they are made from is not
    all held beside them.
    """
    for array in arrays:
        check_filled("an array to be read whole", array)
    sizes = accumulate(array.meta.nbytes for array in arrays)
    turns = groupby(zip(arrays, sizes, strict=True), lambda pair: pair[1] // _TOGETHER)
    return [values for _, turn in turns for values in _read_together([array for array, _ in turn], fetcher)]


def _read_together(arrays: Sequence[ManifestArray], fetcher: Fetcher) -> list[NDArray[Any]]:
    manifests = manifests_of(arrays)
    stored = fetcher.fetch_many([(chunks, None) for chunks in manifests])
    metas = [array.meta for array in arrays]
    return _in_one_place([_assemble(*found) for found in zip(metas, manifests, stored, strict=True)])


def _in_one_place(found: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """The arrays, those that stand in what was fetched copied to one piece of memory: thousands of pieces would leave
    their holes in it when they go.
    """
    starts = [
        0,
        *accumulate(0 if values.flags.owndata else values.nbytes + -values.nbytes % _ALIGNED for values in found),
    ]
    room = np.empty(starts[-1], np.uint8)
    apart = list[NDArray[Any]]()
    for values, start in zip(found, starts, strict=False):
        if values.flags.owndata or values.dtype.hasobject or not values.nbytes:
            apart.append(values if values.flags.owndata else values.copy())
            continue
        apart.append(room[start : start + values.nbytes].view(values.dtype).reshape(values.shape))
        apart[-1][...] = values
    return apart


def empty_array(meta: ArrayMeta, shape: tuple[int, ...]) -> NDArray[Any]:
    """An array in which no chunk is: fill values, or where there are none what zarr reads: zeros, no time, no text.

    >>> empty_array(ArrayMeta(shape=(2,), chunk_shape=(1,), dtype=np.dtype("i2"), fill_value=7), (2,))
    array([7, 7], dtype=int16)
    """
    if meta.missing is None and (numbers := sequences_of(meta)) is not None:
        values = np.empty(shape, object)
        values.fill(np.empty(0, numbers))
        return values
    if meta.dtype.kind == "O":
        empty = b"" if any(config.get("id") == "vlen-bytes" for config in meta.filters) else ""
        objects = np.empty(shape, meta.dtype)
        objects.fill(meta.missing or empty)  # np.full would take bytes for those of a type that ends before a NUL
        return objects
    if meta.missing is not None:
        return np.full(shape, meta.missing, meta.dtype)
    return np.full(shape, "NaT", meta.dtype) if meta.dtype.kind in "mM" else np.zeros(shape, meta.dtype)


def sequences_of(meta: ArrayMeta) -> np.dtype[Any] | None:
    """The type of the numbers of which elements are sequences, each of its own length; None if they are no such."""
    if meta.dtype.kind != "O":
        return None
    types = (config.get("dtype") for config in meta.filters if config.get("id") == "vlen-array")
    return next((np.dtype(said) for said in types if isinstance(said, str) and said in _NUMBERS), None)


def check_filled(path: str, array: ManifestArray) -> None:
    """Raise StorageError for an array that would fill much memory with what few references hold.

    Coordinates are read whole, and a few bytes of metadata may say that there are 10**12 of them.
    """
    meta = array.meta
    if meta.dtype.itemsize > _LARGEST_ELEMENT:
        raise StorageError(f"{path}: an element of {meta.dtype.itemsize} bytes, expected {_LARGEST_ELEMENT} or fewer")
    if meta.nbytes > _MUCH and array.most_chunks * meta.chunk_nbytes < meta.nbytes // _MOSTLY_EMPTY:
        raise StorageError(
            f"{path}: {meta.nbytes} bytes of {meta.dtype}, for which there are {array.most_chunks} references; what is"
            " not there is not made up"
        )


def check_codecs(path: str, meta: ArrayMeta) -> None:
    """Raise Unsupported for an array whose chunks are programs: reading them would run whatever the set says."""
    if any(config.get("id") == "pickle" for config in meta.codecs):
        raise Unsupported(f"{path}: its codec 'pickle' would run code that the set names; refused", feature="codec")


class ChunkDecoder:
    """Decodes the chunks of one array: stored bytes -> values of a chunk's shape. Safe to use from many threads.

    With `passing`, the values of a chunk are good until the same thread decodes the next one.
    """

    def __init__(self, meta: ArrayMeta, *, passing: bool = False) -> None:
        check_codecs("an array", meta)
        self._meta = meta
        self._trim = trim_axis(meta)
        codecs = untrimmed(meta).codecs
        most = bound_of(meta.chunk_nbytes, meta.codecs, objects=meta.dtype.kind == "O")
        likely = None if meta.dtype.kind == "O" else meta.chunk_nbytes
        self._steps = make_steps(list(reversed(codecs)), most, likely, passing=passing)
        self._dtype, self._shape, self._order = meta.dtype, meta.chunk_shape, meta.order
        can_land = self._trim is None and self._order == "C" and not meta.edges
        self._land = self._steps.land if can_land else None

    def decode(
        self,
        stored: Stored,
        chunks: ChunkManifest,
        row: int,
        shape: tuple[int, ...] | None = None,
        place: NDArray[Any] | None = None,
    ) -> NDArray[Any]:
        """The values of a chunk; edge chunks are whole. Where chunks vary, `shape` is that of this one.

        Where `place` is given, an array for just these values, they may be put there at once: then it is given back.
        Raises FormatError saying where they are stored when there are none.
        """
        data: Any = stored
        shape = self._shape if shape is None else shape
        size = math.prod(shape)
        try:
            for step in self._steps.first:
                data = step(data)
            if place is not None and self._land is not None and self._land(data, place):
                return place
            values = self._typed(data if self._steps.last is None else self._steps.last(data))
            if self._trim is not None:
                return trim(values, shape, self._trim)
            if values.size != size and values.size == self._stored_short(chunks, row):
                values = np.concatenate([values, np.zeros(size - values.size, values.dtype)])
            if values.size == size:
                return values.reshape(shape, order=self._order)
        except ChunkmapError:
            raise
        except Exception as error:  # codecs raise what they like
            message = f"the stored bytes cannot be decoded: {error}"
            raise FormatError(message, url=stored_at(chunks, row)) from error
        raise FormatError(
            f"expected a chunk of {size} values of {self._dtype}, found {values.size}", url=stored_at(chunks, row)
        )

    def _stored_short(self, chunks: ChunkManifest, row: int) -> int | None:
        """How many values the last chunk along the first axis has that are elements of the array, where its writer
        stored no others: HDF5 reads such chunks, of direct writes. None where all of them are.
        """
        meta = self._meta
        if meta.edges or self._order != "C" or not meta.ndim or meta.dtype.kind == "O":
            return None
        if chunks.grid_shape == meta.grid_shape and int(chunks.coords()[0][row]) != meta.grid_shape[0] - 1:
            return None
        return meta.shape[0] % meta.chunk_shape[0] * math.prod(meta.chunk_shape[1:]) or None

    def _typed(self, data: Any) -> NDArray[Any]:
        if self._dtype.kind == "O":
            values = np.asarray(data)
            if values.dtype.kind != "O":
                raise TypeError(f"expected objects, found {values.dtype}; a filter that makes them is missing")
            return values.reshape(-1)
        if isinstance(data, np.ndarray):
            return np.ascontiguousarray(data).reshape(-1).view(self._dtype)
        return np.frombuffer(data, self._dtype)


class VariantDecoder:
    """Decodes each chunk by its variant. Safe to use from many threads.

    Variants with the same codecs and types share what undoes these; what they unpack is their own.
    """

    def __init__(self, meta: ArrayMeta, *, passing: bool = False) -> None:
        self._meta, self._passing, self._table = meta, passing, variants_of(meta)
        self._ways: dict[int, tuple[ChunkVariant, ChunkDecoder, bool]] = {}
        self._decoders: dict[str, ChunkDecoder] = {}

    def decode(
        self,
        stored: Stored,
        chunks: ChunkManifest,
        row: int,
        shape: tuple[int, ...] | None = None,
        place: NDArray[Any] | None = None,
    ) -> NDArray[Any]:
        """The values of a chunk, as `ChunkDecoder.decode` gives them."""
        number = 0 if chunks.variant is None else int(chunks.variant[row])
        if number not in self._ways:
            self._ways[number] = self._way(number, chunks, row)
        variant, decoder, is_plain = self._ways[number]
        elements = decoder.decode(stored, chunks, row, shape, place if is_plain else None)
        return elements if is_plain else variant.decode(elements, self._meta.dtype)

    def _way(self, number: int, chunks: ChunkManifest, row: int) -> tuple[ChunkVariant, ChunkDecoder, bool]:
        """A variant, what undoes its codecs, and whether nothing else is to be done."""
        if number >= len(self._table):
            message = f"a chunk is of variant {number}, of which the array has {len(self._table)}"
            raise FormatError(message, url=stored_at(chunks, row))
        variant = self._table[number]
        alike = repr((variant.dtype, variant.order, variant.filters, variant.compressor))
        if alike not in self._decoders:
            self._decoders[alike] = ChunkDecoder(variant.under(self._meta), passing=self._passing)
        is_plain = variant.dtype == self._meta.dtype and (variant.packing is None or variant.packing.does_nothing)
        return variant, self._decoders[alike], is_plain


Decoder = ChunkDecoder | VariantDecoder


def decoder_of(meta: ArrayMeta, *, passing: bool = False) -> Decoder:
    """What decodes the chunks of an array, by their variants where it has such."""
    return VariantDecoder(meta, passing=passing) if variants_of(meta) else ChunkDecoder(meta, passing=passing)


def stored_at(chunks: ChunkManifest, row: int) -> str:
    """Where a row is stored, for messages."""
    source, offset, _ = chunks.row(row)
    return f"{source} at byte {offset}" if isinstance(source, str) else f"inline chunk {row}"


def _assemble(meta: ArrayMeta, chunks: ChunkManifest, stored: Sequence[Stored]) -> NDArray[Any]:
    if len(chunks) == chunks.size == 1 and meta.shape == meta.chunk_shape:
        if not meta.codecs and meta.dtype.kind != "O" and len(stored[0]) == meta.nbytes:
            return np.frombuffer(stored[0], meta.dtype).reshape(meta.shape, order=meta.order)
        return decoder_of(meta).decode(stored[0], chunks, 0)
    whole = len(chunks) == chunks.size
    values = np.empty(meta.shape, meta.dtype) if whole else empty_array(meta, meta.shape)
    decoder = decoder_of(meta, passing=True)
    corners = zip(*(axis.tolist() for axis in chunks.coords()), strict=True) if meta.ndim else [()]
    for row, (data, corner) in enumerate(zip(stored, corners, strict=False)):
        shape, place = meta.shape_of_chunk(corner), meta.elements_of_chunk(corner)
        part = tuple(slice(0, piece.stop - piece.start) for piece in place)
        values[place] = decoder.decode(data, chunks, row, shape)[part]
    return values
