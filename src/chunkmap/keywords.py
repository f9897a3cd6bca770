"""Keyword arguments that many functions share are said once, as a TypedDict; a misspelt one is refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

__all__ = ["check_keywords"]


def check_keywords(function: str, given: Mapping[str, Any], known: type, *, all_say: str) -> None:
    """Raise TypeError for a keyword that is none of a TypedDict, naming the one that was meant, or what `all_say`.

    >>> from typing import TypedDict
    >>> check_keywords("open", {"alow": ()}, TypedDict("HowToOpen", {"allow": list}), all_say="how to open")
    Traceback (most recent call last):
    TypeError: open() has no argument 'alow': did you mean 'allow'?
    """
    names = known.__annotations__
    for name in given:
        if name not in names:
            close = get_close_matches(name, names, n=1)
            meant = f"did you mean {close[0]!r}?" if close else f"{all_say} is said by {', '.join(names)}"
            raise TypeError(f"{function}() has no argument {name!r}: {meant}")
