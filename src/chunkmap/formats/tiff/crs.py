"""The coordinate reference system that GeoTIFF keys name, in CF's words and as WKT: the one place where pyproj enters.

Without pyproj, the extra `chunkmap[tiff]`, the keys stand as they are. A code of EPSG is looked up; a system that the
user defined is put together of its keys (GeoTIFF 1.1 annex B, and the list of projections of
http://geotiff.maptools.org/proj_list/).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

__all__ = ["crs_attrs"]

_OWN: Final = 32767
_GEOGRAPHIC, _GEOCENTRIC = 2, 3
_UTM_NORTH, _UTM_SOUTH = range(16001, 16061), range(16101, 16161)

_LON: Final = ("ProjNatOriginLong", "ProjFalseOriginLong", "ProjCenterLong", "ProjStraightVertPoleLong")
_LAT: Final = ("ProjNatOriginLat", "ProjFalseOriginLat", "ProjCenterLat")
_EAST: Final = ("ProjFalseEasting", "ProjFalseOriginEasting", "ProjCenterEasting")
_NORTH: Final = ("ProjFalseNorthing", "ProjFalseOriginNorthing", "ProjCenterNorthing")
_SCALE: Final = ("ProjScaleAtNatOrigin", "ProjScaleAtCenter")
_FIRST, _SECOND = ("ProjStdParallel1",), ("ProjStdParallel2",)
_PLACE: Final = {"x_0": _EAST, "y_0": _NORTH}
_AROUND: Final = {"lon_0": _LON, **_PLACE}
_ABOUT: Final = {"lat_0": _LAT, **_AROUND}

_PROJECTIONS: Final[Mapping[int, tuple[str, Mapping[str, tuple[str, ...]]]]] = {
    1: ("tmerc", {**_ABOUT, "k_0": _SCALE}),
    3: ("omerc", {"lat_0": _LAT, "lonc": _LON, "alpha": ("ProjAzimuthAngle",), "k_0": _SCALE, **_PLACE}),
    7: ("merc", {**_AROUND, "k_0": _SCALE}),
    8: ("lcc", {**_ABOUT, "lat_1": _FIRST, "lat_2": _SECOND}),
    9: ("lcc", {**_ABOUT, "lat_1": _LAT, "k_0": _SCALE}),
    10: ("laea", _ABOUT),
    11: ("aea", {**_ABOUT, "lat_1": _FIRST, "lat_2": _SECOND}),
    12: ("aeqd", _ABOUT),
    13: ("eqdc", {**_ABOUT, "lat_1": _FIRST, "lat_2": _SECOND}),
    14: ("stere", {**_ABOUT, "k_0": _SCALE}),
    16: ("sterea", {**_ABOUT, "k_0": _SCALE}),
    17: ("eqc", {**_ABOUT, "lat_ts": _FIRST}),
    18: ("cass", _ABOUT),
    19: ("gnom", _ABOUT),
    20: ("mill", _AROUND),
    21: ("ortho", _ABOUT),
    22: ("poly", _ABOUT),
    23: ("robin", _AROUND),
    24: ("sinu", _AROUND),
    25: ("vandg", _AROUND),
    28: ("cea", {**_AROUND, "lat_ts": _FIRST}),
}
"""Number of ProjCoordTransGeoKey -> projection, and for each of its parameters the keys that may say it."""

_POLAR: Final = 15
_METRE: Final = 9001
_ELLIPSOIDAL: Final = range(5001, 5034)
"""Codes of heights above an ellipsoid, which GeoTIFF 1.0 had and EPSG has not."""
_UNITS: Final = {9001: "m", 9002: "ft", 9003: "us-ft"}


def crs_attrs(geokeys: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Attributes of `spatial_ref`, and what to say where the system is known by its keys alone."""
    if not geokeys:
        return {}, None
    attrs, problem = _attrs(json.dumps(geokeys, sort_keys=True))
    return dict(attrs), problem


