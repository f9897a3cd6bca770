"""What a look at several sets found, as data: that they do not fit together, or what was decided so that they do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chunkmap.errors import Remedy

__all__ = ["Finding", "Variant"]


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the other values that inputs have where the first has its own."""

    value: str
    count: int
    """How many inputs have it."""
    examples: tuple[str, ...]
    """The first of them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found, however many inputs it concerns."""

    check: str
    """The check, by the name under which it can be waived, if it can."""
    path: str
    """The array or the coordinate."""
    message: str
    """What was expected, what was found, and what to do."""
    inputs: tuple[str, ...] = ()
    """The first inputs that differ."""
    count: int = 0
    """How many inputs it concerns."""
    refused: bool = True
    """Whether nothing is combined because of it; else it is only worth knowing."""
    variants: tuple[Variant, ...] = ()
    """Where it concerns several inputs: what is expected, and the first few values that are found instead."""
    remedies: tuple[Remedy, ...] = ()
    """Arguments that would help, as the message spells them."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON has it."""
        return {
            "check": self.check,
            "path": self.path,
            "refused": self.refused,
            "message": self.message,
            "count": self.count,
            "inputs": list(self.inputs),
            "found": [{"value": v.value, "count": v.count, "examples": list(v.examples)} for v in self.variants],
        }
