"""Headers of ESRI's BIL, BIP, BSQ and FLT files: a keyword and a value a line, without a mark of their own.

Specification: https://desktop.arcgis.com/en/arcmap/latest/manage-data/raster-and-images/bil-bip-and-bsq-raster-files.htm.
What a header leaves open is as GDAL takes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from chunkmap.errors import FormatError, Unsupported
from chunkmap.formats.envi.image import Image, Interleave, Padding, Place, interleave_of, missing, number, whole

__all__ = ["read_esri"]

_LAYOUTS: Final[Mapping[Interleave, tuple[str, ...]]] = {"bil": (".bil",), "bip": (".bip",), "bsq": (".bsq",)}
_SUFFIXES: Final = (".bil", ".bip", ".bsq", ".flt", ".dem", ".img", ".dat", ".bin", ".raw", "")
_GRID_FLOAT: Final = ("LSBFIRST", "MSBFIRST")
_KINDS: Final[Mapping[tuple[str, int], str]] = {
    ("U", 8): "u1",
    ("U", 16): "u2",
    ("U", 32): "u4",
    ("S", 8): "i1",
    ("S", 16): "i2",
    ("S", 32): "i4",
    ("F", 32): "f4",
}


def read_esri(text: str, url: str) -> Image:
    """The image that a header describes."""
    words = _words(text, url)
    layout = interleave_of(words.get("LAYOUT", "bil"), url)
    nodata = words.get("NODATA", words.get("NODATA_VALUE"))
    absent = None if nodata is None else missing("NODATA", nodata, url)
    return Image(
        bands=whole("NBANDS", words.get("NBANDS", "1"), url, least=1),
        rows=whole("NROWS", words.get("NROWS"), url, least=1),
        columns=whole("NCOLS", words.get("NCOLS"), url, least=1),
        dtype=_dtype(words, absent, url),
        interleave=layout,
        first=whole("SKIPBYTES", words.get("SKIPBYTES", "0"), url),
        padding=_padding(words, layout, url),
        nodata=absent,
        place=_place(words, url),
        suffixes=(*_LAYOUTS[layout], *_SUFFIXES),
    )


def _words(text: str, url: str) -> dict[str, str]:
    """Values by keyword, in capitals. Raises Unsupported where numbers follow, as in an ASCII grid."""
    words: dict[str, str] = {}
    for line in text.splitlines():
        parts = line.split()
        if not parts:
            continue
        if parts[0].lstrip("+-").replace(".", "").isdigit():
            raise Unsupported(
                "it is an ASCII grid, whose values are text: no range of it is a chunk", feature="ASCII grid", url=url
            )
        words[parts[0].upper()] = parts[1] if len(parts) > 1 else ""
    return words


def _dtype(words: Mapping[str, str], nodata: float | None, url: str) -> np.dtype[Any]:
    """The type of the pixels: where none is said, unsigned, or signed if missing ones are negative.

    Bytes whose order is not said are big-endian, as GDAL has it; ESRI leaves it to the machine.
    """
    order = words.get("BYTEORDER", "M").upper()
    if order[:1] not in ("I", "L", "M"):
        raise FormatError(f"expected the BYTEORDER I or M, found {order!r}", url=url)
    is_float = order in _GRID_FLOAT and words.get("NBITS", "32") == "32"
    bits = whole("NBITS", words.get("NBITS", "32" if is_float else "8"), url, least=1)
    said = words.get("PIXELTYPE", "").upper()
    kind = said[:1] if said[:1] in ("S", "F", "U") else "F" if is_float else "S" if (nodata or 0) < 0 else "U"
    if (kind, bits) not in _KINDS:
        raise Unsupported(f"pixels of {bits} bits and type {said or 'unsaid'}", feature="pixel type", url=url)
    return np.dtype(_KINDS[kind, bits]).newbyteorder(">" if order.startswith("M") else "<")


def _padding(words: Mapping[str, str], layout: Interleave, url: str) -> Padding:
    """What lies between rows and bands; a keyword that has no meaning for the layout is passed over."""

    def said(key: str, *, of: tuple[Interleave, ...]) -> int:
        return whole(key, words[key], url) if key in words and layout in of else 0

    row, band_row = said("TOTALROWBYTES", of=("bil", "bip")), said("BANDROWBYTES", of=("bil",))
    return Padding(row or None, band_row or None, said("BANDGAPBYTES", of=("bsq",)))


def _place(words: Mapping[str, str], url: str) -> Place | None:
    """Where the pixels are, from the middle of the upper left one, or the lower left corner."""

    def said(key: str, otherwise: str) -> float:
        return number(key, words.get(key, otherwise), url)

    cell = words.get("CELLSIZE", "1")
    step_x, step_y = said("XDIM", cell), said("YDIM", cell)
    rows = whole("NROWS", words.get("NROWS"), url)
    if "ULXMAP" in words and "ULYMAP" in words:
        x, y = said("ULXMAP", "") - step_x / 2, said("ULYMAP", "") + step_y / 2
    elif "XLLCORNER" in words and "YLLCORNER" in words:
        x, y = said("XLLCORNER", ""), said("YLLCORNER", "") + rows * step_y
    elif "XLLCENTER" in words and "YLLCENTER" in words:
        x, y = said("XLLCENTER", "") - step_x / 2, said("YLLCENTER", "") + (rows - 0.5) * step_y
    else:
        return None
    return Place(x, y, step_x, -step_y)
