"""From a header to references into the file beside it that has the pixels."""

from __future__ import annotations

import math
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chunkmap.errors import FormatError, NoSuchFile
from chunkmap.formats.blocks import cut, held, strided
from chunkmap.formats.envi.envi import MAGIC, read_envi
from chunkmap.formats.envi.esri import read_esri
from chunkmap.formats.envi.image import Image
from chunkmap.formats.format import Scanned
from chunkmap.formats.names import check_name
from chunkmap.formats.pairs import file_name, found_beside, header_of, with_suffix
from chunkmap.formats.text import text_of
from chunkmap.io import Source
from chunkmap.io.rounds import Found, Other, Parser, Span
from chunkmap.model import ArrayMeta, ManifestArray, Problem

__all__ = ["Options", "parse"]

_LONGEST: Final = 64 << 20
"""Bytes of a header."""
_LONGEST_WKT: Final = 1 << 20
_ROWS_NBYTES: Final = 16 << 20
"""Bytes of a chunk of rows, where bands are interleaved."""
_MOST_PIXELS: Final = 1 << 22
"""Columns or rows that are given coordinates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What may be chosen."""

    name: str = "image"
    """What the array is called: the header does not say."""
    chunk_nbytes: int | None = None
    """Cut the image along its slowest axes into equal chunks of at most so many bytes; None: a chunk a band, or 16 MiB
    of rows where bands are interleaved."""
    data: str | None = None
    """The name of the file with the pixels; None: that of the header without .hdr, or with another suffix."""


def parse(source: Source, options: Options) -> Parser[Scanned]:
    """The image of a header, with coordinates where it says them."""
    check_name(options.name)
    size = source.size()
    if size > _LONGEST:
        raise FormatError(f"expected a header of at most {_LONGEST} bytes, found {size}", url=source.url)
    raw: memoryview = yield Span(0, size, size)
    text = text_of(raw)
    is_envi = text.startswith(MAGIC)
    image = read_envi(text, source.url) if is_envi else _esri(text, source.url)
    found = yield from _pixels(source, image, options.data)
    wkt = image.wkt if is_envi else (yield from _projection(source))
    meta = ArrayMeta(
        shape=image.shape,
        chunk_shape=image.shape,
        dtype=image.dtype,
        fill_value=_fill_value(image),
        dims=image.dims,
        attrs=image.attrs,
    )
    array = strided(found.url, found.target.size or 0, image.first, meta, image.strides)
    arrays = {
        options.name: cut(array, _chunk_nbytes(image, array) if options.chunk_nbytes is None else options.chunk_nbytes)
    }
    more = _coordinates(image, wkt)
    named = [name for name in more if name not in ("x", "y", "spatial_ref")]
    own = {**({"coordinates": " ".join(named)} if named else {}), **_mapped(more)}
    arrays[options.name] = arrays[options.name].with_meta(attrs={**image.attrs, **own})
    arrays |= {name: added for name, added in more.items() if name != options.name}
    problems = [Problem(options.name, "scale", image.problem, source.url)] if image.problem else []
    more_bytes = (found.target.size or 0) - _stop(image)
    if more_bytes > 0:
        text = f"{more_bytes} bytes of {found.url} come after the image that is described: is the header whole?"
        problems.append(Problem(options.name, "bytes after the image", text, source.url))
    return Scanned(arrays, {"": image.about}, tuple(problems), {found.url: found.target})


def _esri(text: str, url: str) -> Image:
    """The image of ESRI's header. The error of a file that is none says where its header may be."""
    try:
        return read_esri(text, url)
    except FormatError as error:
        raise FormatError(f"{error.message}{header_of(url)}", url=url) from error


