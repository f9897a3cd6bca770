"""Entries of catalogs for a stored set: an Item of STAC, a source of intake."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from chunkmap.frontends.xarray_engine import open_dataset
from chunkmap.io.names import protocol_of
from chunkmap.storage import PARQUET, FoundSet, find_set

__all__ = ["intake_catalog", "stac_item"]

_DATACUBE: Final = "https://stac-extensions.github.io/datacube/v2.2.0/schema.json"
_TYPES: Final = {
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
    "icechunk": "application/x-icechunk",
}
_NORTH: Final = frozenset({"degrees_north", "degree_north", "degree_N", "degrees_N", "degreeN", "degreesN"})
_EAST: Final = frozenset({"degrees_east", "degree_east", "degree_E", "degrees_E", "degreeE", "degreesE"})


def stac_item(stored: str, *, name: str | None = None, **how: Any) -> dict[str, Any]:
    """An Item of STAC 1.1 with the extension datacube: what the set spans in time and space, from its CF coordinates,
    with the set as its asset `references` and a link `store` to it.

    A set without longitude and latitude has no place (geometry null), one without times has the property `datetime`
    null only where STAC allows it: then ValueError says so. `how` it is opened is said as for `open_dataset`.
    """
    with open_dataset(stored, **how) as dataset:
        dimensions = {str(dim): _dimension(dataset, str(dim)) for dim in dataset.sizes}
        variables = {
            str(path): _variable(variable, is_coordinate=path in dataset.coords)
            for path, variable in dataset.variables.items()
        }
        times, box = _times(dataset), _box(dataset)
    if times is None:
        raise ValueError(f"{stored}: no coordinate is a time, and STAC takes no item without one")
    store = find_set(stored, storage_options=how.get("storage_options")).read_as
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [_DATACUBE],
        "id": name or stored.rstrip("/").rpartition("/")[2],
        "geometry": None if box is None else _polygon(box),
        "properties": {**times, "cube:dimensions": dimensions, "cube:variables": variables},
        "links": [{"rel": "store", "href": stored, "type": _TYPES[store.name]}],
        "assets": {"references": {"href": stored, "type": _TYPES[store.name], "roles": ["data", "references"]}},
    }
    return item if box is None else {**item, "bbox": box}


def intake_catalog(
    stored: str,
    *,
    name: str | None = None,
    target_options: Mapping[str, Any] | None = None,
    protocol: str | None = None,
) -> str:
    """A catalog of intake, in YAML, with the set as its one source: it opens through fsspec, without chunkmap.

    `protocol` is that of the files that the set names, where their URLs do not say it.
    """
    found = find_set(stored, storage_options=target_options)
    far = {"target_options": dict(target_options)} if target_options else {}
    source = {
        "description": f"References kept as {found.read_as.name}",
        "driver": "intake_xarray.xzarr.ZarrSource",
        "args": {
            "urlpath": "reference://",
            "consolidated": False,
            "chunks": {},
            "storage_options": {
                "fo": stored,
                "remote_protocol": protocol or _protocol(found),
                **far,
                **({"lazy": True} if found.store is PARQUET else {}),
            },
        },
    }
    key = name or stored.rstrip("/").rpartition("/")[2].partition(".")[0]
    return json.dumps({"sources": {key: source}}, indent=2) + "\n"  # which is YAML too


def _protocol(found: FoundSet) -> str:
    """The protocol of the first file that a set names."""
    refs = found.read_as.reading.load(found)
    urls = (url for array in refs.arrays.values() for url in array.manifest().urls)
    return protocol_of(next(urls, "")) or "file"


def _dimension(dataset: xr.Dataset, dim: str) -> dict[str, Any]:
    """What a dimension spans."""
    if dim not in dataset.coords or dataset[dim].size == 0:
        return {"type": "index", "extent": [0, dataset.sizes[dim] - 1]}
    coordinate = dataset[dim]
    if _is_time(coordinate):
        return {"type": "temporal", "extent": [_iso(coordinate.values.min()), _iso(coordinate.values.max())]}
    axis = (
        "y" if _is_along(coordinate, _NORTH, "latitude") else "x" if _is_along(coordinate, _EAST, "longitude") else None
    )
    if not np.issubdtype(coordinate.dtype, np.number):
        return {"type": "nominal", "values": [str(value) for value in coordinate.values.ravel()[:1000]]}
    extent = [float(coordinate.min()), float(coordinate.max())]
    if axis is not None:
        return {"type": "spatial", "axis": axis, "extent": extent, "reference_system": 4326}
    unit = {"unit": str(coordinate.attrs["units"])} if "units" in coordinate.attrs else {}
    return {"type": str(coordinate.attrs.get("standard_name", "quantity")), "extent": extent, **unit}


def _variable(variable: xr.Variable, *, is_coordinate: bool) -> dict[str, Any]:
    """A variable of the cube."""
    is_auxiliary = is_coordinate or variable.dims == ()
    said = {"description": variable.attrs.get("long_name"), "unit": variable.attrs.get("units")}
    return {
        "type": "auxiliary" if is_auxiliary else "data",
        "dimensions": list(map(str, variable.dims)),
        **{key: str(value) for key, value in said.items() if value is not None},
    }


def _times(dataset: xr.Dataset) -> dict[str, Any] | None:
    found = [dataset[name] for name in dataset.coords if _is_time(dataset[name]) and dataset[name].size]
    if not found:
        return None
    first, last = min(one.values.min() for one in found), max(one.values.max() for one in found)
    return {"datetime": None, "start_datetime": _iso(first), "end_datetime": _iso(last)}


def _is_time(array: xr.DataArray) -> bool:
    return array.dtype.kind == "M" or (
        array.dtype.kind == "O" and array.size > 0 and hasattr(array.values.flat[0], "calendar")
    )


def _iso(time: Any) -> str:
    """A time as STAC has it; of another calendar its own words."""
    text = np.datetime_as_string(time, "s") if isinstance(time, np.datetime64) else time.isoformat()
    return f"{text}Z"


def _is_along(array: xr.DataArray, units: frozenset[str], name: str) -> bool:
    return array.attrs.get("units") in units or array.attrs.get("standard_name") == name


def _box(dataset: xr.Dataset) -> list[float] | None:
    """West, south, east, north of the coordinates in longitude and latitude; None where there are none."""
    found = [
        next((dataset[name] for name in dataset.variables if _is_along(dataset[name], units, word)), None)
        for units, word in ((_EAST, "longitude"), (_NORTH, "latitude"))
    ]
    if any(one is None or not np.isfinite(np.asarray(one.values, "f8")).any() for one in found):
        return None
    east, north = (np.asarray(one.values, "f8") for one in found if one is not None)
    west_to_east = _around(east)
    return [west_to_east[0], float(np.nanmin(north)), west_to_east[1], float(np.nanmax(north))]


def _around(east: NDArray[np.float64]) -> tuple[float, float]:
    """The westernmost and the easternmost of longitudes, between -180 and 180: across the antimeridian the first is the
    larger, as GeoJSON has it.

    >>> _around(np.array([170.0, 180.0, 190.0])), _around(np.array([0.0, 90.0, 180.0, 270.0]))
    ((170.0, -170.0), (-90.0, 180.0))
    """
    there = np.unique(np.where(east > 180, east - 360, east)[np.isfinite(east)])
    steps = np.diff(there)
    widest = int(np.argmax(steps)) if len(steps) else 0
    if len(steps) and steps[widest] > 1.5 * (there[0] + 360 - there[-1]):
        return float(there[widest + 1]), float(there[widest])
    return float(there[0]), float(there[-1])


def _polygon(box: list[float]) -> dict[str, Any]:
    """The box as GeoJSON draws it: in two parts where it lies across the antimeridian."""
    west, south, east, north = box
    rings = [
        [[left, south], [right, south], [right, north], [left, north], [left, south]]
        for left, right in ([(west, east)] if west <= east else [(west, 180.0), (-180.0, east)])
    ]
    if len(rings) > 1:
        return {"type": "MultiPolygon", "coordinates": [[ring] for ring in rings]}
    return {"type": "Polygon", "coordinates": rings}
