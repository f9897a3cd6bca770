"""The codec `tiff_pad`: chunks that are stored only as far as the image goes, filled up to their size.

The last strip of a TIFF image has fewer rows than the others (TIFF 6.0, RowsPerStrip), and Zarr wants chunks of one
size.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_contiguous_ndarray, ndarray_copy

__all__ = ["TiffPad"]


class TiffPad(Codec):  # type: ignore[misc]
    r"""Zeros behind the bytes of a chunk, up to `size` bytes.

    >>> TiffPad(4).decode(b"ab").tobytes()
    b'ab\x00\x00'
    """

    codec_id = "tiff_pad"

    def __init__(self, size: int) -> None:
        self.size = int(size)

    def encode(self, buf: Any) -> Any:
        """Chunks are written whole."""
        return buf

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The bytes with what is missing. Raises ValueError when there are more than `size`."""
        raw = ensure_contiguous_ndarray(buf).view(np.uint8).reshape(-1)
        if len(raw) > self.size:
            raise ValueError(f"expected a strip of {self.size} bytes at most, found {len(raw)}")
        if len(raw) < self.size:
            whole = np.zeros(self.size, np.uint8)
            whole[: len(raw)] = raw
            raw = whole
        return ndarray_copy(raw, out)
