"""The fields of a file as columns: one row a field, in the order of the file.

A row is some 25 bytes: where the field is, and for whatever it says the number of what it says. Fields that differ in
nothing but time, level or member are asked about once; nothing is done for each field but by columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import fields as fields_of
from datetime import datetime, timedelta
from functools import partial
from operator import attrgetter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import FormatError
from chunkmap.formats.grib import octets
from chunkmap.formats.grib.columns import Narrow, Numbered, distinct_rows
from chunkmap.formats.grib.fields import Alike, Field, Fields
from chunkmap.formats.grib.grids import Grid, grid_of, key_of_grid
from chunkmap.formats.grib.headers import flaw
from chunkmap.formats.grib.keys import Level, Product, Steps, level_of, member_of, product_of, reference_time, steps_of
from chunkmap.model.cubes import Coded

__all__ = ["Description", "Table", "table_of"]

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - times of GRIB are UTC
_MOST_AT_ONCE: Final = 1 << 14
_REFUSED: Final = 0xFFFFFFFF
"""The number of a product, a time or a level that there is none of."""
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Columns. NaN stands for what a field does not say."""

    refused: Mapping[str, Sequence[int]]
    """Why there are no rows of some fields, and at which bytes their messages begin."""
    products: Sequence[Product]
    firsts: Sequence[Field]
    """The first field of each product."""
    grids: Sequence[Grid]
    product: NDArray[Any]
    """Row -> number in `products`."""
    grid: NDArray[Any]
    """Row -> number in `grids`."""
    time: Coded
    """Seconds since 1970."""
    begin: Coded
    """Seconds from there to the begin of what the field is about."""
    step: Coded
    """Seconds to its end."""
    level: Coded
    bottom: Coded
    number: Coded
    double: NDArray[Any]
    """Whether float32 is too short for the bits that a value is packed in."""
    packed: NDArray[Any]
    """A hash of how values are packed."""
    offset: NDArray[np.uint64]
    """Where the message begins."""
    length: NDArray[Any]
    """From there to where the data of the field end."""

    def __len__(self) -> int:
        return len(self.offset)

    def without(self, rows: Sequence[int]) -> Table:
        """The table but some rows, and without the hashes, which say which these are."""
        plain = replace(self, packed=self.packed[:0].copy())
        if not rows:
            return plain
        kept = np.delete(np.arange(len(self)), rows)
        return _changed(plain, lambda column: column.of(kept), lambda column: column[kept] if len(column) else column)

    def alone(self, row: int) -> Table:
        """The table of one row, of which it holds nothing but what that says."""
        first = np.zeros(1, np.uint8)
        one = _changed(
            self, lambda column: Coded(first, column.at(np.array([row]))), lambda column: column[row : row + 1]
        )
        which, grid = int(one.product[0]), int(one.grid[0])
        own: dict[str, Any] = {"products": [self.products[which]], "firsts": [self.firsts[which]]}
        return replace(one, refused={}, grids=[self.grids[grid]], product=first, grid=first, **own)

    def said(self) -> NDArray[np.uint64]:
        """A hash of all that each field says, and of how long it is."""
        coded = (self.time, self.step, self.level, self.number)
        columns = (self.packed, self.product, self.grid, *(each.codes for each in coded))
        every = self.length.astype(np.uint64)
        for start in range(0, len(self), _MOST_AT_ONCE):
            said = every[start : start + _MOST_AT_ONCE]
            for column in columns:
                said *= _MIX
                said ^= said >> np.uint64(29)
                said += column[start : start + _MOST_AT_ONCE]
        return every


def _changed(table: Table, coded: Callable[[Coded], Coded], plain: Callable[[NDArray[Any]], NDArray[Any]]) -> Table:
    """The table with other columns."""
    columns = {each.name: getattr(table, each.name) for each in fields_of(table)}
    changed: dict[str, Any] = {
        name: coded(column) if isinstance(column, Coded) else plain(column)
        for name, column in columns.items()
        if isinstance(column, (Coded, np.ndarray))
    }
    return replace(table, **changed)


def table_of(fields: Fields) -> Table:
    """The columns of some fields."""
    description = Description()
    description.add(fields)
    return description.table()


