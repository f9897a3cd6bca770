"""What a parser of a format returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from chunkmap.model import ManifestArray, Problem, Target

__all__ = ["Scanned"]


class Scanned(NamedTuple):
    """Arrays and groups by path, and what could not be represented."""

    arrays: Mapping[str, ManifestArray]
    groups: Mapping[str, Mapping[str, Any]]
    problems: tuple[Problem, ...] = ()
    files: Mapping[str, Target] = {}
