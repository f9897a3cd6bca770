"""What a header says of an image, whoever wrote it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import FormatError

__all__ = ["Image", "Interleave", "Padding", "Place", "interleave_of", "missing", "number", "whole"]

Interleave = Literal["bsq", "bil", "bip"]
"""Whether bands stand one after the other, or their rows, or their pixels."""

_MOST: Final = 1 << 40
_LONGEST_WHOLE: Final = len(str(-(1 << 63)))
_DIMS: Final[Mapping[Interleave, tuple[str, str, str]]] = {
    "bsq": ("band", "y", "x"),
    "bil": ("y", "band", "x"),
    "bip": ("y", "x", "band"),
}


class Place(NamedTuple):
    """Where pixels are: the outer corner of the first, and the steps from one to the next, down being negative."""

    x: float
    y: float
    step_x: float
    step_y: float
    rotation: float = 0.0
    """In degrees, anticlockwise."""

    @property
    def gdal(self) -> str:
        """The six numbers of the affine transform in GDAL's order, as a text."""
        cos, sin = math.cos(math.radians(self.rotation)), math.sin(math.radians(self.rotation))
        if self.rotation == 0:
            return f"{self.x} {self.step_x} 0.0 {self.y} 0.0 {self.step_y}"
        numbers = self.x, cos * self.step_x, sin * self.step_x, self.y, -sin * self.step_y, cos * self.step_y
        return " ".join(map(str, numbers))

    def middles(self, rows: int, columns: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where each column is, and each row, in the middles of the pixels."""
        x, y = np.arange(columns, dtype=np.float64), np.arange(rows, dtype=np.float64)
        return self.x + (x + 0.5) * self.step_x, self.y + (y + 0.5) * self.step_y


class Padding(NamedTuple):
    """What lies between pixels, where they do not stand one after the other."""

    row: int | None = None
    """Bytes from one row to the next, of all bands where they are interleaved."""
    band_row: int | None = None
    """Bytes from one band to the next within a row, where bands are interleaved by row."""
    gap: int = 0
    """Bytes between bands that stand one after the other."""


_NOTHING: Final = Padding()


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image: its layout, and what is known of it besides."""

    bands: int
    rows: int
    columns: int
    dtype: np.dtype[Any]
    interleave: Interleave
    first: int = 0
    """Bytes before the first pixel."""
    padding: Padding = _NOTHING
    nodata: Any = None
    place: Place | None = None
    suffixes: tuple[str, ...] = ()
    """How the file with the pixels may be called, the likely ones first."""
    by_band: Mapping[str, tuple[NDArray[Any], Mapping[str, Any]]] = field(default_factory=dict)
    """Values and attributes of what is said band by band, such as wavelengths."""
    by_row: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)
    """Of the array."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """Of the root group: all else that the header says."""
    wkt: str | None = None
    is_library: bool = False
    """Whether each row is a spectrum, and each column a band."""
    problem: str = ""
    """What of the scale of the values cannot be said."""

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the axes in the order of the file; an image of one band has two."""
        if self.is_library:
            return ("spectrum", "band")
        return tuple(dim for dim in _DIMS[self.interleave] if dim != "band" or self.bands > 1)

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        lengths = {"band": self.columns if self.is_library else self.bands, "y": self.rows, "x": self.columns}
        return tuple(lengths.get(dim, self.rows) for dim in self.dims)

    @property
    def strides(self) -> tuple[int, ...]:
        """Bytes from one to the next along each axis."""
        item = self.dtype.itemsize
        if self.interleave == "bip":
            steps = {"band": item, "x": item * self.bands}
            steps["y"] = self.padding.row or steps["x"] * self.columns
        elif self.interleave == "bil":
            steps = {"x": item, "band": self.padding.band_row or item * self.columns}
            steps["y"] = self.padding.row or steps["band"] * self.bands
        else:
            steps = {"x": item, "y": self.padding.row or item * self.columns}
            steps["band"] = steps["y"] * self.rows + self.padding.gap
        if self.is_library:
            return steps["y"], item
        return tuple(steps[dim] for dim in self.dims)


def whole(name: str, text: str | None, url: str, *, least: int = 0) -> int:
    """A whole number of the header. Raises FormatError where it is none."""
    value = (text or "").strip()
    if not value.isdecimal() or len(value) > 15 or not least <= int(value) <= _MOST:
        raise FormatError(f"expected a whole number from {least} on as {name!r}, found {text!r}", url=url)
    return int(value)


def number(name: str, text: str, url: str) -> float:
    """A number of the header. Raises FormatError where it is none."""
    try:
        return float(text)
    except ValueError as error:
        raise FormatError(f"expected a number as {name!r}, found {text!r}", url=url) from error


def missing(name: str, text: str, url: str) -> float:
    """A number that stands for missing pixels; of 64 bits, floats do not have all whole ones."""
    digits = text.strip()
    is_whole = digits.removeprefix("-").isdecimal() and len(digits) <= _LONGEST_WHOLE
    return int(digits) if is_whole else number(name, text, url)


def interleave_of(text: str, url: str) -> Interleave:
    """The order of bands, rows and pixels. Raises FormatError for a word that is none of the three."""
    for known in _DIMS:
        if text.strip().lower() == known:
            return known
    raise FormatError(f"expected the interleave bsq, bil or bip, found {text!r}", url=url)
