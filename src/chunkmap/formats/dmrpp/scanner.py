"""From a DMR++ to references into its granule."""

from __future__ import annotations

import math
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from chunkmap.codecs import make
from chunkmap.errors import FormatError, Unsupported
from chunkmap.formats.dmrpp.document import DMRPP, NUMBERS, Member, Variable, attribute_value, read_document
from chunkmap.formats.dmrpp.layout import Layout, attributes_of, find_layout, strings
from chunkmap.formats.dmrpp.runs import Run
from chunkmap.formats.filling import MOST_INLINE, fill_missing
from chunkmap.formats.format import Scanned
from chunkmap.io import Source
from chunkmap.io.rounds import Parser, Span
from chunkmap.model import ArrayMeta, ChunkManifest, CodecConfig, ManifestArray, Problem
from chunkmap.model.meta import grid_shape_of
from chunkmap.model.wording import counted

__all__ = ["Options", "parse"]

_PLACEHOLDER: Final = "OPeNDAP_DMRpp_DATA_ACCESS_URL"
_SUFFIX: Final = ".dmrpp"
_LONGEST: Final = 256 << 20
_FILL: Final = "_FillValue"
_VLEN_UTF8: Final[CodecConfig] = {"id": "vlen-utf8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What may be chosen."""

    granule: str | None = None
    """The URL of the granule. None: the one that the document gives, or, where that is a path on a server or a
    placeholder, the document's own URL without `.dmrpp`."""


def parse(source: Source, options: Options) -> Parser[Scanned]:
    """References into the granule, which is not opened."""
    size = source.size()
    if size > _LONGEST:
        raise FormatError(f"expected a document of at most {_LONGEST} bytes, found {size}", url=source.url)
    data: memoryview = yield Span(0, size, size)
    document = read_document(data, source.url)
    granule = options.granule or _granule(document.href, source.url)
    arrays: dict[str, ManifestArray] = {}
    problems = [Problem(path, "variable name", f"left out: {why}", source.url) for path, why in document.odd]
    for variable in document.variables:
        try:
            arrays[variable.path] = _array(variable, granule, document.runs)
        except Unsupported as refusal:
            problems.append(Problem(variable.path, refusal.feature, f"left out: {refusal.message}", source.url))
    return Scanned(arrays, document.groups, tuple(problems))


def _granule(href: str, url: str) -> str:
    """Where the granule is: what the document names by a URL, else the file beside the document.

    >>> _granule("OPeNDAP_DMRpp_DATA_ACCESS_URL", "s3://bucket/a.h5.dmrpp")
    's3://bucket/a.h5'
    >>> _granule("", "tar://a.h5.dmrpp::s3://bucket/a.tar")
    'tar://a.h5::s3://bucket/a.tar'
    """
    if "://" in href:
        return href
    own, link, archive = url.partition("::")
    if own.endswith(_SUFFIX):
        return f"{own.removesuffix(_SUFFIX)}{link}{archive}"
    if href and href != _PLACEHOLDER:
        return f"{posixpath.join(posixpath.dirname(own), posixpath.basename(href))}{link}{archive}"
    raise FormatError(
        "it does not say where its granule is, and has no name that ends in .dmrpp; say it with the option granule",
        url=url,
    )


def _array(variable: Variable, granule: str, runs: Sequence[Run]) -> ManifestArray:
    described = attributes_of(variable.element.find(f"{DMRPP}chunks"))
    said = described.get("byteOrder", "LE")
    if said not in ("LE", "BE"):
        raise Unsupported(f"its bytes are in the order {said!r}, expected LE or BE", feature="byte order")
    order: Literal["<", ">"] = ">" if said == "BE" else "<"
    is_text = variable.type in ("String", "URL", "URI")
    texts = strings(variable.element, math.prod(variable.shape)) if is_text else None
    if texts is not None:
        return _texts(variable, texts)
    dtype = _dtype(variable, order, described.get("structOffset", ""))
    found = find_layout(variable.element, variable.shape, dtype, granule, runs)
    settled = _settle_fill(variable, dtype, found, described.get("fillValue"))
    meta = ArrayMeta(
        shape=variable.shape,
        chunk_shape=found.chunk_shape,
        dtype=dtype,
        filters=found.codecs,
        fill_value=settled.value,
        dims=variable.dims,
        attrs={**variable.flags, **settled.attrs},
    )
    return ManifestArray(meta, settled.chunks)


def _texts(variable: Variable, texts: list[str]) -> ManifestArray:
    count = math.prod(variable.shape)
    if len(texts) != count:
        raise Unsupported(f"expected {count} texts, found {len(texts)}", feature="values in the document")
    blob = bytes(make(_VLEN_UTF8).encode(np.array(texts, object)))
    shape = variable.shape
    whole = tuple(max(n, 1) for n in shape)
    empty = ChunkManifest.empty(grid_shape_of(shape, whole))
    meta = ArrayMeta(
        shape=shape,
        chunk_shape=whole,
        dtype=np.dtype(object),
        filters=(_VLEN_UTF8,),
        dims=variable.dims,
        attrs=variable.attrs,
    )
    return ManifestArray(meta, ChunkManifest.single(blob, 0, len(blob), len(shape)) if count else empty)


def _dtype(variable: Variable, order: Literal["<", ">"], ends: str) -> np.dtype[Any]:
    if variable.type == "Structure":
        return _record(variable.members, order, ends)
    kind = variable.basetype if variable.type == "Enum" else variable.type
    return _plain(kind, variable.element, order)


def _plain(kind: str, element: Any, order: Literal["<", ">"]) -> np.dtype[Any]:
    """The type of an element that is no structure."""
    if kind in NUMBERS:
        return np.dtype(NUMBERS[kind]).newbyteorder(order)
    fixed = element.find(f"{DMRPP}FixedLengthStringArray")
    length = "" if fixed is None else fixed.get("string_length", "")
    if length.isdecimal() and 0 < int(length) < 1 << 20:
        return np.dtype(f"S{int(length)}")
    raise Unsupported(f"elements of type {kind}, whose bytes the document does not describe", feature=f"type {kind}")


def _record(members: Sequence[Member], order: Literal["<", ">"], ends: str) -> np.dtype[Any]:
    """A structure laid flat, as `member[0]`; `ends` says where each member ends with what pads it."""
    stops = [int(text) for text in ends.split() if text.isdecimal()]
    if not members or (ends and len(stops) != len(members)):
        raise Unsupported(f"{len(members)} members with ends at {ends!r}", feature="structure")
    fields: list[tuple[str, np.dtype[Any]]] = []
    place = 0
    for number, member in enumerate(members):
        dtype = _plain(member.type, member.element, order)
        fields += [
            (f"{member.name}[{','.join(map(str, index))}]" if index else member.name, dtype)
            for index in np.ndindex(*member.shape)
        ]
        place += math.prod(member.shape) * dtype.itemsize
        if stops and stops[number] < place:
            raise Unsupported(f"member {member.name!r} ends at {place}, not at {stops[number]}", feature="structure")
        if stops and stops[number] > place:
            fields.append((f"_padding_{place}", np.dtype(f"V{stops[number] - place}")))
            place = stops[number]
    return np.dtype(fields)


class _Settled(NamedTuple):
    """What missing chunks read as, and what stays among the attributes."""

    value: Any
    attrs: Mapping[str, Any]
    chunks: ChunkManifest


def _settle_fill(variable: Variable, dtype: np.dtype[Any], found: Layout, native: str | None) -> _Settled:
    """Choose `fill_value` so that cells without a chunk read as `fillValue` says, and `_FillValue` masks what it masks.

    Where the two differ, and cells are empty, chunks full of the one are held inline. Raises Unsupported where that is
    too much.
    """
    attrs, chunks = dict(variable.attrs), found.chunks
    masked = _scalar(attrs.get(_FILL), dtype)
    if masked is not None:
        attrs.pop(_FILL)
    if len(chunks) == chunks.size:
        return _Settled(masked, attrs, chunks)
    value = _native(variable, native, dtype)
    if masked is not None and (value == masked or (value != value and masked != masked)):
        return _Settled(masked, attrs, chunks)
    if value is None or not value:
        return _Settled(None, dict(variable.attrs), chunks)
    count = math.prod(found.chunk_shape)
    blob = _full(value, count, dtype, found)
    full = fill_missing(chunks, blob) if blob else None
    if full is None:
        missing = chunks.size - len(chunks)
        what = f"{counted(missing, 'chunk', 'was')} never written and read as {value!r}, which is not what is masked"
        raise Unsupported(what, feature="fill value")
    return _Settled(masked, attrs, full)


def _full(value: Any, count: int, dtype: np.dtype[Any], found: Layout) -> bytes:
    """A chunk of one value, as it would be stored; nothing where it is too large."""
    if count * dtype.itemsize > MOST_INLINE:
        return b""
    blob = np.full(count, value, dtype).tobytes()
    for codec in found.codecs:
        blob = bytes(make(codec).encode(blob))
    return blob


def _scalar(value: Any, dtype: np.dtype[Any]) -> Any:
    """An attribute as a scalar of the array's own type; None when it is none of that type."""
    if not isinstance(value, (int, float)) or dtype.kind not in "iuf":
        return None
    with np.errstate(all="ignore"):
        try:
            cast = np.asarray(value).astype(dtype)[()]
        except (OverflowError, ValueError):
            return None
    return cast if cast == value or cast != cast else None


def _native(variable: Variable, text: str | None, dtype: np.dtype[Any]) -> Any:
    """The value of `fillValue`; None where there is none, or none of it can be told and zeros are what is meant."""
    if not text or dtype.kind not in "iuf":
        return None
    kind = variable.basetype if variable.type == "Enum" else variable.type
    try:
        return np.asarray(attribute_value(text, kind)).astype(dtype)[()]
    except (ValueError, OverflowError) as error:
        raise Unsupported(f"its fillValue {text!r} is none of its type", feature="fill value") from error
