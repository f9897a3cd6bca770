"""Images: a unit's data as one array, in chunks that are whole planes.

Specification: https://fits.gsfc.nasa.gov/fits_standard.html, version 4.0, sections 3.3.2, 4.4.2.5 and 5.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from chunkmap.formats.fits.cards import Header
from chunkmap.model import ArrayMeta, ChunkManifest, CodecConfig, ManifestArray, Sources
from chunkmap.model.edits import split_shape
from chunkmap.model.typed import typed

__all__ = ["BITPIX", "Values", "cut", "image", "one_behind_the_other", "values_of", "values_of_image"]

BITPIX: Final[Mapping[int, str]] = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}

# Table 11: BITPIX, and the BZERO that turns the sign of integers round, with BSCALE 1.
_TURNED: Final[Mapping[str, tuple[float, str]]] = {
    "u1": (-128.0, "i1"),
    ">i2": (2.0**15, ">u2"),
    ">i4": (2.0**31, ">u4"),
    ">i8": (2.0**63, ">u8"),
}


_SHORT: Final = frozenset({"u1", ">i2", ">f4"})
"""Pixels that astropy scales in single precision."""


class Values(NamedTuple):
    """How stored numbers become values."""

    dtype: np.dtype[Any]
    """The type of the array."""
    filters: tuple[CodecConfig, ...]
    """What decodes them."""
    attrs: dict[str, Any]
    """`scale_factor` and `add_offset`, where they are still to be applied."""
    fill_value: Any
    """What stands for an undefined value; None when nothing does."""


def values_of(stored: str, scale: float, zero: float, null: int | None, *, masks_unsigned: bool = False) -> Values:
    """Values of numbers that are stored as `stored`: `scale` * number + `zero`, undefined where the number is `null`.

    Scaling is left to the reader, as CF attributes. Integers with their sign turned round are turned back exactly;
    `masks_unsigned` says whether these can be undefined, too: in a table they can, in an image they cannot.
    """
    turned = _TURNED.get(stored)
    if turned is not None and scale == 1 and zero == turned[0]:
        dtype = np.dtype(turned[1])
        fill = _inside(null + int(zero), dtype) if null is not None and masks_unsigned else None
        return Values(dtype, (_turn(dtype, np.dtype(stored), int(zero)),), {}, fill)
    dtype = np.dtype(stored)
    attrs = {} if scale == 1 and zero == 0 else {"scale_factor": scale, "add_offset": zero}
    return Values(dtype, (), attrs, None if null is None else _inside(null, dtype))


def values_of_image(bitpix: int, header: Header, null: int | None) -> Values:
    """Values of pixels. Scale and offset know by which precision astropy scales, and readers that heed it do so too."""
    values = values_of(BITPIX[bitpix], header.number("BSCALE", 1.0), header.number("BZERO", 0.0), null)
    if BITPIX[bitpix] not in _SHORT or not values.attrs:
        return values
    return values._replace(attrs={name: typed(number, "f4") for name, number in values.attrs.items()})


def _turn(dtype: np.dtype[Any], stored: np.dtype[Any], zero: int) -> CodecConfig:
    """What adds half the range. numcodecs' own codec does it in floating-point numbers: not exact for 64 bits."""
    if dtype.itemsize > 4:
        return {"id": "fits_unsigned", "itemsize": dtype.itemsize}
    return {"id": "fixedscaleoffset", "offset": zero, "scale": 1, "dtype": dtype.str, "astype": stored.str}


def _inside(null: int, dtype: np.dtype[Any]) -> Any:
    """The number as one of the type; None when it is none, since then it cannot stand in the data."""
    if dtype.kind not in "iu" or not np.iinfo(dtype).min <= null <= np.iinfo(dtype).max:
        return None
    return dtype.newbyteorder("=").type(null)


def image(
    header: Header, bitpix: int, shape: Sequence[int], at: tuple[str, int], chunk_nbytes: int | None
) -> ManifestArray:
    """The array of an image that stands as it is in the file, without its attributes."""
    values = values_of_image(bitpix, header, header.integer("BLANK") if bitpix > 0 else None)
    chunk_shape = cut(shape, values.dtype.itemsize, chunk_nbytes)
    meta = ArrayMeta(
        shape=tuple(shape),
        chunk_shape=chunk_shape,
        dtype=values.dtype,
        filters=values.filters,
        fill_value=values.fill_value,
        attrs=values.attrs,
    )
    return ManifestArray(meta, one_behind_the_other(meta, *at))


def cut(shape: Sequence[int], itemsize: int, chunk_nbytes: int | None) -> tuple[int, ...]:
    """The shape of chunks: planes, or the largest of at most so many bytes that are whole."""
    if chunk_nbytes is not None:
        return split_shape(shape, itemsize, chunk_nbytes)
    return tuple(1 if n and axis < len(shape) - 2 else max(n, 1) for axis, n in enumerate(shape))


def one_behind_the_other(meta: ArrayMeta, url: str, at: int) -> ChunkManifest:
    """The chunks of an array that are stored in C order without a gap."""
    count = math.prod(meta.grid_shape)
    if not count:
        return ChunkManifest.empty(meta.grid_shape)
    nbytes = meta.chunk_nbytes
    return ChunkManifest(
        meta.grid_shape,
        Sources((None, url)),
        np.ones(count, np.uint32),
        np.uint64(at) + np.arange(count, dtype=np.uint64) * np.uint64(nbytes),
        np.full(count, nbytes, np.uint64),
    )
