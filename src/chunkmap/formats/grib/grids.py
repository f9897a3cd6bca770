"""Where the points of a field are: its dimensions, and the latitude and longitude of each point.

A grid is looked at once, however many fields are on it. Of grids whose rows lie along parallels the coordinates are two
short arrays. Of all others each point has coordinates of its own: these are not computed here, but when they are read,
by the codec of the values, from a message of some 200 bytes that has the grid and no data.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.codecs.grib.codec import places_of
from chunkmap.codecs.grib.eccodes import Message
from chunkmap.errors import ChunkmapError
from chunkmap.formats.grib.fields import Field
from chunkmap.formats.grib.headers import header, points, start_of_grid
from chunkmap.formats.grib.layout import CENTRE_AND_TABLES
from chunkmap.formats.grib.parallels import gaussian_rows
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray

__all__ = ["Grid", "grid_of", "key_of_grid"]

_ROWS_ON_PARALLELS: Final = ("regular_ll", "regular_gg")
_WITHOUT_PLACES: Final = ("sh", "unstructured_grid")
"""What has no points, and what does not say where they are."""
_IN_ROWS: Final = ("reduced_ll", "reduced_gg", "reduced_rotated_gg")
_EASTWARD_NORTHWARD: Final = ("lambert", "polar_stereographic", "mercator")
"""Grids that eccodes places as if rows went to the east and followed one another to the north, whatever they say."""
_KEYS: Final = (
    "gridType", "numberOfPoints", "gridDefinitionDescription", "uvRelativeToGrid", "Nx", "Ny", "Ni", "Nj", "N", "M",
    "K", "J", "DxInMetres", "DyInMetres", "LaDInDegrees", "Latin1InDegrees", "Latin2InDegrees", "LoVInDegrees",
    "angleOfRotationInDegrees", "iDirectionIncrementInDegrees", "iScansNegatively", "jDirectionIncrementInDegrees",
    "jPointsAreConsecutive", "jScansPositively", "latitudeOfFirstGridPointInDegrees",
    "latitudeOfLastGridPointInDegrees", "latitudeOfSouthernPoleInDegrees", "longitudeOfFirstGridPointInDegrees",
    "longitudeOfLastGridPointInDegrees", "longitudeOfSouthernPoleInDegrees", "numberOfGridUsed", "uuidOfHGrid",
)  # fmt: skip
_CF: Final[Mapping[str, Mapping[str, str]]] = {
    "latitude": {"units": "degrees_north", "standard_name": "latitude", "long_name": "latitude"},
    "longitude": {"units": "degrees_east", "standard_name": "longitude", "long_name": "longitude"},
}
_MOST_POINTS: Final = 1 << 26
"""Grids of more points are not placed: of those there are, the largest has 47 million."""
_MOST_TRIED: Final = 1 << 20
"""Lists of more points are not placed in order to see whether they can be."""
_BY_COLUMN, _ALTERNATING = 0x20, 0x10
_MOST_KEPT: Final = 256
_kept: Final[dict[Hashable, Grid]] = {}
_OF_A_CENTRE: Final = 1 << 15
"""Templates from here on are those of a centre."""


class Grid(NamedTuple):
    """The points of a field, in the order in which the codec `grib` gives their values."""

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    coordinates: Mapping[str, ManifestArray]
    attrs: Mapping[str, Any]
    label: str
    """What tells it from other grids of a file."""
    problem: str | None
    """Why points have no latitude and longitude, where that is no matter of course."""
    places: Hashable = None
    """What its points depend on; how it is called in `attrs` depends on whose tables are meant, too."""


def key_of_grid(field: Field) -> Hashable:
    """What a grid depends on: its section, and the centre and tables, which say what is meant by it; in edition 1 where
    there is none, the centre and the number of one that is defined beforehand (octets 5 and 7 of section 1).
    """
    return _places_of_grid(field), field.identification[CENTRE_AND_TABLES]


def _places_of_grid(field: Field) -> Hashable:
    template = int.from_bytes(field.grid[12:14], "big")
    if field.edition == 2 and template >= _OF_A_CENTRE:
        return field.grid, field.identification[CENTRE_AND_TABLES]
    return field.edition, field.grid or field.product[4:5] + field.product[6:7]


def grid_of(field: Field) -> Grid:
    """The grid of a field."""
    key = key_of_grid(field)
    grid = _kept.get(key)
    if grid is None:
        if len(_kept) >= _MOST_KEPT:
            _kept.clear()
        grid = _kept[key] = _ask(field)._replace(places=_places_of_grid(field))
    return grid


def _ask(field: Field) -> Grid:
    with Message(header(field)) as message:
        attrs = {f"GRIB_{key}": value for key in _KEYS if (value := message.get(key)) is not None}
        kind = str(attrs.get("GRIB_gridType", "unknown"))
        across, down = attrs.get("GRIB_Nx", attrs.get("GRIB_Ni")), attrs.get("GRIB_Ny", attrs.get("GRIB_Nj"))
        count = _number_of_points(field, message)
        if across is None or down is None or min(across, down) < 1 or across * down != count:
            return _listed(field, message, attrs, kind, count)
        dims = ("latitude", "longitude") if kind in _ROWS_ON_PARALLELS else ("y", "x")
        label = f"{kind}_{down}x{across}"
        arrays: Mapping[str, ManifestArray]
        problem: str | None
        if count > _MOST_POINTS:
            arrays, problem = {}, f"{count} points are more than are placed"
        elif kind in _ROWS_ON_PARALLELS:
            found, problem = _axes(message, down, across)
            arrays = {name: _short(name, values) for name, values in found.items()}
        else:
            arrays, problem = _places(field, message, kind, dims, (down, across))
    return Grid(dims, (down, across), arrays, attrs, label, problem)


def _number_of_points(field: Field, message: Message) -> int:
    if field.edition == 2:
        return int.from_bytes(field.grid[6:10], "big")
    if message.get("gridType") == "sh":
        truncation = message.get("J", int) or 0
        return (truncation + 1) * (truncation + 2)
    return max(message.get("numberOfDataPoints", int) or message.get("numberOfPoints", int) or 0, 0)


def _rows_fit(message: Message, count: int) -> bool:
    """Whether the rows of a reduced grid have as many points as the grid: not of an area, whose rows are cut."""
    try:
        rows = message.reals("pl")
    except ChunkmapError:
        return False
    return bool(len(rows) and rows.min() >= 0 and rows.sum() == count)


def _listed(field: Field, message: Message, attrs: Mapping[str, Any], kind: str, count: int) -> Grid:
    """A grid without rows of one length, or none at all: points one after the other."""
    label = f"{kind}_{count}"
    if count > _MOST_POINTS:
        return Grid(("values",), (count,), {}, attrs, label, f"{count} points are more than are placed")
    if kind in _WITHOUT_PLACES or not count:
        return Grid(("values",), (count,), {}, attrs, label, None)
    if kind in _IN_ROWS and _rows_fit(message, count):
        problem = None
    elif count <= _MOST_TRIED:
        problem = _placeable(field, field.grid, count)
    else:
        problem = f"{count} points are too many to be tried"
    arrays = {} if problem else _coded(field, field.grid, ("values",), (count,))
    return Grid(("values",), (count,), arrays, attrs, label, problem)


def _places(
    field: Field, message: Message, kind: str, dims: tuple[str, ...], shape: tuple[int, int]
) -> tuple[Mapping[str, ManifestArray], str | None]:
    """Latitude and longitude of each point of rows and columns."""
    east, north = not message.get("iScansNegatively"), bool(message.get("jScansPositively"))
    if kind in _EASTWARD_NORTHWARD and not (east and north):
        return {}, f"points of {kind} grids whose rows go west, or to the south, cannot be placed"
    problem = _placeable(field, _cut(field, message, 2, 2), 4)
    if problem is not None:
        return {}, problem
    place = message.offset("scanningMode")
    grid = bytearray(field.grid)
    if place is not None and 0 < place - start_of_grid(field) < len(grid):
        grid[place - start_of_grid(field)] &= ~(_BY_COLUMN | _ALTERNATING)
    return _coded(field, bytes(grid), dims, shape), None


def _cut(field: Field, message: Message, across: int, down: int) -> bytes | None:
    """The grid cut down to its first rows and columns; None where it cannot be."""
    width = 4 if field.edition == 2 else 2
    grid = bytearray(field.grid)
    if field.edition == 2:
        grid[6:10] = (across * down).to_bytes(4, "big")
    for key, count in (("Nx", across), ("Ny", down)):
        place = (message.offset(key) or 0) - start_of_grid(field)
        if not 6 <= place <= len(grid) - width:
            return None
        grid[place : place + width] = count.to_bytes(width, "big")
    return bytes(grid)


def _placeable(field: Field, grid: bytes | None, count: int) -> str | None:
    """Why eccodes cannot place the points of a grid; None if it can."""
    if grid is None:
        return "where its octets say its size is not known"
    try:
        found = len(places_of(points(field, grid), "latitudes"))
    except ChunkmapError as error:
        return str(error)
    return None if found == count else f"eccodes places {found} points of {count}"


def _coded(field: Field, grid: bytes, dims: tuple[str, ...], shape: tuple[int, ...]) -> Mapping[str, ManifestArray]:
    """Arrays that the codec computes when they are read."""
    stored = points(field, grid)
    chunks = ChunkManifest.single(stored, 0, len(stored), len(shape))
    return {
        name: ManifestArray(
            ArrayMeta(
                shape=shape,
                chunk_shape=shape,
                dtype=np.dtype("<f8"),
                filters=({"id": "grib", "var": name, "dtype": "float64"},),
                dims=dims,
                attrs=attrs,
            ),
            chunks,
        )
        for name, attrs in _CF.items()
    }


def _short(name: str, values: NDArray[np.float64]) -> ManifestArray:
    """A coordinate held inline."""
    attrs = dict(_CF[name])
    if name == "latitude" and values[0] > values[-1]:
        attrs["stored_direction"] = "decreasing"
    stored = values.astype("<f8").tobytes()
    meta = ArrayMeta(shape=values.shape, chunk_shape=values.shape, dtype=np.dtype("<f8"), dims=(name,), attrs=attrs)
    return ManifestArray(meta, ChunkManifest.single(stored, 0, len(stored), 1))


def _axes(message: Message, down: int, across: int) -> tuple[Mapping[str, NDArray[np.float64]], str | None]:
    """The latitude of each row and the longitude of each column, in the order of rows and columns."""
    north, west = bool(message.get("jScansPositively")), bool(message.get("iScansNegatively"))
    first, last = (message.get(f"latitudeOf{which}GridPointInDegrees", float) for which in ("First", "Last"))
    start, stop = (message.get(f"longitudeOf{which}GridPointInDegrees", float) for which in ("First", "Last"))
    if None in (first, last, start, stop):
        return {}, "the grid does not say where its first and last points are"
    if down > 1 and (last < first if north else last > first):
        return {}, f"rows from latitude {first} to {last} contradict the order in which they are said to follow"
    if message.get("gridType") == "regular_gg":
        rows = gaussian_rows(message.get("N", int) or 0, first, last, down)
        if rows is None:
            return {}, f"{down} rows from latitude {first} to {last} are no Gaussian parallels"
        latitudes = rows
    else:
        latitudes = _parallels(first, last, down, message.get("jDirectionIncrementInDegrees", float))
    return {"latitude": latitudes, "longitude": _meridians(start, stop, across, west=west)}, None


def _parallels(first: float, last: float, count: int, step: float | None) -> NDArray[np.float64]:
    """Latitudes as eccodes counts them: by the increment, which may be rounded, and the last one as it is said to be.

    Where the increment does not lead from the first to the last, they are as far apart as these say.
    """
    if count == 1:
        return np.array([first])
    even = (last - first) / (count - 1)
    if step is None or abs(step - abs(even)) * (count - 1) > step / 2:
        return np.linspace(first, last, count)
    latitudes = np.cumsum(np.r_[first, np.full(count - 1, np.copysign(step, even))])
    latitudes[-1] = last
    return latitudes


def _meridians(first: float, last: float, count: int, *, west: bool) -> NDArray[np.float64]:
    """Longitudes, each beyond the one before: over the meridian of 0 the first ones are negative, as for eccodes."""
    if count == 1:
        return np.array([first])
    if west and last > first:
        last -= 360
    if not west and last < first:
        first -= 360
    return np.cumsum(np.r_[first, np.full(count - 1, (last - first) / (count - 1))])
