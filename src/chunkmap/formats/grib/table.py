"""The fields of a file as columns: one row a field, in the order of the file."""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from chunkmap.codecs.grib.eccodes import Message
from chunkmap.errors import FormatError
from chunkmap.formats.grib.fields import Field, Fields
from chunkmap.formats.grib.grids import Grid, grid_of
from chunkmap.formats.grib.headers import flaw, header
from chunkmap.formats.grib.keys import Product, level_of, member_of, product_of, reference_time, steps_of
from chunkmap.model import Problem

__all__ = ["Table", "selected", "table_of", "unmatched"]

_SHOWN: Final = 12
"""Values of a key that are listed."""

T = TypeVar("T")

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - times of GRIB are UTC


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Columns. NaN stands for what a field does not say."""

    refused: Mapping[str, Sequence[int]]
    """Why there are no rows of some fields, and at which bytes their messages begin."""
    products: Sequence[Product]
    firsts: Sequence[Field]
    """The first field of each product."""
    grids: Sequence[Grid]
    product: NDArray[np.uint32]
    """Row -> number in `products`."""
    grid: NDArray[np.uint32]
    """Row -> number in `grids`."""
    time: NDArray[np.float64]
    """Seconds since 1970."""
    begin: NDArray[np.float64]
    """Seconds from there to the begin of what the field is about."""
    step: NDArray[np.float64]
    """Seconds to its end."""
    level: NDArray[np.float64]
    bottom: NDArray[np.float64]
    number: NDArray[np.float64]
    double: NDArray[np.bool_]
    """Whether float32 is too short for the bits that a value is packed in."""
    offset: NDArray[np.uint64]
    """Where the message begins."""
    stop: NDArray[np.uint64]
    """Where the data of the field end."""

    def __len__(self) -> int:
        return len(self.offset)

    @property
    def chunks(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """Offset and length of each field's bytes."""
        return self.offset, self.stop - self.offset


def table_of(fields: Fields) -> Table:
    """The columns of some fields."""
    products, grids = _Numbered[tuple[Product, Field]](), _Numbered[Grid]()
    numbers, said, refused = array("I"), array("d"), dict[str, list[int]]()
    sound, flaws = array("I"), dict[Hashable, str | None]()
    for place, field in enumerate(fields):
        form = _form(field)
        why = flaws[form] if form in flaws else flaws.setdefault(form, flaw(field))
        try:
            if why is not None:
                raise FormatError(why)
            grid, (product, values) = grid_of(field), _said(field)
        except FormatError as error:
            refused.setdefault(str(error), []).append(field.offset)
        else:
            numbers.append(products.number(product.pattern, (product, field)))
            numbers.append(grids.number((field.edition, field.grid), grid))
            said.extend(values)
            sound.append(place)
    kept = fields.take(sound) if refused else fields
    number_of_product, number_of_grid = np.asarray(numbers).reshape(-1, 2).T
    time, begin, step, level, bottom, number = np.asarray(said).reshape(-1, 6).T
    offset, stop = kept.spans.T
    return Table(
        refused=refused,
        products=[product for product, _ in products.values],
        firsts=[field for _, field in products.values],
        grids=grids.values,
        product=number_of_product,
        grid=number_of_grid,
        time=time,
        begin=begin,
        step=step,
        level=level,
        bottom=bottom,
        number=number,
        double=kept.wide,
        offset=offset,
        stop=stop,
    )


def _form(field: Field) -> Hashable:
    """What `flaw` depends on: the lengths of sections, and what says how long they must be."""
    lengths = len(field.grid), len(field.product)
    if field.edition == 1:
        return (1, *lengths, field.grid[3:6])
    return (2, *lengths, len(field.identification), field.grid[12:14], field.product[5:9])


class _Numbered(Generic[T]):
    """Distinct values, numbered as they come."""

    def __init__(self) -> None:
        self.values: list[T] = []
        self._numbers: dict[Hashable, int] = {}

    def number(self, key: Hashable, value: T) -> int:
        """The number of a value, told from others by its key."""
        found = self._numbers.setdefault(key, len(self.values))
        if found == len(self.values):
            self.values.append(value)
        return found


def _said(field: Field) -> tuple[Product, list[float]]:
    """The product, and what its fields differ in."""
    product = product_of(field)
    time, steps, level = reference_time(field), steps_of(field), level_of(field, product)
    seconds = None if time is None else (time - _EPOCH) / timedelta(seconds=1)
    said = (seconds, steps.begin, steps.end, level.value, level.bottom, member_of(field))
    return product, [np.nan if value is None else value for value in said]


def selected(fields: Fields, keys: Mapping[str, Any]) -> Fields:
    """The fields of which each key has the value asked for, or one of several; what has no such key is none of them.

    Keys are those of eccodes, and `step` and `number` as cfgrib counts them.
    """
    if not keys:
        return fields
    wanted = {key: _one_or_more(value) for key, value in keys.items()}
    return fields.take([number for number, field in enumerate(fields) if _matches(field, wanted)])


def _matches(field: Field, wanted: Mapping[str, Sequence[Any]]) -> bool:
    if flaw(field) is not None:
        return False
    product = product_of(field)
    with Message(header(field)) as message:
        return all(_has(field, product, message, key, values) for key, values in wanted.items())


def unmatched(fields: Fields, keys: Mapping[str, Any], url: str) -> Problem:
    """What to say where no field is what was asked for: which values the keys have in the file."""
    said: dict[str, dict[str, None]] = {key: {} for key in keys}
    for field in fields:
        if flaw(field) is None:
            with Message(header(field)) as message:
                for key, values in said.items():
                    values[str(_value_of(field, product_of(field), message, key))] = None
    have = "; ".join(f"{key} is {', '.join([*values][:_SHOWN])}" for key, values in said.items())
    return Problem("", "filter_by_keys", f"no field is as asked for ({dict(keys)}); in the file {have}", url)


def _has(field: Field, product: Product, message: Message, key: str, wanted: Sequence[Any]) -> bool:
    found = _value_of(field, product, message, key)
    if key == "step":
        return found is not None and any(found == _hours(value) for value in wanted)
    text = f"{found:g}" if isinstance(found, float) else str(found)
    return found is not None and (found in wanted or text in wanted)


def _value_of(field: Field, product: Product, message: Message, key: str) -> Any:
    """The value of a key, steps in hours; None where a field has no such key."""
    if key == "step":
        end = steps_of(field).end
        return None if end is None else end / 3600
    if key == "level":
        return level_of(field, product).value
    return product.attrs.get(f"GRIB_{key}", message.get(key))


def _hours(value: Any) -> float:
    """A step as a number of hours, or as a difference of times."""
    return float(value / np.timedelta64(3600, "s")) if isinstance(value, (timedelta, np.timedelta64)) else float(value)


def _one_or_more(value: Any) -> Sequence[Any]:
    return tuple(value) if isinstance(value, (list, tuple, set, frozenset, np.ndarray)) else (value,)
