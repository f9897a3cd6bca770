"""What `filter_by_keys` leaves of a file of GRIB as one dataset, as cfgrib gives it: one of several groups, or more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import xarray as xr

__all__ = ["one_dataset"]


def one_dataset(groups: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """The groups in which fields are, side by side; those of the root are its attributes.

    Raises ValueError naming the groups where they are no one dataset: two have a variable of one name, or coordinates
    of one name that differ.
    """
    found = {path.strip("/"): one for path, one in groups.items() if one.variables}
    twice = [
        name for name, count in Counter(name for one in found.values() for name in one.data_vars).items() if count > 1
    ]
    if twice:
        raise _several(found, f"{twice[0]!r} is in more than one")
    attrs = next((one.attrs for path, one in groups.items() if path == "/"), {})
    try:
        merged = xr.merge(found.values(), compat="equals", join="exact", combine_attrs="drop_conflicts")
    except ValueError as error:
        raise _several(found, str(error).partition("\n")[0]) from error
    merged.attrs = dict(attrs)
    return merged


def _several(found: Mapping[str, xr.Dataset], why: str) -> ValueError:
    return ValueError(
        f"filter_by_keys leaves fields of {len(found)} groups, {', '.join(sorted(found))}, which are no one dataset:"
        f" {why}. Say more keys, open one with group={min(found)!r}, or all with xarray.open_datatree"
    )
