"""Numbers of attributes that know their type, which JSON does not.

A `float32` that is written as JSON comes back as a double, and data that it scales come out in twice the memory with
other last digits. In memory the numbers of attributes are therefore numbers of Python that carry the type which they
have in their file: they are JSON as any other number is, equal to it, and pickle. In a stored set one entry beside
what other readers see says which attributes have which type: see `chunkmap.model.dictionary`.

The code of a type is that of numpy without the order of bytes, `f4`; `f4[1]` is an array of one element, which is
shown as the element. `enum` is that of the names of an enumeration, which is a type and no attribute. The code of
records is text that says how they are: see `chunkmap.model.typed_records`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Final, Self

import numpy as np

from chunkmap.model.typed_records import NOT_FINITE, is_of_records, plain, records_of

__all__ = [
    "MEANINGS",
    "NUMBERS",
    "VALUES",
    "MeaningsOfEnumeration",
    "SpelledNumber",
    "TypedList",
    "Types",
    "as_numpy",
    "as_text",
    "code_of",
    "codes_of",
    "enumerated",
    "is_json",
    "of_type",
    "same_types",
    "spelled",
    "typed",
    "types_of",
    "with_codes",
    "with_types",
]

Types = Mapping[str, Any]
"""Codes of types, and the names of the attributes that have each: as JSON, so not to be trusted."""

_PLAIN: Final = "float"
"""The code of a number without a type, in types that restore what is no number in JSON."""

_CODES: Final = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
_OF_LISTS: Final = ("b1", "c8", "c16")
"""Codes of lists alone: a truth value is itself, and a complex number a list of its parts."""
_ONE: Final = "[1]"


class _OfType:
    """What every number with a type has."""

    __slots__ = ()
    code: ClassVar[str]
    dtype: ClassVar[np.dtype[Any]]
    bounds: ClassVar[tuple[float, float]]
    """The least and the greatest that there is."""

    def __reduce__(self) -> tuple[object, ...]:
        number: Any = self
        return typed, (int(number) if isinstance(number, int) else float(number), self.code)


def _class(code: str, ending: str) -> type[Any]:
    base, dtype = (float if code[0] == "f" else int), np.dtype(code)
    bounds = (-math.inf, math.inf) if base is float else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    members = {"code": code + ending, "dtype": dtype, "bounds": bounds, "__slots__": ()}
    return type(f"{base.__name__}_{code}", (_OfType, base), members)


_CLASSES: Final[Mapping[str, type[Any]]] = {
    code + ending: _class(code, ending) for code in _CODES for ending in ("", _ONE)
}


NUMBERS: Final[Collection[type[Any]]] = _CLASSES.values()
"""The classes of single numbers, each of which has a `code`."""


class TypedList(list[Any]):
    """Several numbers of one type, nested where they have several axes; or one record, or several."""

    __slots__ = ("code",)

    def __init__(self, values: list[Any], code: str) -> None:
        super().__init__(values)
        self.code = code

    def __reduce__(self) -> tuple[object, ...]:
        return TypedList, (list(self), self.code)


class SpelledNumber(str):
    """A number that JSON does not have, as the text that it stands for; it comes back as a number of its type."""

    __slots__ = ("code",)

    code: str

    def __new__(cls, text: str, code: str) -> Self:
        """The text, with the code of its type."""
        made = super().__new__(cls, text)
        made.code = code
        return made

    def __reduce__(self) -> tuple[object, ...]:
        return SpelledNumber, (str(self), self.code)


_FLOATS: Final = frozenset({float, *(kind for kind in NUMBERS if issubclass(kind, float))})
_EXACT: Final = frozenset({str, int, bool, type(None), *NUMBERS}) - _FLOATS
"""Types whose values say all when they are equal; a zero of others may be negative."""


VALUES: Final = "flag_values"
MEANINGS: Final = "flag_meanings"
"""The attributes by which the CF conventions (section 3.5) say what numbers mean."""


class MeaningsOfEnumeration(str):
    """`flag_meanings` that are no attribute of the file, but the names of the enumeration that is the array's type."""

    __slots__ = ()
    code: ClassVar[str] = "enum"

    def __reduce__(self) -> tuple[object, ...]:
        return MeaningsOfEnumeration, (str(self),)


