"""Raster images: those of the interface GR, and of DFR8 and DF24 before it, with their palettes.

HDF Specification and Developer's Guide, chapter on raster images: DFTAG_RIG lists what belongs to one image, DFTAG_ID
describes it; GR keeps each in a Vgroup of the class `RI0.0`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from chunkmap.errors import FormatError, Unsupported
from chunkmap.formats.hdf4.arrays import as_scalar
from chunkmap.formats.hdf4.coders import IMAGE_JPEG, IMAGE_RLE, Coder
from chunkmap.formats.hdf4.contents import ATTRIBUTES, Contents, attributes_of, read_attributes
from chunkmap.formats.hdf4.descriptors import Key
from chunkmap.formats.hdf4.elements import Chunked, locate
from chunkmap.formats.hdf4.numbers import dtype_of_nt
from chunkmap.formats.hdf4.sds import Sds
from chunkmap.formats.hdf4.vdata import DFTAG_VH
from chunkmap.io.rounds import Parser, Together

__all__ = ["image_attributes", "read_images"]

DFTAG_RIG, DFTAG_ID, DFTAG_RI, DFTAG_CI, DFTAG_LD, DFTAG_LUT = 306, 300, 302, 303, 307, 301
DFTAG_ID8, DFTAG_IP8, DFTAG_RI8, DFTAG_CI8, DFTAG_II8 = 200, 201, 202, 203, 204
_OLD: Final = {DFTAG_RI8: 0, DFTAG_CI8: 11, DFTAG_II8: 12}
"""How images of 8 bits are coded, by the tag of their data."""
_DATA: Final = (DFTAG_RI, DFTAG_CI, *_OLD)
_CODERS: Final = {11: Coder(IMAGE_RLE), 15: Coder(IMAGE_JPEG), 16: Coder(IMAGE_JPEG)}
_REFUSED: Final = {12: "IMCOMP", 13: "JPEG of the first kind", 14: "grey JPEG of the first kind"}
_DESCRIBED: Final = struct.Struct(">iiHHhhHH")
_PALETTE: Final = (256, 3)
_FILL: Final = "FillValue"


class _Image(NamedTuple):
    """What belongs to one image, before it is looked at."""

    name: str
    members: Mapping[int, int]
    attributes: tuple[int, ...]
    keys: list[Key]
    """What an annotation may name: its groups, and all that is in them."""


def read_images(
    contents: Contents, notes: Mapping[Key, Mapping[str, Any]]
) -> Parser[list[Sds | tuple[str, Exception]]]:
    """Every image, with what annotations say of it, and its palette as arrays; a name and an error for one that cannot
    be read.
    """
    found = yield Together([_arrays(contents, image, notes) for image in _listed(contents)])
    return [array for arrays in found for array in arrays]


def image_attributes(contents: Contents) -> dict[str, Any]:
    """The attributes that GR gave to all images of the file."""
    groups = [vgroup for vgroup in contents.vgroups.values() if vgroup.kind == "RIG0.0"]
    refs = [ref for vgroup in groups for ref in vgroup.refs(DFTAG_VH) if contents.kind(ref) in ATTRIBUTES]
    return attributes_of(contents, refs)


def _listed(contents: Contents) -> list[_Image]:
    """Images of GR first; older groups name images that GR does not, or all over again."""
    found, seen = list[_Image](), dict[Any, _Image]()
    candidates = [
        (vgroup.name, vgroup.members, (DFTAG_RIG, ref))  # so GR calls it: GRidtoref gives the number of the Vgroup
        for ref, vgroup in contents.vgroups.items()
        if vgroup.kind == "RI0.0"
    ]
    taken = {group for _, _, group in candidates}
    candidates += [
        ("", tuple(contents.pairs((DFTAG_RIG, ref))), (DFTAG_RIG, ref)) for ref in contents.file.refs(DFTAG_RIG)
    ]
    candidates += [
        ("", ((DFTAG_ID8, ref), (tag, ref), (DFTAG_IP8, ref)), (tag, ref))
        for tag in _OLD
        for ref in contents.file.refs(tag)
    ]
    for name, members, group in candidates:
        data = {_place(contents, key) for key in members if key[0] in _DATA} - {None}
        if name and any(tag == DFTAG_ID for tag, _ in members):
            data = data or {(group, key) for key in members}  # GR names images that were never written too
        known = next((seen[place] for place in data if place in seen), None)
        if known is not None:
            known.keys.extend({group} - taken)
        elif data:
            attributes = tuple(ref for tag, ref in members if tag == DFTAG_VH)
            first = dict(reversed(list(members)))
            found.append(_Image(name or f"Raster Image #{len(found)}", first, attributes, [group, *members]))
            seen |= dict.fromkeys(data, found[-1])
    return found


def _place(contents: Contents, key: Key) -> Any:
    """Where an image lies: the same bytes may have an old and a new name."""
    entry = contents.file.find(key)
    return None if entry is None else (entry.offset, entry.length)


def _arrays(
    contents: Contents, image: _Image, notes: Mapping[Key, Mapping[str, Any]]
) -> Parser[list[Sds | tuple[str, Exception]]]:
    try:
        array, *palette = yield from _image_and_palette(contents, image)
    except (Unsupported, FormatError) as error:
        return [(image.name, error)]
    said = {name: text for key in image.keys if key in notes for name, text in notes[key].items()}
    return [array._replace(attrs=dict(array.attrs) | said), *palette]


def _image_and_palette(contents: Contents, image: _Image) -> Parser[list[Sds]]:
    array = yield from (_old(contents, image) if DFTAG_ID not in image.members else _new(contents, image))
    attrs = yield from read_attributes(contents, image.attributes)
    palette = yield from _palette(contents, image)
    return [array._replace(attrs=attrs, unwritten=_unwritten(array, attrs)), *palette]


def _unwritten(array: Sds, attrs: Mapping[str, Any]) -> bytes:
    """What pixels read as that were never written: a value that GR was told, else zero."""
    given = attrs.get(_FILL, 0)
    listed = given if isinstance(given, list) else [given]
    if any(value != listed[0] for value in listed) and not (array.element.extents or array.element.chunked):
        raise Unsupported("its components read as different values, as it was never written", feature="fill value")
    value = as_scalar(listed[0], array.dtype) if listed else None
    return np.array(0 if value is None else value, array.dtype).tobytes()


# xdim ydim NT_tag NT_ref ncomponents interlace compression_tag compression_ref
def _new(contents: Contents, image: _Image) -> Parser[Sds]:
    data = contents.small.get((DFTAG_ID, image.members[DFTAG_ID]), b"")
    if len(data) < _DESCRIBED.size:
        raise contents.file.error(f"the description of image {image.name!r} has {len(data)} bytes")
    columns, rows, tag, ref, components, interlace, coding, _ = _DESCRIBED.unpack_from(data)
    if columns < 0 or rows < 0 or components < 1 or interlace not in (0, 1, 2):
        raise contents.file.error(
            f"image {image.name!r} has {rows} rows of {columns} pixels of {components} components"
        )
    number_type = contents.small.get((tag, ref), b"")
    dtype = dtype_of_nt(number_type) if len(number_type) >= 4 else np.dtype("u1")
    return (yield from _array(contents, image, (rows, columns, components), dtype, interlace=interlace, coding=coding))


def _array(
    contents: Contents, image: _Image, size: tuple[int, int, int], dtype: np.dtype[Any], *, interlace: int, coding: int
) -> Parser[Sds]:
    rows, columns, components = size
    tag = next((tag for tag in _DATA if tag in image.members), DFTAG_RI)
    if coding in _REFUSED:
        raise Unsupported(f"the image is compressed by {_REFUSED[coding]}, which is not decoded", feature="compression")
    element = yield from locate(contents.file, (tag, image.members.get(tag, 0)))
    name = image.name.replace("/", "_")
    y, x, c = (f"{name}_y", rows), (f"{name}_x", columns), (f"{name}_component", components)
    axes = ([y, x, c], [y, c, x], [c, y, x])[interlace] if components > 1 else [y, x]
    shape = tuple(length for _, length in axes)
    if element.chunked is not None:
        element = element._replace(chunked=_by_rows(contents, image.name, element.chunked, (rows, columns)))
    if coding in _CODERS:
        nbytes = int(np.prod(shape)) * dtype.itemsize
        element = element._replace(coder=_CODERS[coding], length=nbytes)
    dims = tuple(name for name, _ in axes)
    return Sds(name=image.name, shape=shape, dims=dims, dtype=dtype, data=None, element=element)


def _by_rows(contents: Contents, name: str, header: Chunked, size: tuple[int, int]) -> Chunked:
    """The chunks of an image, as those of its rows.

    The library writes its pixels row by row into an array of as many rows as the image has columns: its chunks are
    rectangles of the image only where that is square, or in one chunk.
    """
    if header.shape != size[::-1]:
        raise contents.file.error(f"image {name!r} of {size} rows and columns is stored as an array of {header.shape}")
    if size[0] == size[1]:
        return header
    if header.chunk_shape != header.shape:
        raise Unsupported(
            f"an image of {size} rows and columns is in chunks of {header.chunk_shape}, which hold no rectangles of it",
            feature="image in chunks",
        )
    return header._replace(shape=size, chunk_shape=size)


# xdim ydim, of images of 8 bits
def _old(contents: Contents, image: _Image) -> Parser[Sds]:
    entry = contents.file.find((DFTAG_ID8, image.members.get(DFTAG_ID8, 0)))
    if entry is None or entry.length < 4:
        raise contents.file.error(f"image {image.name!r} has no description")
    data = yield contents.file.span(entry.offset, 4)
    columns, rows = struct.unpack(">HH", data)
    size, coding = (rows, columns, 1), next(_OLD[tag] for tag in _OLD if tag in image.members)
    return (yield from _array(contents, image, size, np.dtype("u1"), interlace=0, coding=coding))


def _palette(contents: Contents, image: _Image) -> Parser[Iterable[Sds]]:
    """256 colours of red, green and blue."""
    tag = next((tag for tag in (DFTAG_LUT, DFTAG_IP8) if tag in image.members), None)
    if tag is None:
        return []
    element = yield from locate(contents.file, (tag, image.members[tag]))
    if element.length < 768 or element.coder is not None or element.external is not None:
        return []
    name = f"{image.name}_palette"
    return [Sds(name=name, shape=_PALETTE, dims=("colour", "rgb"), dtype=np.dtype("u1"), data=None, element=element)]
