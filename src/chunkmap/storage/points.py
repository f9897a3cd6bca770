"""Restart points of files that are compressed as a whole, as text in JSON."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Any, Final

from chunkmap.model import Target

__all__ = ["POINTS", "points_column", "points_from"]

POINTS: Final = "points"
"""The name of their column in a table of files, which is there where any of the files has them."""


def points_column(targets: Iterable[Target]) -> dict[str, list[str | None]]:
    """The column.

    >>> points_column([Target(points=b"abc"), Target()]), points_column([Target()])
    ({'points': ['YWJj', None]}, {})
    """
    found = [None if each.points is None else base64.b64encode(each.points).decode() for each in targets]
    return {POINTS: found} if any(found) else {}


def points_from(text: Any) -> bytes | None:
    """The points again. What is no text of them says nothing: they are checked when they are used.

    >>> points_from("YWJj"), points_from("?"), points_from(3)
    (b'abc', None, None)
    """
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else None
    except (binascii.Error, ValueError):
        return None
