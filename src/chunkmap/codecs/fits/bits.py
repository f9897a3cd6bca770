"""The codec `fits_bits`: bits of FITS, the most significant of a byte first.

FITS standard 4.0, section 7.3.3.1: what a row has of them begins with a byte of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

__all__ = ["FitsBits"]


class FitsBits(Codec):  # type: ignore[misc]
    r"""Rows of `count` bits to bytes of 0 and 1.

    >>> FitsBits(3).decode(b"\xa0\x40")
    b'\x01\x00\x01\x00\x01\x00'
    """

    codec_id = "fits_bits"

    def __init__(self, count: int) -> None:
        if count < 1:
            raise ValueError(f"expected rows of at least one bit, not {count}")
        self.count = count

    def encode(self, buf: Any) -> Any:
        """The bits, each row filled up with zeros."""
        return np.packbits(np.frombuffer(ensure_bytes(buf), np.uint8).reshape(-1, self.count), axis=1).tobytes()

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The truth values."""
        rows = np.frombuffer(ensure_bytes(buf), np.uint8).reshape(-1, -(-self.count // 8))
        return ndarray_copy(np.unpackbits(rows, axis=1, count=self.count).tobytes(), out)
