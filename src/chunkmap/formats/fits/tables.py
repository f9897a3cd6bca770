"""Tables and random groups: one array a column, or all rows as one structured array.

Specification: https://fits.gsfc.nasa.gov/fits_standard.html, version 4.0, sections 6, 7.2 and 7.3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any, Final

import numpy as np

from chunkmap.errors import Unsupported
from chunkmap.formats.fits.columns import SIZES, Column
from chunkmap.formats.fits.hdus import Unit
from chunkmap.formats.fits.images import BITPIX, Values, values_of, values_of_image
from chunkmap.formats.fits.names import axis_names, distinct, name_of
from chunkmap.formats.fits.records import Records
from chunkmap.model import CodecConfig, ManifestArray

__all__ = ["column_arrays", "group_arrays", "read_otherwise", "structured", "values_of_column"]

_TYPES: Final = {"B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8", "C": ">c8", "M": ">c16"}
_LONGEST_SHORT, _LONGEST_LONG = 4, 9  # digits of an ASCII table's integers
_MOST_MEMBERS: Final = 2000


def column_arrays(records: Records, columns: Sequence[Column], *, is_ascii: bool) -> dict[str, ManifestArray]:
    """An array for each column, but for those of various lengths."""
    names = [column.name for column in columns]
    row = distinct([*names, "row"])[-1]
    found = {}
    for column in columns:
        if column.code in "PQ":
            continue
        values = _ascii_values(column) if is_ascii else values_of_column(column)
        inner, nbytes = column.shape, column.nbytes
        if not is_ascii:
            cells = math.prod(inner) * column.width
            nbytes = -(-cells // 8) if column.code == "X" else cells * SIZES[column.code]
        array = records.array(column.offset, nbytes, values, inner, attributes(column))
        dims = (row, *(distinct([*names, f"{column.name}_axis{n}"])[-1] for n in range(1, len(inner) + 1)))
        found[column.name] = array.with_meta(dims=dims)
    return found


def values_of_column(column: Column, code: str | None = None) -> Values:
    """How the elements of a column of a binary table are read; `code` is their letter where it is not the column's."""
    code = code or column.code
    if code == "L":
        return Values(np.dtype(np.bool_), ({"id": "fits_logical"},), {}, None)
    if code == "X":
        return Values(np.dtype(np.bool_), ({"id": "fits_bits", "count": math.prod(column.shape)},), {}, None)
    if code == "A":
        return Values(np.dtype(f"S{max(column.width, 1)}"), text_codecs(column.width), {}, None)
    scale, zero = column.number("TSCAL", 1.0), column.number("TZERO", 0.0)
    return values_of(_TYPES[code], scale, zero, column.null, masks_unsigned=True)


def text_codecs(width: int) -> tuple[CodecConfig, ...]:
    """What cuts text where it ends."""
    return ({"id": "fits_text", "size": width},) if width else ()


def attributes(column: Column) -> dict[str, Any]:
    """A column's keywords, and its unit as CF calls it."""
    found = {key: value for key, value in column.cards.items() if value is not None and not isinstance(value, complex)}
    unit = found.get("TUNIT")
    return {**found, "units": unit.strip()} if isinstance(unit, str) and unit.strip() else found


def _ascii_values(column: Column) -> Values:
    """How the text of a column of an ASCII table is read."""
    width = column.width
    if column.code == "A":
        return Values(np.dtype(f"S{width}"), text_codecs(width), {}, None)
    config: dict[str, Any] = {"id": "fits_ascii", "width": width}
    null = column.cards.get("TNULL")
    if null is not None:
        config["null"] = str(null)
    if column.code in "IJ":
        size = 8 if column.code == "J" or width > _LONGEST_LONG else 2 if width <= _LONGEST_SHORT else 4
        dtype = np.dtype(f"<i{size}")
        fill = None if null is None else dtype.type(_missing(str(null), dtype))
        config |= {"dtype": dtype.str} | ({} if fill is None else {"missing": int(fill)})
    else:
        dtype, fill = np.dtype("<f8"), None
        config |= {"dtype": dtype.str, "decimals": int(column.of or 0)}
    scaled = values_of(dtype.str, column.number("TSCAL", 1.0), column.number("TZERO", 0.0), None)
    return Values(dtype, (config,), scaled.attrs, fill)


