"""NetCDF classic: CDF-1, CDF-2 (64-bit offsets) and CDF-5 (64-bit data).

Specification: https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html (appendix B), and
https://parallel-netcdf.github.io/doc/c-reference/pnetcdf-c/CDF_002d5-file-format-specification.html for CDF-5.
Its grammar is quoted above the code that reads it.

The header is one read of 64 KiB, more only when it is longer. A fixed variable is one chunk; a record variable is one
chunk a record, whose addresses are an arithmetic progression: no loop over records.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import FormatError, TruncatedFile
from chunkmap.io import Range, Source
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, Problem, ReferenceSet
from chunkmap.model.edits import split_shape, subchunk_array

__all__ = ["scan"]

T = TypeVar("T")

NC_DIMENSION: Final = 10
NC_VARIABLE: Final = 11
NC_ATTRIBUTE: Final = 12
NC_CHAR: Final = 2
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

_FIRST_READ: Final = 64 << 10
_LONGEST_HEADER: Final = 256 << 20
_LONGEST_NAME: Final = 16 << 10
_MOST_AXES: Final = 64  # numpy's own bound


@dataclass(frozen=True, slots=True)
class _Dimension:
    name: str
    length: int  # 0 for the record dimension


@dataclass(frozen=True, slots=True)
class _Variable:
    name: str
    dims: tuple[_Dimension, ...]
    attrs: Mapping[str, NDArray[Any]]
    dtype: np.dtype[Any]
    begin: int

    @property
    def is_record(self) -> bool:
        return bool(self.dims) and self.dims[0].length == 0

    @property
    def slab(self) -> tuple[int, ...]:
        """Shape of one record, or of the whole of a fixed variable."""
        return tuple(d.length for d in (self.dims[1:] if self.is_record else self.dims))

    @property
    def slab_nbytes(self) -> int:
        return math.prod(self.slab) * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class _Header:
    numrecs: int
    recsize: int
    attrs: Mapping[str, NDArray[Any]]
    variables: tuple[_Variable, ...]


def scan(source: Source, *, inline_threshold: int = 500, chunk_nbytes: int | None = None) -> ReferenceSet:
    """References to the variables of a NetCDF classic file.

    Arrays of fewer than `inline_threshold` bytes are held inline. With `chunk_nbytes`, variables stored in one piece
    (fixed ones, and a record variable that is alone) are cut along their slowest axes into equal chunks of at most so
    many bytes, where an axis has a divisor that allows it; a record of several variables is cut only inside.
    """
    if chunk_nbytes is not None and chunk_nbytes < 1:
        raise ValueError(f"chunk_nbytes is {chunk_nbytes}, expected a number of bytes above 0")
    header = _read_header(source)
    arrays: dict[str, ManifestArray] = {}
    problems: list[Problem] = []
    for variable in header.variables:
        refused = _refusal(variable, source.url)
        if refused is not None:
            problems.append(refused)
            continue
        array, problem = _array(variable, header, source, chunk_nbytes)
        arrays[variable.name] = array
        problems += [problem] if problem else []
    return ReferenceSet(
        _inlined(arrays, source, inline_threshold),
        {"": _json_attrs(header.attrs)},
        tuple(problems),
        {source.url: source.target()},
        source.url,
    )


# ---------------------------------------------------------------------- header


class _Cursor:
    """Reads the header's tokens one after the other; fetches more of the file when it runs out."""

    def __init__(self, source: Source) -> None:
        self._source, self._size, self.position = source, source.size(), 0
        self._buffer = source.read(0, min(_FIRST_READ, self._size))
        self.wide_counts = self.wide_offsets = False

    def take(self, length: int) -> memoryview:
        """The next bytes."""
        stop = self.position + length
        if stop > len(self._buffer):
            self._grow(stop)
        piece = self._buffer[self.position : stop]
        self.position = stop
        return piece

    def _grow(self, stop: int) -> None:
        if stop > self._size:
            raise TruncatedFile(
                f"the header goes on to byte {stop}, but the file ends at byte {self._size}; it is cut short",
                url=self._source.url,
                offset=self.position,
            )
        if stop > _LONGEST_HEADER:
            raise self.wrong(f"expected a header of at most {_LONGEST_HEADER} bytes, it asks for {stop}")
        more = max(stop, min(2 * len(self._buffer), self._size, _LONGEST_HEADER)) - len(self._buffer)
        self._buffer = memoryview(b"".join((self._buffer, self._source.read(len(self._buffer), more))))

    def wrong(self, message: str) -> FormatError:
        """What to raise about the token just read."""
        return FormatError(message, url=self._source.url, offset=self.position)

    def word(self) -> int:
        """A 32-bit number: a tag or a type."""
        return int.from_bytes(self.take(4), "big")

    # NON_NEG = <non-negative INT> | <non-negative INT64>    // CDF-5 has the latter
    def count(self) -> int:
        """A number of things."""
        return int.from_bytes(self.take(8 if self.wide_counts else 4), "big")

    # OFFSET = <non-negative INT> | <non-negative INT64>    // CDF-1 has the former
    def offset(self) -> int:
        """A position in the file."""
        return int.from_bytes(self.take(8 if self.wide_offsets else 4), "big")

    # name = nelems namestring        // and padding to a multiple of 4 bytes
    def name(self) -> str:
        """A name; the NULs with which some writers end it are no part of it."""
        length = self.count()
        if not 0 < length <= _LONGEST_NAME:
            raise self.wrong(f"expected a name of 1 to {_LONGEST_NAME} bytes, found {length}")
        raw = bytes(self.take(_padded(length))[:length]).rstrip(b"\0")
        return _text(raw)

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
def _read_header(source: Source) -> _Header:
    cursor = _Cursor(source)
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
    return _Header(numrecs, recsize, attrs, variables)


