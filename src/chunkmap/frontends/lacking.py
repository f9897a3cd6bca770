"""What is said of a dataset that has less than one may look for: arrays that were left out, or are in other groups."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable
from typing import Final

from chunkmap.model import ReferenceSet
from chunkmap.model.wording import counted

__all__ = ["say_what_lacks", "say_where_arrays_are", "warn_caller"]

_LIBRARIES: Final = frozenset({"chunkmap", "kerchunk", "xarray"})

_GROUPS: Final = 5
"""Groups that are named where a dataset is empty."""

_REASONS: Final = 3
"""Arrays that were left out of which it is said why: a reason may be long."""


def say_what_lacks(
    refs: ReferenceSet, group: str, dropped: str | Iterable[str] | None = None, *, below: bool = False
) -> None:
    """Warn of the arrays of a group, or of all groups from it on (`below`), that were left out, with the reasons. Not
    of those that were `dropped`.
    """
    own = group.strip("/")
    names = {dropped} if isinstance(dropped, str) else set(dropped or ())
    left_out = [
        f"{path!r}: {why.message}"
        for path, why in refs.left_out.items()
        if path.rpartition("/")[2] not in names and _is_in(_group_of(path, refs), own, below=below)
    ]
    if left_out:
        more = len(left_out) - _REASONS
        warn_caller(
            f"{refs.name or 'the set'}: {counted(len(left_out), 'array', 'is')} left out. "
            + "; ".join(left_out[:_REASONS])
            + (f"; and {more:,} more, which `problems` of the set names" if more > 0 else "")
        )


def say_where_arrays_are(refs: ReferenceSet, group: str) -> None:
    """Warn of a dataset without a variable where groups below it have arrays: tiles of HDF-EOS, messages of GRIB."""
    own = group.strip("/")
    above = f"{own}/" if own else ""
    below = sorted({path.rpartition("/")[0] for path in refs.arrays if path.startswith(above)})
    if below and own not in below:
        shown = ", ".join(below[:_GROUPS]) + (f" and {len(below) - _GROUPS:,} more" if len(below) > _GROUPS else "")
        warn_caller(
            f"{refs.name or 'the set'}: no array is in its group /{own}, so the dataset is"
            f" empty; arrays are in {shown}. Open one with group={below[0]!r}, or all with xarray.open_datatree"
        )


def warn_caller(text: str) -> None:
    """Warn at the line that called, through however many functions of ours and of xarray."""
    frame, level = inspect.currentframe(), 0
    while frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in _LIBRARIES:
        frame, level = frame.f_back, level + 1
    warnings.warn(text, stacklevel=level + 1)


def _group_of(path: str, refs: ReferenceSet) -> str:
    """The group in which something would be, or the next one above it that there is."""
    group = path.rpartition("/")[0]
    while group and group not in refs.groups:
        group = group.rpartition("/")[0]
    return group


def _is_in(group: str, own: str, *, below: bool) -> bool:
    return group == own or (below and (not own or group.startswith(f"{own}/")))
