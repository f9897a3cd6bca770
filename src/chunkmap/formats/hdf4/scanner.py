"""HDF4 files: scientific data sets, tables, images and annotations, and the structures of HDF-EOS2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from chunkmap.errors import ChunkmapError, FormatError, SourceError, TruncatedFile, Unsupported
from chunkmap.formats.format import Scanned
from chunkmap.formats.hdf4.annotations import of_vgroups, read_annotations
from chunkmap.formats.hdf4.arrays import Calibration, arrays_of, as_scalar
from chunkmap.formats.hdf4.contents import Contents, read_contents
from chunkmap.formats.hdf4.dfsd import dfsd_sets
from chunkmap.formats.hdf4.eos import Structure, read_structures
from chunkmap.formats.hdf4.eos_arrays import dimension_maps, with_coordinates
from chunkmap.formats.hdf4.naming import ORIGINAL, Names, consistent_dims
from chunkmap.formats.hdf4.raster import image_attributes, read_images
from chunkmap.formats.hdf4.sds import DFTAG_NDG, Sds, root_vgroup, sd_attributes, sd_sets, with_elements
from chunkmap.formats.hdf4.swaths import interpolated
from chunkmap.formats.hdf4.tables import table_columns, user_tables
from chunkmap.formats.hdf4.vdata import Vdata
from chunkmap.io.rounds import Parser, Together
from chunkmap.io.source import Source
from chunkmap.model import ManifestArray, Problem

__all__ = ["Options", "parse"]

Wrong = tuple[str, Exception]
Notes = Mapping[tuple[int, int], Mapping[str, Any]]
Table = tuple[dict[str, Any], dict[str, ManifestArray]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a scan of an HDF4 file can be told."""

    eos: bool = True
    """Fields of HDF-EOS2 grids, swaths and points in groups of their own, with coordinates; without, all arrays stand
    at the root, as the file's own library lists them."""
    calibration: Calibration = "hdf4"
    """How the file means `add_offset`: "hdf4" takes it off before scaling, and it is converted to what CF says;
    "cf" leaves it as it is."""
    latlon: bool = False
    """Latitude and longitude of every cell of a projected grid, held inline."""
    interpolate: bool = False
    """Latitude and longitude of every element of a swath whose geolocation is coarser or finer than its data,
    interpolated, and held inline."""
    tables: bool = True
    """Vdatas, each as a group with an array a field."""
    images: bool = True
    """Raster images and their palettes."""

    def __post_init__(self) -> None:
        if self.calibration not in ("hdf4", "cf"):
            raise ValueError(f"calibration is {self.calibration!r}, expected 'hdf4' or 'cf'")


class Named(NamedTuple):
    """One array of the file, or why there is none."""

    name: str
    array: ManifestArray | Exception
    problem: str = ""
    """What is not as it should be, though the array is there."""
    ndg: int | None = None
    """The reference number by which Vgroups name it."""


@dataclass(slots=True)
class _Set:
    """What has been found so far."""

    contents: Contents
    options: Options
    arrays: dict[str, ManifestArray] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=lambda: {"": {}})
    problems: list[Problem] = field(default_factory=list)
    names: dict[str, Names] = field(default_factory=dict)

    def path(self, group: str, name: str) -> str:
        """A path in a group that is not taken."""
        found = self.names.setdefault(group, Names()).unique(name)
        return f"{group}/{found}" if group else found

    def add(self, group: str, named: Named) -> None:
        """One array, or why there is none, under a name that is not taken."""
        path = self.path(group, named.name)
        if isinstance(named.array, Exception):
            self.problem(path, named.array)
            return
        array = named.array
        if path.rpartition("/")[2] != named.name:
            array = array.with_meta(attrs={**array.meta.attrs, ORIGINAL: named.name})
        self.arrays[path] = array
        if named.problem:
            self.problems.append(Problem(path, "fill value", named.problem, self.contents.file.url))

    def below(self, group: str) -> dict[str, ManifestArray]:
        """The arrays of a group."""
        return {path: array for path, array in self.arrays.items() if path.rpartition("/")[0] == group}

    def add_table(self, group: str, table: Table | ChunkmapError, notes: Mapping[str, Any]) -> None:
        """One table, as a group with an array a field, or why there is none."""
        if isinstance(table, ChunkmapError):
            self.problem(group, table)
            return
        attrs, columns = table
        self.groups[group] = attrs | dict(notes)
        for name, array in columns.items():
            self.arrays[self.path(group, name)] = array

    def problem(self, path: str, error: Exception) -> None:
        """Keep what could not be represented."""
        if isinstance(error, TruncatedFile):
            raise error
        feature = "external element" if isinstance(error, SourceError) else "damaged data"
        feature = error.feature if isinstance(error, Unsupported) else feature
        text = getattr(error, "message", str(error))
        self.problems.append(Problem(path, feature, f"{text}; left out", self.contents.file.url))


