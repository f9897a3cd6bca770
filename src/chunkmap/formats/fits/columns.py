"""The columns of a table, as its header describes them.

Specification: https://fits.gsfc.nasa.gov/fits_standard.html, version 4.0, sections 7.2 (ASCII) and 7.3 (binary).
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chunkmap.formats.fits.cards import Header
from chunkmap.formats.fits.names import distinct, name_of

__all__ = ["Column", "ascii_columns", "binary_columns", "table_attributes"]

# Table 18: letters of TFORM, and bytes of an element.
SIZES: Final[Mapping[str, int]] = {
    "L": 1,
    "B": 1,
    "I": 2,
    "J": 4,
    "K": 8,
    "A": 1,
    "E": 4,
    "D": 8,
    "C": 8,
    "M": 16,
    "P": 8,
    "Q": 16,
}
_BINARY: Final = re.compile(r"(\d{0,12})([LXBIJKAEDCMPQ])(.*)")
_ASCII: Final = re.compile(r"([AIJFED])(\d{1,9})(?:\.(\d{1,9}))?")
_VARIABLE: Final = re.compile(r"([LXBIJKAEDCM])")
_TDIM: Final = re.compile(r"\(([\d\s,]+)\)")
_NUMBERED: Final = re.compile(r"([A-Z]+?)(\d{1,3})")
_MOST_COLUMNS: Final = 999


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    """Its name in the set, which no other column of the table has."""
    code: str
    """The letter of its type."""
    repeat: int
    """Elements in a row: bits for X, letters for A, descriptors for P and Q, characters in an ASCII table."""
    offset: int
    """The first byte of it in a row."""
    nbytes: int
    """Bytes of it in a row."""
    of: str
    """For P and Q, the letter of the elements; for an ASCII table, the number of decimals."""
    shape: tuple[int, ...]
    """The shape of a row's elements, by TDIM where that fits; for A without the letters of a text."""
    width: int
    """Letters of one text, for A."""
    cards: Mapping[str, Any]
    """Its own keywords, without the number: TUNIT, TSCAL, ..."""

    def number(self, keyword: str, default: float) -> float:
        """A keyword that should be a number."""
        value: Any = self.cards.get(keyword)
        return float(value) if type(value) in {int, float} and math.isfinite(value) else default

    @property
    def null(self) -> int | None:
        """The integer that stands for undefined values, in a binary table."""
        value = self.cards.get("TNULL")
        return value if type(value) is int else None


def binary_columns(header: Header) -> list[Column] | str:
    """The columns of a binary table, or what is wrong with them."""
    cards = _cards_of_columns(header)
    names, columns, offset = _names(cards), list[Column](), 0
    for name, own in zip(names, cards, strict=True):
        form = str(own.get("TFORM") or "").strip().upper()
        found = _BINARY.match(form)
        if found is None:
            return f"expected a type of column {name!r}, found TFORM {form!r}"
        code, repeat = found[2], int(found[1] or 1)
        element = _VARIABLE.match(found[3]) if code in "PQ" else None
        if code in "PQ" and (element is None or repeat > 1):
            return f"expected a type of column {name!r} of various lengths, found TFORM {form!r}"
        nbytes = -(-repeat // 8) if code == "X" else repeat * SIZES[code]
        shape, width = _shape(code, repeat, own.get("TDIM"))
        columns.append(Column(name, code, repeat, offset, nbytes, element[1] if element else "", shape, width, own))
        offset += nbytes
    return columns


def ascii_columns(header: Header) -> list[Column] | str:
    """The columns of an ASCII table, or what is wrong with them."""
    cards = _cards_of_columns(header)
    columns = []
    for name, own in zip(_names(cards), cards, strict=True):
        form, begin = str(own.get("TFORM") or "").strip().upper(), own.get("TBCOL")
        found = _ASCII.fullmatch(form)
        if found is None or not isinstance(begin, int) or begin < 1 or not int(found[2]):
            return f"expected the place and type of column {name!r}, found TBCOL {begin!r} and TFORM {form!r}"
        width = int(found[2])
        columns.append(Column(name, found[1], width, begin - 1, width, found[3] or "", (), width, own))
    return columns


def table_attributes(header: Header) -> dict[str, Any]:
    """What a table's header says besides its columns."""
    count = header.integer("TFIELDS", 0) or 0
    return {key: value for key, value in header.attributes().items() if _column_number(key, count) is None}


def _cards_of_columns(header: Header) -> list[dict[str, Any]]:
    """The keywords of each column, without its number."""
    count = min(max(header.integer("TFIELDS", 0) or 0, 0), _MOST_COLUMNS)
    found = defaultdict[int, dict[str, Any]](dict)
    for key, value in header.values.items():
        numbered = _column_number(key, count)
        if numbered is not None:
            label, number = numbered
            found[number][label] = value
    return [found[number] for number in range(1, count + 1)]


def _column_number(key: str, count: int) -> tuple[str, int] | None:
    """The label and number of a column's keyword; None when it is none of a column."""
    found = _NUMBERED.fullmatch(key)
    if found is None or found[1][0] != "T" or not 0 < int(found[2]) <= count:
        return None
    return found[1], int(found[2])


def _names(cards: list[dict[str, Any]]) -> list[str]:
    """A name for each column; who has none is called by its number."""
    return distinct([name_of(str(own.get("TTYPE") or "")) or f"col{n}" for n, own in enumerate(cards, 1)])


def _shape(code: str, repeat: int, tdim: Any) -> tuple[tuple[int, ...], int]:
    """The shape of a row's elements, and the letters of a text.

    A TDIM that asks for more elements than there are is passed over; where it asks for fewer, the first ones are meant.
    """
    found = _TDIM.fullmatch(tdim.strip()) if isinstance(tdim, str) and code not in "PQ" else None
    lengths = [int(n) for n in found[1].split(",") if n.strip()] if found else []
    if lengths and math.prod(lengths) <= repeat:
        shape = tuple(reversed(lengths))
        return (shape[:-1], shape[-1]) if code == "A" else (shape, 1)
    if code == "A":
        return (), repeat
    return (() if repeat == 1 and code != "X" else (repeat,)), 1