# dim = name dim_length        // dim_length is zero for the record dimension
def _dimension(cursor: _Cursor) -> _Dimension:
    return _Dimension(cursor.name(), cursor.count())


# attr = name nc_type nelems [values ...]        // values padded to a multiple of 4 bytes
def _attribute(cursor: _Cursor) -> tuple[str, NDArray[Any]]:
    name, dtype, count = cursor.name(), _dtype(cursor), cursor.count()
    nbytes = count * dtype.itemsize
    return name, np.frombuffer(cursor.take(_padded(nbytes))[:nbytes], dtype)


# var = name nelems [dimid ...] vatt_list nc_type vsize begin
# "vsize ... is redundant": it cannot hold the size of a large variable, so it is not looked at.
def _variable(cursor: _Cursor, dims: Sequence[_Dimension]) -> _Variable:
    name, ndim = cursor.name(), cursor.count()
    ids = np.frombuffer(cursor.take(ndim * (8 if cursor.wide_counts else 4)), ">u8" if cursor.wide_counts else ">u4")
    if ndim and int(ids.max()) >= len(dims):
        raise cursor.wrong(f"variable {name!r} has dimension number {ids.max()}, but there are {len(dims)}")
    own = tuple(dims[number] for number in ids.tolist())
    if any(d.length == 0 for d in own[1:]):
        raise cursor.wrong(f"variable {name!r} has the record dimension elsewhere than first")
    attrs = dict(cursor.items(NC_ATTRIBUTE, _attribute))
    dtype, _ = _dtype(cursor), cursor.count()
    return _Variable(name, own, attrs, dtype, cursor.offset())


def _dtype(cursor: _Cursor) -> np.dtype[Any]:
    number = cursor.word()
    if number not in NC_TYPES or (number > 6 and not cursor.wide_counts):
        raise cursor.wrong(f"expected a number of a type, 1 to {11 if cursor.wide_counts else 6}, found {number}")
    return np.dtype(NC_TYPES[number])


def _record_size(variables: Sequence[_Variable]) -> int:
    """Bytes from one record to the next.

    "Note on padding: In the special case when there is exactly one record variable, ... no padding is used between
    record slabs."
    """
    slabs = [v.slab_nbytes for v in variables if v.is_record]
    return slabs[0] if len(slabs) == 1 else sum(map(_padded, slabs))


def _records_in_file(variables: Sequence[_Variable], recsize: int, size: int) -> int:
    """The number of records that a file holds whole, when its writer never came back to say so."""
    first_stop = max((v.begin + v.slab_nbytes for v in variables if v.is_record), default=size + 1)
    return (size - first_stop) // recsize + 1 if first_stop <= size else 0