def parse(source: Source, options: Options) -> Parser[Scanned]:
    """Everything that one file holds."""
    contents = yield from read_contents(source)
    found = _Set(contents, options)
    attrs = sd_attributes(contents, root_vgroup(contents))
    sets, notes = yield Together([_all_sets(contents), read_annotations(contents)])
    found.groups[""] = image_attributes(contents) | attrs | notes.of_file
    structures = (yield from read_structures(contents, attrs)) if options.eos else []
    tables = _tables(contents, structures) if options.tables else []
    arrays, images, fields, columns = yield Together(
        [
            _arrays(found, sets, notes.of_objects),
            _images(found, notes.of_objects),
            _columns(contents, [contents.vdatas[ref] for structure in structures for ref in structure.vdatas]),
            _columns(contents, tables),
        ]
    )
    groups = _add_structures(found, structures, arrays, fields)
    found.groups[""] |= of_vgroups(contents, notes, {known.ref: found.groups[path] for path, known in groups.items()})
    if options.interpolate:
        yield from _interpolate(found, groups)
    placed = {ndg for structure in structures for ndg in structure.fields}
    for array in arrays:
        if array.ndg not in placed:
            found.add("", array)
    for vdata, table in zip(tables, columns, strict=True):
        found.add_table(found.path("", vdata.name), table, notes.of_objects.get(vdata.key, {}))
    for image in images:
        found.add("", image)
    return Scanned(consistent_dims(found.arrays), found.groups, tuple(found.problems), contents.file.others)


# ---------------------------------------------------------------------- what is read


def _all_sets(contents: Contents) -> Parser[list[Sds | Wrong]]:
    root = root_vgroup(contents)
    sets = dfsd_sets(contents) if root is None else (yield from sd_sets(contents, root))
    located = iter((yield from with_elements(contents, [sds for sds in sets if isinstance(sds, Sds)])))
    return [next(located) if isinstance(sds, Sds) else sds for sds in sets]


def _images(found: _Set, notes: Notes) -> Parser[list[Named]]:
    """Raster images and palettes, where they are wanted."""
    if not found.options.images:
        return []
    return (yield from _arrays(found, (yield from read_images(found.contents, notes)), notes))


def _arrays(found: _Set, sets: Sequence[Sds | Wrong], notes: Notes) -> Parser[list[Named]]:
    """Arrays by name. What cannot be represented is a problem of that array alone."""
    described = [sds for sds in sets if isinstance(sds, Sds)]
    results = iter((yield from arrays_of(found.contents, described, found.options.calibration)))
    out = list[Named]()
    for sds in sets:
        if not isinstance(sds, Sds):
            out.append(Named(sds[0], sds[1]))
            continue
        result = next(results)
        own = notes.get((DFTAG_NDG, sds.ndg)) if sds.ndg else None
        if isinstance(result, ChunkmapError):
            out.append(Named(sds.name, result, ndg=sds.ndg))
            continue
        array, problem = result
        array = array.with_meta(attrs={**array.meta.attrs, **own}) if own else array
        out.append(Named(sds.name, array, problem, sds.ndg))
    return out


def _tables(contents: Contents, structures: Sequence[Structure]) -> list[Vdata]:
    """Vdatas that are neither attributes nor fields of a structure."""
    placed = {ref for structure in structures for ref in structure.vdatas + structure.internal}
    return [vdata for vdata in user_tables(contents) if vdata.ref not in placed]


def _columns(contents: Contents, vdatas: Sequence[Vdata]) -> Parser[list[Table | ChunkmapError]]:
    found: list[Table | ChunkmapError] = yield Together([_tried(contents, vdata) for vdata in vdatas])
    return found


def _tried(contents: Contents, vdata: Vdata) -> Parser[Table | ChunkmapError]:
    try:
        return (yield from table_columns(contents, vdata))
    except (Unsupported, FormatError, SourceError) as error:
        return error


# ---------------------------------------------------------------------- HDF-EOS2


def _interpolate(found: _Set, structures: Mapping[str, Structure]) -> Parser[None]:
    """Coordinates of fields that are finer or coarser than the geolocation of their swath."""
    for group, structure in structures.items():
        if structure.kind == "swath":
            try:
                added = yield from interpolated(found.contents.file, group, structure, found.below(group))
                found.arrays |= added
            except (Unsupported, FormatError) as error:
                found.problem(group, error)


def _add_structures(
    found: _Set, structures: Sequence[Structure], arrays: Sequence[Named], tables: Sequence[Table | ChunkmapError]
) -> dict[str, Structure]:
    """Grids, swaths and points: a group each."""
    placed = dict[str, Structure]()
    by_ndg = {array.ndg: array for array in arrays if array.ndg is not None}
    coming = iter(tables)
    for structure in structures:
        group = found.path("", structure.name)
        placed[group] = structure
        maps = dimension_maps(structure)
        found.groups[group] = dict(structure.attrs) | ({"dimension_maps": maps} if maps else {})
        for ndg in structure.fields:
            if ndg in by_ndg:
                found.add(group, _field(structure, by_ndg[ndg]))
        for ref in structure.vdatas:
            vdata, table = found.contents.vdatas[ref], next(coming)
            if structure.kind == "point" or vdata.nfields != 1 or isinstance(table, ChunkmapError):
                found.add_table(found.path(group, vdata.name), table, {})
            else:
                _add_field(found, group, structure, vdata.name, table)
        url, latlon = found.contents.file.url, found.options.latlon
        located = with_coordinates(group, structure, found.below(group), latlon=latlon, url=url)
        found.arrays |= located.arrays
        found.problems += located.problems
        found.groups[group] |= located.attrs
    return placed


def _field(structure: Structure, named: Named) -> Named:
    """An array as a field of a structure."""
    if isinstance(named.array, Exception):
        return named
    dims = structure.own_dims(named.array.meta.dims or ())
    return named._replace(array=named.array.with_meta(dims=dims))


def _add_field(found: _Set, group: str, structure: Structure, name: str, table: Table) -> None:
    """A field of one axis, which HDF-EOS2 keeps in a Vdata."""
    _, columns = table
    for array in columns.values():
        fill = as_scalar(structure.fill_value(name), array.meta.dtype)
        dims = structure.dims_of(name, array.meta.dims or ())
        found.arrays[found.path(group, name)] = array.with_meta(dims=dims, fill_value=fill)