def _pixels(source: Source, image: Image, named: str | None) -> Parser[Found]:
    """The file with the pixels. Raises NoSuchFile where there is none, FormatError where several could be."""
    header = file_name(source.url)
    stem = posixpath.splitext(header)[0] if header.lower().endswith(".hdr") else header
    own = posixpath.splitext(stem)[1].lower()
    if named is not None:
        names = [named]
    elif own and own in image.suffixes:
        names = [stem]
    else:
        names = [with_suffix(header, suffix) for suffix in dict.fromkeys(image.suffixes)]
    found = yield from found_beside([name for name in names if name != header])
    if not found:
        tried = ", ".join(repr(name) for name in names if name != header)
        remedy = "say another name with the option data" if named is None else "that is what the option data says"
        raise NoSuchFile(f"its pixels are not beside it: looked for {tried}; {remedy}", url=source.url)
    need = _stop(image)
    fit = [one for one in found if (one.target.size or 0) >= need]
    if len(fit) > 1:
        fit = [one for one in fit if one.target.size == need] or fit
    if len(fit) > 1:
        several = " or ".join(file_name(one.url) for one in fit)
        raise FormatError(f"its pixels may be in {several}; say which with the option data", url=source.url)
    return (fit or found)[0]


def _stop(image: Image) -> int:
    """Where the last pixel ends, and what lies between it and the next row."""
    if image.padding.row and image.interleave != "bsq":
        return image.first + image.padding.row * image.rows
    last = sum((n - 1) * step for n, step in zip(image.shape, image.strides, strict=True))
    return image.first + last + image.dtype.itemsize


def _projection(source: Source) -> Parser[str | None]:
    """What ESRI's `.prj` beside a header says of the coordinate reference system."""
    found: Found | None = yield Other(with_suffix(file_name(source.url), ".prj"), _whole)
    text = "" if found is None else found.result.strip()
    return text if "[" in text else None


def _whole(source: Source) -> Parser[str]:
    size = min(source.size(), _LONGEST_WKT)
    raw: memoryview = yield Span(0, size, size)
    return text_of(raw)


def _chunk_nbytes(image: Image, array: ManifestArray) -> int:
    """A band as a chunk, or some rows."""
    whole = math.prod(array.meta.chunk_shape) * image.dtype.itemsize
    if image.interleave == "bsq":
        return max(whole // (image.bands if image.dims[0] == "band" else 1), 1)
    return _ROWS_NBYTES


def _fill_value(image: Image) -> Any:
    """What stands for missing pixels, in their type; None where their type has no such value."""
    if image.nodata is None or image.dtype.kind == "c":
        return None
    native = image.dtype.newbyteorder("=")
    if native.kind == "f":
        with np.errstate(over="ignore"):
            found = native.type(image.nodata)
        return None if np.isinf(found) and math.isfinite(image.nodata) else found
    if not float(image.nodata).is_integer():
        return None
    limits, value = np.iinfo(native), int(image.nodata)
    return native.type(value) if limits.min <= value <= limits.max else None


def _mapped(more: Mapping[str, ManifestArray]) -> dict[str, str]:
    return {"grid_mapping": "spatial_ref"} if "spatial_ref" in more else {}


def _coordinates(image: Image, wkt: str | None) -> dict[str, ManifestArray]:
    """Where rows, columns and bands are."""
    found: dict[str, ManifestArray] = {}
    place = image.place
    if place is not None and not place.rotation and not image.is_library:
        for name, values in zip("xy", place.middles(*_few(image)), strict=True):
            if len(values):
                found[name] = held(values, (name,), {"axis": name.upper()})
    dims = ("band",) if "band" in image.dims else ()
    for name, (values, attrs) in image.by_band.items():
        found[name] = held(values if dims else values[:1].reshape(()), dims, attrs)
    for name, values in image.by_row.items():
        found[name] = held(values, image.dims[:1], {})
    ground = {} if place is None else {"GeoTransform": place.gdal}
    if wkt:
        ground |= {"crs_wkt": wkt, "spatial_ref": wkt}
    if ground and not image.is_library:
        found["spatial_ref"] = held(np.zeros((), np.int64), (), ground)
    return found


def _few(image: Image) -> tuple[int, int]:
    """Rows and columns that are given coordinates; none where there are very many."""
    return (image.rows, image.columns) if max(image.rows, image.columns) <= _MOST_PIXELS else (0, 0)
