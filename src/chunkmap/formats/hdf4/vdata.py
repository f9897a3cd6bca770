"""Vdatas: tables of records, and the attributes that the library keeps in such.

HDF Specification and Developer's Guide, DFTAG_VH (description) and DFTAG_VS (records).
"""

from __future__ import annotations

import struct
from typing import Any, Final, NamedTuple

import numpy as np

from chunkmap.errors import FormatError, Unsupported
from chunkmap.formats.hdf4.descriptors import File, Key
from chunkmap.formats.hdf4.elements import read_bytes
from chunkmap.formats.hdf4.numbers import CHAR8, dtype_of
from chunkmap.formats.hdf4.texts import counted_text, read_text
from chunkmap.io.rounds import Parser
from chunkmap.model.typed import typed

__all__ = ["DFTAG_VH", "DFTAG_VS", "Field", "Vdata", "attribute_value", "json_value", "read_vdatas"]

DFTAG_VH: Final = 1962
DFTAG_VS: Final = 1963
_HAS_ATTRIBUTES: Final = 1
_MOST_FIELDS: Final = 4096
_HEAD: Final = struct.Struct(">HiHH")


class Field(NamedTuple):
    """One column."""

    name: str
    number_type: int
    nbytes: int
    """Bytes of a record that are this field's."""
    offset: int
    """Where they begin in the record."""
    order: int
    """Elements of a record."""


class Vdata(NamedTuple):
    """One table, as its header describes it. Of most only the first field is ever looked at: see `fields`."""

    ref: int
    name: str
    kind: str
    """Its class."""
    records: int
    record_nbytes: int
    by_field: bool
    """Whether each field stands in one piece, and not each record."""
    nfields: int
    """Number of its fields."""
    number_type: int
    """The type of the first field."""
    order: int
    """Elements of a record of the first field."""
    header: bytes
    rest: int
    """Where in the header stands what comes behind the class."""

    @property
    def data(self) -> Key:
        """The object that holds the records."""
        return DFTAG_VS, self.ref

    def fields(self) -> list[Field]:
        """Every field."""
        numbers = np.frombuffer(self.header, ">u2", 4 * self.nfields, 10).reshape(4, self.nfields).tolist()
        place, names = 10 + 8 * self.nfields, list[str]()
        for _ in range(self.nfields):
            name, place = counted_text(self.header, place)
            names.append(name)
        return list(map(Field, names, *numbers))

    def attributes(self) -> list[tuple[int, int]]:
        """The attributes: the number of the field, -1 for the whole, and the Vdata that holds it.

        Only headers of version 4 have any.
        """
        data, place = self.header, self.rest
        if len(data) < place + 16 or not struct.unpack_from(">I", data, place + 8)[0] & _HAS_ATTRIBUTES:
            return []
        (count,) = struct.unpack_from(">i", data, place + 12)
        there = (len(data) - place - 16) // 8
        rows = [struct.unpack_from(">iHH", data, place + 16 + 8 * row) for row in range(max(0, min(count, there)))]
        return [(field, ref) for field, _, ref in rows]


def read_vdatas(file: File) -> Parser[dict[int, Vdata]]:
    """The headers of all Vdatas, by reference number, in the order of the file."""
    data = yield from read_bytes(file, [(DFTAG_VH, ref) for ref in file.refs(DFTAG_VH)])
    return {ref: _vdata(file, ref, raw) for (_, ref), raw in data.items()}


# interlace nvert ivsize nfields type[] isize[] offset[] order[] (fldnmlen fldnm)[] namelen name classlen class
# extag exref version more [flags nattrs (findex vstag vsref)[]]
def _vdata(file: File, ref: int, data: bytes) -> Vdata:
    try:
        interlace, records, nbytes, count = _HEAD.unpack_from(data)
        if records < 0 or count > _MOST_FIELDS:
            raise file.error(f"Vdata {ref} says that it has {records} records of {count} fields")
        place = 10 + 8 * count
        for _ in range(count):
            place += 2 + (data[place] << 8 | data[place + 1])
        name, place = counted_text(data, place)
        kind, place = counted_text(data, place)
        first, last = 10, 10 + 6 * count
        number_type, order = (data[first] << 8 | data[first + 1], data[last] << 8 | data[last + 1]) if count else (0, 0)
    except (struct.error, IndexError) as error:
        raise file.error(f"the header of Vdata {ref} is cut short") from error
    return Vdata(ref, name, kind, records, nbytes, interlace == 1, count, number_type, order, data, place)


def attribute_value(vdata: Vdata, data: bytes) -> Any:
    """Text, a number, or a list of numbers: what the library makes of an attribute; None where the Vdata holds none."""
    if vdata.nfields != 1:
        return None
    count = vdata.records * vdata.order
    if vdata.number_type & 0xFF == CHAR8:
        return read_text(data[:count].rstrip(b"\0"))
    try:
        dtype = dtype_of(vdata.number_type)
    except Unsupported:
        return None
    if len(data) < count * dtype.itemsize:
        raise FormatError(f"attribute {vdata.name!r} has {count} values of {dtype}, but only {len(data)} bytes")
    return json_value(np.frombuffer(data, dtype, count=count))


def json_value(values: Any) -> Any:
    """One number as a number, several as a list, none as an empty list, each of its type."""
    code = f"{values.dtype.kind}{values.dtype.itemsize}"
    return typed(values[0].item() if values.size == 1 else values.tolist(), code)
