"""NIfTI, as nibabel reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from chunkmap.frontends.oracles.oracle import Original, Piece, as_file

__all__ = ["oracle"]


def oracle(original: Original) -> _Nifti:
    """The image, whose voxels may stand in a file of their own."""
    return _Nifti(original)


class _Nifti:
    """A header that nibabel has read; voxels are read by its proxy, without slope and intercept."""

    def __init__(self, original: Original) -> None:
        size = bytes(original.source.read(0, 4))
        second = nibabel.Nifti2Header.sizeof_hdr
        is_second = second in (int.from_bytes(size, "little"), int.from_bytes(size, "big"))
        kind = nibabel.Nifti2Header if is_second else nibabel.Nifti1Header
        read_header: Any = kind.from_fileobj
        self._header, self._open = read_header(as_file(original.source), check=False), original.open
        self._at = int(self._header["vox_offset"])
        if not self._at and bytes(self._header["magic"]).startswith(b"n+"):
            self._at = kind.single_vox_offset

    def read(self, piece: Piece) -> NDArray[Any] | None:
        """Voxels as they are stored."""
        if piece.url is None:
            return None
        layout = (self._header.get_data_shape(), self._header.get_data_dtype(), self._at, 1.0, 0.0)
        proxy: Any = nibabel.arrayproxy.ArrayProxy
        return np.asarray(proxy(as_file(self._open(piece.url)), layout, mmap=False)[piece.part])

    def attributes(self, path: str) -> Mapping[str, Any]:
        """The scale of an image; of the root the matrices from voxels to space."""
        slope, inter = self._header.get_slope_inter()
        if path:
            is_scaled = slope is not None and (slope, inter) != (1, 0) and self._header.get_data_dtype().kind in "iuf"
            return {"scale_factor": slope, "add_offset": inter} if is_scaled else {}
        found = {name: self._header[name] for name in ("cal_min", "cal_max", "toffset", "intent_code")}
        if int(self._header["sform_code"]) > 0:
            found["sform"] = self._header.get_sform()
        return {name: value for name, value in found.items() if np.isfinite(value).all()}
