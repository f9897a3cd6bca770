"""The codec `zarr_cast_value`: Zarr v3's `cast_value`, for numcodecs.

Specification: https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/cast_value. What is stored as one
type is read as another, some values as others that are named one by one. Casts are decoded that need no rule for
rounding or for what is out of range, and those from integers to floats, rounded to the nearest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_contiguous_ndarray, ndarray_copy

from chunkmap.errors import Unsupported
from chunkmap.model.v3_data_types import decode_scalar

__all__ = ["ZarrCastValue"]

_NEAREST = "nearest-even"


class ZarrCastValue(Codec):  # type: ignore[misc]
    """Reads elements of `stored` as `dtype`. The other arguments are those of Zarr v3.

    >>> cast = ZarrCastValue("<f4", "<i2", scalar_map={"decode": [[-9, "NaN"]]})
    >>> cast.decode(np.array([-9, 7], "<i2"))
    array([nan,  7.], dtype=float32)
    """

    codec_id = "zarr_cast_value"

    def __init__(
        self, dtype: str, stored: str, rounding: str = _NEAREST, out_of_range: str | None = None, scalar_map: Any = None
    ) -> None:
        self.dtype, self.stored = dtype, stored
        self.rounding, self.out_of_range, self.scalar_map = rounding, out_of_range, scalar_map
        self._dtype, self._stored = np.dtype(dtype), np.dtype(stored)
        if {self._dtype.kind, self._stored.kind} - set("iuf"):
            raise ValueError(f"{stored} is not cast to {dtype}, only numbers are cast")
        rounds = self._stored.kind in "iu" and self._dtype.kind == "f" and self._stored.itemsize >= self._dtype.itemsize
        to_nearest = rounds and rounding == _NEAREST and self._dtype.itemsize > 2
        if not to_nearest and (rounds or not np.can_cast(self._stored, self._dtype)):
            raise Unsupported(
                f"a cast of {stored} to {dtype} ({rounding=}, {out_of_range=}) is not decoded", feature="cast_value"
            )
        named = (scalar_map or {}).get("decode") or []
        self._named = [(decode_scalar(a, self._stored), decode_scalar(b, self._dtype)) for a, b in named]

    def encode(self, buf: Any) -> Any:
        """References are not written to."""
        raise NotImplementedError("values that references point to are not written")

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The elements, cast."""
        stored = ensure_contiguous_ndarray(buf).view(self._stored)
        values = stored.astype(self._dtype)
        for found, read in self._named:
            values[(stored == found) | ((stored != stored) & bool(found != found))] = read
        return ndarray_copy(values, out)
