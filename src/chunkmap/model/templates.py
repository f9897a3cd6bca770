"""Templates and `gen` of version 1, expanded without running anything.

Specification: https://fsspec.github.io/kerchunk/spec.html, "Version 1": texts hold expressions between `{{` and `}}`,
in the language of jinja2. Understood are numbers, texts, names, `+ - * // / %`, the filter `format`, and calls of
templates with keyword arguments. That is what the specification shows; all else is refused. How long results are, how
deep calls go, how many references `gen` makes, and how many letters are read and written for all of it are bounded.
"""

from __future__ import annotations

import ast
import itertools
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from chunkmap.errors import StorageError, Unsupported

__all__ = ["MOST_GENERATED", "Templates", "check_templates", "expand_templates", "generate"]

MOST_GENERATED: Final = 1_000_000
"""Most references that the `gen` sections of a set may make."""

_NAME: Final = re.compile(r"\{\{( ?)([^{}]*)\1\}\}")
_FORMAT: Final = re.compile(r"%[-+ #0]?\d{0,3}(?:\.\d{1,3})?[diouxXeEfFgGs%]")
_LONGEST: Final = 10_000
_LONGEST_EXPRESSION: Final = 500
_DEEPEST: Final = 8

_SPARE: Final = 64 << 20
_TIMES: Final = 50
_EACH: Final = 1024
"""Letters that may be read and written to expand a set, and more for each letter that it has, and for each reference
that `gen` makes: templates that call one another could go on without an end, or make gigabytes of a few letters."""

_EXPRESSION: Final = 32
"""Letters that working out an expression is counted as."""

