"""World coordinates as arrays: computed by astropy from the header when they are read, never from pixels.

Specification: https://fits.gsfc.nasa.gov/fits_standard.html, version 4.0, section 8.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from chunkmap.codecs.fits.wcs import WorldAxis, world_axes
from chunkmap.formats.fits.hdus import Unit
from chunkmap.formats.fits.names import distinct, name_of
from chunkmap.io.rounds import Parser, Span
from chunkmap.io.source import Source
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, Problem

__all__ = ["has_world", "world_coordinates"]

_KEYWORDS = ("CTYPE1", "CRVAL1", "CRPIX1", "CDELT1", "CD1_1", "PC1_1")


def has_world(unit: Unit) -> bool:
    """Whether a header speaks of world coordinates at all."""
    return any(unit.header.get(keyword) is not None for keyword in _KEYWORDS)


def world_coordinates(
    unit: Unit, image: ManifestArray, source: Source, path: str
) -> Parser[dict[str, ManifestArray] | Problem]:
    """The coordinates of an image by their names, or why there are none."""
    header = yield Span(unit.at, unit.data - unit.at, unit.data - unit.at)
    meta = image.meta
    try:
        axes = world_axes(bytes(header), meta.ndim)
    except ValueError as error:
        return Problem(path, "WCS", f"{error}; the image has no coordinates", source.url)
    names = distinct([_name(axis, number, meta) for number, axis in enumerate(axes, 1)])
    return {
        name: _coordinate(unit, number, axis, meta, source.url)
        for number, (name, axis) in enumerate(zip(names, axes, strict=True))
    }


def _name(axis: WorldAxis, number: int, meta: ArrayMeta) -> str:
    """The coordinate's name; one of several axes must not be called as one of them."""
    name = name_of(axis.name) or f"world{number}"
    return f"world_{name}" if name in (meta.dims or ()) and len(axis.axes) != 1 else name


def _coordinate(unit: Unit, number: int, axis: WorldAxis, image: ArrayMeta, url: str) -> ManifestArray:
    shape = tuple(image.shape[at] for at in axis.axes)
    meta = ArrayMeta(
        shape=shape,
        chunk_shape=shape,
        dtype=np.dtype("<f8"),
        filters=({"id": "fits_wcs", "world": number, "shape": list(image.shape)},),
        dims=tuple((image.dims or ())[at] for at in axis.axes),
        attrs={name: text for name, text in (("units", axis.unit), ("physical_type", axis.physical)) if text},
    )
    return ManifestArray(meta, ChunkManifest.single(url, unit.at, unit.data - unit.at, len(shape)))


def with_coordinates(image: ManifestArray, names: list[str]) -> ManifestArray:
    """The image, with the names of its coordinates where CF has them."""
    return ManifestArray(replace(image.meta, attrs={**image.meta.attrs, "coordinates": " ".join(names)}), image.chunks)
