"""Images under headers of ENVI and ESRI, as GDAL reads them through rasterio."""

from __future__ import annotations

import posixpath
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

from chunkmap.frontends.oracles.oracle import Original, Piece
from chunkmap.io import LocalSource, Source

__all__ = ["oracle"]


def oracle(original: Original) -> _Image:
    """The image that the header describes."""
    return _Image(original)


class _Image:
    """Pixels that GDAL finds beside a header: as bands, rows and columns, whatever order they are stored in."""

    def __init__(self, original: Original) -> None:
        named = next(url for array in original.refs.arrays.values() for url in array.manifest().urls)
        path = _beside(original, original.open(named))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # images need not be anywhere on the ground
            self._image = original.close.enter_context(rasterio.open(path))

    def read(self, piece: Piece) -> NDArray[Any] | None:
        """A part of the image; None for what a scan computes."""
        if piece.url is None:
            return None
        dims = piece.meta.dims or ()
        part = dict(zip(dims, piece.part, strict=True))
        rows, columns, bands = part["y"], part["x"], part.get("band", slice(0, 1))
        window = Window(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
        found = self._image.read(list(range(bands.start + 1, bands.stop + 1)), window=window)
        axes = [("band", "y", "x").index(dim) for dim in dims]
        return np.asarray(found.transpose(axes) if len(axes) == found.ndim else found[0])

    def attributes(self, path: str) -> Mapping[str, Any]:  # noqa: ARG002 - GDAL has names of its own for them
        """None."""
        return {}


def _beside(original: Original, pixels: Source) -> str:
    """A local path of the pixels, which has the header beside it: copies where they are no local files."""
    header = original.source
    if isinstance(header, LocalSource) and isinstance(pixels, LocalSource):
        return pixels.path
    folder = Path(original.close.enter_context(tempfile.TemporaryDirectory()))
    for source in (header, pixels):
        name = posixpath.basename(source.url.partition("::")[0])
        (folder / name).write_bytes(source.read(0, source.size()))
    return str(folder / posixpath.basename(pixels.url.partition("::")[0]))
