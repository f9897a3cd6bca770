"""Vdatas: tables of records, and the attributes that the library keeps in such.

HDF Specification and Developer's Guide, DFTAG_VH (description) and DFTAG_VS (records).
"""

from __future__ import annotations

import struct
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import FormatError, Unsupported
from chunkmap.formats.hdf4.descriptors import File, Key
from chunkmap.formats.hdf4.headers import Headers, read_headers
from chunkmap.formats.hdf4.numbers import CHAR8, dtype_of
from chunkmap.formats.hdf4.texts import counted_text, read_text
from chunkmap.io.rounds import Parser
from chunkmap.model.typed import typed

__all__ = ["DFTAG_VH", "DFTAG_VS", "Field", "Vdata", "attribute_value", "json_value", "read_vdatas"]

DFTAG_VH: Final = 1962
DFTAG_VS: Final = 1963
_HAS_ATTRIBUTES: Final = 1
_OF_IMAGES: Final = "RIATTR0.0C"
"""The class of Vdatas that hold attributes of images."""
_MOST_FIELDS: Final = 4096
_HEAD: Final = 10
"""Bytes of a header before its fields."""


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
    def key(self) -> Key:
        """The name by which others speak of it."""
        return DFTAG_VH, self.ref

    @property
    def data(self) -> Key:
        """The object that holds the records."""
        return DFTAG_VS, self.ref

    @property
    def attribute(self) -> str:
        """The name of the attribute that it holds: of an image, that of its field."""
        return self.fields()[0].name if self.kind == _OF_IMAGES else self.name

    def fields(self) -> list[Field]:
        """Every field."""
        numbers = np.frombuffer(self.header, ">u2", 4 * self.nfields, _HEAD).reshape(4, self.nfields).tolist()
        place, names = _HEAD + 8 * self.nfields, list[str]()
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


# interlace nvert ivsize nfields type[] isize[] offset[] order[] (fldnmlen fldnm)[] namelen name classlen class
# extag exref version more [flags nattrs (findex vstag vsref)[]]
def read_vdatas(file: File) -> Parser[dict[int, Vdata]]:
    """The headers of all Vdatas, by reference number, in the order of the file."""
    headers = yield from read_headers(file, DFTAG_VH)
    starts, refs = headers.starts, headers.refs
    interlace, records, nbytes, counts = (
        headers.shorts(starts), headers.ints(starts + 2), headers.shorts(starts + 6), headers.shorts(starts + 8)
    )  # fmt: skip
    wrong = np.flatnonzero((headers.stops - starts >= _HEAD) & ((records < 0) | (counts > _MOST_FIELDS)))
    if len(wrong):
        row = int(wrong[0])
        raise file.error(f"Vdata {refs[row]} says that it has {records[row]} records of {counts[row]} fields")
    names = _behind_fields(headers, counts)
    kinds = headers.behind(names)
    rest = headers.behind(kinds)
    short = np.flatnonzero(rest > headers.stops)
    if len(short):
        raise file.error(f"the header of Vdata {refs[short[0]]} is cut short")
    any_field = counts > 0
    columns = (
        records, nbytes, interlace == 1, counts, np.where(any_field, headers.shorts(starts + _HEAD), 0),
        np.where(any_field, headers.shorts(starts + _HEAD + 6 * counts), 0),
    )  # fmt: skip
    numbers = (column.tolist() for column in columns)
    rows = map(
        Vdata, refs, headers.texts(names), headers.texts(kinds), *numbers, headers.each(), (rest - starts).tolist()
    )
    return dict(zip(refs, rows, strict=True))


def _behind_fields(headers: Headers, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where the name of each Vdata stands: behind the names of its fields."""
    places = headers.starts + _HEAD + 8 * counts
    more, field = np.arange(len(places)), 0
    while len(more := more[(counts[more] > field) & (places[more] < headers.stops[more])]):
        places[more] = headers.behind(places[more])
        field += 1
    return places


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
