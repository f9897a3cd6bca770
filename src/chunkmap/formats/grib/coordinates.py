"""The coordinates of a hypercube: time, step, level, member and the others, under the names that cfgrib gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.formats.grib.table import Table
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray
from chunkmap.model.cubes import Cube

__all__ = ["coordinates_of", "held"]

_SECONDS: Final = {"units": "seconds since 1970-01-01T00:00:00", "calendar": "proleptic_gregorian"}
_PRESSURE: Final = {"positive": "down", "standard_name": "air_pressure", "long_name": "pressure"}
_DEPTH: Final = {"units": "m", "positive": "down", "long_name": "soil depth", "standard_name": "depth"}
_CF: Final[Mapping[str, Mapping[str, str]]] = {
    "time": {**_SECONDS, "standard_name": "forecast_reference_time", "long_name": "initial time of forecast"},
    "valid_time": {**_SECONDS, "standard_name": "time", "long_name": "time"},
    "step": {
        "units": "hours",
        "standard_name": "forecast_period",
        "long_name": "time since forecast_reference_time",
        "dtype": "timedelta64[ns]",
    },
    "number": {"units": "1", "standard_name": "realization", "long_name": "ensemble member numerical id"},
    "isobaricInhPa": {"units": "hPa", "stored_direction": "decreasing", **_PRESSURE},
    "isobaricInPa": {"units": "Pa", "stored_direction": "decreasing", **_PRESSURE},
    "isobaricLayer": {"units": "Pa", **_PRESSURE},
    "depthBelowLand": _DEPTH,
    "depthBelowLandLayer": _DEPTH,
    "hybrid": {
        "units": "1",
        "positive": "down",
        "long_name": "hybrid level",
        "standard_name": "atmosphere_hybrid_sigma_pressure_coordinate",
    },
    "heightAboveGround": {
        "units": "m",
        "positive": "up",
        "long_name": "height above the surface",
        "standard_name": "height",
    },
}


def coordinates_of(table: Table, rows: NDArray[np.int64], cube: Cube, *, squeeze: bool) -> dict[str, ManifestArray]:
    """The coordinates of a cube of some rows; with `squeeze`, those of one value are scalars."""
    found = {name: _axis(name, values, squeeze=squeeze) for name, values in cube.axes.items()}
    if "time" in cube.axes and "step" in cube.axes:
        times = cube.axes["time"][:, None] + cube.axes["step"][None, :]
        kept = [key for key in ("time", "step") if len(cube.axes[key]) > 1 or not squeeze]
        shape = tuple(len(cube.axes[key]) for key in kept)
        found["valid_time"] = held("valid_time", _whole(times).reshape(shape), tuple(kept))
    level = table.products[table.product[rows[0]]].type_of_level
    if level in cube.axes and not np.isnan(table.bottom[rows]).any():
        bottoms = np.full(len(cube.axes[level]), np.nan)
        bottoms[cube.along(level)] = table.bottom[rows]
        scalar = squeeze and len(bottoms) == 1
        found["bottomLevel"] = held("bottomLevel", bottoms.reshape(() if scalar else -1), () if scalar else (level,))
    return found


def _axis(name: str, values: NDArray[Any], *, squeeze: bool) -> ManifestArray:
    if name == "time":
        values = _whole(values)
    elif name == "number":
        values = values.astype("<i8") if not np.isnan(values).any() else values
    elif name == "step":
        values = values / 3600
    return held(name, values.reshape(()), ()) if squeeze and len(values) == 1 else held(name, values, (name,))


def _whole(seconds: NDArray[Any]) -> NDArray[Any]:
    """Seconds as integers, where each is known."""
    return seconds if np.isnan(seconds).any() else np.round(seconds).astype("<i8")


def held(
    name: str, values: NDArray[Any], dims: tuple[str, ...], attrs: Mapping[str, Any] | None = None
) -> ManifestArray:
    """An array held inline, under its CF attributes."""
    values = values.astype(values.dtype.newbyteorder("<"))
    stored = values.tobytes()
    meta = ArrayMeta(
        shape=values.shape,
        chunk_shape=values.shape,
        dtype=values.dtype,
        dims=dims,
        attrs=_CF.get(name, {}) if attrs is None else attrs,
    )
    return ManifestArray(meta, ChunkManifest.single(stored, 0, len(stored), values.ndim))
