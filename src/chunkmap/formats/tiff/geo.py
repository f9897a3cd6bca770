"""Where the pixels of a page are on the ground: an affine transform or control points, and coordinates made of them.

GeoTIFF 1.1 sections 7.2 and B.6. As GDAL reads it, a transform takes the corner of a pixel: where the file says
that its numbers stand for points, it is moved by half a pixel. Coordinates are those of the middles of pixels, as
rioxarray's.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.formats.tiff import tags
from chunkmap.formats.tiff.ifd import Directory

__all__ = ["Affine", "gcps_of", "middles", "run_of", "transform_of"]

_POINT: Final = 2
_TIE: Final = 6


class Affine(NamedTuple):
    """x = a * column + b * row + c; y = d * column + e * row + f, from the corner of the image."""

    a: float
    b: float
    c: float
    d: float
    e: float
    f: float

    @property
    def is_straight(self) -> bool:
        """Whether columns lead along x alone, and rows along y."""
        return self.b == 0 and self.d == 0

    @property
    def steps(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Of x and of y: from the middle of one pixel to that of the next, and where the first one is."""
        a, b, c, d, e, f = self
        return (a, a * 0.5 + b * 0.5 + c), (e, d * 0.5 + e * 0.5 + f)

    @property
    def gdal(self) -> str:
        """The six numbers in GDAL's order, as a text."""
        return " ".join(map(str, (self.c, self.a, self.b, self.f, self.d, self.e)))

    def scaled(self, columns: float, rows: float) -> Affine:
        """The transform of the same image in pixels so many times as wide and as high."""
        return Affine(self.a * columns, self.b * rows, self.c, self.d * columns, self.e * rows, self.f)


def transform_of(directory: Directory, geokeys: dict[str, Any]) -> Affine | None:
    """The transform that a page declares; None where it declares none, or one that is no number."""
    scale = directory.numbers(tags.MODEL_PIXEL_SCALE).tolist()
    tie = directory.numbers(tags.MODEL_TIEPOINT).tolist()
    matrix = directory.numbers(tags.MODEL_TRANSFORMATION).tolist()
    if len(scale) >= 2 and len(tie) >= _TIE and scale[0] != 0 and scale[1] != 0:
        east, south = scale[0], -abs(scale[1])
        found = Affine(east, 0.0, tie[3] - tie[0] * east, 0.0, south, tie[4] - tie[1] * south)
    elif len(matrix) == 16:
        found = Affine(matrix[0], matrix[1], matrix[3], matrix[4], matrix[5], matrix[7])
    else:
        return None
    if not all(map(math.isfinite, found)):
        return None
    if geokeys.get("GTRasterTypeGeoKey") == _POINT:
        moved_x = found.c - (found.a * 0.5 + found.b * 0.5)
        moved_y = found.f - (found.d * 0.5 + found.e * 0.5)
        found = found._replace(c=moved_x, f=moved_y)
    return found


def gcps_of(directory: Directory, geokeys: dict[str, Any]) -> str | None:
    """Ground control points as GeoJSON, as rioxarray writes them; None where there is a transform, or none at all."""
    ties = directory.numbers(tags.MODEL_TIEPOINT).astype(np.float64)
    if len(ties) < 2 * _TIE or transform_of(directory, geokeys) is not None:
        return None
    half = 0.5 if geokeys.get("GTRasterTypeGeoKey") == _POINT else 0.0
    features = [
        {
            "type": "Feature",
            "properties": {"id": str(number), "info": "", "row": row + half, "col": column + half},
            "geometry": {"type": "Point", "coordinates": [x, y, z]},
        }
        for number, (column, row, _, x, y, z) in enumerate(
            ties[: len(ties) // _TIE * _TIE].reshape(-1, _TIE).tolist(), 1
        )
    ]
    return json.dumps({"type": "FeatureCollection", "features": features})


def middles(transform: Affine, length: int, width: int) -> dict[str, NDArray[np.float64]]:
    """Coordinates of the middles of the pixels of a rotated image, `xc` and `yc`, for each of them."""
    a, b, _, d, e, _ = transform
    (_, middle_x), (_, middle_y) = transform.steps
    across, down = np.meshgrid(np.arange(width), np.arange(length))
    return {"xc": across * a + down * b + middle_x, "yc": across * d + down * e + middle_y}


def run_of(count: int, step: float, first: float) -> NDArray[np.float64]:
    """Coordinates of the middles of pixels along one axis: so many numbers a step apart, in one piece of memory."""
    found = np.arange(count, dtype=np.float64)
    found *= step
    found += first
    return found