def same_types(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Whether attributes that are equal are so to the letter: of the same types, in the same order, zeros of one sign.

    >>> one = {"a": 1}
    >>> same_types(one, {"a": 1}), same_types(one, {"a": typed(1, "i2")}), same_types({"b": [1.0]}, {"b": [1]})
    (True, False, False)
    """
    kinds = list(map(type, mine.values()))
    if kinds != list(map(type, theirs.values())) or list(mine) != list(theirs):
        return False
    return _EXACT.issuperset(kinds) or all(map(_same_types, mine.values(), theirs.values()))


def _same_types(mine: Any, theirs: Any) -> bool:
    kind = type(mine)
    if kind in _EXACT or kind is not type(theirs):
        return kind is type(theirs)
    if kind in _FLOATS:
        return math.copysign(1, mine) == math.copysign(1, theirs)
    if isinstance(mine, Mapping):
        return same_types(mine, theirs)
    if kind is list:
        return all(map(_same_types, mine, theirs))
    return getattr(mine, "code", None) == getattr(theirs, "code", None) and repr(mine) == repr(theirs)


def enumerated(attrs: Mapping[str, Any]) -> dict[str, int]:
    """The numbers of an enumeration by name, where that is what attributes say; nothing else.

    >>> enumerated({"flag_values": [0, 9], "flag_meanings": MeaningsOfEnumeration("clear missing")})
    {'clear': 0, 'missing': 9}
    """
    names, values = attrs.get(MEANINGS), attrs.get(VALUES)
    if not isinstance(names, MeaningsOfEnumeration):
        return {}
    numbers = values if isinstance(values, list) else [values]
    found = dict(zip(names.split(), numbers, strict=False))
    return found if len(found) == len(numbers) and all(type(n) is int for n in numbers) else {}


_TYPED: Final = (_OfType, TypedList, SpelledNumber, MeaningsOfEnumeration)


def of_type(code: str) -> type[Any]:
    """The class of single numbers of a type; what is made by it is not checked."""
    return _CLASSES[code]


def typed(value: Any, code: str) -> Any:
    """A number, or several in lists, that know their type; as they are where they are of no such type.

    >>> typed(0.1, "f4").dtype, typed(0.1, "f4") == 0.1, typed("0.1", "f4")
    (dtype('float32'), True, '0.1')
    """
    if isinstance(value, list):
        return TypedList(value, code) if code in (*_CODES, *_OF_LISTS) or is_of_records(code) else value
    kind = _CLASSES.get(code)
    return value if kind is None or isinstance(value, bool) or not isinstance(value, (int, float)) else kind(value)


def code_of(value: Any) -> str | None:
    """The code of the type of a value; None where it has none."""
    return getattr(value, "code", None) if isinstance(value, _TYPED) else None


def as_numpy(value: Any) -> Any:
    """The value of an attribute as numpy has it: a scalar or an array of its type; what has no type as it is.

    >>> as_numpy(typed(1, "i2")), as_numpy(typed([1.0, 2.0], "f4")), as_numpy("m")
    (np.int16(1), array([1., 2.], dtype=float32), 'm')
    """
    if isinstance(value, _OfType):
        scalar: Any = value.dtype.type
        return scalar(value)
    if isinstance(value, MeaningsOfEnumeration):
        return str(value)
    if not isinstance(value, TypedList):
        return value
    if is_of_records(value.code):
        found = records_of(value, value.code)
        return list(value) if found is None else found
    if value.code[0] != "c":
        return np.array(value, value.code)
    parts = np.array(value, np.float64)
    if not parts.size:
        return parts.astype(value.code)
    return (parts[..., 0] + 1j * parts[..., 1]).astype(value.code)[()]


def types_of(attrs: Mapping[str, Any]) -> dict[str, list[str]]:
    """The types of those attributes that have one: names by code.

    >>> types_of({"scale_factor": typed(0.1, "f4"), "units": "m", "valid_range": typed([1, 2], "i2")})
    {'f4': ['scale_factor'], 'i2': ['valid_range']}
    """
    found: dict[str, list[str]] = {}
    for name, value in attrs.items():
        code = code_of(value)
        if code is not None:
            found.setdefault(code, []).append(name)
    return found


def spelled(attrs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The attributes with text for the numbers that JSON does not have, and the types by which they come back.

    >>> attrs, types = spelled({"a": float("inf"), "b": typed(float("nan"), "f4")})
    >>> attrs, types, with_types(attrs, types)
    ({'a': 'Infinity', 'b': 'NaN'}, {'f4': ['b'], 'float': ['a']}, {'a': inf, 'b': nan})

    Objects of no type stay as they are: numbers in them would not come back.
    """
    out, types = dict(attrs), types_of(attrs)
    for name, value in attrs.items():
        if code_of(value) is not None:
            out[name] = _spelled(value)
        elif not _has_objects(value):
            out[name] = _spelled(value)
            if out[name] is not value:
                types.setdefault(_PLAIN, []).append(name)
    return out, types


def _has_objects(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, (list, tuple)) and any(map(_has_objects, value)))


