"""The header of a NetCDF classic file: its grammar, quoted from the specification above the code that reads it.

Specification: https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html (appendix B), and
https://parallel-netcdf.github.io/doc/c-reference/pnetcdf-c/CDF_002d5-file-format-specification.html for CDF-5.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import FormatError
from chunkmap.formats.text import text_of
from chunkmap.io import Source
from chunkmap.io.rounds import Parser, Window, windowed

__all__ = ["Dimension", "Header", "Variable", "read_header"]

T = TypeVar("T")

NC_DIMENSION: Final = 10
NC_VARIABLE: Final = 11
NC_ATTRIBUTE: Final = 12
NC_TYPES: Final[Mapping[int, str]] = {
    1: "i1",  # NC_BYTE
    2: "S1",  # NC_CHAR
    3: ">i2",  # NC_SHORT
    4: ">i4",  # NC_INT
    5: ">f4",  # NC_FLOAT
    6: ">f8",  # NC_DOUBLE
    7: "u1",  # NC_UBYTE, from here on CDF-5 only
    8: ">u2",  # NC_USHORT
    9: ">u4",  # NC_UINT
    10: ">i8",  # NC_INT64
    11: ">u8",  # NC_UINT64
}

_DTYPES: Final = {number: np.dtype(code) for number, code in NC_TYPES.items()}
_u32, _u64 = struct.Struct(">I").unpack_from, struct.Struct(">Q").unpack_from

_LONGEST_HEADER: Final = 256 << 20
_LONGEST_NAME: Final = 16 << 10


@dataclass(frozen=True, slots=True)
class Dimension:
    """One axis."""

    name: str
    """Its name."""
    length: int
    """Its length; 0 for the record dimension."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable, as the header describes it."""

    name: str
    """Its name."""
    dims: tuple[Dimension, ...]
    """Its axes; the record dimension can only be the first."""
    attrs: Mapping[str, NDArray[Any]]
    """Its attributes, text as `S1`."""
    dtype: np.dtype[Any]
    """Type of its elements, big-endian."""
    begin: int
    """The first byte of its data."""
    is_record: bool = field(init=False)
    """Whether it grows along the record dimension."""
    slab: tuple[int, ...] = field(init=False)
    """Shape of one record, or of the whole of a fixed variable."""
    slab_nbytes: int = field(init=False)
    """Bytes of one record, or of the whole of a fixed variable, without padding."""

    def __post_init__(self) -> None:
        shape = tuple(dim.length for dim in self.dims)
        is_record = bool(shape) and shape[0] == 0
        slab = shape[1:] if is_record else shape
        object.__setattr__(self, "is_record", is_record)
        object.__setattr__(self, "slab", slab)
        object.__setattr__(self, "slab_nbytes", math.prod(slab) * self.dtype.itemsize)


@dataclass(frozen=True, slots=True)
class Header:
    """All that the header says."""

    numrecs: int
    """Number of records."""
    recsize: int
    """Bytes from one record to the next."""
    attrs: Mapping[str, NDArray[Any]]
    """Attributes of the file."""
    variables: tuple[Variable, ...]
    """Its variables, in their order."""


class _Cursor:
    """Reads the header's tokens one after the other, from the first bytes of a file."""

    def __init__(self, window: Window) -> None:
        self._window, self.position = window, 0
        self._held, self._stop = window.held, len(window.held)
        self.wide_counts = self.wide_offsets = False

    def take(self, length: int) -> memoryview:
        """The next bytes."""
        start, stop = self.position, self.position + length
        if stop > self._stop:
            if _LONGEST_HEADER < stop <= self._window.size:
                raise self.wrong(f"expected a header of at most {_LONGEST_HEADER} bytes, it asks for {stop}")
            return self._window.take(start, length)
        self.position = stop
        return self._held[start:stop]

    def wrong(self, message: str) -> FormatError:
        """What to raise about the token just read."""
        return FormatError(message, url=self._window.url, offset=self.position)

    def word(self) -> int:
        """A 32-bit number: a tag or a type."""
        start = self.position
        if start + 4 > self._stop:
            self.take(4)
        self.position = start + 4
        number: int = _u32(self._held, start)[0]
        return number

    def _long(self) -> int:
        """A 64-bit number."""
        start = self.position
        if start + 8 > self._stop:
            self.take(8)
        self.position = start + 8
        number: int = _u64(self._held, start)[0]
        return number

    # NON_NEG = <non-negative INT> | <non-negative INT64>    // CDF-5 has the latter
    def count(self) -> int:
        """A number of things."""
        return self._long() if self.wide_counts else self.word()

    # OFFSET = <non-negative INT> | <non-negative INT64>    // CDF-1 has the former
    def offset(self) -> int:
        """A position in the file."""
        return self._long() if self.wide_offsets else self.word()

    # name = nelems namestring        // and padding to a multiple of 4 bytes
    def name(self) -> str:
        """A name; the NULs with which some writers end it are no part of it."""
        length = self.count()
        if not 0 < length <= _LONGEST_NAME:
            raise self.wrong(f"expected a name of 1 to {_LONGEST_NAME} bytes, found {length}")
        raw = bytes(self.take(padded(length))[:length]).rstrip(b"\0")
        return text_of(raw)

    # list = ABSENT | TAG nelems [item ...]
    # ABSENT = ZERO ZERO
    def items(self, tag: int, item: Callable[[_Cursor], T]) -> Iterator[T]:
        """The items of a list that begins with `tag`."""
        found, count = self.word(), self.count()
        if found != tag and (found or count):
            raise self.wrong(f"expected list tag {tag} or an absent list, found tag {found} with {count} items")
        for _ in range(count):
            yield item(self)


