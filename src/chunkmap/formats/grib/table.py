"""The fields of a file as columns: one row a field, in the order of the file."""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from chunkmap.codecs.grib.eccodes import Message
from chunkmap.errors import FormatError
from chunkmap.formats.grib.grids import Grid, grid_of
from chunkmap.formats.grib.headers import flaw, header
from chunkmap.formats.grib.keys import Product, level_of, member_of, product_of, reference_time, steps_of
from chunkmap.formats.grib.sections import Field
from chunkmap.model import Problem

__all__ = ["Table", "selected", "table_of", "unmatched"]

_SHOWN: Final = 12
"""Values of a key that are listed."""

T = TypeVar("T")

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - times of GRIB are UTC
_IEEE, _RUN_LENGTH = 4, 200
_SINGLE_BITS: Final = 24


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Columns. NaN stands for what a field does not say."""

    refused: Mapping[str, Sequence[int]]
    """Why there are no rows of some fields, and at which bytes their messages begin."""
    fields: Sequence[Field]
    products: Sequence[Product]
    grids: Sequence[Grid]
    product: NDArray[np.int64]
    """Row -> number in `products`."""
    grid: NDArray[np.int64]
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
        return len(self.fields)

    @property
    def chunks(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """Offset and length of each field's bytes."""
        return self.offset, self.stop - self.offset


def table_of(fields: Sequence[Field]) -> Table:
    """The columns of some fields."""
    products, grids = _Numbered[Product](), _Numbered[Grid]()
    rows, sound, refused = array("d"), list[Field](), dict[str, list[int]]()
    flaws: dict[Hashable, str | None] = {}
    for field in fields:
        form = _form(field)
        why = flaws[form] if form in flaws else flaws.setdefault(form, flaw(field))
        try:
            if why is not None:
                raise FormatError(why)
            row = (grids.number((field.edition, field.grid), grid_of(field)), *_said(field, products))
        except FormatError as error:
            refused.setdefault(str(error), []).append(field.offset)
        else:
            rows.extend(row)
            sound.append(field)
    grid, product, time, begin, step, level, bottom, number = np.frombuffer(rows, np.float64).reshape(-1, 8).T.copy()
    return Table(
        refused=refused,
        fields=sound,
        products=products.values,
        grids=grids.values,
        product=product.astype(np.int64),
        grid=grid.astype(np.int64),
        time=time,
        begin=begin,
        step=step,
        level=level,
        bottom=bottom,
        number=number,
        double=np.fromiter(map(_needs_double, sound), np.bool_, len(sound)),
        offset=np.fromiter((field.offset for field in sound), np.uint64, len(sound)),
        stop=np.fromiter((field.stop for field in sound), np.uint64, len(sound)),
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


def _said(field: Field, products: _Numbered[Product]) -> Iterator[float]:
    """The number of the product, and what its fields differ in."""
    product = product_of(field)
    time, steps, level = reference_time(field), steps_of(field), level_of(field, product)
    seconds = None if time is None else (time - _EPOCH) / timedelta(seconds=1)
    said = (seconds, steps.begin, steps.end, level.value, level.bottom, member_of(field))
    yield products.number(product.pattern, product)
    yield from (np.nan if value is None else value for value in said)


def _needs_double(field: Field) -> bool:
    """Whether values are packed in more bits than a float32 has."""
    packing = field.packing
    if field.edition == 1:
        return len(packing) > 10 and packing[10] > _SINGLE_BITS
    template = int.from_bytes(packing[9:11], "big")
    if template == _IEEE:
        return packing[11:12] != b"\x01"
    return template != _RUN_LENGTH and len(packing) > 19 and packing[19] > _SINGLE_BITS


def selected(fields: Sequence[Field], keys: Mapping[str, Any]) -> list[Field]:
    """The fields of which each key has the value asked for, or one of several; what has no such key is none of them.

    Keys are those of eccodes, and `step` and `number` as cfgrib counts them.
    """
    if not keys:
        return list(fields)
    wanted = {key: _one_or_more(value) for key, value in keys.items()}
    return [field for field in fields if _matches(field, wanted)]


def _matches(field: Field, wanted: Mapping[str, Sequence[Any]]) -> bool:
    if flaw(field) is not None:
        return False
    product = product_of(field)
    with Message(header(field)) as message:
        return all(_has(field, product, message, key, values) for key, values in wanted.items())


def unmatched(fields: Sequence[Field], keys: Mapping[str, Any], url: str) -> Problem:
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
