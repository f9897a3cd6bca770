"""How values, and attributes, differ from those that a library gives."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["attribute_differences", "difference", "holds_references"]

_NUMBERS: Final = "iufc"


def difference(ours: NDArray[Any], theirs: NDArray[Any]) -> str | None:
    """How values differ; None when they are the same, NaN being the same as NaN. What is masked is not compared.

    >>> difference(np.array([1, 2]), np.array([1, 3]))
    '1 of 2 values differ: expected 3, found 2'
    >>> difference(np.array([1], "i2"), np.array([1], "i4"))
    'expected numbers of type int32, found int16'
    """
    if ours.shape != theirs.shape:
        return f"expected values of shape {theirs.shape}, found {ours.shape}"
    if "O" in (ours.dtype.kind, theirs.dtype.kind) or ours.dtype.kind in "SU":
        same = np.array([_text(a) == _text(b) for a, b in zip(ours.ravel(), theirs.ravel(), strict=True)], np.bool_)
    elif theirs.dtype.names is not None:
        return _field_difference(ours, theirs, theirs.dtype.names)
    elif ours.dtype.kind == "V":
        same = np.array([a == b for a, b in zip(ours.ravel().tolist(), theirs.ravel().tolist(), strict=True)], np.bool_)
    elif _are_other_numbers(ours.dtype, theirs.dtype):
        return f"expected numbers of type {theirs.dtype.newbyteorder('=')}, found {ours.dtype.newbyteorder('=')}"
    else:
        plain = np.ma.getdata(theirs)
        same = ((ours == plain) | ((ours != ours) & (plain != plain)) | np.ma.getmaskarray(theirs)).ravel()
    if bool(same.all()):
        return None
    first = int(np.flatnonzero(~same)[0])
    count = math.prod(ours.shape) - int(same.sum())
    return f"{count} of {same.size} values differ: expected {_shown(theirs, first)}, found {_shown(ours, first)}"


def _shown(values: NDArray[Any], first: int) -> str:
    value = values.ravel()[first]
    return repr(value.item() if isinstance(value, np.generic) else value)


def _are_other_numbers(ours: np.dtype[Any], theirs: np.dtype[Any]) -> bool:
    both = ours.kind in _NUMBERS and theirs.kind in _NUMBERS
    return both and (ours.kind, ours.itemsize) != (theirs.kind, theirs.itemsize)


def _field_difference(ours: NDArray[Any], theirs: NDArray[Any], names: tuple[str, ...]) -> str | None:
    """The same of records, field by field; fields that only we have are the padding between the others."""
    known = ours.dtype.names or ()
    for name in names:
        members = [(name, theirs[name])] if name in known else list(_flat(name, theirs[name], theirs.ndim))
        for flat, values in members:
            if flat not in known:
                return f"expected a field {flat!r}, found {known}"
            found = difference(ours[flat], values)
            if found is not None:
                return f"field {flat!r}: {found}"
    return None


def _flat(name: str, values: NDArray[Any], ndim: int) -> Iterator[tuple[str, NDArray[Any]]]:
    """The members of a field as sets have them, in which no field holds a record or an array."""
    if values.dtype.names is not None:
        for below in values.dtype.names:
            yield from _flat(f"{name}.{below}", values[below], ndim)
    elif values.ndim > ndim:
        for index in np.ndindex(values.shape[ndim:]):
            yield f"{name}[{','.join(map(str, index))}]", values[(..., *index)]
    else:
        yield name, values


def holds_references(values: NDArray[Any]) -> bool:
    """Whether HDF5's references are among values that its library gave, which are no text as ours are."""
    if values.dtype.names is not None:
        return any(holds_references(values[name]) for name in values.dtype.names)
    return values.dtype.kind == "O" and any(
        type(value).__module__.partition(".")[0] == "h5py" for value in values.ravel().tolist()
    )


def attribute_differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """What a library says, and a set does not say or says otherwise.

    >>> attribute_differences({"units": "m", "n": [1.0, 2.0]}, {"units": b"K", "n": np.array([1, 2], "f4")})
    ["attribute 'units': expected 'K', found 'm'"]
    """
    found = []
    for name, value in theirs.items():
        expected = _plain(value)
        if name not in ours:
            found.append(f"expected an attribute {name!r}, {expected!r}, found none")
        elif not _same(_plain(ours[name]), expected):
            found.append(f"attribute {name!r}: expected {expected!r}, found {_plain(ours[name])!r}")
    return found


def _plain(value: Any) -> Any:
    """Numbers and texts of Python; one alone for a list of one."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return _plain(value[0]) if len(value) == 1 else [_plain(one) for one in value]
    return _text(value) if isinstance(value, str | bytes) else value


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(_same, ours, theirs))
    if isinstance(ours, str) and isinstance(theirs, float) and not math.isfinite(theirs):
        return ours.lower().startswith(("nan", "inf", "-inf"))  # as JSON has it
    return bool(ours == theirs) or (ours != ours and theirs != theirs)


def _text(value: Any) -> str:
    """Text without the NULs behind it. Bytes that are no UTF-8 are taken for Latin-1."""
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            value = value.decode("latin-1")
    return str(value).rstrip("\0")