_LARGEST: Final = 2**64
_OPERATORS: Final[Mapping[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
}

Names = Mapping[str, Any]


class _Budget:
    """Letters that may still be read and written."""

    def __init__(self) -> None:
        self.left = _SPARE

    def spend(self, letters: int) -> None:
        """Take some. Raises StorageError when there are none left."""
        self.left -= letters
        if self.left < 0:
            raise StorageError("its templates make far more text than there is in the set; write the references out")


class Templates(dict[str, str]):
    """The templates of a set, by name, and what expanding them may still cost."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        super().__init__(texts)
        self.budget = _Budget()


def expand_templates(value: Any, templates: Names) -> Any:
    """The expressions in a text, replaced by what they are; a value that is no text, and JSON, stay as they are.

    >>> expand_templates("{{u}}/{{f(c='a')}}.nc", {"u": "s3://bucket", "f": "file-{{c}}"})
    's3://bucket/file-a.nc'
    """
    if not templates or not isinstance(value, str) or "{{" not in value:
        return value
    budget = _budget_of(templates)
    budget.left += _TIMES * len(value)
    if value.lstrip().startswith("{") and not value.lstrip().startswith(("{{", "{%", "{#")):
        return _NAME.sub(lambda found: _named(found, templates, budget), value)
    return _render(value, templates, 0, budget)


def _budget_of(templates: Names) -> _Budget:
    return templates.budget if isinstance(templates, Templates) else _Budget()


def _named(found: re.Match[str], templates: Names, budget: _Budget) -> str:
    """The text of a template that is named, and else what stands there."""
    text = str(templates.get(found[2], found[0]))
    budget.spend(len(text))
    return text


def check_templates(templates: Any) -> Templates:
    """The `templates` of a set. Raises StorageError, or Unsupported for those that are programs."""
    if not isinstance(templates, Mapping) or not all(isinstance(text, str) for text in templates.values()):
        raise StorageError(f"templates are {str(templates)[:60]!r}, expected texts by name")
    if any("{%" in text or "{#" in text for text in templates.values()):
        raise Unsupported("a template with statements is a program, which is not run", feature="template")
    return Templates(templates)


def generate(sections: Any, templates: Names) -> Iterator[tuple[str, list[Any]]]:
    """The keys and references that `gen` stands for.

    Raises StorageError for sections that are none, and for more than `MOST_GENERATED` references.

    >>> section = {"key": "x/{{i}}", "url": "a.nc", "offset": "{{(i + 1) * 10}}", "length": "5",
    ...            "dimensions": {"i": {"stop": 2}}}
    >>> dict(generate([section], {}))
    {'x/0': ['a.nc', 10, 5], 'x/1': ['a.nc', 20, 5]}
    """
    if not isinstance(sections, Sequence) or isinstance(sections, str):
        raise StorageError(f"gen is {str(sections)[:60]!r}, expected a list of sections")
    axes = [_axes(section) for section in sections]
    count = sum(math.prod(map(len, values.values())) for values in axes)
    if count > MOST_GENERATED:
        raise StorageError(f"gen makes {count} references, expected {MOST_GENERATED} or fewer")
    names, budget = dict(templates), _budget_of(templates)
    budget.left += _EACH * count
    for section, values in zip(sections, axes, strict=True):
        if not all(values.values()):
            continue  # else the other axes were made for nothing
        for chosen in itertools.product(*values.values()):
            names.update(zip(values, chosen, strict=True))
            yield _render(section["key"], names, 0, budget), _generated(section, names, budget)
        for name in values:
            del names[name]
            names.update({name: templates[name]} if name in templates else {})


def _axes(section: Any) -> dict[str, Sequence[Any]]:
    if not isinstance(section, Mapping) or not isinstance(section.get("dimensions"), Mapping):
        raise StorageError(f"a section of gen is {str(section)[:60]!r}, expected one with key, url and dimensions")
    missing = {"key", "url"} - {name for name, text in section.items() if isinstance(text, str)}
    if missing or ("offset" in section) != ("length" in section):
        raise StorageError(
            f"a section of gen has {sorted(section)}, expected texts key and url, dimensions,"
            " and both of offset and length or none"
        )
    return {str(name): _axis(name, values) for name, values in section["dimensions"].items()}


def _axis(name: str, values: Any) -> Sequence[Any]:
    if isinstance(values, list) and all(isinstance(value, (int, float, str)) for value in values):
        return values
    if isinstance(values, Mapping) and "stop" in values and not values.keys() - {"start", "stop", "step"}:
        bounds = [values.get("start", 0), values["stop"], values.get("step", 1)]
        if all(type(bound) is int and abs(bound) < _LARGEST // 8 for bound in bounds) and bounds[2]:
            return range(*bounds)
    raise StorageError(f"dimension {name!r} of gen is {str(values)[:60]!r}, expected a list, or start, stop and step")


def _generated(section: Mapping[str, Any], names: Names, budget: _Budget) -> list[Any]:
    url = _render(section["url"], names, 0, budget)
    return [url, *(_number(section[part], names, budget) for part in ("offset", "length") if part in section)]


def _number(text: Any, names: Names, budget: _Budget) -> int:
    rendered = _render(str(text), names, 0, budget)
    try:
        return int(rendered)
    except ValueError as error:
        raise StorageError(f"gen: {text!r} is {rendered!r}, expected a whole number") from error


def _render(text: str, names: Names, depth: int, budget: _Budget) -> str:
    budget.spend(len(text))
    if depth > _DEEPEST:
        raise StorageError(f"template {text[:60]!r}: templates call one another more than {_DEEPEST} deep")
    if "{%" in text or "{#" in text:
        raise Unsupported(f"{text[:60]!r} is a program, which is not run", feature="template")
    pieces, at, letters = list[str](), 0, 0
    while (start := text.find("{{", at)) >= 0 and (stop := text.find("}}", start + 2)) >= 0:
        budget.spend(_EXPRESSION)
        value = str(_evaluate_text(text[start + 2 : stop].strip(), names, depth, budget))
        pieces += [text[at:start], value]
        letters += start - at + len(value)
        at = stop + 2
        if letters > _LONGEST:
            break
    letters += len(text) - at
    if letters > _LONGEST:
        raise StorageError(f"template {text[:60]!r} gives more than {_LONGEST} letters")
    budget.spend(letters)
    return "".join([*pieces, text[at:]])


def _evaluate_text(text: str, names: Names, depth: int, budget: _Budget) -> Any:
    if text in names:
        return _value(names[text], text)
    try:
        if len(text) > _LONGEST_EXPRESSION:
            raise ValueError(f"it has {len(text)} letters")
        return _evaluate(_parsed(text), names, depth, budget)
    except (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError) as error:
        raise StorageError(f"a template has {text[:60]!r}, which has no value: {error}") from error


@lru_cache(maxsize=256)
def _parsed(text: str) -> ast.expr:
    """`gen` has the same few expressions for every reference."""
    return ast.parse(text, mode="eval").body


def _evaluate(node: ast.AST, names: Names, depth: int, budget: _Budget) -> Any:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float, str):
        return _bounded(node.value)
    if isinstance(node, ast.Name) and node.id in names:
        return _value(names[node.id], node.id)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        value = _evaluate(node.operand, names, depth, budget)
        return -value if isinstance(node.op, ast.USub) else +value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _filtered(node, names, depth, budget)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = _evaluate(node.left, names, depth, budget), _evaluate(node.right, names, depth, budget)
        if isinstance(left, str) and isinstance(node.op, ast.Mod):
            return _formatted(left, (right,))
        if isinstance(node.op, ast.Mult) and (isinstance(left, str) or isinstance(right, str)):
            raise ValueError("a text is multiplied")
        return _bounded(_OPERATORS[type(node.op)](left, right))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args and node.func.id in names:
        given = {
            word.arg: _evaluate(word.value, names, depth, budget) for word in node.keywords if word.arg is not None
        }
        return _render(str(names[node.func.id]), given, depth + 1, budget)
    raise Unsupported(
        f"a template has {ast.unparse(node)[:60]!r}, which is not one of {sorted(names)}, a number, a text, a sum, or a"
        " call of a template with keyword arguments; nothing else is run",
        feature="template",
    )


def _filtered(node: ast.BinOp, names: Names, depth: int, budget: _Budget) -> str:
    """`"%03d" | format(i)`."""
    call = node.right
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "format"):
        raise Unsupported(f"a template has the filter {ast.unparse(call)[:60]!r}, only format is", feature="template")
    pattern = _evaluate(node.left, names, depth, budget)
    return _formatted(str(pattern), tuple(_evaluate(word, names, depth, budget) for word in call.args))


def _formatted(pattern: str, values: tuple[Any, ...]) -> str:
    if "%" in _FORMAT.sub("", pattern):
        raise ValueError(f"the format {pattern[:60]!r} is not a plain one")
    return str(_bounded(pattern % values))


def _value(value: Any, name: str) -> Any:
    if isinstance(value, str) and "{{" in value:
        raise Unsupported(f"the template {name!r} calls for arguments, and is given none", feature="template")
    return value


def _bounded(value: Any) -> Any:
    size = len(value) if isinstance(value, str) else abs(value)
    if size > (_LONGEST if isinstance(value, str) else _LARGEST):
        raise ValueError("it is too large")
    return value
