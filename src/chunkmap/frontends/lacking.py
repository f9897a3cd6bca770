"""What is said of a dataset that has less than one may look for: arrays that were left out, or are in other groups."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from chunkmap.model import ReferenceSet
from chunkmap.model.wording import counted
from chunkmap.warning import warn_caller

__all__ = ["check_group", "say_what_lacks", "say_where_arrays_are"]

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


def check_group(refs: ReferenceSet, group: str) -> None:
    """Raise KeyError where there is no such group, saying which there are, or that `filter_by_keys` leaves none."""
    own = group.strip("/")
    if not own or own in refs.groups or any(path.startswith(f"{own}/") for path in (*refs.groups, *refs.arrays)):
        return
    name = refs.name or "the set"
    for problem in refs.problems:
        if problem.feature == "filter_by_keys":
            raise KeyError(f"{name}: there is no group {own!r}: {problem.message}")
    raise KeyError(f"{name}: there is no group {own!r}; arrays are in {_groups_with_arrays(refs)}")


def _groups_with_arrays(refs: ReferenceSet, above: str = "") -> str:
    """The first groups, from one on, that have arrays."""
    below = sorted({path.rpartition("/")[0] or "/" for path in refs.arrays if path.startswith(above)})
    return ", ".join(below[:_GROUPS]) + (f" and {len(below) - _GROUPS:,} more" if len(below) > _GROUPS else "")


def say_where_arrays_are(refs: ReferenceSet, group: str) -> None:
    """Warn of a dataset without a variable where groups below it have arrays: tiles of HDF-EOS, messages of GRIB."""
    own = group.strip("/")
    above = f"{own}/" if own else ""
    below = sorted({path.rpartition("/")[0] for path in refs.arrays if path.startswith(above)})
    if below and own not in below:
        warn_caller(
            f"{refs.name or 'the set'}: no array is in its group /{own}, so the dataset is"
            f" empty; arrays are in {_groups_with_arrays(refs, above)}. Open one with group={below[0]!r},"
            " or all with xarray.open_datatree"
        )


def _group_of(path: str, refs: ReferenceSet) -> str:
    """The group in which something would be, or the next one above it that there is."""
    group = path.rpartition("/")[0]
    while group and group not in refs.groups:
        group = group.rpartition("/")[0]
    return group


def _is_in(group: str, own: str, *, below: bool) -> bool:
    return group == own or (below and (not own or group.startswith(f"{own}/")))