def _padded(length: int) -> int:
    return -(-length // 4) * 4


# ---------------------------------------------------------------------- variables


def _refusal(variable: _Variable, url: str) -> Problem | None:
    """Why a variable cannot be an array of a reference set."""
    name = variable.name
    if "/" in name or name.startswith(".") or not name:
        return Problem(name, "variable name", f"the name {name!r} cannot be the path of an array; left out", url)
    if len(variable.dims) > _MOST_AXES:
        return Problem(name, "rank", f"{len(variable.dims)} dimensions, numpy has at most {_MOST_AXES}; left out", url)
    return None


def _array(
    variable: _Variable, header: _Header, source: Source, chunk_nbytes: int | None
) -> tuple[ManifestArray, Problem | None]:
    fill_value, attrs = _fill_value(variable)
    problem = None
    if variable.is_record:
        shape = (header.numrecs, *variable.slab)
        chunk_shape = (1, *variable.slab)
        chunks, problem = _record_chunks(variable, header, source)
    else:
        shape = chunk_shape = variable.slab
        _check_inside(variable, source)
        chunks = ChunkManifest.single(source.url, variable.begin, variable.slab_nbytes, len(shape))
    meta = ArrayMeta(
        shape=shape,
        chunk_shape=chunk_shape,
        dtype=variable.dtype,
        fill_value=fill_value,
        dims=tuple(d.name for d in variable.dims),
        attrs=_json_attrs(attrs),
    )
    array = ManifestArray(meta, chunks)
    return (array if chunk_nbytes is None or problem else _cut(array, header, chunk_nbytes)), problem


def _cut(array: ManifestArray, header: _Header, chunk_nbytes: int) -> ManifestArray:
    """The same array in chunks of at most so many bytes, as far as divisors of its axes allow."""
    meta = array.meta
    one_piece = meta.chunk_nbytes == header.recsize and meta.shape != meta.chunk_shape and meta.size > 0
    if one_piece and meta.chunk_nbytes < chunk_nbytes:
        first = array.chunks[0]
        assert first is not None
        chunks = ChunkManifest.single(first.source, first.offset, meta.nbytes, meta.ndim)
        array = ManifestArray(replace(meta, chunk_shape=meta.shape), chunks)
    return subchunk_array(array, split_shape(array.meta.chunk_shape, meta.dtype.itemsize, chunk_nbytes))


def _record_chunks(variable: _Variable, header: _Header, source: Source) -> tuple[ChunkManifest, Problem | None]:
    """One chunk a record: addresses in steps of the record size."""
    count, nbytes, url = header.numrecs, variable.slab_nbytes, source.url
    grid_shape = (count,) + (1,) * len(variable.slab)
    if not count:
        return ChunkManifest.empty(grid_shape), None
    last = variable.begin + (count - 1) * header.recsize
    missing = last + nbytes - source.size()
    if missing > 0 and (count == 1 or last + nbytes - header.recsize > source.size()):
        raise _cut_short(variable, last + nbytes, source)
    chunks = ChunkManifest(
        grid_shape,
        (None, url),
        np.ones(count, np.uint32),
        np.uint64(variable.begin) + np.arange(count, dtype=np.uint64) * np.uint64(header.recsize),
        np.full(count, nbytes, np.uint64),
    )
    if missing <= 0:
        return chunks, None
    return _completed(variable, chunks, source, min(missing, nbytes))


def _completed(
    variable: _Variable, chunks: ChunkManifest, source: Source, missing: int
) -> tuple[ChunkManifest, Problem]:
    """The file ends inside its last record: what is not there reads as zeros, as the NetCDF library reads it."""
    there = variable.slab_nbytes - missing
    start = source.size() - there
    data = bytes(source.read(start, there)) + bytes(missing)
    message = f"the file ends inside the last record: its last {missing} bytes are missing, and read as zeros"
    problem = Problem(variable.name, "incomplete last record", message, source.url)
    return chunks.with_inline(np.array([len(chunks) - 1]), [data]), problem


def _check_inside(variable: _Variable, source: Source) -> None:
    if variable.begin + variable.slab_nbytes > source.size():
        raise _cut_short(variable, variable.begin + variable.slab_nbytes, source)


def _cut_short(variable: _Variable, stop: int, source: Source) -> TruncatedFile:
    return TruncatedFile(
        f"variable {variable.name!r} goes on to byte {stop}, but the file ends at byte {source.size()};"
        " it is cut short",
        url=source.url,
        offset=variable.begin,
    )


def _inlined(arrays: Mapping[str, ManifestArray], source: Source, threshold: int) -> dict[str, ManifestArray]:
    """Arrays smaller than the threshold are held inline, all read at once.

    A record variable keeps one chunk a record, so that files of differing lengths still fit together.
    """
    small = [path for path, a in arrays.items() if a.meta.nbytes < threshold and not a.chunks.is_inline.any()]
    ranges = [
        Range(offset, length)
        for path in small
        for offset, length in zip(arrays[path].chunks.offset.tolist(), arrays[path].chunks.length.tolist(), strict=True)
    ]
    data = iter(source.read_many(ranges))
    out = dict(arrays)
    for path in small:
        chunks = arrays[path].chunks
        pieces = [bytes(next(data)) for _ in range(len(chunks))]
        out[path] = replace(arrays[path], chunks=chunks.with_inline(np.arange(len(chunks)), pieces))
    return out


# ---------------------------------------------------------------------- attributes


def _fill_value(variable: _Variable) -> tuple[Any, Mapping[str, NDArray[Any]]]:
    """The fill value of the array, and the other attributes.

    `_FillValue` "shall be a scalar of the type of the variable"; one that is not stays an attribute.
    """
    value = variable.attrs.get("_FillValue")
    if value is None or value.dtype != variable.dtype or value.size != 1:
        return None, variable.attrs
    scalar = value.astype(value.dtype.newbyteorder("="))[0]
    fill_value = bytes(scalar) if value.dtype.kind == "S" else scalar
    return fill_value, {name: a for name, a in variable.attrs.items() if name != "_FillValue"}


def _json_attrs(attrs: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    return {name: _json_value(value) for name, value in attrs.items()}


def _json_value(value: NDArray[Any]) -> Any:
    """Text as text, one number as a number, several as a list."""
    if value.dtype.kind == "S":
        return _text(value.tobytes()).replace("\0", "")
    return value[0].item() if value.size == 1 else value.tolist()


def _text(raw: bytes) -> str:
    """Names and text are UTF-8; older files have Latin-1."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
