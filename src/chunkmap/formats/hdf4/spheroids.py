"""How large the earth is: GCTP's table of spheroids, and its rules on when the table counts and when parameters do.

HDF-EOS Library User's Guide for HDF-EOS2, volume 1, section 1.6, and what the GCTP of that library does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["axes_of"]

# code: semi-major axis, semi-minor axis
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
    11: (6377340.189, 6356034.448),
    12: (6378137.0, 6356752.314245),
    13: (6378155.0, 6356773.3205),
    14: (6378160.0, 6356774.719),
    15: (6378245.0, 6356863.0188),
    16: (6378270.0, 6356794.343479),
    17: (6378166.0, 6356784.283666),
    18: (6378150.0, 6356768.337303),
    19: (6370997.0, 6370997.0),
    20: (6371228.0, 6371228.0),
    21: (6371007.181, 6371007.181),
    22: (6378273.0, 6356889.4485),
}
_CLARKE_1866, _WGS_84, _RADIUS, _EASE = 0, 12, 19, 20
_BY_PARAMETERS: Final = -1
_ON_A_SPHERE: Final = frozenset(
    {"STEREO", "LAMAZ", "AZMEQD", "GNOMON", "ORTHO", "SNSOID", "EQRECT", "MILLER", "VGRINT", "GOOD", "ROBIN", "MOLL",
     "HAMMER", "WAGIV", "WAGVII", "ISINUS", "ISINUS1"}
)  # fmt: skip


def axes_of(projection: str, code: int, parameters: Sequence[float]) -> tuple[float, float]:
    """Semi-major and semi-minor axis under a projection, by the code of its spheroid and its parameters.

    >>> axes_of("PS", -1, [6378273.0, -0.006694])
    (6378273.0, 6356889.074179982)
    >>> axes_of("LAMAZ", 12, [6371228.0, 0.0])
    (6370997.0, 6370997.0)
    """
    if projection in ("GEO", "UTM"):  # whose first parameters are no axes
        return _SPHEROIDS.get(code, _SPHEROIDS[_WGS_84 if projection == "GEO" else _CLARKE_1866])
    if projection in ("CEA", "BCEA"):
        given = any(parameters[:2])
        code = _BY_PARAMETERS if given else _EASE if projection == "BCEA" else code
    if code < 0:
        major, minor = _by_parameters(abs(parameters[0]), abs(parameters[1]))
    else:
        major, minor = _SPHEROIDS.get(code, _SPHEROIDS[_CLARKE_1866])
    if projection in _ON_A_SPHERE:
        radius = major if code < 0 else _SPHEROIDS[_RADIUS][0]
        return radius, radius
    return major, minor


def _by_parameters(major: float, minor: float) -> tuple[float, float]:
    """The second one is an axis, or the square of the eccentricity, of either sign, where it is no larger than one."""
    if not major:
        return _SPHEROIDS[_CLARKE_1866 if minor else _RADIUS]
    if minor > 1:
        return major, minor
    return major, major * (1 - minor) ** 0.5
