"""The integerized sinusoidal projection of early MODIS products: each of its rows is so many whole columns.

HDF-EOS Library User's Guide for HDF-EOS2, volume 1, section 1.6: ISINUS, with the number of zones of latitude and what
becomes of an odd column. PROJ has no such projection.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import Unsupported
from chunkmap.formats.hdf4.projection_words import unpack_degrees

__all__ = ["integerized"]

_MOST_ZONES = 360 * 3600
_EVEN = 2
Floats = NDArray[np.float64]


def integerized(parameters: Sequence[float], radius: float, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Latitude and longitude of points of the projection; NaN outside the earth. Raises Unsupported for zones that
    cannot be.
    """
    zones, justify = int(parameters[8]), int(parameters[10])
    if zones != parameters[8] or not 2 <= zones <= _MOST_ZONES or zones % 2 or justify not in (0, 1, _EVEN):
        raise Unsupported(
            f"an integerized sinusoidal grid of {parameters[8]:g} zones, flag {parameters[10]:g}", feature="projection"
        )
    latitude = (y - parameters[7]) / radius
    zone = np.floor((np.pi / 2 - latitude) * zones / np.pi)
    zone = np.clip(np.minimum(zone, zones - 1 - zone), 0, zones // 2 - 1)
    around, at_equator = _columns(zone, zones, justify), float(_columns(np.array(zones // 2 - 1), zones, justify))
    west = (around + (justify == 1)) // 2  # columns of a row that lie west of the central meridian
    column = (x - parameters[6]) * at_equator / (2 * np.pi * radius)
    turn = (column + west) / around
    outside = (np.abs(latitude) > np.pi / 2) | ~((turn >= 0) & (turn <= 1))
    longitude = (unpack_degrees(parameters[4]) + 360 * turn) % 360 - 180
    return np.where(outside, np.nan, np.degrees(latitude)), np.where(outside, np.nan, longitude)


def _columns(zone: NDArray[np.generic], zones: int, justify: int) -> Floats:
    """How many columns go round the earth in some zones, counted from a pole."""
    middle = np.cos(np.pi / 2 * (1 - (zone.astype(np.float64) + 0.5) / (zones // 2)))
    if justify == _EVEN:
        return np.asarray(2 * np.maximum(np.floor(middle * zones + 0.5), 1))
    return np.asarray(np.maximum(np.floor(2 * middle * zones + 0.5), 1))
