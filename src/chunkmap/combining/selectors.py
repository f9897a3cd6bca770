"""Where an input stands along a dimension: the selectors of `coo_map`.

| selector             | values for one input                                                             |
|----------------------|----------------------------------------------------------------------------------|
| `"data:NAME"`        | the values of its array NAME                                                     |
| `"cf:NAME"`          | the same, as times: inputs with different units or calendars become comparable   |
| `"attr:NAME"`        | its global attribute NAME                                                        |
| `"vattr:ARRAY:NAME"` | attribute NAME of its array ARRAY                                                |
| `"INDEX"`            | its place in the list of inputs                                                  |
| `"ORDER"`            | none: it comes after the input before it, and the dimension has no coordinate    |
| `"VARNAME"`          | the name of its only data variable                                               |
| a compiled regex     | what it finds in the input's name: the first group, else the whole match         |
| a list               | the element at the input's place                                                 |
| a function           | `function(index, refs, dim, name)`                                               |
| anything else        | itself, the same for every input                                                 |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chunkmap.combining.findings import Findings
from chunkmap.combining.inputs import Inputs
from chunkmap.combining.recipe import ORDER, VARIABLES, Recipe, Selector
from chunkmap.combining.scopes import Scope, groups_along, is_order, join, length_along, reads, scopes_of
from chunkmap.combining.times import TimeUnits, as_iso, in_units, is_time, same_dates
from chunkmap.errors import Remedy
from chunkmap.model import ManifestArray, ReferenceSet

__all__ = ["Column", "Reader", "evaluate"]

Reader = Callable[[Sequence[ManifestArray]], Sequence[NDArray[Any]]]
"""Gives the values of arrays: reading is done by whoever calls, all at once."""


@dataclass(frozen=True, slots=True)
class Column:
    """The values of every input along one dimension."""

    dim: str
    values: tuple[NDArray[Any], ...]
    """One 1-D array an input; none for inputs that have no part in it."""
    attrs: Mapping[str, Any] = field(default_factory=dict)
    """What the selector says of the values: the units and calendar that times were brought to."""
    origin: Mapping[str, Any] = field(default_factory=dict)
    """The attributes beside the values where they were read as they are: they say whether numbers are times."""
    path: str = ""
    """The coordinate in the result."""
    coordinate: str = ""
    """The coordinate of the same name in the inputs."""
    in_order: bool = False
    """Whether the values are only counted: inputs follow one another as they are given."""

    def without(self, lost: Collection[int]) -> Self:
        """The same without the values of some inputs."""
        if not any(len(self.values[index]) for index in lost):
            return self
        return replace(self, values=tuple(v[:0] if i in lost else v for i, v in enumerate(self.values)))


class _NoValueError(Exception):
    """A selector finds nothing in one input: caught and reported with all others."""

    def __init__(self, message: str, **advice: Any) -> None:
        super().__init__(message)
        self.advice = advice


def evaluate(
    inputs: Inputs, recipe: Recipe, read: Reader, findings: Findings, eras: Sequence[str]
) -> tuple[list[Column], list[str | None]]:
    """The values of every input along every dimension, and the names that it gives its data variable, if any.

    `eras` names for every input the group of the result that it goes to. Arrays are read together, in one call of
    `read`. An input whose values are not found is reported, and lost.
    """
    of_combined, of_new = recipe.of_combined, recipe.selectors
    chosen = [of_combined if index < inputs.combined else of_new for index in range(len(inputs))]
    scopes = [
        scope
        for dim in of_new
        if dim != VARIABLES
        for scope in scopes_of(inputs, dim, [mapping.get(dim) for mapping in chosen], eras)
    ]
    wanted: dict[tuple[int, int], ManifestArray] = {}
    for number, scope in enumerate(scopes):
        for index in scope.members:
            selector = chosen[index].get(scope.dim)
            if isinstance(selector, str) and reads(selector):
                try:
                    wanted[number, index] = _array(inputs, index, scope.dim, selector, scope.group)
                except _NoValueError as error:
                    findings.lose(scope.path, "coordinate", index, str(error), **error.advice)
    data = dict(zip(wanted, read(list(wanted.values())), strict=True)) if wanted else {}
    ignore = frozenset(recipe.selectors) | frozenset(recipe.identical_dims)
    columns = []
    for number, scope in enumerate(scopes):
        raw = _Raw(scope, {}, {}, [mapping.get(scope.dim) for mapping in chosen])
        for index in scope.members:
            at = (number, index)
            try:
                value = data[at] if at in data else _scalar(inputs, index, scope, raw.selectors[index], ignore)
            except _NoValueError as error:
                findings.lose(scope.path, "coordinate", index, str(error), **error.advice)
                continue
            _keep(raw, findings, index, value)
            raw.attrs[index] = wanted[at].meta.attrs if at in wanted else {}
        columns.append(_column(findings, raw, recipe.coo_dtypes.get(scope.dim), check="units" not in recipe.waive))
    return columns, _variable_names(inputs, chosen, ignore, findings)


def _variable_names(
    inputs: Inputs, chosen: Sequence[Mapping[str, Selector]], ignore: frozenset[str], findings: Findings
) -> list[str | None]:
    names: list[str | None] = []
    for index, mapping in enumerate(chosen):
        names.append(None)
        if mapping.get(VARIABLES) is None:
            continue
        try:
            scope = Scope(VARIABLES, "", "", (index,))
            names[-1] = str(_scalar(inputs, index, scope, mapping[VARIABLES], ignore)).rpartition("/")[2]
        except _NoValueError as error:
            findings.lose(VARIABLES, "coordinate", index, str(error), **error.advice)
    return names


@dataclass(frozen=True, slots=True)
class _Raw:
    """What the selectors of one dimension gave, by input."""

    scope: Scope
    values: dict[int, NDArray[Any]]
    attrs: dict[int, Mapping[str, Any]]
    """Attributes of the array that the values were read from; none for other selectors."""
    selectors: Sequence[Selector]
    """Of every input."""

    @property
    def dim(self) -> str:
        return self.scope.dim


def _keep(raw: _Raw, findings: Findings, index: int, value: Any) -> None:
    block = np.atleast_1d(np.asarray(value))
    if block.dtype.kind == "O" and block.size and all(isinstance(item, date) for item in block.flat):
        block = block.astype("M8[us]")
    if block.ndim == 2 and block.dtype == np.dtype("S1"):
        block = np.ascontiguousarray(block).view(f"S{max(block.shape[1], 1)}").reshape(-1)
    if block.ndim == 1:
        raw.values[index] = block
        return
    head = (
        f"expected one value or a row of values for each input, but {findings.inputs.name(index)} gives an array of"
        f" shape {block.shape}"
    )
    findings.lose(raw.scope.path, "coordinate", index, head)


def _column(findings: Findings, raw: _Raw, dtype: Any, *, check: bool) -> Column:
    attrs: Mapping[str, Any] = {}
    values = raw.values
    kinds = {id(selector): selector for selector in map(raw.selectors.__getitem__, values)}.values()
    as_times = any(isinstance(selector, str) and selector.startswith("cf:") for selector in kinds)
    if as_times or (check and _find_other_units(findings, raw)):
        values, attrs = _times(findings, raw, dtype)
    if dtype is not None:
        values = _cast(findings, raw, values, np.dtype(dtype))
    if values is raw.values and len({block.dtype.str for block in values.values()}) > 1:
        _note_other_types(findings, raw)
    none = next(iter(values.values()), np.empty(0))[:0]
    scope = raw.scope
    blocks = tuple(values.get(index, none) for index in range(len(findings.inputs)))
    in_order = any(map(is_order, kinds))
    origin = next(iter(raw.attrs.values()), {}) if check and values is raw.values else {}
    return Column(raw.dim, blocks, attrs, attrs or origin, scope.path, scope.coordinate, in_order)


def _note_other_types(findings: Findings, raw: _Raw) -> None:
    """Values of other types are brought to one that holds all of them; that is worth knowing."""
    first, block = next(iter(raw.values.items()))
    for index, other in raw.values.items():
        if other.dtype != block.dtype and other.dtype.kind not in "SUO":
            name, name_of_first = findings.inputs.name(index), findings.inputs.name(first)
            head = f"values are {block.dtype} in {name_of_first} but {other.dtype} in {name}; a common type is used"
            findings.each(
                raw.scope.path, "coordinate type", index, head, value=other.dtype, first=(first,), refused=False
            )


def _times(findings: Findings, raw: _Raw, dtype: Any) -> tuple[dict[int, NDArray[Any]], Mapping[str, Any]]:
    units: dict[int, TimeUnits] = {}
    parsed: dict[tuple[Any, Any], TimeUnits] = {}
    for index in raw.values:
        key = (raw.attrs[index].get("units"), raw.attrs[index].get("calendar"))
        try:
            units[index] = parsed[key] if key in parsed else TimeUnits.parse(*key)
        except ValueError as error:
            head = (
                f"cannot read times of {findings.inputs.name(index)}: {error}; use data: for values that are no times"
            )
            findings.lose(raw.scope.path, "times", index, head)
            continue
        parsed[key] = units[index]
    dates = dtype is not None and np.dtype(dtype).kind == "M"
    values: dict[int, NDArray[Any]] = {}
    wanted = next(iter(units.values()), None)
    for index, own in units.items():
        assert wanted is not None
        try:
            block = raw.values[index]
            values[index] = own.decode(block).astype(dtype) if dates else in_units([block], [own], wanted)[0]
        except ValueError as error:
            head = f"{error} ({findings.inputs.name(index)})"
            findings.lose(raw.scope.path, "calendar", index, head, first=(next(iter(units)),))
    if dates or wanted is None:
        return values, {}
    common = np.result_type(*values.values()) if values else np.dtype(float)
    values = {index: block.astype(common, copy=False) for index, block in values.items()}
    return values, {"units": wanted.text, "calendar": wanted.calendar}


def _find_other_units(findings: Findings, raw: _Raw) -> bool:
    """Numbers read from arrays can be compared only when they count the same unit. Whether times hide in them."""
    read = [(index, raw.attrs[index]) for index in raw.values if reads(raw.selectors[index])]
    if not read:
        return False
    first, attrs = read[0]
    others = []
    for key in ("units", "calendar"):
        expected = attrs.get(key)
        for index, own in read[1:]:
            found = own.get(key)
            if expected != found and not (key == "calendar" and same_dates(raw.values, raw.attrs, (first, index))):
                others.append(index)
                names = findings.names((first, index))
                head = f"{key} is {expected!r} in {names[0]} but {found!r} in {names[1]}: values cannot be compared"
                remedy = Remedy("coo_map", {raw.dim: f"cf:{raw.dim}"})
                findings.each(
                    *(raw.scope.path, "units", index, head),
                    what=key,
                    value=found,
                    advice=f"For times, pass {remedy}",
                    first=(first,),
                    remedies=(remedy,),
                )
    times = all(is_time(own.get("units")) for _, own in read)
    if others and not times:
        findings.lost.update(others)
    return bool(others) and times


def _array(inputs: Inputs, index: int, dim: str, selector: str, group: str = "") -> ManifestArray:
    path = join(group, selector.partition(":")[2].strip("/"))
    array = inputs[index].arrays.get(path)
    if array is None:
        held = sorted(inputs[index].arrays)
        shown = ", ".join(held[:10]) + (f" and {len(held) - 10} more" if len(held) > 10 else "")
        remedy, order = Remedy("coo_map", {dim: ...}), Remedy("coo_map", {dim: ORDER})
        advice = f"Say where the values of {dim} are: {remedy}"
        if groups_along(inputs[index], dim):
            advice += f"; where the inputs follow one another as they are given, {order}"
        raise _NoValueError(
            f"no array {path!r} in {inputs.name(index)}; it has {shown or 'no arrays'}",
            advice=advice,
            remedies=(remedy, order),
        )
    return array


def _scalar(inputs: Inputs, index: int, scope: Scope, selector: Selector, ignore: frozenset[str]) -> Any:
    refs, name = inputs[index], inputs.name(index)
    if isinstance(selector, re.Pattern):
        return _search(selector, refs.name, name)
    if _is_list(selector):
        if inputs.rank(index) >= len(selector):
            raise _NoValueError(
                f"the list has {len(selector)} values, none for {name}, the input at place {inputs.rank(index)}"
            )
        return selector[inputs.rank(index)]
    if callable(selector):
        return selector(inputs.rank(index), refs, scope.dim, refs.name)
    return _of_text(inputs, index, scope, selector, ignore) if isinstance(selector, str) else selector


def _of_text(inputs: Inputs, index: int, scope: Scope, selector: str, ignore: frozenset[str]) -> Any:
    refs, name = inputs[index], inputs.name(index)
    kind, _, rest = selector.partition(":")
    if selector == "INDEX":
        return inputs.rank(index)
    if selector == ORDER:
        return np.arange(length_along(refs, scope.group, scope.dim))
    if selector == "VARNAME":
        return _variable_name(refs, name, ignore)
    if kind == "attr" and rest:
        return _attribute(name, refs.attrs, rest, "global attribute")
    if kind == "vattr" and ":" in rest:
        path, _, attribute = rest.partition(":")
        return _attribute(
            name, _array(inputs, index, scope.dim, f"vattr:{path}").meta.attrs, attribute, f"attribute of {path}"
        )
    return selector


def _is_list(selector: Selector) -> bool:
    """Whether a selector has a value for each input: a list, or what is indexed as one."""
    return (isinstance(selector, Sequence) and not isinstance(selector, str)) or getattr(selector, "ndim", 0) == 1


def _search(pattern: re.Pattern[str], text: str | None, name: str) -> str:
    found = pattern.search(text or "")
    if found is None:
        raise _NoValueError(f"the pattern {pattern.pattern!r} is not found in the name of the input, {name!r}")
    return str(found.groups()[0] if found.groups() else found.group())


def _attribute(name: str, attrs: Mapping[str, Any], attribute: str, kind: str) -> Any:
    if attribute not in attrs:
        raise _NoValueError(f"{name} has no {kind} {attribute!r}; it has {sorted(attrs)}")
    return attrs[attribute]


def _variable_name(refs: ReferenceSet, name: str, ignore: frozenset[str]) -> str:
    dims = {dim for array in refs.arrays.values() for dim in array.meta.dims or ()}
    names = [path for path in refs.arrays if path not in ignore and path.rpartition("/")[2] not in ignore | dims]
    if len(names) != 1:
        raise _NoValueError(
            f"Multiple varnames found in dataset {name}, please provide a more specific selector: {names}"
            if names
            else f"no data variable in {name} to take a name from"
        )
    return names[0]


def _cast(
    findings: Findings, raw: _Raw, values: Mapping[int, NDArray[Any]], dtype: np.dtype[Any]
) -> dict[int, NDArray[Any]]:
    cast: dict[int, NDArray[Any]] = {}
    for index, block in values.items():
        try:
            cast[index] = (as_iso(block) if dtype.kind == "M" and block.dtype.kind == "U" else block).astype(dtype)
        except (TypeError, ValueError) as error:
            head = f"{block[:3]} of {findings.inputs.name(index)} cannot be made {dtype}: {error}"
            findings.lose(raw.scope.path, "type of values", index, head)
    return cast
