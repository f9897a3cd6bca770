"""NetCDF classic: CDF-1, CDF-2 (64-bit offsets) and CDF-5 (64-bit data).

A fixed variable is one chunk; a record variable is one chunk a record, whose addresses are an arithmetic progression:
no loop over records.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import TruncatedFile
from chunkmap.formats.format import Scanned
from chunkmap.formats.netcdf3.header import Header, Variable, read_header
from chunkmap.formats.text import text_of
from chunkmap.io import Source
from chunkmap.io.rounds import Parser, Span
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, Problem, Sources
from chunkmap.model.edits import split_shape, subchunk_array
from chunkmap.model.record_slices import Records, slice_of
from chunkmap.model.typed import typed

__all__ = ["Options", "parse"]

_MOST_AXES: Final = 64  # numpy's own bound

_SMALL_RECORD: Final = 16 << 10
"""Most bytes of a record of which many are read together: a gap of so many bytes costs less than a request."""

_MANY_RECORDS: Final = 4096
"""Records from which on one reference each would be a burden."""

_RECORDS_NBYTES: Final = 1 << 20
"""Bytes of records in a chunk, unless it is said otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What may be chosen."""

    chunk_nbytes: int | None = None
    """Cut variables that are stored in one piece (fixed ones, and a record variable that is alone) along their slowest
    axes into equal chunks of at most so many bytes, where an axis has a divisor that allows it; of small records of
    several variables, as many are put into a chunk as have so many bytes. None: 1 MiB of small records, where there are
    thousands of them, and one chunk a variable or record otherwise."""
    portable: bool = False
    """One chunk a record however small, for readers without the codec `record_slice`."""

    def __post_init__(self) -> None:
        if self.chunk_nbytes is not None and self.chunk_nbytes < 1:
            raise ValueError(f"chunk_nbytes is {self.chunk_nbytes}, expected a number of bytes above 0")


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the manifests of all record variables have in common: they are read-only."""

    sources: Sources
    ones: NDArray[np.uint32]
    """Each record is of source 1."""
    steps: NDArray[np.uint64]
    """From the first record to each."""

    @classmethod
    def of(cls, header: Header, source: Source) -> _Shared:
        """Those of a file; without record variables there are none."""
        count = header.numrecs if any(variable.is_record for variable in header.variables) else 0
        if count and count * max(header.recsize, 1) > source.size() + header.recsize:
            count = 0  # none of them is in the file as a whole, which is said of the first
        steps = np.arange(count, dtype=np.uint64) * np.uint64(header.recsize)
        return cls(Sources((None, source.url)), np.ones(count, np.uint32), steps)


def parse(source: Source, options: Options) -> Parser[Scanned]:
    """References to the variables of a NetCDF classic file."""
    header = yield from read_header(source)
    shared = _Shared.of(header, source)
    arrays: dict[str, ManifestArray] = {}
    problems: list[Problem] = []
    for variable in header.variables:
        refused = _refusal(variable, source.url)
        if refused is not None:
            problems.append(refused)
            continue
        array, problem = yield from _array(variable, header, source, options, shared)
        arrays[variable.name] = array
        problems += [problem] if problem else []
    problems += _overlaps(header, source.url)
    return Scanned(arrays, {"": _json_attrs(header.attrs)}, tuple(problems))


def _overlaps(header: Header, url: str) -> list[Problem]:
    """Variables that lie in one another, which netCDF-C refuses: scipy wrote such files, with a scalar in a record."""
    spans = [(v.begin, v.begin + v.slab_nbytes, v.name) for v in header.variables if not v.is_record]
    records = [(v.begin, v.begin + v.slab_nbytes, v.name) for v in header.variables if v.is_record]
    if records and header.numrecs:
        first, last = min(records), max(records, key=lambda span: span[1])
        stop = last[1] + (header.numrecs - 1) * header.recsize
        spans.append((first[0], stop, f"the records of {first[2]}"))
    problems = []
    for group in (spans, records):
        before = (0, 0, "")
        for span in sorted(group):
            if span[0] < before[1] and span[1] > span[0]:
                text = f"its bytes are those of {before[2]} too: one hides the other; netCDF-C opens no such file"
                name = span[2].removeprefix("the records of ")
                problems.append(Problem(name, "overlapping variables", text, url))
            before = max(before, span, key=lambda span: span[1])
    return problems


def _refusal(variable: Variable, url: str) -> Problem | None:
    """Why a variable cannot be an array of a reference set."""
    name = variable.name
    if "/" in name or name.startswith(".") or not name:
        return Problem(name, "variable name", f"the name {name!r} cannot be the path of an array; left out", url)
    if len(variable.dims) > _MOST_AXES:
        return Problem(name, "rank", f"{len(variable.dims)} dimensions, numpy has at most {_MOST_AXES}; left out", url)
    return None


def _array(
    variable: Variable, header: Header, source: Source, options: Options, shared: _Shared
) -> Parser[tuple[ManifestArray, Problem | None]]:
    fill_value, attrs = _fill_value(variable)
    problem, chunk_nbytes = None, options.chunk_nbytes
    if variable.is_record:
        shape = (header.numrecs, *variable.slab)
        chunk_shape = (1, *variable.slab)
        chunks, problem = yield from _record_chunks(variable, header, source, shared)
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
    if problem:
        return array, problem
    if variable.is_record and not options.portable:
        array = _grouped(array, variable, header, chunk_nbytes)
    return (array if chunk_nbytes is None else _cut(array, header, chunk_nbytes)), None


