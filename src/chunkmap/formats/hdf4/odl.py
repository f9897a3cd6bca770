"""ODL: the text in which HDF-EOS2 says what is in a file.

Object Description Language, as the HDF-EOS Library User's Guide uses it: `GROUP` and `OBJECT` nest, all else is a name
and a value: a number, a text in quotes, a word, or a list of those in parentheses.
"""

from __future__ import annotations

import re
from typing import Any, Final

__all__ = ["parse_odl"]

_STATEMENT: Final = re.compile(r"^\s*(\w+)\s*=\s*(.*?)\s*$")
_BEGINS: Final = ("GROUP", "OBJECT")
_DEEPEST: Final = 32
_MOST_CONTINUED: Final = 1000
_LARGEST: Final = 1 << 63
"""Whole numbers that are no larger are whole numbers."""


def parse_odl(text: str) -> dict[str, Any]:
    r"""Groups and objects as dictionaries within one another; what is no statement is passed over.

    >>> parse_odl('GROUP=Grid\n XDim=4\n Name="a"\n DimList=("YDim","XDim")\nEND_GROUP=Grid\nEND')
    {'Grid': {'XDim': 4, 'Name': 'a', 'DimList': ['YDim', 'XDim']}}
    """
    root: dict[str, Any] = {}
    stack = [root]
    for line in _whole_statements(text):
        match = _STATEMENT.match(line)
        if match is None:
            continue
        word, value = match.groups()
        if word.upper() in _BEGINS:
            inner: dict[str, Any] = {}
            stack[-1][value] = inner
            if len(stack) < _DEEPEST:
                stack.append(inner)
        elif word.upper().startswith("END_"):
            stack = stack[:-1] if len(stack) > 1 else stack
        else:
            stack[-1][word] = _value(value)
    return root


def _whole_statements(text: str) -> list[str]:
    """Lines, those in parentheses joined."""
    out: list[str] = []
    waiting = 0
    for line in text.replace("\0", "\n").splitlines():
        if waiting and out[-1].count("(") > out[-1].count(")"):
            out[-1] += line.strip()
            waiting -= 1
        else:
            out.append(line)
            waiting = _MOST_CONTINUED
    return out


def _value(text: str) -> Any:
    if text.startswith("(") and text.endswith(")"):
        return [_value(part.strip()) for part in text[1:-1].split(",") if part.strip()]
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1]
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if abs(value) < _LARGEST or kind is float:
            return value
    return text
