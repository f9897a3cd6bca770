"""GRIB, as eccodes decodes each message."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from importlib import import_module
from struct import Struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.frontends.oracles.oracle import Original, Piece

__all__ = ["oracle"]

eccodes: Final[Any] = import_module("eccodes")  # after pyproj, which the module of the format imports
_SECTION: Final = Struct(">IB")
_NO_VALUE: Final = 1.25e300
"""What no packing of a real field holds."""
_GRIB: Final = "GRIB_"
_IN_OUR_WORDS: Final = frozenset({"stepUnits"})
"""Steps of a set are in hours; those of eccodes in what suits them."""


def oracle(original: Original) -> _Grib:
    """The file, of which messages are read when they are asked for."""
    return _Grib(original)


class _Grib:
    """Messages by where they begin."""

    def __init__(self, original: Original) -> None:
        self._source, self._refs = original.source, original.refs

    def read(self, piece: Piece) -> NDArray[Any] | None:
        """The values of one field, row by row; None for coordinates, which stand in no message as they are."""
        if piece.url is None:
            return None
        shape = tuple(part.stop - part.start for part in piece.part)
        found: NDArray[Any] = self._ask(piece.offset, piece.length, _values)
        return found.astype(piece.meta.dtype.newbyteorder("=")).reshape(shape)

    def attributes(self, path: str) -> Mapping[str, Any]:
        """The keys of eccodes that an array gives as `GRIB_<key>`."""
        array = self._refs.arrays.get(path)
        if array is None or not len(array.manifest()) or isinstance(array.manifest().row(0).source, bytes):
            return {}
        ours = {name.removeprefix(_GRIB): name for name in array.meta.attrs if name.startswith(_GRIB)}
        keys = [key for key in ours if key not in _IN_OUR_WORDS]
        first = array.manifest().row(0)
        said: dict[str, Any] = self._ask(first.offset, first.length, lambda handle: _keys(handle, keys))
        return {ours[key]: "isobaricInhPa" if value == "isobaricInPa" else value for key, value in said.items()}

    def _ask(self, offset: int, length: int, what: Any) -> Any:
        """What a field says, by the range that references have for it: a message up to the data of the field."""
        head = bytes(self._source.read(offset, length))
        whole, number = head, 0
        if head[7] == 2:
            total = int.from_bytes(head[8:16], "big")
            whole = bytes(self._source.read(offset, total))
            number = _fields(head[: total - 4]) - 1 if total != length else 0
        with tempfile.TemporaryFile() as file:
            file.write(whole)
            file.seek(0)
            eccodes.codes_grib_multi_support_on()
            try:
                for _ in range(number):
                    eccodes.codes_release(eccodes.codes_grib_new_from_file(file))
                handle = eccodes.codes_grib_new_from_file(file)
                try:
                    return what(handle)
                finally:
                    eccodes.codes_release(handle)
            finally:
                eccodes.codes_grib_multi_support_off()
                eccodes.codes_grib_multi_support_reset_file(file)


def _fields(message: bytes) -> int:
    """How many sections of data the beginning of a message holds."""
    place, found = 16, 0
    while place + _SECTION.size <= len(message):
        length, number = _SECTION.unpack_from(message, place)
        found += number == 7
        place += max(length, 1)
    return found


def _values(handle: int) -> NDArray[Any]:
    """Values in rows; NaN where there is none. eccodes gives them as they are stored, by columns or to and fro."""
    eccodes.codes_set(handle, "missingValue", _NO_VALUE)
    values: NDArray[Any] = eccodes.codes_get_double_array(handle, "values")
    values[values == _NO_VALUE] = np.nan
    said = _keys(handle, ("Ni", "Nj", "jPointsAreConsecutive", "alternativeRowScanning"))
    across, down = said.get("Ni"), said.get("Nj")
    if not across or not down or across * down != len(values):
        return values
    by_columns = bool(said.get("jPointsAreConsecutive"))
    lines = values.reshape((across, down) if by_columns else (down, across))
    if said.get("alternativeRowScanning"):
        lines[1::2] = lines[1::2, ::-1].copy()
    return lines.T if by_columns else lines


def _keys(handle: int, keys: Any) -> dict[str, Any]:
    """The values of keys; those that the message does not have are left out."""
    return {
        key: eccodes.codes_get(handle, key)
        for key in keys
        if eccodes.codes_is_defined(handle, key) and not eccodes.codes_is_missing(handle, key)
    }
