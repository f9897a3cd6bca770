"""Attributes that are records, which JSON has as lists of their members.

The code of their type is text: that by which a stored set says how a record is (`chunkmap.model.records`), and the
axes, where there are several records.
"""

from __future__ import annotations

import json
import math
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.model.records import described, nested_text

__all__ = ["NOT_FINITE", "code_of_records", "is_of_records", "plain", "records_of"]

NOT_FINITE: Final = {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf}
"""How numbers are spelled that JSON does not have."""

_LARGEST: Final = 16 << 20
"""Bytes of the records of an attribute: what a stored set says of them is not to be trusted."""


def is_of_records(code: str) -> bool:
    """Whether a code is that of records."""
    return code.startswith("[")


def code_of_records(values: NDArray[Any]) -> str:
    """The code of the type of records; a single one, of whatever axes, stands for itself.

    >>> code_of_records(np.zeros(1, [("a", "u1"), ("b", "<f4")])), code_of_records(np.zeros(2, [("a", "u1")]))
    ('[5,["a",0,"|u1"],["b",1,"<f4"]]', '[[1,["a",0,"|u1"]],2]')
    """
    return nested_text(values.dtype if values.size == 1 else np.dtype((values.dtype, values.shape)))


def records_of(value: Any, code: str) -> Any:
    """A record, or an array of them, of what JSON has for it. None where the value is not of that type.

    >>> records_of([[1, "NaN"]], code_of_records(np.zeros(1, [("a", "u1"), ("b", "<f4")]))) is None
    True
    >>> records_of([1, "NaN"], code_of_records(np.zeros(1, [("a", "u1"), ("b", "<f4")])))
    np.void((1, nan), dtype=[('a', 'u1'), ('b', '<f4')])
    """
    dtype = _type_of(code)
    if dtype is None:
        return None
    element, shape = dtype.subdtype or (dtype, ())
    try:
        values = np.array(_as_numpy_takes_it(value, dtype), element)
    except (ValueError, TypeError, OverflowError, AttributeError):
        return None
    return values.reshape(shape)[()] if values.shape == shape or not (values.size or math.prod(shape)) else None


def plain(value: Any) -> Any:
    """What JSON has for a value that numpy made one of Python: of records lists, of complex numbers their two parts."""
    if isinstance(value, complex):
        return [value.real, value.imag]
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, np.ndarray):  # an axis of a member
        return plain(value.tolist())
    return list(map(plain, value)) if isinstance(value, (tuple, list)) else value


@lru_cache(maxsize=256)
def _type_of(code: str) -> np.dtype[Any] | None:
    """The type that a code says; None where it is not understood, or of records too large."""
    try:
        dtype = described(json.loads(code))
    except (ValueError, TypeError, SyntaxError, OverflowError, RecursionError, MemoryError):
        return None
    is_known = dtype.base.names is not None and all(kind in "biufcS" for kind in _kinds(dtype))
    return dtype if is_known and dtype.itemsize <= _LARGEST else None


def _kinds(dtype: np.dtype[Any]) -> list[str]:
    if dtype.subdtype is not None:
        return _kinds(dtype.base)
    if dtype.fields is None:
        return [dtype.kind]
    return [kind for member, *_ in dtype.fields.values() for kind in _kinds(member)]


def _as_numpy_takes_it(value: Any, dtype: np.dtype[Any]) -> Any:
    """A value of JSON with tuples for records, and numbers and bytes as they are."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return _axes(value, base, len(shape))
    if dtype.names is not None:
        assert dtype.fields is not None
        members = zip(value, dtype.names, strict=True)
        return tuple(_as_numpy_takes_it(member, dtype.fields[name][0]) for member, name in members)
    if dtype.kind == "S":
        return value.encode()
    if dtype.kind == "c":
        real, imaginary = value
        return complex(_number(real, "f"), _number(imaginary, "f"))
    return _number(value, dtype.kind)


def _number(value: Any, kind: str) -> Any:
    """A number or truth, if it is one of the kind that numpy calls so."""
    number = NOT_FINITE.get(value, value) if kind == "f" else value
    if type(number) not in _OF_KIND.get(kind, (int,)):
        raise ValueError(f"{value!r} is no number of the kind {kind!r}")
    return number


_OF_KIND: Final = {"f": (float, int), "b": (bool,)}


def _axes(value: Any, base: np.dtype[Any], axes: int) -> Any:
    if not axes:
        return _as_numpy_takes_it(value, base)
    return [_axes(one, base, axes - 1) for one in value]
