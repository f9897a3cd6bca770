"""Swaths whose geolocation is coarser than their data: latitude and longitude of every element, interpolated.

HDF-EOS Library User's Guide for HDF-EOS2, volume 1, "dimension maps": of a map with offset and increment, element `i`
of the geolocation stands at element `offset + i * increment` of the data; a negative increment says the same the other
way round, of geolocation that is finer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import Unsupported
from chunkmap.formats.hdf4.coders import decode
from chunkmap.formats.hdf4.descriptors import File
from chunkmap.formats.hdf4.elements import read_ranges
from chunkmap.formats.hdf4.eos import Structure
from chunkmap.formats.hdf4.eos_arrays import GEOLOCATION, dimension_maps, held
from chunkmap.formats.hdf4.grid_places import LATITUDE, LONGITUDE
from chunkmap.io.rounds import Parser
from chunkmap.model import ManifestArray

__all__ = ["interpolated"]

_MOST: Final = 128 << 20
"""Bytes of one array that is read, or made."""
_DECODED: Final = ("zlib", "hdf4_rle", "hdf4_nbit", "hdf4_skphuff")
"""What is decoded here: not what other libraries decode in native code, which a scan feeds no damaged bytes."""


class _Map(NamedTuple):
    """Where the elements of an axis of data stand among those of the geolocation."""

    geolocation: str
    offset: int
    increment: int

    def places(self, length: int) -> NDArray[np.float64]:
        """The place of each element, in elements of the geolocation."""
        along = np.arange(length, dtype=np.float64)
        return (along - self.offset) / self.increment if self.increment > 0 else self.offset - along * self.increment


_SAME: Final = _Map("", 0, 1)


def interpolated(
    file: File, group: str, structure: Structure, arrays: Mapping[str, ManifestArray]
) -> Parser[dict[str, ManifestArray]]:
    """The fields of a swath that are finer or coarser than its geolocation, with coordinates of their own.

    Raises Unsupported where the geolocation cannot be read, or would be too large.
    """
    latitude, longitude = (arrays.get(f"{group}/{name}") for name in GEOLOCATION)
    maps = _maps(structure)
    if not maps or latitude is None or longitude is None or latitude.meta.dims != longitude.meta.dims:
        return {}
    if len(latitude.meta.shape) != 2 or latitude.meta.dtype.kind != "f" or longitude.meta.dtype.kind != "f":
        return {}
    wanted = _wanted(maps, latitude.meta.dims or (), arrays)
    if not wanted:
        return {}
    degrees = (yield from _values(file, latitude)), (yield from _values(file, longitude))
    out = dict[str, ManifestArray]()
    for dims, paths in wanted.items():
        shape = [_length(arrays[paths[0]], name) for name in dims]
        if math.prod(shape) * 8 > _MOST:
            raise Unsupported(f"coordinates of {shape} elements are too many to hold inline", feature="swath")
        places = [maps.get(name, _SAME).places(n) for name, n in zip(dims, shape, strict=True)]
        apart = "_".join(name for name in dims if name in maps)
        names = [f"{name}_{apart}" for name in GEOLOCATION]
        for name, values, attrs in zip(names, _at(*degrees, *places), (LATITUDE, LONGITUDE), strict=True):
            out[f"{group}/{name}"] = held(dims, values.astype("f4"), attrs)
        for path in paths:
            attrs = {"coordinates": " ".join(names)} | dict(arrays[path].meta.attrs)
            out[path] = arrays[path].with_meta(attrs=attrs)
    return out


def _maps(structure: Structure) -> dict[str, _Map]:
    """Maps that are understood, by the axis of the data."""
    found = {}
    for entry in dimension_maps(structure):
        offset, increment = entry.get("Offset"), entry.get("Increment")
        if isinstance(offset, int) and isinstance(increment, int) and increment:
            found[str(entry.get("DataDimension"))] = _Map(str(entry.get("GeoDimension")), offset, increment)
    return found


def _wanted(
    maps: Mapping[str, _Map], geolocation: tuple[str, ...], arrays: Mapping[str, ManifestArray]
) -> dict[tuple[str, ...], list[str]]:
    """Pairs of axes that have no coordinates yet, and the fields on them."""
    choices = [[name, *(dim for dim, one in maps.items() if one.geolocation == name)] for name in geolocation]
    out = dict[tuple[str, ...], list[str]]()
    for dims in product(*choices):
        paths = [path for path, array in arrays.items() if set(dims) <= set(array.meta.dims or ())]
        if (
            dims != geolocation
            and paths
            and len(set(dims)) == len(dims)
            and all(arrays[path].meta.size for path in paths)
        ):
            out[dims] = paths
    return out


def _length(array: ManifestArray, name: str) -> int:
    return array.meta.shape[(array.meta.dims or ()).index(name)]


def _at(
    latitude: NDArray[Any], longitude: NDArray[Any], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Degrees at places between and beyond those that are known: linear in space, so that no meridian is a seam."""
    north, east = np.radians(latitude), np.radians(longitude)
    points = np.stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)], -1)
    x, y, z = np.moveaxis(_along(_along(points, rows, 0), columns, 1), -1, 0)
    return np.degrees(np.arctan2(z, np.hypot(x, y))), np.degrees(np.arctan2(y, x))


def _along(points: NDArray[np.float64], places: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    length = points.shape[axis]
    before = np.clip(np.floor(places), 0, max(length - 2, 0)).astype(np.int64)
    after = np.minimum(before + 1, length - 1)
    weight = (places - before).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
    between: NDArray[np.float64] = np.take(points, before, axis) * (1 - weight) + np.take(points, after, axis) * weight
    return between


# ---------------------------------------------------------------------- values


def _values(file: File, array: ManifestArray) -> Parser[NDArray[np.float64]]:
    """All values of an array of this file, missing ones as NaN."""
    meta, chunks = array.meta, array.manifest()
    if not math.prod(meta.shape) or math.prod(meta.shape) * 8 > _MOST or set(chunks.urls) - {file.url}:
        raise Unsupported(f"geolocation of {meta.shape} elements cannot be read", feature="swath", url=file.url)
    nbytes = math.prod(meta.chunk_shape) * meta.dtype.itemsize
    if nbytes > _MOST:
        raise Unsupported(f"geolocation in chunks of {nbytes} bytes cannot be read", feature="swath", url=file.url)
    if any(codec["id"] not in _DECODED for codec in meta.codecs):
        raise Unsupported(
            "geolocation that is compressed by szip or as JPEG is not read", feature="swath", url=file.url
        )
    inside = ~chunks.is_inline
    lengths = np.where(inside, chunks.length, 0).astype(np.int64)
    data = yield from read_ranges(file, chunks.offset.astype(np.int64), lengths)
    out = np.full([n * c for n, c in zip(meta.grid_shape, meta.chunk_shape, strict=True)], np.nan)
    for row, (raw, y, x) in enumerate(zip(data, *(axis.tolist() for axis in chunks.coords()), strict=True)):
        decoded = decode(meta.codecs, raw if inside[row] else chunks.inline_bytes(row), nbytes)
        if len(decoded) < nbytes:
            raise file.error(f"a chunk of geolocation has {len(decoded)} bytes, expected {nbytes}")
        rows, columns = meta.chunk_shape
        values = np.frombuffer(decoded, meta.dtype, rows * columns).reshape(rows, columns)
        out[y * rows : (y + 1) * rows, x * columns : (x + 1) * columns] = values
    out = out[tuple(map(slice, meta.shape))]
    if meta.fill_value is not None:
        out[out == float(meta.fill_value)] = np.nan
    return out
