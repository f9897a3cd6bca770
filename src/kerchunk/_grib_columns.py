"""Frames of pandas by their columns, as it holds them: a series of each would take longer than all that is done."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["are_alike", "frame_of", "held", "is_unique"]

_looked_at: Final[deque[tuple[Any, bool]]] = deque(maxlen=8)
"""Lines that were compared with one another, and whether they differ: a mapping meets the inventories of many runs."""


def held(frame: pd.DataFrame, names: Sequence[str]) -> list[Any]:
    """Columns of a frame as pandas holds them, to be looked at and never changed.

    `frame[name].values` takes 20 times as long, since it makes a series of each: two thirds of what a run takes.
    """
    of_number = getattr(frame, "_get_column_array", None)
    places = [frame.columns.get_loc(name) for name in names]
    if of_number is None or not all(isinstance(place, int) for place in places):
        return [frame[name].values for name in names]  # noqa: PD011 - `to_numpy` makes Python strings of text
    found = [of_number(place) for place in places]
    return [np.asarray(each) if isinstance(each.dtype, np.dtype) else each for each in found]


def are_alike(known: Any, said: Any) -> bool:
    """Whether two columns of lines are the same, line by line."""
    if isinstance(known, np.ndarray) or isinstance(said, np.ndarray):
        return np.array_equal(known, said)
    return bool(known.equals(said))


def is_unique(lines: Any) -> bool:
    """Whether no two lines say the same; of lines that were just looked at, as they are known to be."""
    import pandas as pd  # noqa: PLC0415 - who scans a file needs none

    if getattr(lines.dtype, "storage", None) != "pyarrow":
        return bool(pd.Series(lines).is_unique)
    arrow = lines.__arrow_array__()  # it never changes: where it is the same, so are the lines
    for one, unique in _looked_at:
        if one is arrow:
            return bool(unique)
    unique = bool(pd.Series(lines).is_unique)
    _looked_at.append((arrow, unique))
    return unique


def frame_of(columns: Mapping[str, Any], count: int) -> pd.DataFrame:
    """A frame of copies of columns, which are as long as they should be: to look at each again costs more than all of
    them took.
    """
    import pandas as pd  # noqa: PLC0415 - as above

    try:
        from pandas.api.internals import create_dataframe_from_blocks as from_blocks  # noqa: PLC0415 - of pandas 3
    except ImportError:
        return pd.DataFrame({name: each.copy() for name, each in columns.items()}, copy=False)
    alike: dict[Any, list[int]] = {}
    arrays = list(columns.values())
    for number, each in enumerate(arrays):
        alike.setdefault(each.dtype if isinstance(each, np.ndarray) else number, []).append(number)
    blocks = [
        (np.array([arrays[n] for n in numbers]) if isinstance(key, np.dtype) else arrays[key].copy(), np.array(numbers))
        for key, numbers in alike.items()
    ]
    return from_blocks(blocks, index=pd.RangeIndex(count), columns=_labels(tuple(columns)))


@functools.cache
def _labels(names: tuple[str, ...]) -> pd.Index:
    """The names of columns as pandas has them: made once, since that takes as long as half the columns."""
    import pandas as pd  # noqa: PLC0415 - as above

    return pd.Index(names)
