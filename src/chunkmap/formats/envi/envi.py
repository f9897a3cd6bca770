"""Headers of ENVI: a first line `ENVI`, then `key = value`, lists in braces over as many lines as they need.

Specification: https://www.nv5geospatialsoftware.com/docs/enviheaderfiles.html.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import FormatError, Unsupported
from chunkmap.formats.envi.image import Image, Place, interleave_of, missing, number, whole

__all__ = ["MAGIC", "read_envi"]

MAGIC: Final = "ENVI"

_TYPES: Final[Mapping[str, str]] = {
    "1": "u1",
    "2": "i2",
    "3": "i4",
    "4": "f4",
    "5": "f8",
    "6": "c8",
    "9": "c16",
    "12": "u2",
    "13": "u4",
    "14": "i8",
    "15": "u8",
}
_SUFFIXES: Final = ("", ".img", ".dat", ".bil", ".bip", ".bsq", ".raw", ".bin", ".sli", ".hyspex", ".rfl")
_SHAPE: Final = frozenset(
    (
        *("samples", "lines", "bands", "header offset", "data type", "interleave", "byte order"),
        *("data ignore value", "file compression"),
    )
)
"""What becomes the array; all else becomes attributes."""
_WKT: Final = "coordinate system string"
_TEXTS: Final = frozenset({"description"})
"""What is text, whatever commas are in it."""
_NUMBERS: Final = ("wavelength", "fwhm", "bbl", "data gain values", "data offset values")
_LIBRARY: Final = "envi spectral library"


def read_envi(text: str, url: str) -> Image:
    """The image that a header describes. Raises Unsupported for pixels that are not plain."""
    words = _words(text, url)
    _check_plain(words, url)
    kind = words.get("data type", "").strip()
    if kind not in _TYPES:
        raise Unsupported(f"pixels of data type {kind!r}", feature="data type", url=url)
    bands = whole("bands", words.get("bands"), url, least=1)
    layout = interleave_of(words.get("interleave", "" if bands > 1 else "bsq"), url)
    order = words.get("byte order", "" if np.dtype(_TYPES[kind]).itemsize > 1 else "0").strip()
    if order not in ("0", "1"):
        raise FormatError(f"expected the byte order 0 or 1, found {order!r}", url=url)
    columns = whole("samples", words.get("samples"), url, least=1)
    rows = whole("lines", words.get("lines"), url, least=1)
    is_library = words.get("file type", "").strip().lower() == _LIBRARY and bands == 1
    by_band = _by_band(words, columns if is_library else bands, url)
    spectra = list(_list(words.get("spectra names", "")))
    scale = _scale(words, by_band, url)
    ignored = words.get("data ignore value")
    by_row = {"spectra_names": np.array(spectra)} if is_library and len(spectra) == rows else {}
    return Image(
        bands=bands,
        rows=rows,
        columns=columns,
        dtype=np.dtype(_TYPES[kind]).newbyteorder(">" if order == "1" else "<"),
        interleave=layout,
        first=whole("header offset", words.get("header offset", "0"), url),
        nodata=None if ignored is None else missing("data ignore value", ignored, url),
        place=_place(words, url),
        suffixes=_SUFFIXES,
        by_band=by_band,
        by_row=by_row,
        attrs=scale.attrs,
        problem=scale.problem,
        about=_about(words, {*by_band, *by_row}),
        wkt=_unbraced(words[_WKT]) if _WKT in words else None,
        is_library=is_library,
    )


def _about(words: Mapping[str, str], variables: Collection[str]) -> dict[str, Any]:
    """What becomes attributes of the root: neither what the array has, nor what are variables of their own."""
    said = _SHAPE | {_WKT} | ({"wavelength units"} if {"wavelength", "fwhm"}.intersection(variables) else set())
    named = {key.replace(" ", "_"): key for key in words if key not in said}
    return {
        name: _unbraced(words[key]) if key in _TEXTS else _value(words[key])
        for name, key in named.items()
        if name not in variables
    }


def _words(text: str, url: str) -> dict[str, str]:
    """Values by key, in small letters; one in braces goes on to the closing one."""
    first, _, rest = text.partition("\n")
    if first.strip() != MAGIC:
        raise FormatError(f"expected a header of ENVI, it begins with {first[:20]!r}", url=url, offset=0)
    words: dict[str, str] = {}
    lines = iter(rest.splitlines())
    for line in lines:
        key, equals, value = line.partition("=")
        if line.lstrip().startswith(";") or not equals:
            continue
        parts = [value.strip()]
        while parts[0].startswith("{") and not parts[-1].endswith("}"):
            more = next(lines, None)
            if more is None:
                raise FormatError(f"the value of {key.strip()!r} has no closing brace", url=url)
            parts.append(more.strip())
        words[" ".join(key.lower().split())] = "\n".join(parts)
    return words


def _check_plain(words: Mapping[str, str], url: str) -> None:
    """Raise Unsupported for files whose pixels do not stand one after the other."""
    kind = words.get("file type", "").strip()
    if words.get("file compression", "0").strip() not in ("", "0"):
        raise Unsupported(
            "its pixels are compressed as a whole: no range of it is a chunk. Decompress it first",
            feature="file compression",
            url=url,
        )
    if kind and (not kind.lower().startswith("envi") or re.search("meta|virtual", kind, re.IGNORECASE)):
        raise Unsupported(f"its pixels are in a file of type {kind!r}; scan that", feature="file type", url=url)
    for key in ("major frame offsets", "minor frame offsets"):
        if any(number(key, text, url) for text in _list(words.get(key, ""))):
            raise Unsupported(f"it has {key}, bytes between pixels", feature="frame offsets", url=url)


def _unbraced(text: str) -> str:
    return text.strip().removeprefix("{").removesuffix("}").strip()


def _list(text: str) -> tuple[str, ...]:
    """The items of a list."""
    inside = _unbraced(text)
    return tuple(item.strip() for item in inside.split(",")) if inside else ()


def _value(text: str) -> Any:
    """An attribute: numbers where all of it are, else the text as it stands."""
    if not text.startswith("{"):
        return _numeric([text])[0]
    return _unbraced(text) if "\n" in text and "," not in text else _numeric(list(_list(text)))


def _numeric(items: list[str]) -> list[Any]:
    read: tuple[Callable[[str], Any], ...] = (int, float)
    for kind in read:
        try:
            return [kind(item) for item in items]
        except ValueError:
            continue
    return list(items)


def _by_band(words: Mapping[str, str], count: int, url: str) -> dict[str, tuple[NDArray[Any], Mapping[str, Any]]]:
    """What is said of each band; a list of another length than there are bands stays an attribute."""
    found: dict[str, tuple[NDArray[Any], Mapping[str, Any]]] = {}
    units = words.get("wavelength units", "").strip()
    for key in _NUMBERS:
        items = _list(words.get(key, ""))
        if len(items) == count:
            values = np.array([number(key, item, url) for item in items])
            values = values.astype("i8") if key == "bbl" else values
            found[key.replace(" ", "_")] = values, {"units": units} if key in _NUMBERS[:2] and units else {}
    names = _list(words.get("band names", ""))
    if len(names) == count:
        found["band_names"] = np.array(names), {}
    return found


class _Scale(NamedTuple):
    """From what is stored to what is meant, in CF's words."""

    attrs: Mapping[str, float]
    problem: str = ""


