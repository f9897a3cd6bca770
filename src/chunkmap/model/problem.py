"""What references cannot express, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["Problem"]

_NO_ARRAY: Final = frozenset({"link", "member", "named datatype", "stray key"})
"""Features by which no array is lost: another name of one that is there, and what is none."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a file that references cannot express: reported, never guessed."""

    path: str
    """The object in the file, as its path in the ReferenceSet."""
    feature: str
    """What it is, by the format's own name: `"virtual dataset"`."""
    message: str
    """What was found, and what follows from it."""
    url: str | None = None
    """The file."""

    @property
    def is_of_no_array(self) -> bool:
        """Whether nothing is missing by it that could be read as an array."""
        return self.feature in _NO_ARRAY

    def __str__(self) -> str:
        return f"{self.url or ''} {self.path}: {self.feature}: {self.message}".strip()