@lru_cache(maxsize=256)
def _attrs(geokeys: str) -> tuple[dict[str, Any], str | None]:
    """The same by the text of the keys: files of one series have the same, and pyproj takes its time."""
    keys = {name: value for name, value in json.loads(geokeys).items() if _is_sound(name, value)}
    if find_spec("pyproj") is None:
        return {}, None
    pyproj: Any = import_module("pyproj")
    try:
        found = _crs(pyproj, keys)
        if found is None:
            return {}, None if keys.get("GTModelTypeGeoKey", 0) in (0, _OWN) else "its keys name no system known here"
        found, problem = _with_height(pyproj, found, keys.get("VerticalCSTypeGeoKey", _OWN))
        attrs = dict(found.to_cf())
        attrs["crs_wkt"] = attrs["spatial_ref"] = found.to_wkt()
    except pyproj.exceptions.ProjError as error:
        return {}, f"pyproj knows no such system: {str(error).splitlines()[0]}"
    return {name: list(value) if isinstance(value, tuple) else value for name, value in attrs.items()}, problem


def _is_sound(name: str, value: Any) -> bool:
    """Whether a value is of the kind that its key wants."""
    if name.endswith("CitationGeoKey"):
        return isinstance(value, str)
    return isinstance(value, int | float) and abs(value) < math.inf


def _crs(pyproj: Any, keys: Mapping[str, Any]) -> Any:
    """The system without its height; None where the keys say too little."""
    model = keys.get("GTModelTypeGeoKey")
    plane = keys.get("ProjectedCSTypeGeoKey", _OWN)
    if plane not in (0, _OWN) and model not in (_GEOGRAPHIC, _GEOCENTRIC):
        return pyproj.CRS.from_epsg(plane)
    if model == 1:
        return _projected(pyproj, keys)
    ground = _geographic(pyproj, keys)
    return _geocentric(pyproj, keys, ground) if model == _GEOCENTRIC else ground


def _with_height(pyproj: Any, found: Any, height: int) -> tuple[Any, str | None]:
    """The system with that of heights, and what to say where there is none of this code."""
    if height in (0, _OWN) or not found.srs or found.is_geocentric:
        return found, None
    if height in _ELLIPSOIDAL:
        return found.to_3d(), None
    try:
        upright = pyproj.CRS.from_epsg(height)
        if upright.is_geographic:  # it has height above the ellipsoid, as EPSG:4979
            return found.to_3d(), None
        return pyproj.crs.CompoundCRS(f"{found.name} + EPSG:{height}", [found, upright]), None
    except pyproj.exceptions.ProjError:
        return found, f"pyproj knows no system of heights {height}: without it"


def _geographic(pyproj: Any, keys: Mapping[str, Any]) -> Any:
    code = keys.get("GeographicTypeGeoKey", _OWN)
    if code not in (0, _OWN):
        return pyproj.CRS.from_epsg(code)
    shape = _ellipsoid(pyproj, keys)
    if shape is None:
        return None
    figure = pyproj.CRS.from_proj4(f"+proj=longlat {shape} +no_defs +type=crs")
    return _on_datum(pyproj, keys, figure) or figure


def _on_datum(pyproj: Any, keys: Mapping[str, Any], figure: Any) -> Any:
    """The geographic system of the datum that the keys name; None where it is not of this figure and this meridian."""
    code = keys.get("GeogGeodeticDatumGeoKey", _OWN)
    if code in (0, _OWN):
        return None
    try:
        found = pyproj.crs.GeographicCRS(_name(keys, "GeogCitationGeoKey"), datum=pyproj.crs.Datum.from_epsg(code))
    except pyproj.exceptions.ProjError:
        return None
    mine, its = (
        [one.ellipsoid.semi_major_metre, one.ellipsoid.semi_minor_metre, one.prime_meridian.longitude]
        for one in (figure, found)
    )
    return found if all(math.isclose(a, b, rel_tol=1e-9) for a, b in zip(mine, its, strict=True)) else None


def _geocentric(pyproj: Any, keys: Mapping[str, Any], ground: Any) -> Any:
    """The system of the same datum whose axes are three lengths from the middle of the Earth."""
    if ground is None or ground.is_geocentric or keys.get("GeogLinearUnitsGeoKey", _METRE) != _METRE:
        return ground if ground is not None and ground.is_geocentric else None
    said = ground.to_json_dict()
    datum = {name: said[name] for name in ("datum", "datum_ensemble") if name in said}
    axes = [
        {"name": f"Geocentric {n}", "abbreviation": n, "direction": f"geocentric{n}", "unit": "metre"} for n in "XYZ"
    ]
    shape = {"subtype": "Cartesian", "axis": axes}
    name = _name(keys, "GTCitationGeoKey")
    return pyproj.CRS.from_json_dict({"type": "GeodeticCRS", "name": name, **datum, "coordinate_system": shape})


