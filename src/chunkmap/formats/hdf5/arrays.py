"""From a dataset to a `ManifestArray`: its type, shape, dimensions, codecs, fill value, attributes and chunks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, NamedTuple, get_args

import numpy as np

from chunkmap.errors import Unsupported
from chunkmap.formats.hdf5.embedded import VLEN_UTF8, embed
from chunkmap.formats.hdf5.fill import settle_fill
from chunkmap.formats.hdf5.netcdf4 import Dimensions, name_references, visible
from chunkmap.formats.hdf5.objects import BROKEN, Dataset, damaged
from chunkmap.formats.hdf5.stored import Stored, grown, inline_values, read_stored
from chunkmap.formats.hdf5.structures.attributes import FILL_VALUE, Attributes
from chunkmap.formats.hdf5.structures.datatype import Datatype, left_as_stored, require_dtype, with_doubles
from chunkmap.formats.hdf5.structures.file import File
from chunkmap.formats.hdf5.structures.filters import UnsupportedFilter, decode
from chunkmap.formats.hdf5.texts import with_text_codec
from chunkmap.io.rounds import Parser
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray
from chunkmap.model.records import laid_flat
from chunkmap.model.typed import MEANINGS, VALUES, MeaningsOfEnumeration, typed
from chunkmap.model.variants import ChunkVariant, Variants

__all__ = ["Options", "ReadValues", "Represented", "Values", "VlenEncode", "attribute_problems", "represent"]

LongDoubles = Literal["float64"]

VlenEncode = Literal["embed", "null", "leave"]

ReadValues = Callable[[str, int], bytes | None]
"""From the path and size in bytes of a dataset to its values as they would be stored without a filter, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What may be chosen."""

    group: str | None = None
    """A group to take for the root; None for the file's own."""
    vlen_encode: VlenEncode = "embed"
    """What becomes of values of variable length: they are held in the set (`embed`), given up for empty ones (`null`),
    or their references into the heap, 16 bytes each, are left as they are (`leave`)."""
    linked_datasets: bool = False
    """Whether a dataset is given under each of its hard links, and under soft links to it, as is what is below a group
    of several links, and links to other files are followed."""

    long_doubles: LongDoubles | None = None
    """`float64` reads long doubles as the nearest numbers of 64 bits, and a problem says so; records with them are held
    inline then. Without, they are left out."""

    strict: bool = False
    """Whether an object that is damaged is an error; without, it is left out, and a problem names it."""

    portable: bool = False
    """Arrays of which many chunks skip filters are left out; without, they have the codec `chunkmap.variants`."""

    def __post_init__(self) -> None:
        if self.long_doubles not in (None, *get_args(LongDoubles)):
            raise ValueError(f"long_doubles is {self.long_doubles!r}, expected 'float64'")
        if self.vlen_encode not in get_args(VlenEncode):
            raise ValueError(f"vlen_encode is {self.vlen_encode!r}, expected one of {', '.join(get_args(VlenEncode))}")


class Values(NamedTuple):
    """How values come about that are no chunks of the file."""

    vlen_encode: VlenEncode
    """As in the options."""
    long_doubles: LongDoubles | None = None
    """As in the options."""
    read: ReadValues | None = None
    """Gives the values of a dataset whose filters have no codec, to be held inline."""
    unlike: bool = False
    """Whether chunks of one array may be decoded in several ways."""


@dataclass(slots=True)
class Represented:
    """What became of a dataset."""

    array: ManifestArray | None
    problems: list[tuple[str, str]] = field(default_factory=list)
    """Features and messages."""


def represent(file: File, path: str, dataset: Dataset, dims: Dimensions, values: Values) -> Parser[Represented]:
    """The array that a dataset is, or why it is none."""
    name_references(dataset.attributes, file.paths)
    problems = [*attribute_problems(dataset.attributes), *(("conflicting sizes", text) for text in dims.misfits)]
    try:
        array = yield from _array(file, path, dataset, dims, values=values, problems=problems)
    except Unsupported as refusal:
        return Represented(None, [*problems, (refusal.feature, f"left out: {refusal.message}")])
    except BROKEN as error:
        found = damaged(file, dataset.address, error)
        return Represented(None, [*problems, (found.feature, f"left out: {found.message}")])
    return Represented(array, problems)


