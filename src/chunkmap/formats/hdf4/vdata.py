"""Vdatas: tables of records, and the attributes that the library keeps in such.

HDF Specification and Developer's Guide, DFTAG_VH (description) and DFTAG_VS (records).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chunkmap.errors import FormatError, Unsupported
from chunkmap.formats.hdf4.descriptors import File, Key
from chunkmap.formats.hdf4.elements import read_bytes
from chunkmap.formats.hdf4.numbers import CHAR8, dtype_of
from chunkmap.formats.hdf4.texts import read_text
from chunkmap.io.rounds import Parser
from chunkmap.model.typed import typed

__all__ = ["DFTAG_VH", "DFTAG_VS", "Field", "Vdata", "attribute_value", "json_value", "read_attributes", "read_vdatas"]

DFTAG_VH: Final = 1962
DFTAG_VS: Final = 1963
_HAS_ATTRIBUTES: Final = 1
_MOST_FIELDS: Final = 4096


@dataclass(frozen=True, slots=True)
class Field:
    """One column."""

    name: str
    number_type: int
    nbytes: int
    """Bytes of a record that are this field's."""
    offset: int
    """Where they begin in the record."""
    order: int
    """Elements of a record."""


@dataclass(frozen=True, slots=True)
class Vdata:
    """One table, as its header describes it."""

    ref: int
    name: str
    kind: str
    """Its class."""
    records: int
    record_nbytes: int
    by_field: bool
    """Whether each field stands in one piece, and not each record."""
    fields: tuple[Field, ...]
    attributes: tuple[tuple[int, int], ...] = ()
    """The attributes: the number of the field, -1 for the whole, and the Vdata that holds it."""

    @property
    def data(self) -> Key:
        """The object that holds the records."""
        return DFTAG_VS, self.ref


def read_vdatas(file: File) -> Parser[dict[int, Vdata]]:
    """The headers of all Vdatas, by reference number, in the order of the file."""
    refs = file.refs(DFTAG_VH)
    data = yield from read_bytes(file, [(DFTAG_VH, ref) for ref in refs])
    return {ref: _vdata(file, ref, data[DFTAG_VH, ref]) for ref in refs if (DFTAG_VH, ref) in data}


# interlace nvert ivsize nfields type[] isize[] offset[] order[] (fldnmlen fldnm)[] namelen name classlen class
# extag exref version more [flags nattrs (findex vstag vsref)[]]
def _vdata(file: File, ref: int, data: bytes) -> Vdata:
    try:
        interlace, records, nbytes, count = struct.unpack_from(">HiHH", data)
        if records < 0 or count > _MOST_FIELDS:
            raise file.error(f"Vdata {ref} says that it has {records} records of {count} fields")
        numbers = np.array(struct.unpack_from(f">{4 * count}H", data, 10)).reshape(4, count).tolist()
        place, names = 10 + 8 * count, []
        for _ in range(count + 2):
            (length,) = struct.unpack_from(">H", data, place)
            names.append(read_text(data[place + 2 : place + 2 + length].split(b"\0")[0]))
            place += 2 + length
        fields = tuple(
            Field(name, kind, size, offset, order)
            for name, kind, size, offset, order in zip(names, *numbers, strict=False)
        )
        attributes = _attributes(data, place)
    except struct.error as error:
        raise file.error(f"the header of Vdata {ref} is cut short") from error
    return Vdata(ref, names[count], names[count + 1], records, nbytes, interlace == 1, fields, attributes)


def _attributes(data: bytes, place: int) -> tuple[tuple[int, int], ...]:
    """Only headers of version 4 have any."""
    if len(data) < place + 16 or not struct.unpack_from(">I", data, place + 8)[0] & _HAS_ATTRIBUTES:
        return ()
    (count,) = struct.unpack_from(">i", data, place + 12)
    rows = [struct.unpack_from(">iHH", data, place + 16 + 8 * row) for row in range(max(0, min(count, _MOST_FIELDS)))]
    return tuple((field, ref) for field, _, ref in rows)


def read_attributes(file: File, vdatas: Mapping[int, Vdata], refs: Iterable[int]) -> Parser[dict[int, Any]]:
    """The values that some Vdatas hold, each of one field: what the library makes of an attribute."""
    wanted = [vdatas[ref] for ref in refs if ref in vdatas]
    data = yield from read_bytes(file, [vdata.data for vdata in wanted])
    values = {}
    for vdata in wanted:
        value = attribute_value(vdata, data.get(vdata.data, b""))
        if value is not None:
            values[vdata.ref] = value
    return values


def attribute_value(vdata: Vdata, data: bytes) -> Any:
    """Text, a number, or a list of numbers; None where the Vdata holds no attribute."""
    if len(vdata.fields) != 1:
        return None
    field = vdata.fields[0]
    count = vdata.records * field.order
    if field.number_type & 0xFF == CHAR8:
        return read_text(data[:count].rstrip(b"\0"))
    try:
        dtype = dtype_of(field.number_type)
    except Unsupported:
        return None
    if len(data) < count * dtype.itemsize:
        raise FormatError(f"attribute {vdata.name!r} has {count} values of {dtype}, but only {len(data)} bytes")
    return json_value(np.frombuffer(data, dtype, count=count))


def json_value(values: Any) -> Any:
    """One number as a number, several as a list, none as an empty list, each of its type."""
    code = f"{values.dtype.kind}{values.dtype.itemsize}"
    return typed(values[0].item() if values.size == 1 else values.tolist(), code)