def _name(keys: Mapping[str, Any], citation: str) -> str:
    return str(keys.get(citation) or keys.get("GTCitationGeoKey") or "unknown")


def _ellipsoid(pyproj: Any, keys: Mapping[str, Any]) -> str | None:
    """The figure of the Earth: by its axes, or by its code."""
    longest = keys.get("GeogSemiMajorAxisGeoKey")
    meridian = keys.get("GeogPrimeMeridianLongGeoKey", 0)
    tail = f" +pm={meridian}" if meridian else ""
    if longest and keys.get("GeogInvFlatteningGeoKey") is not None:
        flattening = keys["GeogInvFlatteningGeoKey"]
        return f"+a={longest!r} " + (f"+rf={flattening!r}" if flattening else f"+b={longest!r}") + tail
    if longest and "GeogSemiMinorAxisGeoKey" in keys:
        return f"+a={longest!r} +b={keys['GeogSemiMinorAxisGeoKey']!r}{tail}"
    code = keys.get("GeogEllipsoidGeoKey", _OWN)
    if code in (0, _OWN):
        datum = keys.get("GeogGeodeticDatumGeoKey", _OWN)
        if datum in (0, _OWN):
            return None
        figure = pyproj.crs.Datum.from_epsg(datum).ellipsoid
    else:
        figure = pyproj.crs.Ellipsoid.from_epsg(code)
    return _axes(figure) + tail


def _axes(figure: Any) -> str:
    """A figure by its longest axis and its flattening; a sphere has none."""
    longest, flattening = figure.semi_major_metre, figure.inverse_flattening
    return f"+a={longest!r} " + (f"+rf={flattening!r}" if flattening else f"+b={longest!r}")


def _projected(pyproj: Any, keys: Mapping[str, Any]) -> Any:
    """A projection that the user defined, on the geographic system of the keys."""
    ground = _geographic(pyproj, keys)
    text = _projection(keys)
    if ground is None or text is None:
        return None
    unit = keys.get("ProjLinearUnitsGeoKey", _METRE)
    if unit in _UNITS:
        text += f" +units={_UNITS[unit]}"
    elif "ProjLinearUnitSizeGeoKey" in keys:
        text += f" +to_meter={keys['ProjLinearUnitSizeGeoKey']!r}"
    else:
        return None
    flat = pyproj.CRS.from_proj4(f"{text} {_axes(ground.ellipsoid)} +no_defs +type=crs")
    name = keys.get("PCSCitationGeoKey") or keys.get("GTCitationGeoKey") or "unknown"
    return pyproj.crs.ProjectedCRS(flat.coordinate_operation, str(name), flat.coordinate_system, ground)


def _projection(keys: Mapping[str, Any]) -> str | None:
    code = keys.get("ProjectionGeoKey", _OWN)
    if code in _UTM_NORTH or code in _UTM_SOUTH:
        return f"+proj=utm +zone={code % 100}" + (" +south" if code in _UTM_SOUTH else "")
    number = keys.get("ProjCoordTransGeoKey")

    def value(names: tuple[str, ...]) -> Any:
        return next((keys[f"{name}GeoKey"] for name in names if f"{name}GeoKey" in keys), None)

    if number == _POLAR:
        return _polar(value)
    if not isinstance(number, int) or number not in _PROJECTIONS:
        return None
    name, parameters = _PROJECTIONS[number]
    said = {parameter: value(names) for parameter, names in parameters.items()}
    return f"+proj={name}" + "".join(f" +{p}={v!r}" for p, v in said.items() if isinstance(v, int | float))


def _polar(value: Callable[[tuple[str, ...]], Any]) -> str:
    """Polar stereographic: the latitude says where its scale is true, or that it is a pole."""
    latitude = value(_LAT) or 0
    pole = 90 if latitude >= 0 else -90
    place = f" +lon_0={value(_LON) or 0!r} +x_0={value(_EAST) or 0!r} +y_0={value(_NORTH) or 0!r}"
    scale = value(_SCALE)
    if abs(latitude) == abs(pole):
        return f"+proj=stere +lat_0={pole} +k_0={1 if scale is None else scale!r}{place}"
    return f"+proj=stere +lat_0={pole} +lat_ts={latitude!r}{place}"
