"""Texts that look like selectors and are none: a slip of the pen would else become a coordinate."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Final

from chunkmap.errors import CombineError, Remedy

__all__ = ["check_dims", "check_spelling", "meant"]

_WORDS: Final = {"INDEX": "INDEX", "VARNAME": "VARNAME", "ORDER": "ORDER"}
_HEADS: Final = {"DATA": "data:VARIABLE", "CF": "cf:VARIABLE", "ATTR": "attr:NAME", "VATTR": "vattr:VARIABLE:NAME"}
_ALIKE: Final = 0.75


def check_spelling(selectors: Mapping[str, object]) -> None:
    """Raise CombineError for a text that is nearly a selector. Any other text is a constant, as it stands.

    >>> check_spelling({"model": "ICON"})
    >>> check_spelling({"time": "cftime:time"})
    Traceback (most recent call last):
    chunkmap.errors.CombineError: coo_map: 'cftime:time' for time is no selector: did you mean 'cf:VARIABLE'? ...
    """
    for dim, selector in selectors.items():
        if isinstance(selector, str):
            _check(dim, selector)


def check_dims(selectors: Collection[str], dims: Collection[str]) -> None:
    """Raise CombineError for selectors of dimensions that nothing is combined along.

    >>> check_dims(["tmie"], ["time"])
    Traceback (most recent call last):
    chunkmap.errors.CombineError: coo_map: it says where inputs stand along 'tmie', ...: did you mean 'time'?
    """
    for dim in selectors:
        if dim not in dims:
            where, named = Remedy("coo_map"), Remedy("concat_dims")
            raise CombineError(
                f"{where}: it says where inputs stand along {dim!r}, but {named} names only {', '.join(dims)}"
                f"{meant(dim, dims)}"
            ).helped_by(where, named)


def meant(name: str, known: Iterable[str]) -> str:
    """The end of a message: the name that was probably meant, where one is like it.

    >>> meant("latt", ["lat", "lon"]), meant("x", ["lat"])
    (": did you mean 'lat'?", '')
    """
    close = get_close_matches(name, list(known), n=1)
    return f": did you mean {close[0]!r}?" if close else ""


def _check(dim: str, selector: str) -> None:
    head, colon, rest = selector.partition(":")
    known = _HEADS if colon else _WORDS
    if _is_selector(head, colon, rest):
        return
    word = head.strip().upper()
    close = get_close_matches(word, known, n=1, cutoff=_ALIKE)
    if colon and not close and (word.startswith("CF") or sorted(word) == ["C", "F"]):
        close = ["CF"]
    if close:
        where = Remedy("coo_map")
        raise CombineError(
            f"{where}: {selector!r} for {dim} is no selector: did you mean {known[close[0]]!r}? For a constant that"
            " looks like this, give a function that returns it"
        ).helped_by(where)


def _is_selector(head: str, colon: str, rest: str) -> bool:
    if not colon:
        return head in _WORDS
    variable, _, name = rest.partition(":")
    return bool(rest.strip()) and (head in {"data", "cf", "attr"} or (head == "vattr" and bool(variable and name)))
