"""FITS files: each image an array, each table a group of arrays, what the headers say as attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chunkmap.errors import FormatError, Unsupported
from chunkmap.formats.fits.columns import Column, ascii_columns, binary_columns, table_attributes
from chunkmap.formats.fits.hdus import Unit, walk
from chunkmap.formats.fits.heap import variable_arrays
from chunkmap.formats.fits.images import image
from chunkmap.formats.fits.names import axis_names, distinct, unit_names, without_conflicts
from chunkmap.formats.fits.records import Records
from chunkmap.formats.fits.tables import column_arrays, group_arrays, read_otherwise, structured
from chunkmap.formats.fits.tiles import image_attributes, is_compressed, tiled_image, whole_image
from chunkmap.formats.fits.world import has_world, with_coordinates, world_coordinates
from chunkmap.formats.format import Scanned
from chunkmap.io.rounds import Parser
from chunkmap.io.source import Source
from chunkmap.model import ManifestArray, Problem

__all__ = ["Options", "parse", "parse_units"]

_MOST_AXES: Final = 32  # zarr's and numpy's readers between them
_IMAGES, _TABLES, _ASCII_TABLES = ("IMAGE", "IUEIMAGE"), ("BINTABLE", "A3DTABLE"), ("TABLE",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a FITS file is scanned."""

    hdu: int | str | None = None
    """Which HDU: its number from 0 on, or its name in the set; None for all."""
    chunk_nbytes: int | None = None
    """Most bytes of a chunk: of an image, where its axes divide, of rows of a table, of pixels of whole tiles. None
    for planes of images, 16 MiB of rows, 1 MiB of pixels of tiles."""
    portable: bool = False
    """Binary tables as one structured array each, as it is stored, for readers that do not know chunkmap's codecs."""
    whole: bool = False
    """Compressed images as one chunk each, with the header: so those of several files combine. astropy reads them."""
    wcs: bool = False
    """World coordinates of images as arrays, which astropy computes from the header when they are read."""


@dataclass(slots=True)
class _Found:
    """What has been made of a file so far."""

    images: dict[str, tuple[Unit, ManifestArray]] = field(default_factory=dict)
    arrays: dict[str, ManifestArray] = field(default_factory=dict)
    groups: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def parse(source: Source, options: Options) -> Parser[Scanned]:
    """References to what a FITS file holds.

    An HDU that cannot be represented is a problem, and the others are there.
    """
    if options.chunk_nbytes is not None and options.chunk_nbytes < 1:
        raise ValueError(f"chunk_nbytes is {options.chunk_nbytes}, expected a number of bytes above 0")
    walked = yield from walk(source)
    units = walked.units
    named = dict(zip(unit_names(units), units, strict=True))
    wanted = {name: unit for name, unit in named.items() if options.hdu in (None, unit.number, name)}
    if not wanted:
        raise ValueError(f"hdu is {options.hdu!r}, expected one of {', '.join(named)}, or a number below {len(named)}")
    found = yield from parse_units(source, options, wanted)
    groups = {"": units[0].header.attributes(), **found.groups}
    return Scanned(found.arrays, groups, (*walked.problems, *found.problems))


def parse_units(source: Source, options: Options, units: Mapping[str, Unit]) -> Parser[Scanned]:
    """References to some units, by their names in the set, which has no attributes at its root."""
    found = _Found()
    for name, unit in units.items():
        try:
            yield from _unit(source, options, name, unit, found)
        except Unsupported as refusal:
            found.problems.append(Problem(name, refusal.feature, f"{refusal.message}; left out", source.url))
        except FormatError as error:
            found.problems.append(Problem(name, "damaged HDU", f"{error.message}; left out", source.url))
    yield from _place_images(source, options, found)
    return Scanned(found.arrays, found.groups, tuple(found.problems))


def _unit(source: Source, options: Options, name: str, unit: Unit, found: _Found) -> Parser[None]:
    """The arrays of one unit."""
    if not unit.nbytes and not unit.shape:
        return
    if unit.data + unit.nbytes > source.size():
        raise FormatError(
            f"its data go on to byte {unit.data + unit.nbytes}, but the file ends at byte {source.size()}",
            url=source.url,
        )
    if unit.number == 0 and unit.header.get("SIMPLE") is not True:
        raise Unsupported("the file says that it does not conform to the standard", feature="SIMPLE", url=source.url)
    if unit.is_groups:
        arrays = group_arrays(unit, source.url, options.chunk_nbytes)
        _add_group(found, name, arrays, unit.header.attributes())
    elif unit.number == 0 or unit.kind in _IMAGES:
        found.images[name] = unit, _image(unit, source, options)
    elif unit.kind in _TABLES and is_compressed(unit.header):
        if options.whole:
            array = whole_image(unit, source.url)
        else:
            array = yield from tiled_image(unit, source, options.chunk_nbytes)
        attrs = {**image_attributes(unit.header), **array.meta.attrs}
        found.images[name] = unit, array.with_meta(attrs=attrs)
    elif unit.kind in (*_TABLES, *_ASCII_TABLES):
        yield from _table(source, options, name, unit, found)
    else:
        raise Unsupported(f"an extension of type {unit.kind!r}", feature="extension", url=source.url)