# netcdf_file = header data
# header  = magic numrecs dim_list gatt_list var_list
# magic   = 'C' 'D' 'F' VERSION
# numrecs = NON_NEG | STREAMING        // STREAMING: all bits set
def read_header(source: Source) -> Parser[Header]:
    """Read and check the header. Raises FormatError where it breaks the grammar, TruncatedFile where it ends."""
    return windowed(lambda window: _header(_Cursor(window), source), source)


def _header(cursor: _Cursor, source: Source) -> Header:
    magic = bytes(cursor.take(4))
    if magic not in (b"CDF\x01", b"CDF\x02", b"CDF\x05"):
        raise FormatError(f"expected a NetCDF classic file (CDF 1, 2 or 5), it begins with {magic!r}", url=source.url)
    cursor.wide_counts, cursor.wide_offsets = magic[3] == 5, magic[3] != 1
    numrecs = cursor.count()
    dims = list(cursor.items(NC_DIMENSION, _dimension))
    attrs = dict(cursor.items(NC_ATTRIBUTE, _attribute))
    variables = tuple(cursor.items(NC_VARIABLE, lambda c: _variable(c, dims)))
    names = {v.name for v in variables}
    if len(names) != len(variables):
        raise cursor.wrong(f"{len(variables)} variables have only {len(names)} names")
    recsize = _record_size(variables)
    if numrecs == (2**64 - 1 if cursor.wide_counts else 2**32 - 1):
        numrecs = _records_in_file(variables, recsize, source.size())
    return Header(numrecs, recsize, attrs, variables)


# dim = name dim_length        // dim_length is zero for the record dimension
def _dimension(cursor: _Cursor) -> Dimension:
    return Dimension(cursor.name(), cursor.count())


# attr = name nc_type nelems [values ...]        // values padded to a multiple of 4 bytes
def _attribute(cursor: _Cursor) -> tuple[str, NDArray[Any]]:
    name, dtype, count = cursor.name(), _dtype(cursor), cursor.count()
    nbytes = count * dtype.itemsize
    return name, np.frombuffer(cursor.take(padded(nbytes))[:nbytes], dtype)


# var = name nelems [dimid ...] vatt_list nc_type vsize begin
# "vsize ... is redundant": it cannot hold the size of a large variable, so it is not looked at.
def _variable(cursor: _Cursor, dims: Sequence[Dimension]) -> Variable:
    name, ndim = cursor.name(), cursor.count()
    ids = np.frombuffer(cursor.take(ndim * (8 if cursor.wide_counts else 4)), ">u8" if cursor.wide_counts else ">u4")
    if ndim and int(ids.max()) >= len(dims):
        raise cursor.wrong(f"variable {name!r} has dimension number {ids.max()}, but there are {len(dims)}")
    own = tuple(dims[number] for number in ids.tolist())
    if any(d.length == 0 for d in own[1:]):
        raise cursor.wrong(f"variable {name!r} has the record dimension elsewhere than first")
    attrs = dict(cursor.items(NC_ATTRIBUTE, _attribute))
    dtype, _ = _dtype(cursor), cursor.count()
    return Variable(name, own, attrs, dtype, cursor.offset())


def _dtype(cursor: _Cursor) -> np.dtype[Any]:
    number = cursor.word()
    if number not in NC_TYPES or (number > 6 and not cursor.wide_counts):
        raise cursor.wrong(f"expected a number of a type, 1 to {11 if cursor.wide_counts else 6}, found {number}")
    return _DTYPES[number]


def _record_size(variables: Sequence[Variable]) -> int:
    """Bytes from one record to the next.

    "Note on padding: In the special case when there is exactly one record variable, ... no padding is used between
    record slabs."
    """
    slabs = [v.slab_nbytes for v in variables if v.is_record]
    return slabs[0] if len(slabs) == 1 else sum(map(padded, slabs))


def _records_in_file(variables: Sequence[Variable], recsize: int, size: int) -> int:
    """The number of records that a file holds whole, when its writer never came back to say so."""
    first_stop = max((v.begin + v.slab_nbytes for v in variables if v.is_record), default=size + 1)
    return (size - first_stop) // recsize + 1 if first_stop <= size else 0


def padded(length: int) -> int:
    """The length with its padding: the next multiple of 4 bytes."""
    return -(-length // 4) * 4