def _grouped(array: ManifestArray, variable: Variable, header: Header, chunk_nbytes: int | None) -> ManifestArray:
    """The same array with many records in a chunk, where they are small and many, or it is asked for."""
    meta, records = array.meta, Records(header.recsize, variable.slab_nbytes)
    if records.record > _SMALL_RECORD or not records.nbytes or header.numrecs < 2:
        return array
    if chunk_nbytes is None and header.numrecs < _MANY_RECORDS:
        return array
    if chunk_nbytes is not None and records.record == records.nbytes:
        return array  # they follow one another: plain chunks say it too
    rows = _rows(header.numrecs, (_RECORDS_NBYTES if chunk_nbytes is None else chunk_nbytes) // records.record)
    if rows < 2:
        return array
    starts = np.arange(0, header.numrecs, rows)
    chunks = ChunkManifest(
        (len(starts), *array.chunks.grid_shape[1:]),
        array.chunks.sources,
        np.ones(len(starts), np.uint32),
        array.chunks.offset[::rows],
        records.span(np.minimum(header.numrecs - starts, rows)).astype(np.uint64),
    )
    return ManifestArray(slice_of(meta, records, rows), chunks)


def _rows(count: int, most: int) -> int:
    """How many records are in a chunk: one that divides their number, so that a file can be followed by another one,
    unless its chunks would be far smaller than they may be.
    """
    if most < 2 or count <= most:
        return min(count, most)
    divisors = np.arange(most, most // 4, -1)
    return int(divisors[np.argmin(count % divisors)]) if bool((count % divisors == 0).any()) else most


def _cut(array: ManifestArray, header: Header, chunk_nbytes: int) -> ManifestArray:
    """The same array in chunks of at most so many bytes, as far as divisors of its axes allow."""
    meta = array.meta
    one_piece = meta.chunk_nbytes == header.recsize and meta.shape != meta.chunk_shape and meta.size > 0
    if one_piece and meta.chunk_nbytes < chunk_nbytes:
        first = array.chunks[0]
        assert first is not None
        chunks = ChunkManifest.single(first.source, first.offset, meta.nbytes, meta.ndim)
        array = ManifestArray(replace(meta, chunk_shape=meta.shape), chunks)
    return subchunk_array(array, split_shape(array.meta.chunk_shape, meta.dtype.itemsize, chunk_nbytes))


def _record_chunks(
    variable: Variable, header: Header, source: Source, shared: _Shared
) -> Parser[tuple[ChunkManifest, Problem | None]]:
    """One chunk a record: addresses in steps of the record size."""
    count, nbytes = header.numrecs, variable.slab_nbytes
    grid_shape = (count,) + (1,) * len(variable.slab)
    if not count:
        return ChunkManifest.empty(grid_shape), None
    last = variable.begin + (count - 1) * header.recsize
    missing = last + nbytes - source.size()
    if missing > 0 and (count == 1 or last + nbytes - header.recsize > source.size()):
        raise _cut_short(variable, last + nbytes, source)
    chunks = ChunkManifest(
        grid_shape,
        shared.sources,
        shared.ones,
        shared.steps + np.uint64(variable.begin),
        np.full(count, nbytes, np.uint64),
    )
    if missing <= 0:
        return chunks, None
    return (yield from _completed(variable, chunks, source, min(missing, nbytes)))


def _completed(
    variable: Variable, chunks: ChunkManifest, source: Source, missing: int
) -> Parser[tuple[ChunkManifest, Problem]]:
    """The file ends inside its last record: what is not there reads as zeros, as the NetCDF library reads it."""
    there = variable.slab_nbytes - missing
    start = source.size() - there
    data = bytes((yield Span(start, there, there))) + bytes(missing)
    message = f"the file ends inside the last record: its last {missing} bytes are missing, and read as zeros"
    problem = Problem(variable.name, "incomplete last record", message, source.url)
    return chunks.with_inline(np.array([len(chunks) - 1]), [data]), problem


def _check_inside(variable: Variable, source: Source) -> None:
    if variable.begin + variable.slab_nbytes > source.size():
        raise _cut_short(variable, variable.begin + variable.slab_nbytes, source)


def _cut_short(variable: Variable, stop: int, source: Source) -> TruncatedFile:
    return TruncatedFile(
        f"variable {variable.name!r} goes on to byte {stop}, but the file ends at byte {source.size()};"
        " it is cut short",
        url=source.url,
        offset=variable.begin,
    )


def _fill_value(variable: Variable) -> tuple[Any, Mapping[str, NDArray[Any]]]:
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
    """Text as text, one number as a number, several as a list, each of its type."""
    if value.dtype.kind == "S":
        return text_of(value.tobytes()).replace("\0", "")
    return typed(value[0].item() if value.size == 1 else value.tolist(), f"{value.dtype.kind}{value.dtype.itemsize}")
