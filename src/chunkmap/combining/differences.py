"""Whether arrays of different inputs can share one piece of metadata.

A Zarr array has one type, one chain of codecs and one set of attributes for all its chunks. Inputs that differ in
any of these that matters for decoding would be read wrongly under the first one's: they are told apart here. What
does not change the values (the level of a compression, a title) is not compared.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from chunkmap.combining.times import calendar_name
from chunkmap.model import ArrayMeta
from chunkmap.model.codecs import decodes_as
from chunkmap.model.meta import same_attrs, same_scalar
from chunkmap.model.record_slices import records_of
from chunkmap.model.trimming import untrimmed
from chunkmap.model.typed import as_numpy, code_of, typed
from chunkmap.model.typed_records import is_of_records

__all__ = [
    "DECODING_ATTRS",
    "MEANING_ATTRS",
    "WAIVABLE",
    "Difference",
    "differences",
    "masks_nothing",
    "signature",
    "with_widest_packing",
]

DECODING_ATTRS: Final = (
    "scale_factor",
    "add_offset",
    "units",
    "calendar",
    "missing_value",
    "_FillValue",
    "_Unsigned",
    "crs_wkt",
    "gcps",
    "ProjectedCSTypeGeoKey",
    "GeographicTypeGeoKey",
)
"""Attributes that say what the stored numbers mean, or where on the ground they are: another value means other data."""

MEANING_ATTRS: Final = (
    "standard_name",
    "positive",
    "cell_methods",
    "grid_mapping",
    "flag_values",
    "flag_masks",
    "flag_meanings",
    "valid_min",
    "valid_max",
    "valid_range",
)
"""Attributes that say what the decoded values are: another one may mean another thing, and does not change them."""

WAIVABLE: Final = frozenset({"attrs", "fill_value", "identical", "missing", "order", "overlap", "units"})
"""Checks that a caller may waive by name; all others would give garbage."""


class Difference(NamedTuple):
    """One thing in which two arrays differ."""

    what: str
    """`"dtype"`, `"codecs"`, `"chunks"`, `"shape"`..., or the name of an attribute."""
    expected: object
    """In the first input."""
    found: object
    """In the other."""
    check: str
    """The name by which the check can be waived, when it is one of `WAIVABLE`."""


def differences(first: ArrayMeta, other: ArrayMeta, along: Collection[str]) -> Iterator[Difference]:
    """In what `other` differs from `first`, leaving out the lengths of the dimensions `along` which they are joined."""
    if first == other:
        return
    if other.dims != first.dims:
        yield Difference("dimensions", first.dims, other.dims, "dims")
        return
    for dim, mine, theirs in zip(first.dims or (), first.shape, other.shape, strict=True):
        if mine != theirs and dim not in along:
            yield Difference(f"length of {dim}", mine, theirs, "shape")
    for what, value in _ENTRIES.items():
        if value(first) != value(other):
            yield Difference(what, value(first), value(other), what)
    if not same_scalar(first.fill_value, other.fill_value):
        yield Difference("fill_value", first.fill_value, other.fill_value, "fill_value")
    for name, check in _ATTRS.items():
        expected, found = _said(first, name), _said(other, name)
        if not same_attrs(expected, found) and _meant(name, expected) != _meant(name, found):
            yield Difference(name, expected, found, check)


def _said(meta: ArrayMeta, name: str) -> Any:
    """An attribute; None where it is the fill value once more, in another type."""
    value = meta.attrs.get(name)
    return None if name == "_FillValue" and same_scalar(value, meta.fill_value) else value


def _meant(name: str, value: Any) -> str:
    """An attribute as one text, the same for all values that say the same: packing that changes nothing, NaN for
    missing data, the spellings of degrees that CF calls equal (sections 4.1 and 4.2).

    >>> _meant("units", "degree_N") == _meant("units", "degrees_north"), _meant("scale_factor", 1.0)
    (True, 'None')
    """
    if name == "units" and isinstance(value, str):
        return _DEGREES.get(value.strip(), value.strip())
    if name == "calendar":
        return calendar_name(value)
    number = value[0] if isinstance(value, list) and len(value) == 1 else value
    if isinstance(number, (int, float)) and not isinstance(number, bool):
        nothing = number != number if name in _MISSING else number == _CHANGES_NOTHING.get(name)
        return repr(None if nothing else number)
    return repr(value)


_CHANGES_NOTHING: Final[Mapping[str, int]] = {"scale_factor": 1, "add_offset": 0}
_MISSING: Final = frozenset({"missing_value", "_FillValue"})
_DEGREES: Final[Mapping[str, str]] = {
    spelling: f"degrees_{way}"
    for way in ("north", "east")
    for letter in (way[0].upper(),)
    for spelling in (
        *(f"degree{s}_{end}" for s in ("", "s") for end in (way, letter)),
        *(f"degree{s}{letter}" for s in ("", "s")),
    )
}
"""Spelling of the units of latitude and longitude -> the first of them."""


def masks_nothing(fill_value: Any) -> bool:
    """Whether a fill value makes nothing missing that is not so without: there is none, or it is NaN."""
    return fill_value is None or bool(np.all(fill_value != fill_value))


_ATTRS: Final[Mapping[str, str]] = {
    **dict.fromkeys(DECODING_ATTRS, "attrs"),
    **dict.fromkeys(("units", "calendar"), "units"),
    **dict.fromkeys(MEANING_ATTRS, "meaning"),
}
"""Attribute -> the check that compares it."""


def signature(meta: ArrayMeta, along: Collection[str], *, chunks: bool | Literal["across"], units: bool) -> Hashable:
    """What two arrays must have in common to be told no `differences` that matter for decoding; as a key of a table.

    With or without the shape of the chunks (`chunks="across"`: but for the dimensions `along` which they are joined),
    and the units.
    """
    names = [name for name in DECODING_ATTRS if units or name not in {"units", "calendar"}]
    lengths = [n for n, dim in zip(meta.shape, meta.dims or meta.shape, strict=True) if dim not in along]
    return (
        meta.dims,
        tuple(lengths),
        _chunks_across(meta, along if chunks == "across" else ()) if chunks else None,
        meta.dtype.str if meta.dtype.fields is None else str(meta.dtype),
        repr([sorted(decodes_as(codec).items()) for codec in untrimmed(meta).codecs if records_of(meta) is None]),
        meta.order,
        ("None" if masks_nothing(meta.fill_value) else str(meta.fill_value), str(meta.background)),
        repr([_meant(name, _said(meta, name)) for name in names]),
    )


def with_widest_packing(first: ArrayMeta, others: Iterable[ArrayMeta]) -> ArrayMeta:
    """The metadata of the first of several arrays, with `scale_factor` and `add_offset` of the widest type that any of
    them has: the type to which they unpack, so that none of them loses digits.

    >>> from chunkmap.model.typed import typed
    >>> one, two = (ArrayMeta(shape=(), chunk_shape=(), dtype=np.dtype("i2"), attrs={"scale_factor": typed(0.5, code)})
    ...             for code in ("f4", "f8"))
    >>> with_widest_packing(one, [two]).attrs["scale_factor"].dtype
    dtype('float64')
    """
    wider: dict[str, Any] = {}
    codes = {name: code_of(first.attrs.get(name)) for name in _CHANGES_NOTHING}
    packed = [name for name, code in codes.items() if code and code not in ("f8", "f8[1]") and not is_of_records(code)]
    for meta in others if packed else ():
        for name in packed:
            if meta is not first and name in meta.attrs:
                held = as_numpy(wider.get(name, first.attrs[name])).dtype
                wide = np.result_type(held, getattr(as_numpy(meta.attrs[name]), "dtype", np.float64))
                if wide != held:
                    wider[name] = typed(first.attrs[name], f"{wide.kind}{wide.itemsize}")
    return replace(first, attrs={**first.attrs, **wider}) if wider else first


def _chunks_across(meta: ArrayMeta, along: Collection[str]) -> Hashable:
    dims, records = meta.dims or (None,) * meta.ndim, records_of(meta)
    return records and records.record, tuple(n for n, dim in zip(meta.chunks, dims, strict=True) if dim not in along)


def _chunks_of(meta: ArrayMeta) -> object:
    """The lengths of chunks; of chunks of records, which can be cut, also how far apart these are."""
    records = records_of(meta)
    if records is None:
        return meta.chunks
    filled = "" if "records" in meta.codecs[0] else ", all whole"
    return meta.chunks, f"records of {records.record} bytes{filled}"


_ENTRIES: Final[Mapping[str, Callable[[ArrayMeta], object]]] = {
    "chunks": _chunks_of,
    "dtype": lambda meta: meta.dtype.str if meta.dtype.fields is None else meta.dtype,
    "codecs": lambda meta: [decodes_as(codec) for codec in untrimmed(meta).codecs if records_of(meta) is None],
    "order": lambda meta: meta.order,
    "value of missing chunks": lambda meta: str(meta.background),
}
"""What of an array's metadata must be the same, by the name that messages use."""
