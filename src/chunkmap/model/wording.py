"""How numbers of things are said."""

from __future__ import annotations

__all__ = ["counted"]


def counted(count: int, word: str) -> str:
    """A number of things.

    >>> counted(1, "chunk"), counted(1000, "file")
    ('1 chunk', '1,000 files')
    """
    return f"{count:,} {word}{'' if count == 1 else 's'}"
