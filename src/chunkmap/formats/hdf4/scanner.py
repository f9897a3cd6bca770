"""HDF4 files: scientific data sets, tables, images and annotations, and the structures of HDF-EOS2."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from chunkmap.errors import FormatError, SourceError, TruncatedFile, Unsupported
from chunkmap.formats.format import Scanned
from chunkmap.formats.hdf4.annotations import read_annotations
from chunkmap.formats.hdf4.arrays import Calibration, array_of, as_scalar
from chunkmap.formats.hdf4.contents import Contents, read_contents
from chunkmap.formats.hdf4.dfsd import dfsd_sets
from chunkmap.formats.hdf4.eos import Structure, read_structures
from chunkmap.formats.hdf4.eos_arrays import dimension_maps, with_coordinates
from chunkmap.formats.hdf4.naming import ORIGINAL, Names, consistent_dims
from chunkmap.formats.hdf4.raster import read_images
from chunkmap.formats.hdf4.sds import DFTAG_NDG, Sds, root_vgroup, sd_attributes, sd_sets, with_elements
from chunkmap.formats.hdf4.tables import table_columns, user_tables
from chunkmap.io.rounds import Parser, Together
from chunkmap.io.source import Source
from chunkmap.model import ManifestArray, Problem

__all__ = ["Options", "parse"]

Wrong = tuple[str, Exception]


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
    tables: bool = True
    """Vdatas, each as a group with an array a field."""
    images: bool = True
    """Raster images and their palettes."""

    def __post_init__(self) -> None:
        if self.calibration not in ("hdf4", "cf"):
            raise ValueError(f"calibration is {self.calibration!r}, expected 'hdf4' or 'cf'")


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

    def problem(self, path: str, error: Exception | str, feature: str = "") -> None:
        """Keep what could not be represented."""
        if isinstance(error, TruncatedFile):
            raise error
        if isinstance(error, Exception):
            feature = "external element" if isinstance(error, SourceError) else "damaged data"
            feature = error.feature if isinstance(error, Unsupported) else feature
            error = getattr(error, "message", str(error))
        self.problems.append(Problem(path, feature, f"{error}; left out", self.contents.file.url))


def parse(source: Source, options: Options) -> Parser[Scanned]:
    """Everything that one file holds."""
    contents = yield from read_contents(source)
    found = _Set(contents, options)
    root = root_vgroup(contents)
    attrs, sets, notes = yield Together(
        [sd_attributes(contents, root), _all_sets(contents), read_annotations(contents)]
    )
    found.groups[""] = attrs | notes.of_file
    structures = (yield from read_structures(contents, attrs)) if options.eos else []
    yield from _add_structures(found, structures, sets)
    placed = {ndg for structure in structures for ndg in structure.fields}
    rest = [sds for sds in sets if not (isinstance(sds, Sds) and sds.ndg in placed)]
    yield from _add_sets(found, "", rest, notes.of_objects)
    in_structures = {ref for structure in structures for ref in structure.vdatas + structure.internal}
    if options.tables:
        yield from _add_tables(found, in_structures)
    if options.images:
        yield from _add_sets(found, "", (yield from read_images(contents)), notes.of_objects)
    return Scanned(consistent_dims(found.arrays), found.groups, tuple(found.problems), contents.file.others)


def _all_sets(contents: Contents) -> Parser[list[Sds | Wrong]]:
    root = root_vgroup(contents)
    sets = dfsd_sets(contents) if root is None else (yield from sd_sets(contents, root))
    located = iter((yield from with_elements(contents, [sds for sds in sets if isinstance(sds, Sds)])))
    return [next(located) if isinstance(sds, Sds) else sds for sds in sets]


def _add_sets(
    found: _Set, group: str, sets: Iterable[Sds | Wrong], notes: dict[tuple[int, int], dict[str, Any]]
) -> Parser[None]:
    """Arrays of one group. What cannot be represented is a problem of that array alone."""
    sets = list(sets)
    results = yield Together([_tried(found, sds) for sds in sets])
    for sds, result in zip(sets, results, strict=True):
        name = sds.name if isinstance(sds, Sds) else sds[0]
        path = found.path(group, name)
        if isinstance(result, Exception):
            found.problem(path, result)
            continue
        array, problem = result
        attrs = array.meta.attrs | (notes.get((DFTAG_NDG, sds.ndg), {}) if isinstance(sds, Sds) and sds.ndg else {})
        if path.rpartition("/")[2] != name:
            attrs = attrs | {ORIGINAL: name}
        found.arrays[path] = array.with_meta(attrs=attrs)
        if problem:
            found.problems.append(Problem(path, "fill value", problem, found.contents.file.url))


def _tried(found: _Set, sds: Sds | Wrong) -> Parser[tuple[ManifestArray, str] | Exception]:
    if not isinstance(sds, Sds):
        return sds[1]
    try:
        return (yield from array_of(found.contents.file, sds, found.options.calibration))
    except (Unsupported, FormatError, SourceError) as error:
        return error


def _add_tables(found: _Set, placed: set[int]) -> Parser[None]:
    """Vdatas that are neither attributes nor fields of a structure: a group each."""
    for vdata in user_tables(found.contents):
        if vdata.ref not in placed:
            yield from _add_table(found, found.path("", vdata.name), vdata)


def _add_table(found: _Set, group: str, vdata: Any) -> Parser[None]:
    try:
        attrs, columns = yield from table_columns(found.contents, vdata)
    except (Unsupported, FormatError, SourceError) as error:
        found.problem(group, error)
        return
    found.groups[group] = attrs
    for name, array in columns.items():
        found.arrays[found.path(group, name)] = array


def _add_structures(found: _Set, structures: list[Structure], sets: list[Sds | Wrong]) -> Parser[None]:
    """Grids, swaths and points: a group each."""
    by_ndg = {sds.ndg: sds for sds in sets if isinstance(sds, Sds) and sds.ndg is not None}
    for structure in structures:
        group = found.path("", structure.name)
        maps = dimension_maps(structure)
        found.groups[group] = dict(structure.attrs) | ({"dimension_maps": maps} if maps else {})
        fields = [structure.field(by_ndg[ndg]) for ndg in structure.fields if ndg in by_ndg]
        yield from _add_sets(found, group, fields, {})
        for ref in structure.vdatas:
            vdata = found.contents.vdatas[ref]
            if structure.kind == "point" or len(vdata.fields) != 1:
                yield from _add_table(found, found.path(group, vdata.name), vdata)
            else:
                yield from _add_field(found, group, structure, vdata)
        own = {path: array for path, array in found.arrays.items() if path.rpartition("/")[0] == group}
        url = found.contents.file.url
        added, problems = with_coordinates(group, structure, own, latlon=found.options.latlon, url=url)
        found.arrays |= added
        found.problems += problems


def _add_field(found: _Set, group: str, structure: Structure, vdata: Any) -> Parser[None]:
    """A field of one axis, which HDF-EOS2 keeps in a Vdata."""
    path = found.path(group, vdata.name)
    try:
        _, columns = yield from table_columns(found.contents, vdata)
    except (Unsupported, FormatError, SourceError) as error:
        found.problem(path, error)
        return
    for array in columns.values():
        fill = as_scalar(structure.fill_value(vdata.name), array.meta.dtype)
        dims = structure.dims_of(vdata.name, array.meta.dims or ())
        found.arrays[path] = array.with_meta(dims=dims, fill_value=fill)
