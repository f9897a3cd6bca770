"""One message as `scan_grib` gives it, as a row of an index of chunks."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerchunk._inputs import as_set

__all__ = ["row_of"]


def row_of(group: dict[str, Any]) -> dict[str, Any] | None:
    """What a message is, its coordinates, and where it is; None where its parameter has no name."""
    refs = as_set(group)
    (name,) = [path for path, array in refs.arrays.items() if "GRIB_gridType" in array.meta.attrs]
    if name.startswith("unknown"):
        return None
    array = refs.arrays[name]
    attrs = array.meta.attrs
    level = str(attrs.get("GRIB_typeOfLevel", ""))
    scalars = {
        path: np.frombuffer(other.manifest().inline_bytes(0), other.meta.dtype)[0]
        for path, other in refs.arrays.items()
        if not other.meta.shape and not other.meta.filters
    }
    chunk = array.manifest().row(0)
    inline = isinstance(chunk.source, bytes)
    return {
        "varname": name,
        "typeOfLevel": attrs.get("GRIB_typeOfLevel"),
        "stepType": attrs.get("GRIB_stepType"),
        "name": attrs.get("GRIB_name"),
        "time": _moment(scalars.get("time")),
        "step": _later(scalars.get("step")),
        "level": float(scalars.get(level, np.nan)),
        "valid_time": _moment(scalars.get("valid_time")),
        "uri": None if inline else chunk.source,
        "offset": -1 if inline else int(chunk.offset),
        "length": -1 if inline else int(chunk.length),
        "inline_value": chunk.source if inline else None,
    }


def _moment(seconds: Any) -> np.datetime64:
    return np.datetime64("NaT", "ns") if seconds is None else np.datetime64(int(seconds) * 10**9, "ns")


def _later(hours: Any) -> np.timedelta64:
    return np.timedelta64("NaT", "ns") if hours is None else np.timedelta64(round(float(hours) * 3600) * 10**9, "ns")
