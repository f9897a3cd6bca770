"""Whether eccodes can place the points of a grid in this process.

Where eccodes finds halfway that it cannot, it frees memory twice; of Gaussian parallels it looks for the first one
without end, and of rows of a reduced grid it believes the lengths. So only grids of which every number is in the range
that it is meant for are placed here, and all others apart.
"""

from __future__ import annotations

from typing import Any, Final

from chunkmap.codecs.grib.sections import Sections

__all__ = ["is_ordinary"]

_MOST_POINTS: Final = 1 << 26
_LATITUDES: Final = (
    "latitudeOfFirstGridPointInDegrees", "latitudeOfLastGridPointInDegrees", "latitudeOfSouthernPoleInDegrees",
    "LaDInDegrees", "Latin1InDegrees", "Latin2InDegrees", "standardParallelInDegrees",
)  # fmt: skip
_LONGITUDES: Final = (
    "longitudeOfFirstGridPointInDegrees", "longitudeOfLastGridPointInDegrees", "longitudeOfSouthernPoleInDegrees",
    "LoVInDegrees", "orientationOfTheGridInDegrees", "centralLongitudeInDegrees", "angleOfRotationInDegrees",
)  # fmt: skip
_STEPS: Final = ("DxInMetres", "DyInMetres", "DiInMetres", "DjInMetres")
_AXES: Final = ("radius", "earthMajorAxisInMetres", "earthMinorAxisInMetres")
_ROWS: Final = ("regular_ll", "rotated_ll")
_PROJECTED: Final = ("lambert", "polar_stereographic", "mercator", "lambert_azimuthal_equal_area")
_SECTION_OF_GRID: Final = {1: 2, 2: 3}


def is_ordinary(message: Any, sections: Sections) -> bool:
    """Whether nothing about the grid of a message is out of the ordinary."""
    kind = message.get("gridType")
    if kind not in (*_ROWS, *_PROJECTED) or not _all_in_range(message):
        return False
    grid = sections[_SECTION_OF_GRID[sections.edition]]
    points = int.from_bytes(grid[6:10], "big") if sections.edition == 2 else message.get("numberOfDataPoints", int)
    if points is None or not 0 < points <= _MOST_POINTS:
        return False
    if kind == "lambert" and abs(message.get("Latin1InDegrees", float) + message.get("Latin2InDegrees", float)) < 1:
        return False
    names = ("Nx", "Ny") if kind in _PROJECTED else ("Ni", "Nj")
    across, down = (message.get(name, int) for name in names)
    return across is not None and down is not None and min(across, down) > 0 and across * down == points


def _all_in_range(message: Any) -> bool:
    """Whether each angle is one on the globe, and distances are those of the Earth."""
    ranges = ((_LATITUDES, -90, 90), (_LONGITUDES, -360, 720), (_STEPS, 1e-3, 1e8), (_AXES, 1e6, 1e8))
    found = ((message.get(key, float), low, high) for keys, low, high in ranges for key in keys)
    within = all(value is None or low <= value <= high for value, low, high in found)
    tilted = abs(message.get("LaDInDegrees", float) or 0) if message.get("gridType") == "mercator" else 0
    edges = [abs(message.get(key, float) or 0) for key in _LATITUDES[:2]] if tilted else [0]
    return within and tilted < 89 and max(edges) < 89.9