def _missing(null: str, dtype: np.dtype[Any]) -> int:
    """The integer that stands for undefined ones: the one that the file has for them, or else the least of all."""
    limits = np.iinfo(dtype)
    try:
        number = int(null)
    except ValueError:
        return int(limits.min)
    return number if limits.min <= number <= limits.max else int(limits.min)


def group_arrays(unit: Unit, url: str, chunk_nbytes: int | None) -> dict[str, ManifestArray]:
    """The parameters of random groups, and their arrays."""
    stored, header = np.dtype(BITPIX[unit.bitpix]), unit.header
    count, parameters = header.integer("GCOUNT", 1) or 0, header.integer("PCOUNT", 0) or 0
    size, shape = stored.itemsize, unit.shape[:-1]
    records = Records.of(url, unit.data, (parameters + math.prod(shape)) * size, count, chunk_nbytes)
    if parameters > _MOST_MEMBERS:
        raise Unsupported(f"random groups of {parameters} parameters", feature="random groups", url=url)
    wanted = [name_of(header.text(f"PTYPE{n}")) or f"parameter{n}" for n in range(1, parameters + 1)]
    names = distinct([*wanted, "data"])
    found = {}
    for number, name in enumerate(names[:-1], 1):
        scale, zero = header.number(f"PSCAL{number}", 1.0), header.number(f"PZERO{number}", 0.0)
        array = records.array((number - 1) * size, size, values_of(stored.str, scale, zero, None), (), {})
        found[name] = array.with_meta(dims=("group",))
    blank = header.integer("BLANK") if unit.bitpix > 0 else None
    values = values_of_image(unit.bitpix, header, blank)
    data = records.array(parameters * size, math.prod(shape) * size, values, shape, {})
    found[names[-1]] = data.with_meta(dims=("group", *axis_names(len(shape))))
    return found


def structured(records: Records, columns: Sequence[Column]) -> ManifestArray:
    """All rows as one array of records, for readers that know no codec of ours: numbers as they are stored.

    Members of several elements are laid flat, `name[0,1]`. Raises Unsupported where that makes too many.
    """
    members: list[tuple[str, str]] = []
    at = 0
    for column in sorted(columns, key=lambda column: column.offset):
        if column.offset > at:
            members.append((f"_padding_{at}", f"V{column.offset - at}"))
        if column.offset < at:
            raise Unsupported("columns that overlap are no records", feature="portable", url=records.url)
        at = max(at, column.offset + column.nbytes)
        members += _members(column)
        if len(members) > _MOST_MEMBERS:
            raise Unsupported(f"rows of more than {_MOST_MEMBERS} numbers", feature="portable", url=records.url)
    if at < records.nbytes:
        members.append((f"_padding_{at}", f"V{records.nbytes - at}"))
    dtype = np.dtype(members)
    one = next(n for n in range(records.chunk, 0, -1) if records.count % n == 0) if records.count else 1
    array = replace(records, chunk=one).array(0, records.nbytes, Values(dtype, (), {}, None), (), {})
    return array.with_meta(dims=("row",), filters=())


def read_otherwise(columns: Sequence[Column]) -> list[str]:
    """The columns whose values are not what is stored: scaled or masked numbers, truth values, various lengths."""
    found = []
    for column in columns:
        values = values_of_column(column, "B" if column.code in "PQ" else None)
        is_scaled = bool(values.attrs or values.fill_value is not None)
        if is_scaled or column.code in "PQ" or (values.filters and column.code != "A"):
            found.append(column.name)
    return found


def _members(column: Column) -> list[tuple[str, str]]:
    """The members of a record that a column makes."""
    name, code = column.name, column.code
    if not column.nbytes:
        return []
    if code in "PQ":
        kind = ">i4" if code == "P" else ">i8"
        return [(f"{name}[{n}]", kind) for n in range(2 * column.repeat)]
    if code == "A" and not column.shape:
        return [(name, f"S{column.nbytes}")]
    if code in "XA":
        return [(name, f"S{column.nbytes}" if code == "A" else f"V{column.nbytes}")]
    kind = {"L": "S1"}.get(code) or _TYPES[code]
    if not column.shape:
        return [(name, kind)]
    if math.prod(column.shape) != column.repeat or column.repeat > _MOST_MEMBERS:
        return [(name, f"V{column.nbytes}")]
    return [(f"{name}[{','.join(map(str, at))}]", kind) for at in product(*map(range, column.shape))]
