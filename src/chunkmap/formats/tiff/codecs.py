"""From a page's layout to the type of its numbers and the codecs of its strips or tiles.

What other tools read is written in their words: `zlib` and `lzma` are numcodecs', `imagecodecs_*` are the ids under
which tifffile and kerchunk write the same codecs. The house's own, `tiff_*`, do what those cannot: strips that end
early, numbers of any count of bits, and floats of 24.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

from chunkmap.errors import Unsupported
from chunkmap.formats.tiff.pages import IMAGES, Layout
from chunkmap.model import CodecConfig

__all__ = ["Coding", "coding_of"]

_NUMBERS: Final[Mapping[tuple[int, int], str]] = {
    (1, 1): "?",
    (1, 8): "u1",
    (1, 16): "u2",
    (1, 32): "u4",
    (1, 64): "u8",
    (2, 8): "i1",
    (2, 16): "i2",
    (2, 32): "i4",
    (2, 64): "i8",
    (3, 16): "f2",
    (3, 24): "f4",
    (3, 32): "f4",
    (3, 64): "f8",
    (5, 32): "c8",
    (5, 64): "c16",
    (6, 64): "c8",
    (6, 128): "c16",
}
"""Sample format and bits -> type."""

_PLAIN: Final[Mapping[str, CodecConfig]] = {
    "Deflate": {"id": "zlib"},
    "LZMA": {"id": "lzma"},
    "ZSTD": {"id": "imagecodecs_zstd"},
    "LZW": {"id": "imagecodecs_lzw"},
    "PackBits": {"id": "imagecodecs_packbits"},
}
"""Schemes that compress bytes."""

_FACSIMILES: Final[Mapping[str, str]] = {
    "CCITT RLE": "imagecodecs_ccittrle",
    "CCITT T.4": "imagecodecs_ccittfax3",
    "CCITT T.6": "imagecodecs_ccittfax4",
}
"""Schemes of facsimiles, and the codec of each."""

_PREDICTED: Final = frozenset({"Deflate", "LZMA", "ZSTD", "LZW"})
"""Schemes with which predictors are written. Elsewhere libtiff passes over the tag, and tifffile applies it."""

_LEAST_RGBA: Final = 4

_ANEW: Final = "Write it anew: gdal_translate -co COMPRESS=DEFLATE"


class Coding(NamedTuple):
    """How the strips or tiles of a page decode."""

    dtype: np.dtype[Any]
    """Type of the numbers."""
    filters: tuple[CodecConfig, ...]
    """Codecs before the last one, in the order of encoding."""
    compressor: CodecConfig | None
    """The last one."""


@lru_cache(maxsize=256)
def coding_of(layout: Layout, *, cut_short: bool, rgb: bool) -> Coding:
    """Type and codecs. Raises Unsupported, by name, for what there is no codec for.

    `cut_short` says that the last strip ends early, `rgb` that the colours of JPEG are wanted as red, green and blue.
    """
    if layout.shares_chroma and layout.compression != "JPEG":
        raise Unsupported(
            f"pixels share their chroma ({layout.subsampling[0]} x {layout.subsampling[1]}) without JPEG;"
            f" such strips hold blocks of pixels, for which there is no codec. {_ANEW}",
            feature="YCbCr subsampling",
        )
    dtype = _dtype(layout)
    if layout.compression in IMAGES:
        undone = _image(layout, rgb=rgb)
        if cut_short:
            undone.append(_pad(math.prod(layout.chunk) * layout.interleaved * dtype.itemsize))
        return _coding(dtype.newbyteorder("<"), undone)
    undone = []
    if layout.fill_order == 2:
        undone.append({"id": "imagecodecs_bitorder"})
    if layout.compression in _FACSIMILES:
        return _coding(dtype, [*undone, _facsimile(layout, dtype)])
    if layout.compression != "none":
        undone.append(_plain(layout))
    if cut_short:
        undone.append(_pad(layout.row_nbytes * layout.chunk[0] * layout.chunk[1]))
    undone += _numbers(layout, dtype)
    return _coding(dtype, undone)


def _coding(dtype: np.dtype[Any], undone: list[CodecConfig]) -> Coding:
    """Codecs in the order of decoding -> as Zarr v2 has them; what only mends bytes is no compressor."""
    if not undone or str(undone[0]["id"]).startswith("tiff_"):
        return Coding(dtype, tuple(reversed(undone)), None)
    return Coding(dtype, tuple(reversed(undone[1:])), undone[0])


def _dtype(layout: Layout) -> np.dtype[Any]:
    kind = 1 if layout.sample_format == 4 else layout.sample_format
    bits = layout.bits
    text = _NUMBERS.get((kind, bits))
    if text is None and kind == 1 and bits < 32:
        text = "u1" if bits < 8 else "u2" if bits < 16 else "u4"
    if text is None:
        raise Unsupported(
            f"numbers of {bits} bits of sample format {layout.sample_format} have no type here", feature="sample format"
        )
    if kind == 1 and bits == 24 and layout.order == ">":
        raise Unsupported(
            "whole numbers of 24 bits in a big-endian file: libtiff and tifffile read them differently",
            feature="24-bit samples",
        )
    packed = bits not in (8, 16, 32, 64, 128)
    return np.dtype(text).newbyteorder("<" if packed else layout.order)


def _plain(layout: Layout) -> CodecConfig:
    found = _PLAIN.get(layout.compression)
    if found is None:
        raise Unsupported(
            f"there is no codec for compression {layout.compression}. {_ANEW}", feature=layout.compression
        )
    return found


def _facsimile(layout: Layout, dtype: np.dtype[Any]) -> CodecConfig:
    """One bit a pixel; rows that a short strip does not have come out as 0."""
    if dtype != np.bool_ or layout.interleaved != 1 or layout.predictor != 1:
        raise Unsupported(
            f"{layout.compression} of {layout.interleaved} samples of {layout.bits} bits, expected one of 1 bit",
            feature=layout.compression,
        )
    height = layout.chunk[0] * layout.chunk[1]
    config = {"id": _FACSIMILES[layout.compression], "height": height, "width": layout.chunk[2]}
    return {**config, "t4options": layout.t4_options} if layout.compression == "CCITT T.4" else config


def _pad(size: int) -> CodecConfig:
    return {"id": "tiff_pad", "size": size}


def _numbers(layout: Layout, dtype: np.dtype[Any]) -> list[CodecConfig]:
    """What makes numbers of bytes: predictors undone, bits taken apart."""
    if layout.predictor != 1:
        return [*_predictor(layout), *_complex_integers(layout)]
    if layout.sample_format == 3 and layout.bits == 24:
        return [{"id": "tiff_float24", "byteorder": layout.order}]
    if layout.bits not in (8, 16, 32, 64, 128):
        run = layout.chunk[2] * layout.interleaved
        return [{"id": "tiff_bits", "bits": layout.bits, "run": run, "dtype": dtype.str}]
    return _complex_integers(layout)


def _complex_integers(layout: Layout) -> list[CodecConfig]:
    """Pairs of integers, that become pairs of floats."""
    if layout.sample_format != 5:
        return []
    half = layout.bits // 16
    names = f"{layout.order}f{2 * half}", f"{layout.order}i{half}"
    return [{"id": "astype", "decode_dtype": names[0], "encode_dtype": names[1]}]


def _predictor(layout: Layout) -> list[CodecConfig]:
    bits, predictor = layout.bits, layout.predictor
    if layout.compression not in _PREDICTED:
        raise Unsupported(
            f"predictor {predictor} with compression {layout.compression}: libtiff passes over it, tifffile applies it",
            feature="predictor",
        )
    if layout.sample_format in (5, 6) and layout.order == ">":
        raise Unsupported(
            "predictor 2 of complex numbers in a big-endian file: libtiff exchanges their parts", feature="predictor"
        )
    by_floats = predictor == 3 and layout.sample_format == 3 and bits in (16, 32, 64)
    if not by_floats and not (predictor == 2 and bits in (8, 16, 32, 64)):
        raise Unsupported(
            f"predictor {predictor} with samples of {bits} bits, format {layout.sample_format}", feature="predictor"
        )
    shape = [math.prod(layout.chunk[:2]), layout.chunk[2]]
    if layout.interleaved > 1:
        shape.append(layout.interleaved)
    axis = 1 - len(shape)
    if by_floats:
        return [_differences("imagecodecs_floatpred", shape, f"{layout.order}f{bits // 8}", axis)]
    letter = "i" if layout.sample_format == 2 else "u"
    name = np.dtype(f"{letter}{bits // 8}").newbyteorder(layout.order).str
    return [_differences("imagecodecs_delta", shape, name, axis)]


def _differences(name: str, shape: list[int], dtype: str, axis: int) -> CodecConfig:
    return {"id": name, "shape": shape, "dtype": dtype, "axis": axis, "dist": 1}


def _image(layout: Layout, *, rgb: bool) -> list[CodecConfig]:
    """The decoder of a whole picture, and before it what some compress its stream by."""
    return _PICTURES[layout.compression](layout, rgb)


def _jpeg(layout: Layout, rgb: bool) -> list[CodecConfig]:
    """JPEG: what a stream does not say of its colours, the tags do (TIFF Technical Note 2)."""
    stored: int | str | None = None
    wanted: int | str | None = None
    if not layout.extra_samples:
        if layout.photometric == 6:
            stored, wanted = (None, 2) if rgb else ("YCBCR", "YCBCR")
        elif layout.photometric == 2:
            stored, wanted = 2, 2
        elif layout.photometric == 5:
            wanted = 4
    if layout.separate:
        wanted = 1
    tables = layout.jpeg_tables
    return [
        {
            "id": "imagecodecs_jpeg",
            "bitspersample": layout.bits,
            "tables": None if tables is None else base64.b64encode(tables).decode("ascii"),
            "header": None,
            "colorspace_data": wanted,
            "colorspace_jpeg": stored,
        }
    ]


def _lerc(layout: Layout, _rgb: bool) -> list[CodecConfig]:
    """LERC: its blobs may be compressed once more (tag LercParameters)."""
    lerc: CodecConfig = {"id": "imagecodecs_lerc"}
    outer: dict[int, list[CodecConfig]] = {0: [], 1: [_PLAIN["Deflate"]], 2: [_PLAIN["ZSTD"]]}
    if layout.lerc not in outer:
        raise Unsupported(f"LERC compressed once more by scheme {layout.lerc}", feature="LERC")
    return [*outer[layout.lerc], lerc]


def _webp(layout: Layout, _rgb: bool) -> list[CodecConfig]:
    """WebP: a stream without alpha may stand for pixels that are all opaque."""
    if layout.interleaved == _LEAST_RGBA:
        return [{"id": "imagecodecs_webp", "hasalpha": True}]
    return [{"id": "imagecodecs_webp"}]


def _named(name: str) -> Callable[[Layout, bool], list[CodecConfig]]:
    return lambda _layout, _rgb: [{"id": name}]


_PICTURES: Final[Mapping[str, Callable[[Layout, bool], list[CodecConfig]]]] = {
    "JPEG": _jpeg,
    "LERC": _lerc,
    "WebP": _webp,
    "JPEG 2000": _named("imagecodecs_jpeg2k"),
    "JPEG XL": _named("imagecodecs_jpegxl"),
    "JPEG XR": _named("imagecodecs_jpegxr"),
    "PNG": _named("imagecodecs_png"),
}
