"""What the fields of grids and swaths need to be understood: coordinates, and where the map is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import Unsupported
from chunkmap.formats.hdf4.eos import Structure
from chunkmap.formats.hdf4.projections import Grid, crs_attrs, grid_of, latitudes_longitudes
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, Problem

__all__ = ["GEOLOCATION", "LATITUDE", "LONGITUDE", "dimension_maps", "held", "with_coordinates"]

_MAP: Final = "crs"
GEOLOCATION: Final = ("Latitude", "Longitude")
"""What the fields of a swath are called that say where it is."""
LATITUDE: Final = {"standard_name": "latitude", "units": "degrees_north"}
LONGITUDE: Final = {"standard_name": "longitude", "units": "degrees_east"}


def with_coordinates(
    group: str, structure: Structure, arrays: Mapping[str, ManifestArray], *, latlon: bool, url: str
) -> tuple[dict[str, ManifestArray], list[Problem]]:
    """The fields of a structure, with coordinates beside them."""
    if structure.kind == "grid":
        return _of_grid(group, structure, arrays, latlon=latlon, url=url)
    if structure.kind == "swath":
        return _of_swath(group, arrays), []
    return dict(arrays), []


def dimension_maps(structure: Structure) -> list[dict[str, Any]]:
    """Which elements of data the geolocation belongs to, where it has fewer."""
    names = ("GeoDimension", "DataDimension", "Offset", "Increment")
    return [{name: entry[name] for name in names if name in entry} for entry in structure.objects("DimensionMap")]


# ---------------------------------------------------------------------- swaths


def _of_swath(group: str, arrays: Mapping[str, ManifestArray]) -> dict[str, ManifestArray]:
    """Fields say which arrays hold their latitude and longitude, where they share their axes."""
    geolocation = [name for name in GEOLOCATION if f"{group}/{name}" in arrays]
    axes = {name: set(arrays[f"{group}/{name}"].meta.dims or ()) for name in geolocation}
    out = {}
    for path, array in arrays.items():
        own = set(array.meta.dims or ())
        fits = [name for name in geolocation if axes[name] <= own and not path.endswith(f"/{name}")]
        is_geolocation = path.rpartition("/")[2] in geolocation
        if len(fits) == len(GEOLOCATION) and not is_geolocation and "coordinates" not in array.meta.attrs:
            out[path] = array.with_meta(attrs={**array.meta.attrs, "coordinates": " ".join(fits)})
        else:
            out[path] = array
    return out


# ---------------------------------------------------------------------- grids


def _of_grid(
    group: str, structure: Structure, arrays: Mapping[str, ManifestArray], *, latlon: bool, url: str
) -> tuple[dict[str, ManifestArray], list[Problem]]:
    grid = grid_of(structure.described)
    if grid is None:
        text = "the metadata do not say where its corners are; its cells have no coordinates"
        return dict(arrays), [Problem(group, "grid", text, url)]
    out, problems = dict(arrays), list[Problem]()
    on_grid = {
        path: array
        for path, array in arrays.items()
        if _length(array, "YDim") == grid.rows and _length(array, "XDim") == grid.columns
    }
    if not on_grid:
        return out, problems
    for name, values, attrs in _axes(grid):
        out.setdefault(f"{group}/{name}", held((name,), values, attrs))
    try:
        mapping = crs_attrs(grid)
        if latlon and not grid.is_geographic:
            latitude, longitude = latitudes_longitudes(grid)
            out[f"{group}/lat"] = held(("YDim", "XDim"), latitude, LATITUDE)
            out[f"{group}/lon"] = held(("YDim", "XDim"), longitude, LONGITUDE)
    except Unsupported as error:
        return out, [Problem(group, error.feature, error.message, url)]
    for path, array in on_grid.items():
        attrs = {"grid_mapping": _MAP} | dict(array.meta.attrs)
        if latlon and not grid.is_geographic:
            attrs = {"coordinates": "lat lon"} | attrs
        out[path] = array.with_meta(attrs=attrs)
    out.setdefault(f"{group}/{_MAP}", held((), np.zeros((), "<i4"), mapping))
    return out, problems


def _length(array: ManifestArray, name: str) -> int | None:
    dims = array.meta.dims or ()
    return array.meta.shape[dims.index(name)] if name in dims else None


def _axes(grid: Grid) -> list[tuple[str, NDArray[np.float64], dict[str, str]]]:
    """The centre of each row and column."""
    y, x = grid.centres()
    if grid.is_geographic:
        return [("YDim", y, dict(LATITUDE)), ("XDim", x, dict(LONGITUDE))]
    return [
        ("YDim", y, {"standard_name": "projection_y_coordinate", "units": "m"}),
        ("XDim", x, {"standard_name": "projection_x_coordinate", "units": "m"}),
    ]


def held(dims: tuple[str, ...], values: NDArray[Any], attrs: Mapping[str, Any]) -> ManifestArray:
    """Values that are nowhere in the file, inline."""
    values = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"))
    data = values.tobytes()
    shape = values.shape if dims else ()
    meta = ArrayMeta(shape=shape, chunk_shape=shape, dtype=values.dtype, dims=dims, attrs=attrs)
    return ManifestArray(meta, ChunkManifest.single(data, 0, len(data), len(shape)))
