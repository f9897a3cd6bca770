"""What a format of files is to the rest of the house: the row by which it is found, and what its parser gives back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from chunkmap.model import ManifestArray, Problem, Target

__all__ = ["Scanned"]


class Scanned(NamedTuple):
    """What a parser of a format returns."""

    arrays: Mapping[str, ManifestArray]
    """Arrays by path."""
    groups: Mapping[str, Mapping[str, Any]]
    """Attributes by path; "" is the root."""
    problems: tuple[Problem, ...] = ()
    """What could not be represented."""
    files: Mapping[str, Target] = {}
    """Other files that references point into."""
