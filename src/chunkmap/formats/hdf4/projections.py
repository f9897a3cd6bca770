"""Where the cells of a grid are: GCTP, the projections that HDF-EOS2 knows by number and parameters.

HDF-EOS Library User's Guide for HDF-EOS2, volume 1, sections 1.6 (GCTP usage, projection codes and parameters) and
volume 2 (GDdefproj, GDdeforigin, GDdefpixreg). Geographic and sinusoidal grids need nothing; others need pyproj.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import Unsupported

__all__ = ["Grid", "crs_attrs", "grid_of", "latitudes_longitudes", "proj_text", "unpack_degrees"]

_MOST_CELLS: Final = 1 << 26
# code: semi-major axis, semi-minor axis; HDF-EOS User's Guide, table of spheroid codes
_SPHEROIDS: Final[Mapping[int, tuple[float, float]]] = {
    0: (6378206.4, 6356583.8),
    1: (6378249.145, 6356514.86955),
    2: (6377397.155, 6356078.96284),
    3: (6378157.5, 6356772.2),
    4: (6378388.0, 6356911.94613),
    5: (6378135.0, 6356750.519915),
    6: (6377276.3452, 6356075.4133),
    7: (6378145.0, 6356759.769356),
    8: (6378137.0, 6356752.31414),
    9: (6377563.396, 6356256.91),
    10: (6377304.063, 6356103.039),
    11: (6377341.89, 6356036.143),
    12: (6378137.0, 6356752.314245),
    13: (6378155.0, 6356773.3205),
    14: (6378160.0, 6356774.719),
    15: (6378245.0, 6356863.0188),
    16: (6378270.0, 6356794.343479),
    17: (6378166.0, 6356784.283666),
    18: (6378150.0, 6356768.337303),
    19: (6370997.0, 6370997.0),
}


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
    """Whether a cell stands for the point at its corner, and not for its centre."""

    @property
    def is_geographic(self) -> bool:
        """Whether its axes are latitude and longitude."""
        return self.projection == "GCTP_GEO"

    def centres(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where rows and columns are: in degrees, or in metres of the projection."""
        left, top = self.upper_left
        right, bottom = self.lower_right
        if self.origin in ("HDFE_GD_LL", "HDFE_GD_LR"):
            top, bottom = bottom, top
        if self.origin in ("HDFE_GD_UR", "HDFE_GD_LR"):
            left, right = right, left
        shift = 0.0 if self.corner else 0.5
        y = top + (np.arange(self.rows) + shift) * ((bottom - top) / self.rows)
        x = left + (np.arange(self.columns) + shift) * ((right - left) / self.columns)
        return np.asarray(y, np.float64), np.asarray(x, np.float64)


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
    if projection == "GCTP_GEO":
        corners = [tuple(map(unpack_degrees, corner)) for corner in corners]
    parameters = _numbers(described.get("ProjParams"))
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
    listed = value if isinstance(value, list) else []
    return tuple(float(v) for v in listed if isinstance(v, (int, float)) and np.isfinite(v))


def unpack_degrees(packed: float) -> float:
    """Degrees of GCTP's packed form, DDDMMMSSS.SS.

    >>> unpack_degrees(-45030000.0)
    -45.5
    """
    size = abs(packed)
    degrees, rest = divmod(size, 1_000_000.0)
    minutes, seconds = divmod(rest, 1000.0)
    return float(np.copysign(degrees + minutes / 60 + seconds / 3600, packed))


def crs_attrs(grid: Grid) -> dict[str, Any]:
    """The attributes of a CF grid mapping. Raises Unsupported where it needs pyproj, or has no such projection."""
    own: dict[str, Any] = {"gctp_projection": grid.projection, "gctp_parameters": list(grid.parameters)}
    own |= {"gctp_sphere": grid.sphere}
    major, minor = _axes_of(grid)
    shape = {"semi_major_axis": major, "semi_minor_axis": minor}
    if grid.is_geographic:
        return {"grid_mapping_name": "latitude_longitude"} | shape | own
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
    pyproj = _pyproj(grid)
    return dict(pyproj.CRS.from_proj4(proj_text(grid)).to_cf()) | own


