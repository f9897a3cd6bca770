"""How numbers of things are said, and values that may be long."""

from __future__ import annotations

from typing import Final

__all__ = ["counted", "shortened"]

_OF_MANY: Final = {"is": "are", "was": "were"}
"""What one thing is or does, as it is said of many."""

_LONGEST: Final = 80
"""Characters of a value that are shown."""


def counted(count: int, word: str, verb: str = "") -> str:
    """A number of things, and what they are or do.

    >>> counted(1, "chunk"), counted(1000, "file"), counted(2, "array", "is")
    ('1 chunk', '1,000 files', '2 arrays are')
    """
    said = f"{count:,} {word}{'' if count == 1 else 's'}"
    return f"{said} {verb if count == 1 else _OF_MANY[verb]}" if verb else said


def shortened(value: object) -> str:
    """A value as messages show it.

    >>> shortened("K"), len(shortened("K" * 1000))
    ('K', 80)
    """
    text = str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