def attribute_problems(attributes: Attributes) -> list[tuple[str, str]]:
    """Attributes that have no JSON value, or not the very one."""
    if not attributes.lost and not attributes.rounded:
        return []
    left_out = [
        ("attribute", f"attribute {name!r} is left out: it is a {kind}" if name else f"attributes are left out: {kind}")
        for name, kind in attributes.lost
    ]
    lossy = [("long double", f"attribute {name!r}, {kind}: rounded to 64 bits") for name, kind in attributes.rounded]
    return left_out + lossy


def _array(
    file: File,
    path: str,
    dataset: Dataset,
    dims: Dimensions,
    *,
    values: Values,
    problems: list[tuple[str, str]],
) -> Parser[ManifestArray]:
    datatype, in_records = dataset.datatype, False
    if values.long_doubles is not None and datatype != (doubles := with_doubles(datatype)):
        in_records = doubles.dtype is None
        problems.append(("long double", f"{datatype.lacks}: rounded to 64 bits"))
        datatype, dataset = doubles, replace(dataset, datatype=doubles)
    if values.vlen_encode == "leave":
        datatype = left_as_stored(datatype)
    if dataset.space.shape is None:
        return _null(path, dataset)
    if datatype.needs_heap or datatype.has_reference or in_records:
        dataset = replace(dataset, datatype=datatype)
        return (yield from _embedded(file, path, dataset, dims, empty=values.vlen_encode == "null"))
    dtype, inner = element_dtype(datatype)
    stored = yield from _stored(file, path, dataset, dims, values)
    if datatype.has_text:
        stored = yield from with_text_codec(file, stored, datatype, dataset.fill_value)
    native = None if dataset.datatype.needs_heap else _native_fill(stored, dataset.fill_value)
    fill = settle_fill(stored, dtype, native, dataset.attributes.fill_value)
    if fill.problem:
        problems.append(("fill value", fill.problem))
    attrs = {**_flags(dataset), **visible(dataset.attributes.values)}
    if fill.keeps_attribute and FILL_VALUE in dataset.attributes.values:
        attrs[FILL_VALUE] = dataset.attributes.values[FILL_VALUE]
    chunks = fill.chunks.reshape_grid(fill.chunks.grid_shape + (1,) * len(inner)) if inner else fill.chunks
    meta = ArrayMeta(
        shape=dims.shape + inner,
        chunk_shape=stored.chunk_shape + inner,
        **_coded(stored, dtype),
        fill_value=fill.value,
        dims=dims.names + _inner_dims(path, inner) if inner else dims.names,
        attrs=attrs,
        nested=_nested(datatype, dtype) if dtype.names else None,
    )
    return ManifestArray(meta, chunks)


def _stored(file: File, path: str, dataset: Dataset, dims: Dimensions, values: Values) -> Parser[Stored]:
    own = dataset.datatype.dtype
    unlike = values.unlike and own is not None and own.base.kind in _OF_VARIANTS
    try:
        stored = yield from read_stored(file, dataset, unlike=unlike)
    except UnsupportedFilter:
        size = math.prod(dataset.shape) * dataset.datatype.size
        read = values.read(path, size) if values.read is not None else None
        if read is None:
            raise
        stored = inline_values(dataset, read)
    return stored if dims.shape == dataset.shape else grown(stored, dims.shape)


_OF_VARIANTS: Final = "biufcmM"
"""Kinds of types of which chunks may be decoded in several ways."""


def _coded(stored: Stored, dtype: np.dtype[Any]) -> dict[str, Any]:
    """The type and the codecs of all chunks, or the one codec that knows those of each."""
    if not stored.variants:
        return {"dtype": dtype, "filters": stored.codecs}
    table = tuple(ChunkVariant(dtype=dtype, filters=codecs) for codecs in stored.variants)
    return {"dtype": dtype.newbyteorder("="), "filters": (Variants(table),)}


_OF_ELEMENTS: Final = ("hdf5_float", "hdf5_integer", "hdf5_long_double", "hdf5_text")
"""Codecs that make elements of other elements."""


