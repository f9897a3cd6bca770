"""The columns of a manifest as they are pickled: one that says the same everywhere is said once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["column_of", "short_of"]

Short = tuple[np.generic, int]
"""A value, and how many times it stands in the column."""


def short_of(column: NDArray[Any]) -> NDArray[Any] | Short:
    """What to pickle of a column: the offsets of whole files are all 0, the chunks of raw arrays all of one length."""
    if len(column) < 2 or column[0] != column[-1] or not bool((column == column[0]).all()):
        return column
    return column[0], len(column)


def column_of(short: NDArray[Any] | Short) -> NDArray[Any]:
    """The column again."""
    return np.full(short[1], short[0], short[0].dtype) if isinstance(short, tuple) else short
