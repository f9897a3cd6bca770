"""The coordinates of a hypercube: time, step, level, member and the others, under the names that cfgrib gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.formats.grib.table import Table
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray
from chunkmap.model.cubes import Coded, Cube

__all__ = ["TIME_DIMS", "coordinates_of", "held", "times_of"]

_TIMES: Final = ("step", "time", "valid_time")
TIME_DIMS: Final = (("time", "step"), ("valid_time",), ("valid_time", "step"), ("time", "valid_time"))
"""The times that may be dimensions; the others are coordinates along them."""

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
    found |= _other_times(table, rows, cube, squeeze=squeeze)
    level, bottom = table.products[table.product[rows[0]]].type_of_level or "level", table.bottom.of(rows)
    if level in cube.axes and not np.isnan(bottom.values[bottom.used()]).any():
        bottoms = np.full(len(cube.axes[level]), np.nan)
        bottoms[cube.along(level)] = table.bottom.at(rows)
        scalar = squeeze and len(bottoms) == 1
        found["bottomLevel"] = held("bottomLevel", bottoms.reshape(() if scalar else -1), () if scalar else (level,))
    return found


def times_of(table: Table, name: str, rows: NDArray[np.int64]) -> Coded:
    """The column of `time`, `step` or `valid_time` of some rows, in seconds."""
    if name != "valid_time":
        return (table.time if name == "time" else table.step).of(rows)
    values, codes = np.unique(table.time.at(rows) + table.step.at(rows), return_inverse=True)
    return Coded(codes, values)


def _other_times(table: Table, rows: NDArray[np.int64], cube: Cube, *, squeeze: bool) -> dict[str, ManifestArray]:
    """The times that are no dimensions, along those that are.

    Along two they are real numbers: of several files combined, some of the cells may be in none, and have no time.
    """
    dims = [name for name in cube.axes if name in _TIMES]
    if sorted(dims) not in map(sorted, TIME_DIMS):
        return {}
    shape = tuple(len(cube.axes[name]) for name in dims)
    kept = [name for name in dims if len(cube.axes[name]) > 1 or not squeeze]
    grid = dict(zip(dims, np.meshgrid(*(cube.axes[name] for name in dims), indexing="ij"), strict=True))
    if len(dims) == 2:
        moment = grid["time"] if "time" in grid else grid["valid_time"] - grid["step"]
        length = grid["step"] if "step" in grid else grid["valid_time"] - grid["time"]
        columns = {"time": moment, "step": length, "valid_time": moment + length}
    else:
        columns = {name: np.full(shape, np.nan) for name in _TIMES}
        for name, column in columns.items():
            column[cube.along(dims[0])] = times_of(table, name, rows).spread()
    return {
        name: held(name, _along(name, column, kept).reshape([len(cube.axes[dim]) for dim in kept]), tuple(kept))
        for name, column in columns.items()
        if name not in dims and not np.isnan(column).all()
    }


def _axis(name: str, values: NDArray[Any], *, squeeze: bool) -> ManifestArray:
    if name in _TIMES:
        values = _stored(name, values)
    elif name == "number":
        values = values.astype("<i8") if not np.isnan(values).any() else values
    return held(name, values.reshape(()), ()) if squeeze and len(values) == 1 else held(name, values, (name,))


def _along(name: str, seconds: NDArray[Any], dims: Sequence[str]) -> NDArray[Any]:
    values = _stored(name, seconds)
    return values.astype("<f8") if len(dims) > 1 else values


def _stored(name: str, seconds: NDArray[Any]) -> NDArray[Any]:
    """Steps as hours, times as seconds."""
    return seconds / 3600 if name == "step" else _whole(seconds)


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
        fill_value=np.float64("nan") if values.ndim > 1 and values.dtype.kind == "f" else None,
        dims=dims,
        attrs=_CF.get(name, {}) if attrs is None else attrs,
    )
    return ManifestArray(meta, ChunkManifest.single(stored, 0, len(stored), values.ndim))