def _native_fill(stored: Stored, native: bytes | None) -> bytes | None:
    """The fill value as chunks are when they are decoded."""
    own = [codec for codec in stored.codecs[:1] if codec["id"] in _OF_ELEMENTS]
    return decode(own, native) if native and own else native


def _flags(dataset: Dataset) -> dict[str, Any]:
    """What the numbers of an enumeration mean, as the CF conventions write it, where no attribute says it."""
    datatype = dataset.datatype
    if not datatype.enumerated or {VALUES, MEANINGS} & dataset.attributes.values.keys():
        return {}
    names, values = zip(*datatype.enumerated, strict=True)
    code = "" if datatype.dtype is None else datatype.dtype.str[1:]
    meanings = " ".join("_".join(name.split()) for name in names)
    return {VALUES: typed(list(values), code), MEANINGS: MeaningsOfEnumeration(meanings)}


def _nested(datatype: Datatype, dtype: np.dtype[Any]) -> np.dtype[Any] | None:
    """The type of a record as the file has it, where it is another than that of the array."""
    own = require_dtype(datatype).base
    return own if own.names and own != dtype else None


def _null(path: str, dataset: Dataset) -> ManifestArray:
    """A dataset of no dataspace, which has a type, attributes, and no element: an array of length 0."""
    datatype = dataset.datatype
    in_heap = datatype.needs_heap or datatype.has_reference
    dtype, inner = (np.dtype(object), ()) if in_heap else element_dtype(datatype)
    dims = (f"{path.rpartition('/')[2]}_null", *_inner_dims(path, inner))
    attrs = {**_flags(dataset), **visible(dataset.attributes.values)}
    filters = (VLEN_UTF8,) if in_heap else ()
    meta = ArrayMeta(shape=(0, *inner), chunk_shape=(1, *inner), dtype=dtype, filters=filters, dims=dims, attrs=attrs)
    return ManifestArray(meta, ChunkManifest.empty(meta.grid_shape))


def _inner_dims(path: str, inner: tuple[int, ...]) -> tuple[str, ...]:
    """The names of the axes that an array datatype adds."""
    return tuple([f"{path.rpartition('/')[2]}_element_{axis}" for axis in range(len(inner))])


def _embedded(file: File, path: str, dataset: Dataset, dims: Dimensions, *, empty: bool) -> Parser[ManifestArray]:
    """A dataset whose values lie in a heap, or are references; elements that are arrays of such have axes more."""
    stored = grown((yield from read_stored(file, dataset)), dims.shape)
    datatype, native, inner = dataset.datatype, dataset.fill_value, tuple[int, ...]()
    while datatype.shape and datatype.base is not None:
        native = native or bytes(datatype.size)
        inner, datatype = inner + datatype.shape, datatype.base
    axes = len(inner)
    chunks = stored.chunks.reshape_grid(stored.chunks.grid_shape + (1,) * axes) if axes else stored.chunks
    stored = stored._replace(chunk_shape=stored.chunk_shape + inner, chunks=chunks)
    found = yield from embed(file, stored, datatype, native, empty=empty)
    attrs = visible(dataset.attributes.values)
    if FILL_VALUE in dataset.attributes.values:
        attrs[FILL_VALUE] = dataset.attributes.values[FILL_VALUE]
    meta = ArrayMeta(
        shape=dims.shape + inner,
        chunk_shape=stored.chunk_shape,
        dtype=found.dtype,
        filters=found.codecs,
        dims=dims.names + _inner_dims(path, inner),
        attrs=attrs,
    )
    return ManifestArray(meta, found.chunks)


def element_dtype(datatype: Datatype) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """The dtype of a Zarr array, and the axes that an array datatype adds to it.

    Zarr knows no gaps between the members of a structure, no structures in structures, and no arrays in them: gaps
    become members of their own, and what is nested is laid flat, as `outer.inner` and `member[0,1]`.
    """
    dtype, inner = require_dtype(datatype), tuple[int, ...]()
    if dtype.subdtype is not None:
        dtype, inner = dtype.subdtype
    return (laid_flat(dtype) if dtype.names else dtype), inner
