"""What references cannot express, as data."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Problem"]


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

    def __str__(self) -> str:
        return f"{self.url or ''} {self.path}: {self.feature}: {self.message}".strip()
