"""The codec `grib`: one field of a GRIB message -> its values, row by row, as eccodes decodes them.

WMO Manual on Codes, FM 92 GRIB. A chunk is a whole message, of which the first field is meant; or the beginning of a
message, up to the data of the last field in it. That is how fields of one message have references of their own: a
field of edition 2 takes sections, and a bitmap, from the fields before it.

eccodes may not survive bytes that contradict one another. So all lengths and numbers are checked before it sees them;
what is found to be wrong is refused, and what cannot be told is decoded in a process of its own (`apart`).

What kerchunk wrote under this id decodes as well. Elements without a value are NaN.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy
from numpy.typing import NDArray

from chunkmap.codecs.grib.apart import decode_apart
from chunkmap.codecs.grib.headers import check_headers
from chunkmap.codecs.grib.packing import why_apart
from chunkmap.codecs.grib.room import check_room
from chunkmap.codecs.grib.sections import one_field, split
from chunkmap.errors import FormatError

__all__ = ["GribCodec", "decode_here", "places_of"]

_COORDINATES: Final = ("latitude", "longitude")

_NO_VALUE: Final = float(np.finfo(np.float64).max)
"""What stands for a missing value while eccodes decodes: no packing can hold it, so no real value is taken for one."""


class GribCodec(Codec):  # type: ignore[misc]
    """Decodes the values of a field, or the `latitude` or `longitude` of each point of its grid.

    `var` is the name of the array: these two names, or any for the values. `dtype` is what comes out.
    """

    codec_id = "grib"

    def __init__(self, var: str, dtype: Any = None) -> None:
        self.var = var
        self.dtype = dtype

    def encode(self, buf: Any) -> Any:
        """A message says more than values."""
        raise NotImplementedError("values alone do not make a GRIB message")

    def decode(self, buf: Any, out: Any = None) -> Any:
        """One value a point: rows from the first to the last, each in the direction in which its points lie."""
        coordinate = self.var in _COORDINATES
        values = _decoded(ensure_bytes(buf), f"{self.var}s" if coordinate else "values")
        return ndarray_copy(_converted(values, self.dtype or ("f8" if coordinate else "f4")), out)


def _decoded(buf: bytes, key: str) -> NDArray[np.float64]:
    """What the bytes of a chunk hold: here where they were found to be sound, else in another process."""
    message = one_field(buf)
    sections = split(message)
    check_headers(sections)
    check_room(sections)
    if key != "values":
        return places_of(message, key)
    return decode_here(message, key) if why_apart(sections) is None else decode_apart(message, key)


def places_of(message: bytes, key: str) -> NDArray[np.float64]:
    """The `latitudes` or the `longitudes` of a grid, in the order in which eccodes goes through it."""
    from chunkmap.codecs.grib.eccodes import Message  # noqa: PLC0415 - loads a large library, which few sets need
    from chunkmap.codecs.grib.places import is_ordinary  # noqa: PLC0415

    with Message(message) as opened:
        if is_ordinary(opened, split(message)):
            return opened.reals(key)
    return decode_apart(message, key)


def decode_here(message: bytes, key: str) -> NDArray[np.float64]:
    """What eccodes makes of a message, whatever that does to this process."""
    from chunkmap.codecs.grib.eccodes import Message  # noqa: PLC0415 - loads a large library, which few sets need

    with Message(message) as opened:
        if key != "values":
            return opened.reals(key)
        opened.set("missingValue", _NO_VALUE)
        values = opened.reals(key)
        if opened.get("bitmapPresent") or opened.get("missingValueManagementUsed"):
            values[values == _NO_VALUE] = np.nan
        return _in_rows(values, opened)


def _converted(values: NDArray[np.float64], dtype: Any) -> NDArray[Any]:
    """The values in another type. Raises OverflowError where that cannot hold one of them."""
    with np.errstate(over="raise"):
        try:
            return values.astype(dtype, copy=False)
        except FloatingPointError as error:
            raise OverflowError(f"a value is too large for {np.dtype(dtype)}; scan with dtype='float64'") from error


def _in_rows(values: NDArray[np.float64], message: Any) -> NDArray[np.float64]:
    """The values of a grid of rows and columns, row by row, each row in the same direction.

    Flag table 3.4 (8 of edition 1): bit 3, adjacent points in a column are consecutive; bit 4, every other row or
    column runs backwards. The directions themselves, bits 1 and 2, are those of the coordinates.
    """
    by_column, alternating = message.get("jPointsAreConsecutive"), message.get("alternativeRowScanning")
    if not by_column and not alternating:
        return values
    across, down = message.get("Ni") or message.get("Nx"), message.get("Nj") or message.get("Ny")
    if across is None or down is None or across * down != values.size:
        raise FormatError(f"{values.size} points, scanned in another way than row by row, are no {down} x {across}")
    lines = values.reshape((across, down) if by_column else (down, across))
    if alternating:
        lines[1::2] = lines[1::2, ::-1].copy()
    return np.ascontiguousarray(lines.T if by_column else lines).reshape(-1)
