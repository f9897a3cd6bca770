"""The stretches of a forecast archive that one set may be: by horizon, by valid time, by run, or the best there is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.model import ReferenceSet
from chunkmap.model.cubes import cube_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COORD_DIM_MAPPING", "ECCODES_VERTICAL_LEVELS", "AggregationType", "build_path", "create_steps",
           "grib_coord", "reinflate_grib_store", "repeat_steps", "store_coord_var", "store_data_var"]  # fmt: skip

COORD_DIM_MAPPING: Final = {"time": "run_times", "valid_time": "valid_times", "step": "model_horizons"}

# fmt: off
ECCODES_VERTICAL_LEVELS: Final = {
    "abstractMultipleLevels", "abstractSingleLevel", "adiabaticCondensation", "atmosphere", "cloudBase", "cloudTop",
    "convectiveCondensation", "cumulonimbusBase", "cumulonimbusTop", "depthBelowLand", "depthBelowLandLayer",
    "depthBelowSea", "depthBelowSeaLayer", "entireAtmosphere", "entireLake", "entireMeltPond", "entireOcean", "eta",
    "freeConvection", "generalVertical", "generalVerticalLayer", "heightAboveGround", "heightAboveGroundLayer",
    "heightAboveSea", "heightAboveSeaLayer", "highCloudLayer", "hybrid", "hybridHeight", "hybridLayer",
    "hybridPressure", "iceBottomOnWater", "iceLayerAboveWaterSurface", "iceLayerOnWater", "iceLayerUnderSnowOnWater",
    "iceTopOnWater", "iceTopUnderSnowOnWater", "indefiniteSoilDepth", "isobaricInPa", "isobaricInhPa", "isobaricLayer",
    "isothermZero", "isothermal", "lakeBottom", "lowCloudLayer", "lowestLevelOfCloudCoverExceedance", "maxWind",
    "meanSea", "mediumCloudLayer", "meltPondBottom", "meltPondTop", "mixedLayerDepthByDensity",
    "mixedLayerDepthByDiffusivity", "mixedLayerDepthByTemperature", "mixedLayerDepthGeneric", "mixedLayerParcel",
    "mixingLayer", "mostUnstableParcel", "neutralBuoyancy", "nominalTop", "oceanModel", "oceanModelLayer",
    "oceanSurface", "oceanSurfaceToBottom", "potentialVorticity", "pressureFromGround", "pressureFromGroundLayer",
    "road", "roadLayer", "roof", "roofLayer", "rootZone", "seaBottom", "seaIce", "seaIceLayer", "sigma", "sigmaLayer",
    "snow", "snowLayer", "snowLayerOverIceOnWater", "snowTopOverIceOnWater", "soil", "soilLayer", "stratosphere",
    "surface", "theta", "thetaLayer", "totalSoilLayer", "tropopause", "troposphere", "unknown", "urbanCanyon", "wall",
    "wallLayer", "waterSurfaceToIsothermalOceanLayer",
}
"""What coordinates of levels are called."""
# fmt: on

_TIMES: Final = ("time", "step", "valid_time")
_EPOCH: Final = np.datetime64(0, "s")


class AggregationType(Enum):
    """What the dimensions of an aggregated set are."""

    HORIZON = "horizon"
    """Distances from the run, and for each of them valid times."""
    VALID_TIME = "valid_time"
    """Valid times, and for each of them distances from the run."""
    RUN_TIME = "run_time"
    """Runs, and for each of them distances."""
    BEST_AVAILABLE = "best_available"
    """Valid times: analyses as far as there are, then the forecast of the last run."""


class _Cells(NamedTuple):
    """Time and step of each cell of the new dimensions, and the coordinates that say so."""

    dims: dict[str, int]
    times: NDArray[Any]
    steps: NDArray[Any]
    coords: dict[str, tuple[tuple[str, ...], NDArray[Any]]]


def build_path(path: Iterable[str | None], suffix: str | None = None) -> str:
    """The parts of a path that are there, joined."""
    return "/".join(part for part in (*path, suffix) if part is not None)


def grib_coord(name: str) -> str:
    """What a coordinate is called in an index of chunks: whatever level it is, `level`."""
    return "level" if name in ECCODES_VERTICAL_LEVELS else name


def repeat_steps(step_index: pd.TimedeltaIndex, to_length: int) -> NDArray[Any]:
    """The steps of one horizon over and over, so many in all, as integers."""
    return np.resize(np.asarray(step_index).astype(np.int64), to_length)


def create_steps(steps_index: pd.Index[Any], to_length: int) -> NDArray[Any]:
    """A row for each horizon, of its steps over and over."""
    return np.stack([np.resize(np.asarray(each), to_length) for each in steps_index])


def store_coord_var(key: str, zstore: dict[str, Any], coords: tuple[str, ...], data: NDArray[Any]) -> None:
    """Put a coordinate into the references of a store, in the place of the array that is there under the key."""
    _put(zstore, key, coords, _as_stored(data, json.loads(zstore[f"{key}/.zarray"])["dtype"]))


def store_data_var(
    key: str,
    zstore: dict[str, Any],
    dims: dict[str, int],
    coords: dict[str, tuple[str, ...]],
    data: pd.DataFrame,
    steps: NDArray[Any],
    times: NDArray[Any],
    lvals: NDArray[Any] | None,
) -> None:
    """Put a variable into the references of a store: a chunk in each cell whose time, step and level a row has."""
    document = json.loads(zstore[f"{key}/.zarray"])
    levels = {} if lvals is None or len(np.atleast_1d(lvals)) < 2 else {"level": len(lvals)}
    names = list(coords.get("datavar", (*dims, *levels)))
    grid = (*dims.values(), *levels.values())
    document |= {"shape": [*grid, *document["shape"][-2:]], "chunks": [1] * len(grid) + document["chunks"][-2:]}
    document["fill_value"] = "NaN" if document["fill_value"] is None else document["fill_value"]
    attrs = json.loads(zstore[f"{key}/.zattrs"])
    on_grid = attrs["_ARRAY_DIMENSIONS"][-2:]
    zstore[f"{key}/.zarray"] = json.dumps(document)
    zstore[f"{key}/.zattrs"] = json.dumps({**attrs, "_ARRAY_DIMENSIONS": [*names[: len(grid)], *on_grid]})
    for cell, row in _placed(data, times, steps, lvals if levels else None):
        index = ".".join(map(str, (*np.unravel_index(cell, grid), 0, 0))) if grid else "0.0"
        zstore[f"{key}/{index}"] = row


def _placed(data: pd.DataFrame, times: Any, steps: Any, levels: Any) -> Iterable[tuple[int, Any]]:
    """Numbers of cells, and the references that belong there; of several rows for a cell, the last."""
    wanted = {"time": np.ravel(times).astype("M8[ns]"), "step": np.ravel(steps).astype("m8[ns]")}
    if levels is not None:
        wanted = {name: np.repeat(column, len(levels)) for name, column in wanted.items()}
        wanted["level"] = np.tile(np.asarray(levels, float), np.size(times))
    count = len(wanted["time"])
    there = {"time": data["time"].to_numpy("M8[ns]"), "step": data["step"].to_numpy("m8[ns]")}
    if levels is not None:
        there["level"] = data["level"].to_numpy(float)
    codes = cube_of({name: np.concatenate([wanted[name], there[name]]) for name in wanted}).cells
    rows = dict(zip(codes[count:].tolist(), range(len(data)), strict=True))
    cells = [(cell, rows[code]) for cell, code in enumerate(codes[:count].tolist()) if code in rows]
    columns = {name: data[name].tolist() for name in ("uri", "offset", "length", "inline_value")}
    for cell, row in cells:
        inline = columns["inline_value"][row]
        where = [columns["uri"][row], int(columns["offset"][row]), int(columns["length"][row])]
        yield cell, where if where[1] >= 0 or inline is None else inline


def _as_stored(data: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Times as seconds since 1970, steps as hours, and all else as it is."""
    if np.issubdtype(data.dtype, np.datetime64):
        return np.asarray((data - _EPOCH) // np.timedelta64(1, "s"), "<i8")
    if np.issubdtype(data.dtype, np.timedelta64):
        return np.asarray(data / np.timedelta64(1, "h"), "<f8")
    return data.astype(dtype)


def _put(zstore: dict[str, Any], key: str, dims: tuple[str, ...], values: NDArray[Any]) -> None:
    from chunkmap.formats.grib.coordinates import held  # noqa: PLC0415 - loads eccodes

    attrs = json.loads(zstore[f"{key}/.zattrs"])
    attrs.pop("_ARRAY_DIMENSIONS", None)
    for old in [each for each in zstore if each.startswith(f"{key}/")]:
        del zstore[old]
    refs = ReferenceSet({"x": held("x", values, dims, attrs)}).to_dict()["refs"]
    zstore |= {f"{key}/{name.partition('/')[2]}": value for name, value in refs.items() if name.startswith("x/")}


def _cells(axes: list[Any], kind: AggregationType) -> _Cells:
    """The cells that some axes span."""
    by_name = {axis.name: axis for axis in axes}
    for name in {"horizon": ("step", "valid_time"), "valid_time": ("step", "valid_time"),
                 "run_time": ("step", "time"), "best_available": ("valid_time", "time")}[kind.value]:  # fmt: skip
        if name not in by_name:
            raise ValueError(f"expected an axis {name!r} for {kind}, found {', '.join(map(str, by_name))}")
    run, valid_dim, horizon = (COORD_DIM_MAPPING[name] for name in ("time", "valid_time", "step"))
    if kind is AggregationType.RUN_TIME:
        times, steps = _moments(by_name["time"]), _steps(by_name["step"])
        dims, shape = (run, horizon), (len(times), len(steps))
        return _of(dims, shape, times[:, None], steps[None, :], {"time": ((run,), times), "step": ((horizon,), steps)})
    valid = _moments(by_name["valid_time"])
    if kind is AggregationType.HORIZON:
        steps = create_steps(by_name["step"], len(valid)).astype("m8[ns]")
        return _of((horizon, valid_dim), steps.shape, valid[None, :] - steps, steps, {})
    if kind is AggregationType.VALID_TIME:
        steps = _steps(by_name["step"])
        known = {"step": ((horizon,), steps), "valid_time": ((valid_dim,), valid)}
        return _of(
            (valid_dim, horizon), (len(valid), len(steps)), valid[:, None] - steps[None, :], steps[None, :], known
        )
    last = _moments(by_name["time"])
    if len(last) != 1:
        raise ValueError(f"expected one time, that of the last run, for {kind}, found {len(last)}")
    times = np.minimum(valid, last[0])
    return _of((valid_dim,), (len(valid),), times, valid - times, {})


def _moments(axis: Any) -> NDArray[Any]:
    return np.asarray(axis.to_numpy(), "M8[ns]")


def _steps(axis: Any) -> NDArray[Any]:
    return np.asarray(axis.to_numpy(), "m8[ns]")


def _of(dims: tuple[str, ...], shape: tuple[int, ...], times: Any, steps: Any, known: Mapping[str, Any]) -> _Cells:
    times, steps = np.broadcast_to(times, shape), np.broadcast_to(steps, shape)
    coords = {"time": (dims, times), "step": (dims, steps), "valid_time": (dims, times + steps), **known}
    return _Cells(dict(zip(dims, shape, strict=True)), times, steps, coords)


def reinflate_grib_store(
    axes: list[Any], aggregation_type: AggregationType, chunk_index: pd.DataFrame, zarr_ref_store: dict[str, Any]
) -> dict[str, Any]:
    """A store without chunks, filled with those of an index that belong to the cells that the axes span."""
    cells = _cells(axes, aggregation_type)
    refs = {
        k: v.decode() if isinstance(v, bytes) and "/.z" in f"/{k}" else v for k, v in zarr_ref_store["refs"].items()
    }
    arrays: dict[str, list[str]] = {}
    for key in refs:
        if key.endswith("/.zarray"):
            group, _, name = key.removesuffix("/.zarray").rpartition("/")
            arrays.setdefault(group, []).append(name)
    of_group = dict(iter(chunk_index.groupby(["varname", "stepType", "typeOfLevel"], dropna=False)))
    for group, names in arrays.items():
        parts = (*group.split("/"), None, None)
        _fill(refs, group, names, cells, of_group.get(parts[:3]))
    return {"refs": refs, "version": 1}


def _fill(refs: dict[str, Any], group: str, names: list[str], cells: _Cells, data: Any) -> None:
    """The coordinates and the variable of one group."""
    values = [] if data is None or "level" not in data else np.unique(data["level"].dropna()).tolist()
    level = next((name for name in names if name in ECCODES_VERTICAL_LEVELS), None)
    for name in names:
        key = f"{group}/{name}"
        if name in _TIMES:
            dims, column = cells.coords[name]
            store_coord_var(key, refs, dims, column)
        elif name == level and values:
            several = len(values) > 1
            store_coord_var(key, refs, (name,) if several else (), np.array(values if several else values[0]))
        elif name == group.split("/", maxsplit=1)[0] and data is not None:
            coords = {"datavar": (*cells.dims, *([level] if level and len(values) > 1 else ()))}
            store_data_var(key, refs, cells.dims, coords, data, cells.steps, cells.times, np.array(values))
