"""kerchunk's door to the scanner of FITS files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from contextlib import closing
from typing import Any, Final

import numpy as np

from chunkmap.codecs.astropy import require_astropy
from chunkmap.codecs.fits.wcs import FitsWcs, world_axes
from chunkmap.formats import Scanned, refusing_compressed
from chunkmap.formats.fits.hdus import Unit, walk
from chunkmap.formats.fits.names import axis_names, name_of, unit_names, without_conflicts
from chunkmap.formats.fits.scanner import Options, parse_units
from chunkmap.io import Source, open_source
from chunkmap.io.rounds import run
from chunkmap.model import ManifestArray, Problem, ReferenceSet
from chunkmap.warning import warn_caller
from kerchunk.utils import class_factory

__all__ = ["BITPIX2DTYPE", "FitsToZarr", "add_wcs_coords", "process_file"]

BITPIX2DTYPE: Final[Mapping[int, str]] = {8: "uint8", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}

_PLAIN: Final = frozenset("BIJKAEDCM")
_SCALING: Final = ("TSCAL", "TZERO", "TNULL")


def process_file(
    url: str | os.PathLike[str],
    storage_options: Mapping[str, Any] | None = None,
    extension: int | str | Sequence[int | str] | None = None,
    inline_threshold: int = 100,
    primary_attr_to_group: bool = False,
    out: MutableMapping[str, Any] | None = None,
) -> Any:
    """References to the HDUs of one FITS file: those that `extension` names, else the first that has data.

    With `primary_attr_to_group`, the primary header becomes the attributes of the root. References are put into `out`,
    when it is given. `inline_threshold` has no effect, as in kerchunk.
    """
    opened = open_source(os.fspath(url), storage_options=storage_options)
    with closing(opened) as source, refusing_compressed(source):
        refs = _scan(source, extension, attributes=primary_attr_to_group)
    for problem in refs.problems:
        warn_caller(str(problem))
    document: dict[str, Any] = refs.to_dict()["refs"]
    if out is None:
        return document
    out.update(document)
    if hasattr(out, "flush"):
        out.flush()
    return out


FitsToZarr = class_factory(process_file)


def _scan(source: Source, extension: Any, *, attributes: bool) -> ReferenceSet:
    """The chosen HDUs, each under the name that kerchunk has for it where that is free."""
    units = run(source, walk(source)).units
    paths = unit_names(units)
    arrays: dict[str, ManifestArray] = {}
    groups: dict[str, Mapping[str, Any]] = {"": units[0].header.attributes() if attributes else {}}
    groups[""] = {key: value for key, value in groups[""].items() if key != "COMMENT"}
    problems: list[Problem] = []
    for unit in _chosen(units, extension):
        path, name = paths[unit.number], _name(unit)
        found = _scan_one(source, unit, path)
        taken = name in groups or name in arrays
        problems += found.problems
        for old, array in found.arrays.items():
            arrays[old if taken else name + old.removeprefix(path)] = array
        groups |= {old if taken else name: attrs for old, attrs in found.groups.items()}
    shapes = {path: (array.meta.dims or (), array.meta.shape) for path, array in arrays.items() if "/" not in path}
    dims = without_conflicts(shapes)
    arrays |= {path: arrays[path].with_meta(dims=own) for path, own in dims.items()}
    return ReferenceSet(arrays, groups, tuple(problems), {source.url: source.target()}, source.url)


def _scan_one(source: Source, unit: Unit, path: str) -> Scanned:
    """One HDU: a table whose columns are all plain numbers and text is one structured array, any other has one each."""
    cards = unit.header.values
    count = unit.header.integer("TFIELDS", 0) or 0
    plain = all(
        str(cards.get(f"TFORM{n}")).strip().upper().lstrip("0123456789")[:1] in _PLAIN
        and not any(f"{keyword}{n}" in cards for keyword in _SCALING)
        for n in range(1, min(count, 999) + 1)
    )
    return run(source, parse_units(source, Options(portable=plain), {path: unit}))


def _name(unit: Unit) -> str:
    return name_of(unit.header.text("EXTNAME")) or (str(unit.number) if unit.number else "PRIMARY")


def _chosen(units: Sequence[Unit], extension: Any) -> Iterable[Unit]:
    """The HDUs that are asked for, by number or by name. Raises KeyError or IndexError where there is none."""
    if extension is None:
        return [unit for unit in units if unit.shape][:1]
    wanted = [extension] if isinstance(extension, (int, str)) else list(extension)
    return [_unit(units, one) for one in wanted]


def _unit(units: Sequence[Unit], wanted: int | str) -> Unit:
    if isinstance(wanted, int):
        return units[wanted]
    for unit in units:
        if _name(unit).upper() == wanted.strip().upper():
            return unit
    raise KeyError(f"there is no extension {wanted!r}; there are {', '.join(map(_name, units))}")


def add_wcs_coords(hdu: Any, zarr_group: Any = None, dataset: Any = None, dtype: str = "float32") -> Any:
    """Add the world coordinates of an image, computed from its header by astropy.

    `hdu` is an HDU of astropy, or its header. The coordinates become arrays of `zarr_group`, or coordinates of
    a copy of the xarray `dataset`, which is returned.
    """
    if (zarr_group is None) == (dataset is None):
        raise ValueError("add_wcs_coords: give a zarr_group or a dataset, and not both")
    header = getattr(hdu, "header", hdu)
    text, shape = _header_text(header), _shape(header)
    coordinates = {}
    for number, axis in enumerate(world_axes(text, len(shape))):
        sizes = [shape[at] for at in axis.axes]
        values = np.frombuffer(FitsWcs(number, shape).decode(text), "<f8").reshape(sizes).astype(dtype)
        dims = [axis_names(len(shape))[at] for at in axis.axes]
        coordinates[axis.name or f"world{number + 1}"] = (dims, values, {"units": axis.unit} if axis.unit else {})
    if dataset is not None:
        return dataset.assign_coords(coordinates)
    for name, (dims, values, attrs) in coordinates.items():
        is_new = zarr_group.metadata.zarr_format == 3
        array = zarr_group.create_array(name, data=values, **({"dimension_names": dims} if is_new else {}))
        array.attrs.update(attrs if is_new else {**attrs, "_ARRAY_DIMENSIONS": dims})
    return None


def _header_text(header: Any) -> bytes:
    """The cards of a header, or of a dictionary of keywords."""
    if not hasattr(header, "tostring"):
        known = {key: value for key, value in header.items() if isinstance(value, (str, int, float))}
        header = require_astropy("astropy.io.fits", "a world coordinate").Header(known)
    text: str = header.tostring()
    return text.encode("latin-1")


def _shape(header: Any) -> list[int]:
    prefix = "ZNAXIS" if header.get("ZIMAGE") else "NAXIS"
    return [int(header[f"{prefix}{axis}"]) for axis in range(int(header[prefix]), 0, -1)]
