"""Descriptors: where in the heap behind a table the rows of its columns of various lengths are.

Specification: https://fits.gsfc.nasa.gov/fits_standard.html, version 4.0, section 7.3.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import FormatError
from chunkmap.formats.fits.columns import SIZES, Column
from chunkmap.formats.fits.hdus import Unit
from chunkmap.formats.fits.images import values_of
from chunkmap.formats.fits.records import Records
from chunkmap.formats.fits.tables import attributes, text_codecs, values_of_column
from chunkmap.io.rounds import Gather, Parser, Span
from chunkmap.model import ArrayMeta, ChunkManifest, CodecConfig, ManifestArray, Problem

__all__ = ["Rows", "heap_of", "read_rows", "variable_arrays"]

_READ_WHOLE: Final = 8 << 20
_ROOM: Final = 64 << 20
_MOST_AIR: Final = 32  # how many times the bytes of the unit an array may be that is mostly filled up


class Rows(NamedTuple):
    """Bytes of the rows of a table: of each, from byte `first` on."""

    table: NDArray[np.uint8]
    first: int

    def numbers(self, offset: int, dtype: str, count: int = 1) -> NDArray[Any]:
        """The numbers that stand at an offset in the rows: one column, or `count`."""
        size = np.dtype(dtype).itemsize * count
        start = offset - self.first
        return np.ascontiguousarray(self.table[:, start : start + size]).view(dtype)

    def descriptors(self, column: Column) -> NDArray[np.int64]:
        """Of each row how many elements it has, and where in the heap they begin."""
        return self.numbers(column.offset, ">i4" if column.code == "P" else ">i8", 2).astype(np.int64)


def heap_of(unit: Unit, url: str) -> tuple[int, int]:
    """The first byte of a table's heap, counted from its data, and the byte after its last.

    Raises FormatError where the header has it elsewhere than between the table and the end of the data.
    """
    table = unit.shape[0] * unit.shape[1]
    start = unit.header.integer("THEAP", table)
    if start is None or not table <= start <= unit.nbytes:
        raise FormatError(
            f"expected THEAP of {table} to {unit.nbytes}, found {unit.header.get('THEAP')!r}", url=url, offset=unit.at
        )
    return start, unit.nbytes


def read_rows(records: Records, columns: Sequence[Column]) -> Parser[Rows]:
    """The rows of a table as far as these columns need them: all of it where it is small."""
    total = records.nbytes * records.count
    if total <= _READ_WHOLE:
        raw = yield Span(records.at, total, total)
        return Rows(np.frombuffer(raw, np.uint8, total).reshape(records.count, records.nbytes), 0)
    first = min(column.offset for column in columns)
    stop = max(column.offset + column.nbytes for column in columns)
    starts = np.uint64(records.at + first) + np.arange(records.count, dtype=np.uint64) * np.uint64(records.nbytes)
    table = yield Gather(starts, stop - first)
    return Rows(table, first)


def variable_arrays(
    unit: Unit, records: Records, columns: Sequence[Column], row: str
) -> Parser[tuple[dict[str, ManifestArray], list[Problem]]]:
    """Arrays of the columns of various lengths: each row filled up to the longest, and how long the rows are."""
    wanted = [column for column in columns if column.code in "PQ" and column.repeat]
    found, problems = dict[str, ManifestArray](), list[Problem]()
    if not wanted:
        return found, problems
    start, stop = heap_of(unit, records.url)
    rows = yield from read_rows(records, wanted)
    for column in wanted:
        longest = _longest(column, rows.descriptors(column), stop - start)
        if isinstance(longest, str):
            problems.append(Problem(column.name, "variable-length column", f"{longest}; left out", records.url))
            continue
        cells = records.count * longest * SIZES.get(column.of, 1)
        if cells > max(_ROOM, _MOST_AIR * unit.nbytes):
            message = f"filled up to the longest row of {longest} elements it would have {cells} bytes; left out"
            problems.append(Problem(column.name, "variable-length column", message, records.url))
            continue
        found[column.name] = _filled(unit, records, column, longest, row)
        counts = values_of(">i4" if column.code == "P" else ">i8", 1, 0, None)
        lengths = records.array(column.offset, counts.dtype.itemsize, counts, (), {})
        found[f"{column.name}_length"] = lengths.with_meta(dims=(row,))
    return found, problems


def _longest(column: Column, pairs: NDArray[np.int64], heap: int) -> int | str:
    """The most elements of a row, or what is wrong with the descriptors."""
    counts, starts = pairs[:, 0], pairs[:, 1]
    size = SIZES.get(column.of)
    ends = starts + (-(-counts // 8) if size is None else np.minimum(counts, heap + 1) * size)
    there = counts > 0
    if counts.min(initial=0) < 0 or starts[there].min(initial=0) < 0 or ends[there].max(initial=0) > heap:
        return f"a row of it lies outside the heap of {heap} bytes"
    return int(counts.max(initial=0))


def _filled(unit: Unit, records: Records, column: Column, longest: int, row: str) -> ManifestArray:
    """The array: real numbers are filled up with NaN, integers with what is undefined or zero, text with nothing."""
    letter, (start, stop) = column.of, heap_of(unit, records.url)
    if letter == "X":
        values = values_of_column(column, "L")._replace(filters=({"id": "fits_bits", "count": longest},))
    elif letter == "A":
        values = values_of_column(column, "L")._replace(
            dtype=np.dtype(f"S{longest or 1}"), filters=text_codecs(longest)
        )
    elif letter == "L":
        values = values_of_column(column, "L")._replace(filters=({"id": "fits_logical", "takes_numbers": True},))
    else:
        values = values_of_column(column, letter)
    is_real = values.dtype.kind in "fc"
    stored = values.dtype.newbyteorder(">")
    fill = stored.type(np.nan) if is_real else column.null if letter in "BIJK" else None
    config: CodecConfig = {
        "id": "fits_variable",
        "record": records.nbytes,
        "records": records.count,
        "heap": start - column.offset,
        "itemsize": SIZES.get(letter, 1),
        "longest": -(-longest // 8) if letter == "X" else longest,
        "wide": column.code == "Q",
        "bits": letter == "X",
        "fill": _hexadecimal(fill, letter),
    }
    shape = (records.count,) if letter == "A" else (records.count, longest)
    meta = ArrayMeta(
        shape=shape,
        chunk_shape=tuple(max(n, 1) for n in shape),
        dtype=values.dtype,
        filters=(*values.filters, config) if longest else (),
        fill_value=values.fill_value,
        dims=(row, f"{column.name}_element")[: len(shape)],
        attrs={**attributes(column), **values.attrs},
    )
    begin = records.at + column.offset
    if not longest:
        return ManifestArray(meta, ChunkManifest.empty(meta.grid_shape))
    return ManifestArray(meta, ChunkManifest.single(records.url, begin, unit.data + stop - begin, len(shape)))


def _hexadecimal(fill: Any, letter: str) -> str:
    """The bytes of what rows are filled up with, as they would stand in the file."""
    if fill is None:
        return "00"
    kind = {"B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8", "C": ">c8", "M": ">c16"}[letter]
    try:
        return np.array(fill).astype(kind).tobytes().hex() if letter in "EDCM" else np.array(fill, kind).tobytes().hex()
    except OverflowError:
        return "00"
