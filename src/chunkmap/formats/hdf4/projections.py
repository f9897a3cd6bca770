"""Where the cells of a grid are: GCTP, the projections that HDF-EOS2 knows by name and parameters.

HDF-EOS Library User's Guide for HDF-EOS2, volume 1, section 1.6 (GCTP usage), and volume 2 (GDdefproj, GDdeforigin,
GDdefpixreg). Geographic, sinusoidal and integerized sinusoidal grids need nothing; others need pyproj.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import Unsupported
from chunkmap.formats.hdf4.isinus import integerized
from chunkmap.formats.hdf4.projection_words import proj_text, unpack_degrees
from chunkmap.formats.hdf4.spheroids import axes_of

__all__ = ["Grid", "crs_attrs", "grid_of", "latitudes_longitudes", "positions", "said_of_grid"]

_MOST_CELLS: Final = 1 << 26
_INTEGERIZED: Final = ("GCTP_ISINUS", "GCTP_ISINUS1")
_IN_DEGREES: Final = ("GCTP_GEO", "GCTP_BCEA")
"""Projections of which corners are given in packed degrees."""
_SHIFTS: Final = {"UL": (0.0, 0.0), "UR": (1.0, 0.0), "LL": (0.0, 1.0), "LR": (1.0, 1.0)}
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Grid:
    """One grid: its corners, its cells and its projection."""

    columns: int
    rows: int
    upper_left: tuple[float, float]
    lower_right: tuple[float, float]
    projection: str
    parameters: tuple[float, ...] = (0.0,) * 13
    sphere: int = -1
    zone: int = 0
    origin: str = "HDFE_GD_UL"
    corner: bool = False
    """Whether a cell stands for the point at its corner, which is its origin, and not for its centre."""

    @property
    def is_geographic(self) -> bool:
        """Whether its axes are latitude and longitude."""
        return self.projection == "GCTP_GEO"

    @property
    def axes(self) -> tuple[float, float]:
        """Semi-major and semi-minor axis."""
        return axes_of(self.projection.removeprefix("GCTP_"), self.sphere, self.parameters)

    @property
    def words(self) -> str:
        """The projection, as PROJ writes it."""
        return proj_text(self.projection, self.parameters, self.sphere, self.zone)


def grid_of(described: Mapping[str, Any]) -> Grid | None:
    """The grid that the metadata describe; None where they do not say where it is."""
    columns, rows = described.get("XDim"), described.get("YDim")
    corners = [_numbers(described.get(name)) for name in ("UpperLeftPointMtrs", "LowerRightMtrs")]
    if not (
        isinstance(columns, int) and isinstance(rows, int) and 0 < columns <= _MOST_CELLS and 0 < rows <= _MOST_CELLS
    ):
        return None
    projection = str(described.get("Projection", ""))
    if any(len(corner) != 2 for corner in corners) or not projection:
        return None
    if projection in _IN_DEGREES:
        corners = [tuple(map(unpack_degrees, corner)) for corner in corners]
    parameters = _numbers(described.get("ProjParams", [0.0]))
    if not parameters:
        return None
    sphere, zone = described.get("SphereCode", -1), described.get("ZoneCode", 0)
    return Grid(
        columns,
        rows,
        (corners[0][0], corners[0][1]),
        (corners[1][0], corners[1][1]),
        projection,
        (*parameters, *(0.0,) * 13)[:13],
        sphere if isinstance(sphere, int) else -1,
        zone if isinstance(zone, int) else 0,
        str(described.get("GridOrigin", "HDFE_GD_UL")),
        described.get("PixelRegistration") == "HDFE_CORNER",
    )


def _numbers(value: Any) -> tuple[float, ...]:
    """The numbers of a list; nothing of one that holds anything else."""
    listed = value if isinstance(value, list) else []
    good = all(isinstance(v, (int, float)) and np.isfinite(v) for v in listed)
    return tuple(map(float, listed)) if good else ()


def positions(grid: Grid) -> tuple[Floats, Floats]:
    """Where rows and columns are: in degrees, or in metres of the projection.

    Rows count from the upper left corner, always: the origin of a grid says which corner of a cell counts.
    """
    (left, top), (right, bottom) = grid.upper_left, grid.lower_right
    if grid.projection == "GCTP_BCEA":
        (left, right), (top, bottom) = _moved(grid, [left, right], [top, bottom], inverse=False)
        if not np.isfinite([left, right, top, bottom]).all():
            raise Unsupported("its corners are not on the earth", feature="projection")
    if grid.projection == "GCTP_SOM":
        top, bottom = bottom, top  # the files of MISR, which alone are on it, count from the lower side
    x_shift, y_shift = _SHIFTS.get(grid.origin.rpartition("_")[2], (0.0, 0.0)) if grid.corner else (0.5, 0.5)
    y = top + (np.arange(grid.rows) + y_shift) * ((bottom - top) / grid.rows)
    x = left + (np.arange(grid.columns) + x_shift) * ((right - left) / grid.columns)
    return np.asarray(y, np.float64), np.asarray(x, np.float64)


def said_of_grid(grid: Grid) -> dict[str, Any]:
    """The projection in GCTP's own words."""
    said: dict[str, Any] = {"gctp_projection": grid.projection, "gctp_parameters": list(grid.parameters)}
    said |= {"gctp_sphere": grid.sphere}
    return said | ({"gctp_zone": grid.zone} if grid.projection in ("GCTP_UTM", "GCTP_SPCS") else {})


