"""Where an image is on the ground, as arrays of a set: its reference system, and its coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.formats.tiff import tags
from chunkmap.formats.tiff.crs import crs_attrs
from chunkmap.formats.tiff.geo import Affine, gcps_of, middles, run_of, transform_of
from chunkmap.formats.tiff.geokeys import read_geokeys
from chunkmap.formats.tiff.ifd import Directory
from chunkmap.formats.tiff.remembered import Remembered
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray

__all__ = ["GEO", "Ground", "array_of_values", "coordinates", "ground_of"]

GEO: Final = (
    tags.MODEL_PIXEL_SCALE,
    tags.MODEL_TIEPOINT,
    tags.MODEL_TRANSFORMATION,
    tags.GEO_KEY_DIRECTORY,
    tags.GEO_DOUBLE_PARAMS,
    tags.GEO_ASCII_PARAMS,
)
"""Tags that say where an image is."""

_SHARED: Final = 1 << 15
"""Numbers of a coordinate that is made once for all files that have it: 256 kB."""


class Ground(NamedTuple):
    """What a page says of where it is."""

    transform: Affine | None
    """Pixels -> places."""
    spatial_ref: ManifestArray | None
    """The reference system, where anything is known of it."""
    problem: str | None
    """What to say of a system that is known by its keys alone."""


def _read(directory: Directory) -> Ground:
    keys = read_geokeys(directory)
    transform = transform_of(directory, keys)
    attrs, problem = crs_attrs(keys)
    attrs.update(keys)
    points = gcps_of(directory, keys)
    if points is not None:
        attrs["gcps"] = points
    if transform is not None and not transform.is_straight:
        attrs["GeoTransform"] = transform.gdal
    return Ground(transform, array_of_values((), np.zeros((), np.int64), attrs) if attrs else None, problem)


ground_of: Final = Remembered(GEO, _read)
"""What a directory says of where its page is."""


def coordinates(transform: Affine, length: int, width: int) -> dict[str, ManifestArray]:
    """Of the middles of pixels: `x` and `y`, or where the image is rotated `xc` and `yc` for each pixel."""
    if not transform.is_straight:
        found = middles(transform, length, width)
        return {name: array_of_values(("y", "x"), values, {}) for name, values in found.items()}
    (across, left), (down, top) = transform.steps
    return {"x": _line("x", width, across, left), "y": _line("y", length, down, top)}


def _line(name: str, count: int, step: float, first: float) -> ManifestArray:
    """The coordinate of one axis; scenes of a series, and those of a row or a column of a mosaic, share it."""
    make = _new_line if count > _SHARED else _known_line
    return make(name, count, step, first)


def _new_line(name: str, count: int, step: float, first: float) -> ManifestArray:
    return array_of_values((name,), run_of(count, step, first), {"axis": name.upper(), "pixel_size": step})


_known_line: Final = lru_cache(maxsize=64)(_new_line)


def array_of_values(dims: tuple[str, ...], values: NDArray[Any], attrs: Mapping[str, Any]) -> ManifestArray:
    """An array whose values are nowhere in the file."""
    data = values.tobytes()
    meta = ArrayMeta(shape=values.shape, chunk_shape=values.shape, dtype=values.dtype, dims=dims, attrs=attrs)
    return ManifestArray(meta, ChunkManifest.single(data, 0, len(data), values.ndim))
