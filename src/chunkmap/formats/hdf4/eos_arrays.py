"""What the fields of grids and swaths need to be understood: coordinates, and where the map is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import Unsupported
from chunkmap.formats.hdf4.eos import Structure
from chunkmap.formats.hdf4.grid_places import LATITUDE, LONGITUDE, places_of
from chunkmap.formats.hdf4.projections import crs_attrs, grid_of, latitudes_longitudes, said_of_grid
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, Problem

__all__ = ["GEOLOCATION", "Located", "dimension_maps", "held", "with_coordinates"]

_MAP: Final = "crs"
GEOLOCATION: Final = ("Latitude", "Longitude")
"""What the fields of a swath are called that say where it is."""


class Located(NamedTuple):
    """The fields of a structure and their coordinates, and what could not be said of where they are."""

    arrays: dict[str, ManifestArray]
    problems: Sequence[Problem] = ()
    attrs: Mapping[str, Any] = MappingProxyType({})
    """What is to stand at the group."""


def with_coordinates(
    group: str, structure: Structure, arrays: Mapping[str, ManifestArray], *, latlon: bool, url: str
) -> Located:
    """The fields of a structure, with coordinates beside them."""
    if structure.kind == "grid":
        return _of_grid(group, structure, arrays, latlon=latlon, url=url)
    if structure.kind == "swath":
        return Located(_of_swath(group, arrays))
    return Located(dict(arrays))


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
) -> Located:
    grid = grid_of(structure.described)
    if grid is None:
        text = "the metadata do not say where its corners are; its cells have no coordinates"
        return Located(dict(arrays), [Problem(group, "grid", text, url)])
    out = dict(arrays)
    on_grid = [
        path
        for path, array in arrays.items()
        if (_axes(array).get("YDim"), _axes(array).get("XDim")) == (grid.rows, grid.columns)
    ]
    if not on_grid:
        return Located(out)
    try:
        places = places_of(grid, structure, [_axes(arrays[path]) for path in on_grid])
        for name, (dims, values, attrs) in places.coordinates.items():
            out.setdefault(f"{group}/{name}", held(dims, values, attrs))
        named = places.named
        mapping = crs_attrs(grid)
        if latlon and not grid.is_geographic:
            latitude, longitude = latitudes_longitudes(grid, *places.mesh())
            out.setdefault(f"{group}/lat", held(places.dims, latitude, LATITUDE))
            out.setdefault(f"{group}/lon", held(places.dims, longitude, LONGITUDE))
            named = [*named, "lat", "lon"]
    except Unsupported as error:
        corners = {"upper_left": list(grid.upper_left), "lower_right": list(grid.lower_right)}
        return Located(out, [Problem(group, error.feature, error.message, url)], said_of_grid(grid) | corners)
    for path in on_grid:
        attrs = {"grid_mapping": _MAP} | dict(arrays[path].meta.attrs)
        out[path] = arrays[path].with_meta(attrs=({"coordinates": " ".join(named)} if named else {}) | attrs)
    out.setdefault(f"{group}/{_MAP}", held((), np.zeros((), "<i4"), mapping))
    return Located(out)


def _axes(array: ManifestArray) -> dict[str, int]:
    """The length of each axis by its name."""
    return dict(zip(array.meta.dims or (), array.meta.shape, strict=False))


def held(dims: tuple[str, ...], values: NDArray[Any], attrs: Mapping[str, Any]) -> ManifestArray:
    """Values that are nowhere in the file, inline."""
    values = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"))
    data = values.tobytes()
    shape = values.shape if dims else ()
    meta = ArrayMeta(shape=shape, chunk_shape=shape, dtype=values.dtype, dims=dims, attrs=attrs)
    return ManifestArray(meta, ChunkManifest.single(data, 0, len(data), len(shape)))
