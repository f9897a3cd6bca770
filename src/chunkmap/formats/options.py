"""The options of formats as their dataclasses say them: for words of the command line, and for documentation."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from types import UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from chunkmap.formats import FORMATS, Format, find_format

__all__ = ["Option", "from_words", "options_in", "options_table"]


class Option(NamedTuple):
    """One option of a format."""

    name: str
    kind: Any
    default: Any
    what: str
    """What it is for, as the text below the field says."""


def options_in(row: Format) -> list[Option]:
    """The options of a format, in the order of their fields."""
    kind = row.load().Options
    hints, texts = get_type_hints(kind), _texts(kind)
    return [
        Option(
            field.name,
            hints[field.name],
            field.default if field.default_factory is MISSING else field.default_factory(),
            texts[field.name],
        )
        for field in fields(kind)
    ]


def options_table() -> str:
    """The options of all formats as a table in Markdown."""
    lines = ["| format | option | unless it is given | |", "|---|---|---|---|"]
    for row in FORMATS:
        name = row.name
        for option in options_in(row):
            what = option.what.replace("|", "\\|")
            lines.append(f"| {name} | `{option.name}` | `{option.default!r}` | {what} |")
            name = ""
    return "\n".join(lines) + "\n"


def from_words(words: Mapping[str, str], format: str | None = None) -> dict[str, Any]:  # noqa: A002 - as `scan` has it
    """Options that are given as text, typed as the formats that have them say; `format` is the only one, if named.

    Raises ValueError for an option that no format has, or a value that is none of its type.

    >>> from_words({"chunk_nbytes": "1000", "group": "a"})
    {'chunk_nbytes': 1000, 'group': 'a'}
    """
    rows = FORMATS if format is None else [find_format(format)]
    known: dict[str, list[Option]] = {}
    for row in rows:
        for option in options_in(row):
            known.setdefault(option.name, []).append(option)
    return {name: _typed(name, text, known) for name, text in words.items()}


def _typed(name: str, text: str, known: Mapping[str, Sequence[Option]]) -> Any:
    if name not in known:
        raise ValueError(f"no option {name!r}; there are {', '.join(sorted(known))}")
    kinds = [kind for option in known[name] for kind in _choices(option.kind)]
    for kind in kinds:
        value = _read(kind, text)
        if value is not None:
            return value[0]
    what = " or ".join(dict.fromkeys("none" if kind is type(None) else _said(kind) for kind in kinds))
    raise ValueError(f"option {name} is {text!r}, expected {what}")


def _choices(kind: Any) -> list[Any]:
    """The types of a union, text last: any word is one."""
    kinds = [choice for part in get_args(kind) for choice in _choices(part)] if _is_union(kind) else [kind]
    return sorted(kinds, key=lambda choice: choice is str or _is_tuple(choice))


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, UnionType)


def _is_tuple(kind: Any) -> bool:
    """Whether a type is that of several values of one type."""
    origin: Any = get_origin(kind)
    return origin is tuple


def _is_mapping(kind: Any) -> bool:
    """Whether a type is that of names and their values."""
    return get_origin(kind) is Mapping


def _read_mapping(text: str) -> tuple[Any] | None:
    """The names and values that a word has as JSON, in a tuple; None where it is no object of JSON."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return (value,) if isinstance(value, dict) else None


def _read(kind: Any, text: str) -> tuple[Any] | None:
    """The value that a word is, in a tuple; None where it is none of this type."""
    if get_origin(kind) is Literal:
        return next(((value,) for value in get_args(kind) if str(value) == text), None)
    if _is_tuple(kind):
        items = [_read(get_args(kind)[0], item.strip()) for item in text.split(",") if item.strip()]
        return None if None in items else (tuple(item[0] for item in items if item is not None),)
    if _is_mapping(kind):
        return _read_mapping(text)
    if kind is type(None):
        return (None,) if text.lower() == "none" else None
    if kind is bool:
        return {"true": (True,), "false": (False,)}.get(text.lower())
    try:
        return (kind(text),)
    except ValueError:
        return None


def _said(kind: Any) -> str:
    """How a type is called where a word is none of it."""
    if get_origin(kind) is Literal:
        return " or ".join(map(str, get_args(kind)))
    if _is_tuple(kind):
        return f"{_said(get_args(kind)[0])}, or several parted by commas"
    if _is_mapping(kind):
        return 'an object of JSON, such as \'{"name": "value"}\''
    return "true or false" if kind is bool else {int: "a whole number", float: "a number"}.get(kind, "text")


def _texts(kind: type[Any]) -> dict[str, str]:
    """The text below each field of a class, on one line."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            constant = text.value if isinstance(text, ast.Expr) else None
            said = constant.value if isinstance(constant, ast.Constant) else ""
            found[field.target.id] = " ".join(str(said).split())
    return found
