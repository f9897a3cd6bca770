"""What the parser of a store asks of a folder: the vocabulary between them, so that the parser opens nothing.

    Files(names)                    -> the bytes of each file; None for one that is not there
    Sizes(names)                    -> int64 array: the length of each file; -1 for one that is not there
    Pieces(names, offsets, length)  -> uint8 array of shape (names, length): a range of each file

Whatever is asked for at one time is fetched at one time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Files", "Pieces", "Sizes"]


class Files(NamedTuple):
    """Whole files."""

    names: Sequence[str]


class Sizes(NamedTuple):
    """The lengths of files that were not listed."""

    names: Sequence[str]


class Pieces(NamedTuple):
    """Ranges of files, all of one length."""

    names: Sequence[str]
    offsets: NDArray[np.uint64]
    length: int
