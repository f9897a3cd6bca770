"""The codec `fits_unsigned`: integers that FITS stores with their sign the other way round.

FITS standard 4.0, tables 11 and 19: BZERO or TZERO of half the range says that bytes are signed, or words unsigned.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

__all__ = ["FitsUnsigned"]


class FitsUnsigned(Codec):  # type: ignore[misc]
    """Turns the first bit of every number round: to add half the range is no more than that, and exact for 64 bits.

    >>> FitsUnsigned(2).decode(bytes.fromhex("80007fff")).hex()
    '0000ffff'
    """

    codec_id = "fits_unsigned"

    def __init__(self, itemsize: int) -> None:
        if itemsize not in (1, 2, 4, 8):
            raise ValueError(f"expected integers of 1, 2, 4 or 8 bytes, not {itemsize}")
        self.itemsize = itemsize

    def encode(self, buf: Any) -> Any:
        """The same again."""
        return self.decode(buf)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The numbers, big-endian as before."""
        words = np.frombuffer(ensure_bytes(buf), f">u{self.itemsize}")
        turned = words ^ words.dtype.type(1 << (8 * self.itemsize - 1))
        return ndarray_copy(turned.astype(words.dtype, copy=False).tobytes(), out)