def latitudes_longitudes(grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Latitude and longitude of every cell; NaN outside the earth."""
    y, x = grid.centres()
    if grid.rows * grid.columns > _MOST_CELLS:
        raise Unsupported(f"a grid of {grid.rows} x {grid.columns} cells is too large to hold inline", feature="latlon")
    xx, yy = np.meshgrid(x, y)
    major, minor = _axes_of(grid)
    if grid.projection == "GCTP_SNSOID" and major == minor:
        return _sinusoidal(grid, xx, yy, major)
    pyproj = _pyproj(grid)
    crs = pyproj.CRS.from_proj4(proj_text(grid))
    longitude, latitude = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True).transform(xx, yy)
    outside = ~np.isfinite(latitude)
    return np.where(outside, np.nan, latitude), np.where(outside, np.nan, longitude)


def _sinusoidal(
    grid: Grid, x: NDArray[np.float64], y: NDArray[np.float64], radius: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    given = grid.parameters
    latitude = (y - given[7]) / radius
    with np.errstate(all="ignore"):
        longitude = (x - given[6]) / (radius * np.cos(latitude))
    outside = (np.abs(latitude) > np.pi / 2) | ~(np.abs(longitude) <= np.pi * (1 + 1e-12))
    degrees = np.degrees(longitude) + unpack_degrees(given[4])
    return np.where(outside, np.nan, np.degrees(latitude)), np.where(outside, np.nan, degrees)


def _axes_of(grid: Grid) -> tuple[float, float]:
    """Semi-major and semi-minor axis: of the parameters where they say, else of the sphere's code."""
    major, minor = grid.parameters[:2]
    if major > 0 and grid.projection != "GCTP_GEO":
        if minor <= 0:
            return major, major
        return major, minor if minor > 1 else major * (1 - minor) ** 0.5
    return _SPHEROIDS.get(grid.sphere, _SPHEROIDS[12 if grid.is_geographic else 0])


def _pyproj(grid: Grid) -> Any:
    try:
        return import_module("pyproj")
    except ImportError as error:
        raise Unsupported(
            f"the projection {grid.projection} needs the package pyproj, which is not installed;"
            " install it with `pip install 'chunkmap[hdf4]'`",
            feature="projection",
        ) from error


# ---------------------------------------------------------------------- PROJ


def proj_text(grid: Grid) -> str:
    """The projection as PROJ writes it. Raises Unsupported for one that has no words there."""
    rule = _PROJ.get(grid.projection.removeprefix("GCTP_"))
    if rule is None:
        raise Unsupported(f"there is no rule for the projection {grid.projection}", feature="projection")
    major, minor = _axes_of(grid)
    return f"{rule(grid)} +a={major} +b={minor} +units=m +no_defs"


def _terms(name: str, terms: Sequence[tuple[str, int]], *, offsets: bool = True) -> Callable[[Grid], str]:
    """A rule: which parameter goes where; those of angles are packed degrees."""

    def rule(grid: Grid) -> str:
        given = grid.parameters
        words = [f"+proj={name}", *(f"+{term}={unpack_degrees(given[place])}" for term, place in terms)]
        return " ".join([*words, f"+x_0={given[6]} +y_0={given[7]}"] if offsets else words)

    return rule


def _utm(grid: Grid) -> str:
    return f"+proj=utm +zone={abs(grid.zone)}" + (" +south" if grid.zone < 0 else "")


def _transverse_mercator(grid: Grid) -> str:
    given = grid.parameters
    return _terms("tmerc", [("lon_0", 4), ("lat_0", 5)])(grid) + f" +k_0={given[2]}"


def _polar(grid: Grid) -> str:
    pole = 90 if grid.parameters[5] >= 0 else -90
    return _terms("stere", [("lon_0", 4), ("lat_ts", 5)])(grid) + f" +lat_0={pole}"


_PROJ: Final[Mapping[str, Callable[[Grid], str]]] = {
    "UTM": _utm,
    "ALBERS": _terms("aea", [("lat_1", 2), ("lat_2", 3), ("lon_0", 4), ("lat_0", 5)]),
    "LAMCC": _terms("lcc", [("lat_1", 2), ("lat_2", 3), ("lon_0", 4), ("lat_0", 5)]),
    "MERCAT": _terms("merc", [("lon_0", 4), ("lat_ts", 5)]),
    "PS": _polar,
    "POLYC": _terms("poly", [("lon_0", 4), ("lat_0", 5)]),
    "EQUIDC": _terms("eqdc", [("lat_1", 2), ("lat_2", 3), ("lon_0", 4), ("lat_0", 5)]),
    "TM": _transverse_mercator,
    "STEREO": _terms("stere", [("lon_0", 4), ("lat_0", 5)]),
    "LAMAZ": _terms("laea", [("lon_0", 4), ("lat_0", 5)]),
    "AZMEQD": _terms("aeqd", [("lon_0", 4), ("lat_0", 5)]),
    "GNOMON": _terms("gnom", [("lon_0", 4), ("lat_0", 5)]),
    "ORTHO": _terms("ortho", [("lon_0", 4), ("lat_0", 5)]),
    "SNSOID": _terms("sinu", [("lon_0", 4)]),
    "EQRECT": _terms("eqc", [("lon_0", 4), ("lat_ts", 5)]),
    "MILLER": _terms("mill", [("lon_0", 4)]),
    "VGRINT": _terms("vandg", [("lon_0", 4)]),
    "GOOD": _terms("igh", []),
    "ROBIN": _terms("robin", [("lon_0", 4)]),
    "MOLL": _terms("moll", [("lon_0", 4)]),
    "HAMMER": _terms("hammer", [("lon_0", 4)]),
    "WAGIV": _terms("wag4", [("lon_0", 4)]),
    "WAGVII": _terms("wag7", [("lon_0", 4)]),
    "CEA": _terms("cea", [("lon_0", 4), ("lat_ts", 5)]),
    "BCEA": _terms("cea", [("lon_0", 4), ("lat_ts", 5)]),
}
