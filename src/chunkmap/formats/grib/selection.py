"""The fields that a user asks for, by the values of keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import numpy as np

from chunkmap.codecs.grib.eccodes import Message
from chunkmap.formats.grib.fields import Field, Fields
from chunkmap.formats.grib.headers import flaw, header
from chunkmap.formats.grib.keys import Product, level_of, product_of, steps_of
from chunkmap.model import Problem

__all__ = ["selected", "unmatched"]

_SHOWN: Final = 12
"""Values of a key that are listed."""


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
