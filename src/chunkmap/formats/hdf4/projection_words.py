"""GCTP's projections in the words of PROJ: which parameter of theirs is which of its terms.

HDF-EOS Library User's Guide for HDF-EOS2, volume 1, section 1.6: projection codes and their thirteen parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from chunkmap.errors import Unsupported
from chunkmap.formats.hdf4.spheroids import axes_of

__all__ = ["proj_text", "unpack_degrees"]

Parameters = Sequence[float]
_Rule = Callable[[Parameters, int], str]
_MODE: Final = 12
"""The parameter that says in which of two ways the others are meant."""
_MINUTES_A_DAY: Final = 1440


def unpack_degrees(packed: float) -> float:
    """Degrees of GCTP's packed form, DDDMMMSSS.SS.

    >>> unpack_degrees(-45030000.0)
    -45.5
    """
    size = abs(packed)
    degrees, rest = divmod(size, 1_000_000.0)
    minutes, seconds = divmod(rest, 1000.0)
    value = degrees + minutes / 60 + seconds / 3600
    return -value if packed < 0 else value


def proj_text(projection: str, parameters: Parameters, sphere: int, zone: int) -> str:
    """A projection as PROJ writes it. Raises Unsupported for one that has no words there."""
    name = projection.removeprefix("GCTP_")
    rule = _RULES.get(name)
    if rule is None:
        raise Unsupported(f"there is no rule for the projection {projection}", feature="projection")
    major, minor = axes_of(name, sphere, parameters)
    size = f"+R={major}" if major == minor else f"+a={major} +b={minor}"
    return f"{rule(parameters, zone)} {size} +units=m +no_defs"


def _terms(name: str, terms: Sequence[tuple[str, int]], *, offsets: bool = True) -> _Rule:
    """A rule: which parameter goes where; those of angles are packed degrees."""

    def rule(given: Parameters, _zone: int) -> str:
        words = [f"+proj={name}", *(f"+{term}={unpack_degrees(given[place])}" for term, place in terms)]
        return " ".join([*words, f"+x_0={given[6]} +y_0={given[7]}"] if offsets else words)

    return rule


def _utm(given: Parameters, zone: int) -> str:
    """By the zone, or by a point in it; south of the equator it is negative."""
    if not zone:
        zone = int((unpack_degrees(given[0]) + 180) // 6) + 1
        zone = -zone if given[1] < 0 else zone
    return f"+proj=utm +zone={abs(zone)}" + (" +south" if zone < 0 else "")


def _equidistant_conic(given: Parameters, zone: int) -> str:
    second = 3 if given[8] else 2
    return _terms("eqdc", [("lat_1", 2), ("lat_2", second), ("lon_0", 4), ("lat_0", 5)])(given, zone)


def _transverse_mercator(given: Parameters, zone: int) -> str:
    return _terms("tmerc", [("lon_0", 4), ("lat_0", 5)])(given, zone) + f" +k_0={given[2]}"


def _polar(given: Parameters, zone: int) -> str:
    pole = 90 if given[5] >= 0 else -90
    return _terms("stere", [("lon_0", 4), ("lat_ts", 5)])(given, zone) + f" +lat_0={pole}"


def _oblique_mercator(given: Parameters, zone: int) -> str:
    """By the azimuth of the central line at a point, or by two points on it."""
    by_azimuth = [("alpha", 3), ("lonc", 4)]
    by_points = [("lon_1", 8), ("lat_1", 9), ("lon_2", 10), ("lat_2", 11)]
    terms = [("lat_0", 5), *(by_azimuth if given[_MODE] else by_points)]
    return _terms("omerc", terms)(given, zone) + f" +k_0={given[2]}"


def _space_oblique_mercator(given: Parameters, zone: int) -> str:
    """By the orbit. `x` goes along the track: offsets are the other way round."""
    if given[_MODE]:
        raise Unsupported("GCTP_SOM by the number of a Landsat and its path is not decoded", feature="projection")
    words = _terms("som", [("inc_angle", 3), ("asc_lon", 4)], offsets=False)(given, zone)
    return f"{words} +ps_rev={given[8] / _MINUTES_A_DAY!r} +x_0={given[7]} +y_0={given[6]}"


_RULES: Final[Mapping[str, _Rule]] = {
    "UTM": _utm,
    "ALBERS": _terms("aea", [("lat_1", 2), ("lat_2", 3), ("lon_0", 4), ("lat_0", 5)]),
    "LAMCC": _terms("lcc", [("lat_1", 2), ("lat_2", 3), ("lon_0", 4), ("lat_0", 5)]),
    "MERCAT": _terms("merc", [("lon_0", 4), ("lat_ts", 5)]),
    "PS": _polar,
    "POLYC": _terms("poly", [("lon_0", 4), ("lat_0", 5)]),
    "EQUIDC": _equidistant_conic,
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
    "HOM": _oblique_mercator,
    "SOM": _space_oblique_mercator,
    "GOOD": _terms("igh", [], offsets=False),
    "ROBIN": _terms("robin", [("lon_0", 4)]),
    "MOLL": _terms("moll", [("lon_0", 4)]),
    "HAMMER": _terms("hammer", [("lon_0", 4)]),
    "WAGIV": _terms("wag4", [("lon_0", 4)]),
    "WAGVII": _terms("wag7", [("lon_0", 4)]),
    "CEA": _terms("cea", [("lon_0", 4), ("lat_ts", 5)]),
    "BCEA": _terms("cea", [("lon_0", 4), ("lat_ts", 5)]),
}
