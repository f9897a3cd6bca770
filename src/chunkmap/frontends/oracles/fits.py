"""FITS, as astropy reads it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from chunkmap.formats.fits.hdus import walk
from chunkmap.formats.fits.names import distinct, name_of, unit_names
from chunkmap.frontends.oracles.oracle import Original, Piece, as_file
from chunkmap.io.rounds import run

__all__ = ["oracle"]

_PLAIN: Final = (bool, int, float, str)
_REMARKS: Final = ("COMMENT", "HISTORY", "")
_STORAGE: Final = ("XTENSION", "SIMPLE", "EXTEND", "BITPIX", "NAXIS", "PCOUNT", "GCOUNT", "BSCALE", "BZERO", "BLANK")
"""How data are stored, which astropy changes with what it makes of them."""


def oracle(original: Original) -> _Fits:
    """The file, as it is stored and as astropy scales it."""
    return _Fits(original)


class _Fits:
    """The HDUs of a file, under the names that sets have for them."""

    def __init__(self, original: Original) -> None:
        source = original.source
        self._names = {name: number for number, name in enumerate(unit_names(run(source, walk(source)).units))}
        how = {"memmap": False, "lazy_load_hdus": True}
        self._scaled = original.close.enter_context(fits.open(as_file(source), **how))
        self._stored = original.close.enter_context(fits.open(as_file(source), do_not_scale_image_data=True, **how))

    def read(self, piece: Piece) -> NDArray[Any] | None:
        """Part of an image, or rows of a column or of random groups."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            name, _, column = piece.path.partition("/")
            if name not in self._names:
                return None
            if not column:
                return self._image(self._names[name], piece)
            hdu = self._scaled[self._names[name]]
            if isinstance(hdu, fits.GroupsHDU):
                return _group(self._stored[self._names[name]], column, piece)
            return _column(hdu, column, piece) if isinstance(hdu, (fits.BinTableHDU, fits.TableHDU)) else None

    def _image(self, number: int, piece: Piece) -> NDArray[Any] | None:
        stored = self._stored[number]
        if not isinstance(stored, (fits.PrimaryHDU, fits.ImageHDU, fits.CompImageHDU)):
            return None
        found = np.asarray(stored.section[piece.part])
        if "scale_factor" in piece.meta.attrs or found.dtype.newbyteorder("=") == piece.meta.dtype.newbyteorder("="):
            return found
        return np.asarray(self._scaled[number].section[piece.part])

    def attributes(self, path: str) -> Mapping[str, Any]:
        """The cards of an image or a table; those of the primary HDU are the root's."""
        number = 0 if not path else self._names.get(path)
        if number is None:
            return {}
        header = self._stored[number].header
        keys = [key for key in header if key not in _REMARKS and header.count(key) == 1]
        if isinstance(self._stored[number], (fits.BinTableHDU, fits.TableHDU, fits.CompImageHDU)):
            keys = [key for key in keys if not key.startswith(("T", "Z", "EXTNAME"))]  # of columns, or of tiles
        said = {key: header[key] for key in keys if not key.startswith(_STORAGE)}
        return {key: value for key, value in said.items() if type(value) in _PLAIN}


def _group(hdu: Any, column: str, piece: Piece) -> NDArray[Any] | None:
    """A parameter of random groups, or their arrays, as they are stored."""
    names = distinct([*(name_of(p) or f"parameter{n}" for n, p in enumerate(hdu.parnames, 1)), "data"])
    if column not in names:
        return None
    field = hdu.data.dtype.names[names.index(column)]
    return np.asarray(hdu.data.view(np.ndarray)[field][piece.part])


def _column(hdu: Any, column: str, piece: Piece) -> NDArray[Any] | None:
    """Rows of a column: of numbers as they are stored, of all else what astropy makes of it."""
    names = distinct([name_of(own.name) or f"col{n}" for n, own in enumerate(hdu.columns, 1)])
    if hdu.data is None:
        return None
    if column.endswith("_length") and column not in names and column.removesuffix("_length") in names:
        rows = hdu.data.field(names.index(column.removesuffix("_length")))[piece.part[0]]
        return np.array([np.asarray(row).size for row in rows], piece.meta.dtype.newbyteorder("="))
    if column not in names:
        return None
    number = names.index(column)
    code = hdu.columns[number].format.strip().lstrip("0123456789")[:1]
    if isinstance(hdu, fits.TableHDU):
        return _text_column(hdu, number, piece)
    values = hdu.data.field(number)
    if code in "PQ":
        return _rows(values[piece.part[0]], piece)
    if "scale_factor" in piece.meta.attrs:
        values = hdu.data.view(np.ndarray)[hdu.data.dtype.names[number]]
    values = np.asarray(values)
    values = values.reshape(len(values), *piece.meta.shape[1:])[piece.part]
    return np.char.rstrip(values) if values.dtype.kind in "SU" else values


def _text_column(hdu: Any, number: int, piece: Piece) -> NDArray[Any]:
    """Rows of an ASCII table; of a number that is undefined nothing is said."""
    null = hdu.columns[number].null
    values = np.asarray(hdu.data.field(number))
    if values.dtype.kind in "SU":
        return np.char.rstrip(values[piece.part])
    texts = np.char.strip(np.asarray(hdu.data.view(np.ndarray)[hdu.data.dtype.names[number]]))
    undefined = (texts == b"") | (texts == str("" if null is None else null).strip().encode())
    return np.ma.MaskedArray(values[piece.part], undefined[piece.part])


def _rows(rows: Any, piece: Piece) -> NDArray[Any] | None:
    """Rows of various lengths, of which the elements behind each are masked."""
    shape = tuple(part.stop - part.start for part in piece.part)
    if piece.meta.dtype.kind == "S":
        return None  # astropy gives texts here, and arrays of texts there
    values, unknown = np.zeros(shape, piece.meta.dtype.newbyteorder("=")), np.ones(shape, np.bool_)
    for number, row in enumerate(rows):
        flat = np.asarray(row).ravel()[piece.part[1].start : piece.part[1].stop]
        values[number, : len(flat)], unknown[number, : len(flat)] = flat, False
    return np.ma.MaskedArray(values, unknown)
