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

__all__ = ["BLOCK", "CARD", "Header", "Known", "find_end", "read_cards"]

CARD: Final = 80
BLOCK: Final = 2880

# A value begins in column 11 and ends before a slash, behind which stands a comment.
_VALUE: Final = re.compile(
    r" *(?:'([^']*(?:''[^']*)*)'"
    r"|([TF])(?= *(?:/|$))"
    r"|([+-]?\d+)(?![\d.EDed])(?= *(?:/|$))"
    r"|([+-]?(?:\d+\.?\d*|\.\d+)(?:[EDed][+-]?\d+)?)(?= *(?:/|$))"
    r"|\(([^,()]*),([^,()]*)\)"
    r"|([^/]*))"
)
_TEXT, _LOGICAL, _INTEGER, _REAL, _COMPLEX = 1, 2, 3, 4, 6
_MOST: Final = 10**18  # integers of so many digits are taken by every reader of JSON
_END: Final = b"END     "
_PLAIN: Final = "= "

# Most cards are of fixed format: a number without an exponent that ends in column 30, and a comment (4.2.3, 4.2.4).
_NUMBER: Final = re.compile(r"= +[+-]?\d{1,17}(\.\d*)? / ")
_AFTER: Final = 33

Known = dict[str, tuple[str, Any]]
"""Cards that have been read: the keyword and value of each."""


@dataclass(frozen=True, slots=True)
class Header:
    """The cards of one unit."""

    values: Mapping[str, Any]
    """Keyword -> value, the first where there are several; None where the value is undefined."""
    again: Mapping[str, list[Any]]
    """Keyword -> every value, of keywords that stand more than once."""
    remarks: Mapping[str, list[str]]
    """Keyword -> lines, of cards without a value: COMMENT, HISTORY and what has no keyword (under `""`)."""
    odd: frozenset[str] = frozenset()
    """Keywords whose value JSON does not hold as it is."""

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
        return float(value) if type(value) in {int, float} and math.isfinite(value) else default

    def text(self, keyword: str, default: str = "") -> str:
        """The value of a keyword that should be text; the default where it is something else."""
        value = self.values.get(keyword)
        return value.strip() if isinstance(value, str) else default

    def attributes(self) -> dict[str, Any]:
        """All of it, as attributes: lines of one keyword are one text, values of one keyword a list."""
        found = dict(self.values)
        for key in self.odd:
            found[key] = _json_value(found[key])
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


def read_cards(raw: bytes, known: Known | None = None) -> Header:
    """The cards before END. `known` keeps texts from one header to the next: many are the same in all of a file.

    >>> header = read_cards(b"".join(card.ljust(80) for card in (b"NAXIS   =  2 / axes", b"OBJECT  = 'M13 '")))
    >>> header.values
    {'NAXIS': 2, 'OBJECT': 'M13'}
    """
    text, known, cards = raw.decode("latin-1"), {} if known is None else known, _Cards()
    values, lookup, number = cards.values, known.get, _NUMBER.match
    for card in [text[start : start + CARD] for start in range(0, len(text), CARD)]:
        found = lookup(card)
        if found is None:
            plain = number(card, 8)
            if plain is not None and plain.end() == _AFTER:
                key, value = card[:8].rstrip(), (int if plain.lastindex is None else float)(card[10:30])
            elif card[8:10] != _PLAIN:
                cards.add_unusual(card)
                continue
            else:
                key, value = card[:8].rstrip(), _value(_VALUE.match(card, 10))
                if _json_value(value) is not value:
                    cards.add(key, value)
                    continue
                known[card] = key, value
        else:
            key, value = found
        if key in values:
            cards.add(key, value)
        else:
            cards.last, values[key] = key, value
    cards.settle()
    return Header(values, cards.again, cards.remarks, frozenset(cards.odd))


class _Cards:
    """The cards that have been read."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.again: dict[str, list[Any]] = {}
        self.remarks: dict[str, list[str]] = {}
        self.odd: set[str] = set()
        self.last = ""
        self._pieces: list[str] = []
        self._of_pieces = ""

    def add(self, key: str, value: Any) -> None:
        """One value, whatever it is."""
        self.settle()
        self.last = key
        if key in self.values:
            self.again.setdefault(key, [self.values[key]]).append(value)
            return
        self.values[key] = value
        if _json_value(value) is not value:
            self.odd.add(key)

    def add_unusual(self, card: str) -> None:
        """A card that is not a keyword of 8 characters and a value."""
        key = card[:8].rstrip()
        if key == "CONTINUE" and self._continue(card):
            return
        self.settle()
        key, body = _long_keyword(card) if key == "HIERARCH" else (key, "")
        if body:
            self.add(key, _value(_VALUE.match(body)))
        else:
            self.last = ""
            self.remarks.setdefault(key, []).append(card[8:].rstrip())

    def settle(self) -> None:
        """Text that came in several cards is whole now."""
        if not self._pieces:
            return
        key, whole, self._pieces = self._of_pieces, "".join(self._pieces), []
        if key in self.again:
            self.again[key][-1] = whole
        else:
            self.values[key] = whole

    def _continue(self, card: str) -> bool:
        """Whether this card goes on with the text of the card before it, which then has been done.

        "The CONTINUE keyword ... the value of the previous keyword ends with the character `&`" (4.2.1.2).
        """
        key, found = self.last, _VALUE.match(card[8:])
        if self._of_pieces != key:
            self.settle()
        before = self._pieces[-1] if self._pieces else self.again.get(key, [self.values.get(key)])[-1]
        if not isinstance(before, str) or not before.endswith("&") or found is None or found.lastindex != _TEXT:
            return False
        self._of_pieces = key
        self._pieces[-1:] = [before[:-1], _value(found)]
        return True


def _long_keyword(card: str) -> tuple[str, str]:
    """The keyword and the value of a card HIERARCH; no value where it is a remark."""
    key, equals, body = card[9:].partition("=")
    return (key.strip().upper(), body or " ") if equals else ("HIERARCH", "")


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
    kind = type(value)
    if kind is float:
        return value if math.isfinite(value) else str(value)
    if kind is int:
        return value if -_MOST < value < _MOST else str(value)
    return [value.real, value.imag] if kind is complex else value
