"""The header of a unit: cards of 80 characters, each of a keyword and mostly a value.

Specification: https://fits.gsfc.nasa.gov/fits_standard.html, version 4.0, section 4. Beyond it stands the convention
HIERARCH for long keywords, https://fits.gsfc.nasa.gov/registry/hierarch_keyword.html.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["BLOCK", "CARD", "Header", "find_end", "read_cards"]

CARD: Final = 80
BLOCK: Final = 2880

# A value begins in column 11 and ends before a slash, behind which stands a comment.
_VALUE: Final = re.compile(
    r" *(?:'([^']*(?:''[^']*)*)'"
    r"|([TF])(?= *(?:/|$))"
    r"|([+-]?\d+)(?= *(?:/|$))"
    r"|([+-]?(?:\d+\.?\d*|\.\d+)(?:[EDed][+-]?\d+)?)(?= *(?:/|$))"
    r"|\(([^,()]*),([^,()]*)\)"
    r"|([^/]*))"
)
_TEXT, _LOGICAL, _INTEGER, _REAL, _COMPLEX, _OTHER = 1, 2, 3, 4, 6, 7
_MOST_DIGITS: Final = 18  # of integers that every reader of JSON takes
_END: Final = b"END     "
_PLAIN: Final = "= "


@dataclass(frozen=True, slots=True)
class Header:
    """The cards of one unit."""

    values: Mapping[str, Any]
    """Keyword -> value, the first where there are several; None where the value is undefined."""
    again: Mapping[str, list[Any]]
    """Keyword -> every value, of keywords that stand more than once."""
    remarks: Mapping[str, list[str]]
    """Keyword -> lines, of cards without a value: COMMENT, HISTORY and what has no keyword (under `""`)."""

    def get(self, keyword: str, default: Any = None) -> Any:
        """The value of a keyword."""
        return self.values.get(keyword, default)

    def integer(self, keyword: str, default: int | None = None) -> int | None:
        """The value of a keyword that should be an integer; None where it is something else."""
        value = self.values.get(keyword, default)
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return value if type(value) is int else None

    def number(self, keyword: str, default: float) -> float:
        """The value of a keyword that should be a number; the default where it is something else."""
        value = self.values.get(keyword, default)
        return value if type(value) in {int, float} and math.isfinite(value) else default

    def text(self, keyword: str, default: str = "") -> str:
        """The value of a keyword that should be text; the default where it is something else."""
        value = self.values.get(keyword)
        return value.strip() if isinstance(value, str) else default

    def attributes(self) -> dict[str, Any]:
        """All of it, as attributes: lines of one keyword are one text, values of one keyword a list."""
        found = {key: _json_value(value) for key, value in self.values.items()}
        for key, values in self.again.items():
            if any(value != values[0] for value in values):
                found[key] = [_json_value(value) for value in values]
        for key, lines in self.remarks.items():
            text = "\n".join(lines)
            if text.strip():
                found[key or "COMMENT_"] = text
        return found


def find_end(raw: bytes, start: int) -> int | None:
    """Where the card END begins, looked for from `start` on; None when there is none."""
    at = raw.find(_END, start)
    while at >= 0:
        if at % CARD == 0 and not raw[at + 3 : at + CARD].strip():
            return at
        at = raw.find(_END, at + 1)
    return None


def read_cards(raw: bytes) -> Header:
    """The cards before END.

    >>> header = read_cards(b"".join(card.ljust(80) for card in (b"NAXIS   =  2 / axes", b"OBJECT  = 'M13 '")))
    >>> header.values
    {'NAXIS': 2, 'OBJECT': 'M13'}
    """
    text = raw.decode("latin-1")
    values: dict[str, Any] = {}
    again: dict[str, list[Any]] = {}
    remarks: dict[str, list[str]] = {}
    last, match = "", _VALUE.match
    for start in range(0, len(text), CARD):
        card = text[start : start + CARD]
        key, body = card[:8].rstrip(), card[10:]
        if card[8:10] != _PLAIN:
            if key == "CONTINUE" and _continue(values, again, last, card):
                continue
            key, body = _long_keyword(card) if key == "HIERARCH" else (key, "")
            if not body:
                remarks.setdefault(key, []).append(card[8:].rstrip())
                last = ""
                continue
        value = _value(match(body))
        last = key
        if key in values:
            again.setdefault(key, [values[key]]).append(value)
        else:
            values[key] = value
    return Header(values, again, remarks)


def _long_keyword(card: str) -> tuple[str, str]:
    """The keyword and the value of a card HIERARCH; no value where it is a remark."""
    key, equals, body = card[9:].partition("=")
    return (key.strip().upper(), body or " ") if equals else ("HIERARCH", "")


def _continue(values: dict[str, Any], again: dict[str, list[Any]], key: str, card: str) -> bool:
    """Whether this card goes on with the text of the card before it, which then has been done.

    "The CONTINUE keyword ... the value of the previous keyword ends with the character `&`" (4.2.1.2).
    """
    found = _VALUE.match(card[8:])
    before = again[key][-1] if key in again else values.get(key)
    if not isinstance(before, str) or not before.endswith("&") or found is None or found.lastindex != _TEXT:
        return False
    whole = before[:-1] + _value(found)
    if key in again:
        again[key][-1] = whole
    else:
        values[key] = whole
    return True


def _value(found: re.Match[str] | None) -> Any:
    """The value that stands in a card."""
    assert found is not None  # the last alternative matches anything
    kind = found.lastindex
    text = found[kind or 0]
    if kind == _TEXT:
        return text.replace("''", "'").rstrip()
    if kind == _INTEGER:
        return int(text)
    if kind == _REAL:
        return float(text.replace("D", "E").replace("d", "E"))
    if kind == _LOGICAL:
        return text == "T"
    if kind == _COMPLEX:
        return _complex(found[5], text)
    return text.strip() or None


def _complex(real: str, imaginary: str) -> Any:
    """Two numbers; the text itself where they are none."""
    try:
        return complex(*(float(part.replace("D", "E").replace("d", "E")) for part in (real, imaginary)))
    except ValueError:
        return f"({real},{imaginary})"


def _json_value(value: Any) -> Any:
    """A value as JSON can hold it: a complex number as two, what no number of 64 bits holds as text."""
    if isinstance(value, complex):
        return [value.real, value.imag]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if type(value) is int and len(str(abs(value))) > _MOST_DIGITS:
        return str(value)
    return value