def _scale(words: Mapping[str, str], by_band: Mapping[str, tuple[NDArray[Any], Any]], url: str) -> _Scale:
    """A factor by which all values are divided, or a gain and an offset that all bands share."""
    factor = number("reflectance scale factor", words.get("reflectance scale factor", "1"), url)
    gains, offsets = by_band.get("data_gain_values"), by_band.get("data_offset_values")
    gain = np.unique(gains[0]) if gains is not None else np.ones(1)
    offset = np.unique(offsets[0]) if offsets is not None else np.zeros(1)
    is_gained = len(gain) > 1 or len(offset) > 1 or gain[0] != 1 or offset[0] != 0
    if factor not in (0, 1) and is_gained:
        return _Scale({}, "it has gains and offsets, and a reflectance scale factor too: values are as they are stored")
    if len(gain) > 1 or len(offset) > 1:
        return _Scale({}, "each band has a gain and an offset of its own: values are as they are stored")
    if is_gained:
        return _Scale({"scale_factor": float(gain[0]), "add_offset": float(offset[0])})
    return _Scale({} if factor in (0, 1) else {"scale_factor": 1 / factor})


def _place(words: Mapping[str, str], url: str) -> Place | None:
    """The corner of the image from a tie point, whose pixel counts from 1 at its upper left corner."""
    items = _list(words.get("map info", ""))
    if len(items) < 7:
        return None
    column, row, x, y, step_x, step_y = (number("map info", item, url) for item in items[1:7])
    turned = next((item.partition("=")[2] for item in items if item.lower().startswith("rotation")), "0")
    rotation = number("map info", turned, url)
    if not step_x or not step_y or (rotation and (column, row) != (1, 1)):
        return None
    return Place(x - (column - 1) * step_x, y + (row - 1) * step_y, step_x, -step_y, rotation)
