"""Where an input stands along a dimension: the selectors of `coo_map`.

| selector             | values for one input                                                             |
|----------------------|----------------------------------------------------------------------------------|
| `"data:NAME"`        | the values of its array NAME                                                     |
| `"cf:NAME"`          | the same, as times: inputs with different units or calendars become comparable   |
| `"attr:NAME"`        | its global attribute NAME                                                        |
| `"vattr:ARRAY:NAME"` | attribute NAME of its array ARRAY                                                |
| `"INDEX"`            | its place in the list of inputs                                                  |
| `"VARNAME"`          | the name of its only data variable                                               |
| a compiled regex     | what it finds in the input's name: the first group, else the whole match         |
| a list               | the element at the input's place                                                 |
| a function           | `function(index, refs, dim, name)`                                               |
| anything else        | itself, the same for every input                                                 |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.combining.inputs import Inputs
from chunkmap.combining.recipe import VARIABLES, Recipe, Selector
from chunkmap.combining.times import TimeUnits, in_units
from chunkmap.errors import CombineError
from chunkmap.model import ManifestArray, ReferenceSet

__all__ = ["Column", "Reader", "evaluate"]

Reader = Callable[[Sequence[ManifestArray]], Sequence[NDArray[Any]]]
"""Gives the values of arrays: reading is done by whoever calls, all at once."""

_READS: Final = ("data:", "cf:")


@dataclass(frozen=True, slots=True)
class Column:
    """The values of every input along one dimension."""

    dim: str
    values: tuple[NDArray[Any], ...]
    """One 1-D array an input."""
    attrs: Mapping[str, Any] = field(default_factory=dict)
    """What the selector says of the values: the units and calendar that times were brought to."""


def evaluate(inputs: Inputs, recipe: Recipe, read: Reader) -> tuple[dict[str, Column], list[str | None]]:
    """The values of every input along every dimension, and the names that it gives its data variable, if any.

    Arrays are read together, in one call of `read`.
    """
    chosen = [recipe.of_combined if index < inputs.combined else recipe.selectors for index in range(len(inputs))]
    dims = [dim for dim in recipe.selectors if dim != VARIABLES]
    wanted = {
        (index, dim): _array(inputs, index, dim, mapping[dim])
        for index, mapping in enumerate(chosen)
        for dim in dims
        if dim in mapping and _reads(mapping[dim])
    }
    data = dict(zip(wanted, read(list(wanted.values())), strict=True)) if wanted else {}
    ignore = frozenset(recipe.selectors) | frozenset(recipe.identical_dims)
    columns = {}
    for dim in dims:
        raw = _Raw(dim, [], [], [mapping.get(dim) for mapping in chosen])
        for index, selector in enumerate(raw.selectors):
            at = (index, dim)
            value = data[at] if at in data else _scalar(inputs, index, dim, selector, ignore)
            raw.values.append(np.atleast_1d(np.asarray(value)))
            raw.attrs.append(wanted[at].meta.attrs if at in wanted else {})
        columns[dim] = _column(inputs, raw, recipe.coo_dtypes.get(dim))
    names = [
        str(_scalar(inputs, index, VARIABLES, mapping[VARIABLES], ignore)).rpartition("/")[2]
        if mapping.get(VARIABLES) is not None
        else None
        for index, mapping in enumerate(chosen)
    ]
    return columns, names


@dataclass(frozen=True, slots=True)
class _Raw:
    """What the selectors of one dimension gave, an entry for each input."""

    dim: str
    values: list[NDArray[Any]]
    attrs: list[Mapping[str, Any]]
    """Attributes of the array that the values were read from; none for other selectors."""
    selectors: Sequence[Selector]


def _column(inputs: Inputs, raw: _Raw, dtype: Any) -> Column:
    for index, block in enumerate(raw.values):
        if block.ndim != 1:
            name = inputs.name(index)
            raise CombineError(
                f"{raw.dim}: expected one value or a row of values for each input, but {name} gives an array of"
                f" shape {block.shape}",
                inputs=[name],
            )
    if any(isinstance(selector, str) and selector.startswith("cf:") for selector in raw.selectors):
        return _times(inputs, raw, dtype)
    _refuse_other_units(inputs, raw)
    values = (
        raw.values
        if dtype is None
        else [_cast(inputs, raw.dim, i, v, np.dtype(dtype)) for i, v in enumerate(raw.values)]
    )
    return Column(raw.dim, tuple(values))


def _times(inputs: Inputs, raw: _Raw, dtype: Any) -> Column:
    units = []
    for index, attrs in enumerate(raw.attrs):
        try:
            units.append(TimeUnits.parse(attrs.get("units"), attrs.get("calendar")))
        except ValueError as error:
            name = inputs.name(index)
            raise CombineError(
                f"{raw.dim}: cannot read times of {name}: {error}; use data: for values that are no times",
                inputs=[name],
            ) from error
    try:
        if dtype is not None and np.dtype(dtype).kind == "M":
            return Column(raw.dim, tuple(u.decode(v).astype(dtype) for u, v in zip(units, raw.values, strict=True)))
        values = in_units(raw.values, units, units[0])
    except ValueError as error:
        raise CombineError(f"{raw.dim}: {error}", inputs=[inputs.name(0)]) from error
    if dtype is not None:
        values = [_cast(inputs, raw.dim, index, block, np.dtype(dtype)) for index, block in enumerate(values)]
    return Column(raw.dim, tuple(values), {"units": units[0].text, "calendar": units[0].calendar})


def _refuse_other_units(inputs: Inputs, raw: _Raw) -> None:
    """Numbers read from arrays can be compared only when they count the same unit."""
    read = [(index, attrs) for index, attrs in enumerate(raw.attrs) if _reads(raw.selectors[index])]
    for index, attrs in read[1:]:
        for key in ("units", "calendar"):
            expected, found = read[0][1].get(key), attrs.get(key)
            if expected != found:
                names = [inputs.name(read[0][0]), inputs.name(index)]
                raise CombineError(
                    f"{raw.dim}: {key} is {expected!r} in {names[0]} but {found!r} in {names[1]}, so their values"
                    f" cannot be compared. For times, pass coo_map={{{raw.dim!r}: 'cf:{raw.dim}'}}",
                    inputs=names,
                )


def _reads(selector: Selector) -> bool:
    return isinstance(selector, str) and selector.startswith(_READS)


def _array(inputs: Inputs, index: int, dim: str, selector: str) -> ManifestArray:
    path = selector.partition(":")[2]
    array = inputs[index].arrays.get(path.strip("/"))
    if array is None:
        name = inputs.name(index)
        raise CombineError(
            f"{dim}: no array {path!r} in {name}; it has {', '.join(sorted(inputs[index].arrays)) or 'no arrays'}."
            f" Say where the values of {dim} are: coo_map={{{dim!r}: ...}}",
            inputs=[name],
        )
    return array


def _scalar(inputs: Inputs, index: int, dim: str, selector: Selector, ignore: frozenset[str]) -> Any:
    refs, name = inputs[index], inputs.name(index)
    if isinstance(selector, re.Pattern):
        return _search(dim, selector, refs.name, name)
    if isinstance(selector, (list, tuple)):
        if inputs.place(index) >= len(selector):
            raise CombineError(f"{dim}: the list has {len(selector)} values, but {name} is input {inputs.place(index)}")
        return selector[inputs.place(index)]
    if callable(selector):
        return selector(inputs.place(index), refs, dim, refs.name)
    if not isinstance(selector, str):
        return selector
    kind, _, rest = selector.partition(":")
    if selector == "INDEX":
        return inputs.place(index)
    if selector == "VARNAME":
        return _variable_name(refs, name, ignore)
    if kind == "attr" and rest:
        return _attribute(dim, name, refs.attrs, rest, "global attribute")
    if kind == "vattr" and ":" in rest:
        path, _, attribute = rest.partition(":")
        return _attribute(
            dim, name, _array(inputs, index, dim, f"vattr:{path}").meta.attrs, attribute, f"attribute of {path}"
        )
    return selector


def _search(dim: str, pattern: re.Pattern[str], text: str | None, name: str) -> str:
    found = pattern.search(text or "")
    if found is None:
        raise CombineError(
            f"{dim}: the pattern {pattern.pattern!r} is not found in the name of the input, {name!r}", inputs=[name]
        )
    return str(found.groups()[0] if found.groups() else found.group())


def _attribute(dim: str, name: str, attrs: Mapping[str, Any], attribute: str, kind: str) -> Any:
    if attribute not in attrs:
        raise CombineError(f"{dim}: {name} has no {kind} {attribute!r}; it has {sorted(attrs)}", inputs=[name])
    return attrs[attribute]


def _variable_name(refs: ReferenceSet, name: str, ignore: frozenset[str]) -> str:
    dims = {dim for array in refs.arrays.values() for dim in array.meta.dims or ()}
    names = [path for path in refs.arrays if path not in ignore and path.rpartition("/")[2] not in ignore | dims]
    if len(names) != 1:
        raise CombineError(
            f"Multiple varnames found in dataset {name}, please provide a more specific selector: {names}"
            if names
            else f"no data variable in {name} to take a name from",
            inputs=[name],
        )
    return names[0]


def _cast(inputs: Inputs, dim: str, index: int, block: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    try:
        return block.astype(dtype)
    except (TypeError, ValueError) as error:
        name = inputs.name(index)
        raise CombineError(f"{dim}: {block[:3]} of {name} cannot be made {dtype}: {error}", inputs=[name]) from error