def _image(unit: Unit, source: Source, options: Options) -> ManifestArray:
    if len(unit.shape) > _MOST_AXES:
        raise Unsupported(f"{len(unit.shape)} axes, readers have at most {_MOST_AXES}", feature="rank", url=source.url)
    array = image(unit.header, unit.bitpix, unit.shape, (source.url, unit.data), options.chunk_nbytes)
    return array.with_meta(attrs={**unit.header.attributes(), **array.meta.attrs})


def _table(source: Source, options: Options, name: str, unit: Unit, found: _Found) -> Parser[None]:
    """The arrays of a table."""
    is_ascii = unit.kind in _ASCII_TABLES
    columns = ascii_columns(unit.header) if is_ascii else binary_columns(unit.header)
    records = _records(unit, columns, source, options)
    assert not isinstance(columns, str)
    attrs = table_attributes(unit.header)
    if unit.header.get("ZTABLE") is True:
        raise Unsupported("a table that is compressed column by column", feature="ZTABLE", url=source.url)
    if options.portable and not is_ascii:
        array = structured(records, columns)
        found.arrays[name] = array.with_meta(attrs=unit.header.attributes(), dims=(f"{name}_row",))
        others = read_otherwise(columns)
        if others:
            message = f"numbers as they are stored, which its keywords scale or mask, of {', '.join(others)}"
            found.problems.append(Problem(name, "stored values", message, source.url))
        return
    arrays = column_arrays(records, columns, is_ascii=is_ascii)
    names = [column.name for column in columns]
    more, problems = yield from variable_arrays(unit, records, columns, distinct([*names, "row"])[-1])
    found.problems += [Problem(f"{name}/{p.path}", p.feature, p.message, p.url) for p in problems]
    _add_group(found, name, _unmixed(arrays, more), attrs)


def _records(unit: Unit, columns: list[Column] | str, source: Source, options: Options) -> Records:
    """The rows of a table whose header agrees with itself."""
    if isinstance(columns, str):
        raise FormatError(columns, url=source.url)
    if len(unit.shape) != 2 or unit.bitpix != 8:
        raise FormatError(f"expected rows of bytes, found BITPIX {unit.bitpix} and {unit.shape}", url=source.url)
    count, nbytes = unit.shape
    needed = max((column.offset + column.nbytes for column in columns), default=0)
    if needed > nbytes or count * nbytes > unit.nbytes:
        raise FormatError(f"expected rows of {needed} bytes for all columns, found {nbytes}", url=source.url)
    return Records.of(source.url, unit.data, nbytes, count, options.chunk_nbytes)


def _unmixed(arrays: Mapping[str, ManifestArray], more: Mapping[str, ManifestArray]) -> dict[str, ManifestArray]:
    """All of a table's arrays; what stands beside a column never takes the name of another one."""
    names = distinct([*arrays, *more])
    return dict(zip(names, [*arrays.values(), *more.values()], strict=True))


def _add_group(found: _Found, name: str, arrays: Mapping[str, ManifestArray], attrs: Mapping[str, Any]) -> None:
    found.groups[name] = attrs
    found.arrays.update({f"{name}/{path}": array for path, array in arrays.items()})


def _place_images(source: Source, options: Options, found: _Found) -> Parser[None]:
    """Images and their coordinates in the root group, whose axes they share."""
    shapes = {name: (axis_names(array.meta.ndim), array.meta.shape) for name, (_, array) in found.images.items()}
    dims = without_conflicts(shapes)
    several = len(found.images) > 1
    for name, (unit, bare) in found.images.items():
        array = bare.with_meta(dims=dims[name], attrs=_with_unit(bare))
        if options.wcs and has_world(unit):
            world = yield from world_coordinates(unit, array, source, name)
            if isinstance(world, Problem):
                found.problems.append(world)
            else:
                paths = [f"{name}_{path}" if several else path for path in world]
                found.arrays.update(zip(paths, world.values(), strict=True))
                array = with_coordinates(array, paths)
        found.arrays[name] = array


def _with_unit(array: ManifestArray) -> dict[str, Any]:
    """The attributes of an image, with its unit as CF calls it."""
    attrs, unit = dict(array.meta.attrs), array.meta.attrs.get("BUNIT")
    return {**attrs, "units": unit} if isinstance(unit, str) and unit else attrs
