"""HDF4, as pyhdf reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pyhdf.HDF import HDF
from pyhdf.SD import SD
from pyhdf.VS import VS

from chunkmap.formats.hdf4.arrays import STORED_OFFSET
from chunkmap.formats.hdf4.naming import Names
from chunkmap.formats.scanning import scan_source
from chunkmap.frontends.oracles.oracle import Original, Piece, as_path

__all__ = ["oracle"]

_UNSIGNED_CHAR: Final = 3
_CHAR: Final = 4
_IN_OUR_WORDS: Final = frozenset({"_FillValue", "add_offset"})


def oracle(original: Original) -> _Hdf4:
    """The file; the library opens nothing but local ones."""
    return _Hdf4(original)


class _Hdf4:
    """Arrays by the order in which the library lists them, which is that of a scan without HDF-EOS2."""

    def __init__(self, original: Original) -> None:
        path = as_path(original.source, original.close)
        self._file = SD(path)
        original.close.callback(self._file.end)
        holder = HDF(path)
        original.close.callback(holder.close)
        self._tables = VS(holder)
        original.close.callback(self._tables.end)
        count, _ = self._file.info()
        names = Names()
        listed = {names.unique(self._file.select(number).info()[0]): number for number in range(count)}
        flat = scan_source(original.source, format="hdf4", eos=False, tables=False, images=False, inline_threshold=0)
        self._by_range = {
            (offset, length): listed[name]
            for name, array in flat.arrays.items()
            if name in listed
            for offset, length in zip(array.manifest().offset.tolist(), array.manifest().length.tolist(), strict=True)
        }
        self._refs = original.refs

    def read(self, piece: Piece) -> NDArray[Any] | None:
        """Values of a data set or of a table; None for images and computed coordinates, which pyhdf does not have."""
        number = self._by_range.get((piece.offset, piece.length))
        if number is None:
            return self._field(piece)
        if any(codec["id"] == "hdf4_szip" for codec in piece.meta.codecs):
            return None  # wheels of pyhdf are built without it
        data = self._file.select(number)
        start = [part.start for part in piece.part]
        count = [part.stop - part.start for part in piece.part]
        values = np.asarray(data.get(start=start, count=count)) if piece.part else np.asarray(data.get())
        if data.info()[3] == _CHAR:
            values = values.astype("S1") if values.dtype.kind in "SU" else values.astype("u1").view("S1")
        return values.reshape(count)

    def _field(self, piece: Piece) -> NDArray[Any] | None:
        """Records of a field of a table, which is the group of its array, or the array alone."""
        *_, table, field = ("", *piece.path.split("/"))
        for name in (table, field):
            named = [info[2] for info in self._tables.vdatainfo() if info[0] == name]
            if len(named) == 1:  # of two of one name pyhdf does not say which is which
                found = self._tables.attach(named[0])
                try:
                    return _records(found, field, piece)
                finally:
                    found.detach()
        return None

    def attributes(self, path: str) -> Mapping[str, Any]:
        """Those of a data set, whose offset stands under another name; those of the file at the root."""
        if not path:
            return _said(self._file)
        array = self._refs.arrays.get(path)
        if array is None or not len(array.manifest()):
            return {}
        first = array.manifest().row(0)
        number = self._by_range.get((first.offset, first.length))
        if number is None:
            return {}
        said = _said(self._file.select(number))
        offset = {STORED_OFFSET: said["add_offset"]} if said.get("add_offset") else {}
        return {name: value for name, value in {**said, **offset}.items() if name not in _IN_OUR_WORDS}


def _said(holder: Any) -> dict[str, Any]:
    """Attributes but those of unsigned characters, of which pyhdf gives the first alone."""
    said = holder.attributes(full=1)
    return {name: value for name, (value, _, kind, *_) in said.items() if kind != _UNSIGNED_CHAR}


def _records(table: Any, field: str, piece: Piece) -> NDArray[Any] | None:
    """Some values of a field; None where a table has no such field."""
    fields = table.inquire()[2]
    if field not in fields and len(fields) > 1:
        return None
    first, count = piece.part[0].start, piece.part[0].stop - piece.part[0].start
    table.setfields(field if field in fields else fields[0])
    table.seek(first)
    values = [row[0] for row in table.read(count)]
    if piece.meta.dtype.kind == "S":
        return np.array([_bytes(value) for value in values], object).reshape(count)
    shape = [part.stop - part.start for part in piece.part]
    return np.asarray(values).astype(piece.meta.dtype.newbyteorder("=")).reshape(shape)


def _bytes(value: Any) -> bytes:
    """Pyhdf gives a character as a number, several as text, or as a list of numbers."""
    if isinstance(value, str):
        return value.encode("latin-1")
    return bytes(one & 255 for one in (value if isinstance(value, list) else [value]))
