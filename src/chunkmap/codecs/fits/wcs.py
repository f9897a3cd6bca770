"""The codec `fits_wcs`: world coordinates of the pixels of an image, out of its header.

FITS standard 4.0, section 8. Coordinates are nowhere in a file but in its header: so the header is what is referenced,
and astropy computes them when they are read.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

from chunkmap.codecs.astropy import require_astropy

__all__ = ["FitsWcs", "WorldAxis", "world_axes"]


_TABLES: Final = re.compile(r"(CPDIS|CQDIS|D2IMDIS)\d+|D2IMEXT|AXISCORR")


class WorldAxis(NamedTuple):
    """One world coordinate."""

    name: str
    """Its type, without its projection."""
    unit: str
    """Its unit; empty when it has none."""
    physical: str
    """What it is, by the words of the IVOA; empty when that is not known."""
    axes: tuple[int, ...]
    """The axes of the image along which it varies, the slowest being 0."""


class FitsWcs(Codec):  # type: ignore[misc]
    """World coordinate number `world` of an image of some shape, of every pixel along the axes on which it varies."""

    codec_id = "fits_wcs"

    def __init__(self, world: int, shape: Sequence[int]) -> None:
        self.world, self.shape = world, list(shape)

    def encode(self, buf: Any) -> Any:
        """A header cannot be made of coordinates."""
        raise NotImplementedError("coordinates are made of a header, not the other way round")

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The coordinates, little-endian. Raises ValueError for a header that does not have them."""
        system = _system(ensure_bytes(buf), len(self.shape))
        axes = _axes_of(system)[self.world].axes
        along = np.meshgrid(*(np.arange(self.shape[axis], dtype="f8") for axis in axes), indexing="ij", sparse=True)
        pixels: list[Any] = [0.0] * len(self.shape)
        for axis, values in zip(axes, along, strict=True):
            pixels[len(self.shape) - 1 - axis] = values
        world = np.atleast_1d(system.pixel_to_world_values(*np.broadcast_arrays(*pixels)))
        found = world if system.world_n_dim == 1 else world[self.world]
        return ndarray_copy(np.ascontiguousarray(found, "<f8").tobytes(), out)


def world_axes(header: bytes, ndim: int) -> list[WorldAxis]:
    """The world coordinates that a header has, for an image of so many axes. Raises ValueError where there are none."""
    return _axes_of(_system(header, ndim))


def _axes_of(system: Any) -> list[WorldAxis]:
    matrix, ndim = system.axis_correlation_matrix, system.pixel_n_dim
    kinds, units, physical = system.wcs.ctype, system.world_axis_units, system.world_axis_physical_types
    return [
        WorldAxis(
            kinds[world].partition("-")[0].strip().lower(),
            units[world] or "",
            physical[world] or "",
            tuple(axis for axis in range(ndim) if matrix[world, ndim - 1 - axis]),
        )
        for world in range(system.world_n_dim)
    ]


def _refuse_tables(header: Any) -> None:
    """Distortions that are tables in other HDUs: astropy passes over some of them where it is given a header alone."""
    found = [key for key in header if _TABLES.fullmatch(key)]
    if found:
        raise ValueError(f"{found[0]} names a table of distortions, which stands in another HDU")


def _system(raw: bytes, ndim: int) -> Any:
    """The coordinate system of a header, by astropy; of a compressed image, of the image."""
    fits = require_astropy("astropy.io.fits", "a world coordinate")
    wcs = require_astropy("astropy.wcs", "a world coordinate")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about headers that astropy mends
        try:
            header = fits.Header.fromstring(raw.decode("latin-1"))
            _refuse_tables(header)
            for key in [key for key in header if key.startswith("ZNAXIS")]:
                header[key[1:]] = header[key]
            system = wcs.WCS(header)
        except (wcs.WcsError, fits.VerifyError, ValueError, KeyError, TypeError, AssertionError, MemoryError) as error:
            raise ValueError(f"astropy makes no world coordinates of the header: {error}") from error
    if system.pixel_n_dim != ndim:
        raise ValueError(f"the header has world coordinates of {system.pixel_n_dim} axes, the image has {ndim}")
    return system