def crs_attrs(grid: Grid) -> dict[str, Any]:
    """The attributes of a CF grid mapping. Raises Unsupported where it needs pyproj, or has no such projection."""
    own = said_of_grid(grid)
    major, minor = grid.axes
    shape = {"semi_major_axis": major, "semi_minor_axis": minor}
    if grid.is_geographic:
        return {"grid_mapping_name": "latitude_longitude"} | shape | own
    if grid.projection in _INTEGERIZED:
        return shape | own  # CF has no name for it
    if grid.projection == "GCTP_SNSOID":
        given = grid.parameters
        return (
            {
                "grid_mapping_name": "sinusoidal",
                "longitude_of_projection_origin": unpack_degrees(given[4]),
                "longitude_of_central_meridian": unpack_degrees(given[4]),
                "false_easting": given[6],
                "false_northing": given[7],
            }
            | shape
            | own
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what CF's own attributes lose; `crs_wkt` is beside them
        return dict(_crs(grid).to_cf()) | own


def latitudes_longitudes(grid: Grid, y: Floats, x: Floats) -> tuple[Floats, Floats]:
    """Latitude and longitude of points of the projection; NaN outside the earth."""
    if x.size > _MOST_CELLS:
        raise Unsupported(f"a grid of {x.shape} cells is too large to hold inline", feature="latlon")
    with np.errstate(all="ignore"):
        if grid.projection == "GCTP_SNSOID":
            return _sinusoidal(grid, x, y, grid.axes[0])
        if grid.projection in _INTEGERIZED:
            return integerized(grid.parameters, grid.axes[0], x, y)
    points = (x.item(), y.item()) if x.size == y.size == 1 else (x, y)  # pyproj may take one for a scalar, and warn
    longitude, latitude = (np.reshape(found, x.shape) for found in _moved(grid, *points, inverse=True))
    outside = ~np.isfinite(latitude)
    return np.where(outside, np.nan, latitude), np.where(outside, np.nan, longitude)


def _sinusoidal(grid: Grid, x: Floats, y: Floats, radius: float) -> tuple[Floats, Floats]:
    given = grid.parameters
    latitude = (y - given[7]) / radius
    longitude = (x - given[6]) / (radius * np.cos(latitude))
    outside = (np.abs(latitude) > np.pi / 2) | ~(np.abs(longitude) <= np.pi * (1 + 1e-12))
    degrees = np.degrees(longitude) + unpack_degrees(given[4])
    return np.where(outside, np.nan, np.degrees(latitude)), np.where(outside, np.nan, degrees)


# ---------------------------------------------------------------------- pyproj


def _moved(grid: Grid, x: Any, y: Any, *, inverse: bool) -> Any:
    """From longitude and latitude to the projection, or back."""
    crs = _crs(grid)
    ends = (crs, crs.geodetic_crs) if inverse else (crs.geodetic_crs, crs)
    pyproj = _pyproj(grid)
    try:
        return pyproj.Transformer.from_crs(*ends, always_xy=True).transform(x, y)
    except pyproj.exceptions.ProjError as error:
        raise _refused(grid) from error


def _crs(grid: Grid) -> Any:
    """The projection, by pyproj. Raises Unsupported where that is not there, or refuses the parameters."""
    words, pyproj = grid.words, _pyproj(grid)
    try:
        return pyproj.CRS.from_proj4(words)
    except pyproj.exceptions.ProjError as error:
        raise _refused(grid) from error


def _refused(grid: Grid) -> Unsupported:
    return Unsupported(f"PROJ does not take {grid.words!r}", feature="projection")


def _pyproj(grid: Grid) -> Any:
    try:
        return import_module("pyproj")
    except ImportError as error:
        raise Unsupported(
            f"the projection {grid.projection} needs the package pyproj, which is not installed;"
            " install it with `pip install 'chunkmap[hdf4]'`",
            feature="projection",
        ) from error