class Description:
    """The columns of fields that come bit by bit, of which nothing else is kept."""

    def __init__(self) -> None:
        self.count = 0
        """Fields that were added."""
        self._refused: dict[str, list[int]] = {}
        self._grids, self._products = Numbered[Grid](), Numbered[tuple[Product, Field]]()
        self._kinds, self._kind_of = Numbered[str](), list[int]()
        self._times, self._members = Numbered[datetime | None](), Numbered[int | None]()
        self._steps, self._levels = Numbered[Steps](), Numbered[Level]()
        self._codes = [Narrow() for _ in range(6)]
        self._double, self._packed, self._offset, self._length = Narrow(), Narrow(), Narrow(), Narrow()

    def add(self, fields: Fields) -> None:
        """More fields."""
        for start in range(0, len(fields), _MOST_AT_ONCE):
            self._add(fields if len(fields) <= _MOST_AT_ONCE else fields[start : start + _MOST_AT_ONCE])

    def _add(self, fields: Fields) -> None:
        self.count += len(fields)
        codes = np.full((len(self._codes), len(fields)), _REFUSED, np.uint32)
        for alike in fields.alike():
            first, form = distinct_rows(octets.of_layout(fields[int(alike.rows[0])], alike))
            for number in range(len(first)):
                self._describe(fields, _part(alike, np.flatnonzero(form == number)), codes)
        sound = (codes != _REFUSED).all(axis=0)
        for column, held in zip(codes, self._codes, strict=True):
            held.extend(column[sound])
        offset, stop = fields.spans[sound].T
        self._offset.extend(offset)
        self._length.extend(stop - offset)
        self._double.extend(fields.wide[sound])
        self._packed.extend(fields.packed[sound].astype(np.uint64) & np.uint64(0xFFFFFFFF))

    def _describe(self, fields: Fields, alike: Alike, codes: NDArray[np.uint32]) -> None:
        """The numbers of what fields say that have one layout."""
        field = fields[int(alike.rows[0])]
        try:
            _check(field)
            grid = self._grids.number(grid_of(field), key_of_grid(field))
        except FormatError as error:
            self._refuse(str(error), fields, alike.rows)
            return
        asked: Sequence[tuple[Callable[[Field, Alike], NDArray[np.uint8]], Callable[[Field], int]]] = (
            (octets.of_product, self._number_of_product),
            (octets.of_time, lambda one: self._times.number((time := reference_time(one)), time)),
            (octets.of_steps, lambda one: self._steps.number((steps := steps_of(one)), steps)),
            (partial(octets.of_level, products=codes[1], kinds=self._kind_of), self._number_of_level),
            (octets.of_member, lambda one: self._members.number((member := member_of(one)), member)),
        )
        for column, (octets_of, ask) in zip(codes[1:], asked, strict=True):
            first, which = distinct_rows(octets_of(field, alike))
            answers = np.full(len(first), _REFUSED, np.uint32)
            for place, row in enumerate(first.tolist()):
                try:
                    answers[place] = ask(fields[int(alike.rows[row])])
                except FormatError as error:
                    self._refuse(str(error), fields, alike.rows[which == place])
            column[alike.rows] = answers[which]
            alike = _part(alike, np.flatnonzero(answers[which] != _REFUSED))
        codes[0, alike.rows] = grid

    def _number_of_product(self, field: Field) -> int:
        _check(field)
        product = product_of(field)
        number = self._products.number((product, field), product.pattern)
        if number == len(self._kind_of):
            self._kind_of.append(self._kinds.number(product.type_of_level, product.type_of_level))
        return number

    def _number_of_level(self, field: Field) -> int:
        level = level_of(field, product_of(field))
        return self._levels.number(level, level)

    def _refuse(self, why: str, fields: Fields, rows: NDArray[np.int64]) -> None:
        self._refused.setdefault(why, []).extend(fields.spans[rows, 0].tolist())

    def table(self) -> Table:
        """All that was described. Nothing may be added while it is used."""
        grid, product, time, step, level, number = self._codes
        return Table(
            refused={why: sorted(places) for why, places in self._refused.items()},
            products=[product for product, _ in self._products.values],
            firsts=[field for _, field in self._products.values],
            grids=self._grids.values,
            product=product.numbers,
            grid=grid.numbers,
            time=self._times.column(time, _seconds),
            begin=self._steps.column(step, attrgetter("begin")),
            step=self._steps.column(step, attrgetter("end")),
            level=self._levels.column(level, attrgetter("value")),
            bottom=self._levels.column(level, attrgetter("bottom")),
            number=self._members.column(number, lambda member: member),
            double=self._double.numbers,
            packed=self._packed.numbers,
            offset=self._offset.numbers,
            length=self._length.numbers,
        )


def _check(field: Field) -> None:
    """Raise FormatError where eccodes is not to see what a field says of itself."""
    why = flaw(field)
    if why is not None:
        raise FormatError(why)


def _seconds(time: datetime | None) -> float | None:
    return None if time is None else (time - _EPOCH) / timedelta(seconds=1)


def _part(alike: Alike, rows: NDArray[np.int64]) -> Alike:
    if len(rows) == len(alike.rows):
        return alike
    return Alike(alike.rows[rows], alike.identification[rows], alike.product[rows])
