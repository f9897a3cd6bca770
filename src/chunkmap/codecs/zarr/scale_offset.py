"""The codec `zarr_scale_offset`: Zarr v3's `scale_offset`, for numcodecs.

Specification: https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/scale_offset. Decoding divides by the
scale, then adds the offset, in the arithmetic of the type, and refuses what does not come out exactly in integers. It
is not the packing of CF conventions, which multiplies: dividing by the reciprocal rounds otherwise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_contiguous_ndarray, ndarray_copy
from numpy.typing import NDArray

from chunkmap.model.v3_data_types import decode_scalar

__all__ = ["ZarrScaleOffset"]


class ZarrScaleOffset(Codec):  # type: ignore[misc]
    """Scales elements of `dtype`; `scale` and `offset` are numbers of that type as Zarr v3's JSON has them.

    >>> ZarrScaleOffset("<f4", scale=4, offset=100).decode(np.array([2, 6], "<f4"))
    array([100.5, 101.5], dtype=float32)
    """

    codec_id = "zarr_scale_offset"

    def __init__(self, dtype: str, scale: Any = 1, offset: Any = 0) -> None:
        self.dtype, self.scale, self.offset = dtype, scale, offset
        self._dtype = np.dtype(dtype)
        if self._dtype.kind not in "iuf":
            raise ValueError(f"elements of {dtype} are not scaled, only numbers are")
        self._scale, self._offset = (decode_scalar(value, self._dtype) for value in (scale, offset))
        if self._scale == 0:
            raise ValueError("a scale of 0 cannot be divided by")

    def encode(self, buf: Any) -> Any:
        """References are not written to."""
        raise NotImplementedError("values that references point to are not written")

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The elements, scaled. Raises ValueError for integers that do not come out exactly."""
        values = ensure_contiguous_ndarray(buf).view(self._dtype)
        scaled = values / self._scale + self._offset if self._dtype.kind == "f" else self._whole(values)
        return ndarray_copy(scaled.astype(self._dtype, copy=False), out)

    def _whole(self, values: NDArray[Any]) -> NDArray[Any]:
        if not len(values):
            return values
        scale, offset, limits = int(self._scale), int(self._offset), np.iinfo(self._dtype)
        ends = [int(values.min()) // scale, int(values.max()) // scale]
        if min(ends) < limits.min or max(ends) > limits.max or bool((values % self._scale).any()):
            raise ValueError(f"integers do not divide by {scale} exactly")
        if min(ends) + offset < limits.min or max(ends) + offset > limits.max:
            raise ValueError(f"integers and {offset} in sum are out of the range of {self.dtype}")
        whole: NDArray[Any] = values // self._scale + self._offset
        return whole