def as_text(attrs: Mapping[str, Any], *, but: str | None = None) -> dict[str, Any]:
    """The attributes with text for the numbers that JSON does not have, of the type by which they come back.

    >>> attrs = as_text({"a": float("inf"), "b": typed(float("nan"), "f4"), "c": 1.5})
    >>> attrs, types_of(attrs)
    ({'a': 'Infinity', 'b': 'NaN', 'c': 1.5}, {'float': ['a'], 'f4': ['b']})
    """
    return {name: value if name == but else _coming_back(value) for name, value in attrs.items()}


def is_json(attrs: Mapping[str, Any]) -> bool:
    """Whether JSON has every number among the attributes: none is NaN or infinite.

    >>> is_json({"a": 1.5}), is_json({"a": [1.5, float("nan")]})
    (True, False)
    """
    return all(_spelled(value) is value for value in attrs.values())


def _coming_back(value: Any) -> Any:
    text = _spelled(value)
    if text is value:
        return value
    code = code_of(value) or _PLAIN
    return SpelledNumber(text, code) if isinstance(text, str) else TypedList(text, code) if type(text) is list else text


def _spelled(value: Any) -> Any:
    """A value, or the very same where all of it is JSON."""
    if isinstance(value, Mapping):
        members = {name: _spelled(member) for name, member in value.items()}
        return value if all(members[name] is member for name, member in value.items()) else members
    if isinstance(value, list):
        own = list(map(_spelled, value))
        return value if all(a is b for a, b in zip(own, value, strict=True)) else own
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return next(text for text, number in NOT_FINITE.items() if value == number or (value != value and text == "NaN"))


def with_types(attrs: Mapping[str, Any], types: Types) -> Mapping[str, Any]:
    """The attributes with their types. Where a value is not of the type that is said, it stays as it is.

    >>> with_types({"a": 1, "b": 300, "c": "text"}, {"u1": ["a", "b", "c", "d"]})["a"].dtype
    dtype('uint8')
    """
    return with_codes(attrs, codes_of(types))


def codes_of(types: Types) -> dict[str, str]:
    """The code of the type of each attribute, by name: asked for once where many arrays share the types.

    >>> codes_of({"u1": ["a"], "f4": ["b", "c"]})
    {'a': 'u1', 'b': 'f4', 'c': 'f4'}
    """
    lists = {code: names for code, names in types.items() if isinstance(names, list)}
    return {name: code for code, names in lists.items() for name in names if isinstance(name, str)}


def with_codes(attrs: Mapping[str, Any], codes: Mapping[str, str]) -> Mapping[str, Any]:
    """The attributes with their types, by the code of each."""
    return {name: _restored(value, codes[name]) if name in codes else value for name, value in attrs.items()}


def _restored(value: Any, code: str) -> Any:
    """A value of JSON as the attribute that it was, if it can be that one."""
    kind = _CLASSES.get(code)
    if code == MeaningsOfEnumeration.code:
        return MeaningsOfEnumeration(value) if isinstance(value, str) else value
    if kind is not None and type(value) in ((int, float) if code[0] == "f" else (int,)):
        return kind(value) if kind.bounds[0] <= value <= kind.bounds[1] or value != value else value
    if _are_all(value, code):
        return TypedList(value, code)
    if is_of_records(code):
        found = records_of(value, code) if isinstance(value, list) else None
        return value if found is None else TypedList(plain(found.tolist()), code)
    if code == _PLAIN:
        return _finite_or_not(value)
    bare = code.removesuffix(_ONE)
    if bare[:1] in ("f", "c"):
        value = _finite_or_not(value)
    if isinstance(value, str) or bare not in (*_CODES, *_OF_LISTS):
        return value
    return _if_exact(value, code)


def _if_exact(value: Any, code: str) -> Any:
    """A number, or several, of a type; as they are where that has not all of them."""
    again, kind = typed(value, code), code[0]
    try:
        numbers = as_numpy(again)
        exact = numbers.dtype.kind == "f" or kind == "c" or bool(np.array_equal(numbers, np.array(value)))
    except (ValueError, TypeError, OverflowError, IndexError, AttributeError):
        return value
    return again if exact else value


def _are_all(value: Any, code: str) -> bool:
    """Whether a value is a list of numbers, all of which a type has; others are looked at one by one."""
    if type(value) is not list or not value or code not in _CODES:
        return False
    if code[0] == "f":
        return all(type(one) is float for one in value)
    low, high = _CLASSES[code].bounds
    return all(type(one) is int for one in value) and low <= min(value) and max(value) <= high


def _finite_or_not(value: Any) -> Any:
    """The numbers that JSON does not have are spelled."""
    if isinstance(value, list):
        return list(map(_finite_or_not, value))
    return NOT_FINITE.get(value, value) if isinstance(value, str) else value
