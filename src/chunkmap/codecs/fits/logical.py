"""The codec `fits_logical`: truth values of FITS, which are the letters T and F.

FITS standard 4.0, section 7.3.3.1. A byte of 0 is an undefined value, and false here as for astropy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

__all__ = ["FitsLogical"]

_TRUE, _FALSE = ord("T"), ord("F")


class FitsLogical(Codec):  # type: ignore[misc]
    r"""Letters to bytes of 0 and 1.

    `takes_numbers` says that a byte of 1 is true as well: astropy before 7.2.1 wrote columns of various lengths so.

    >>> FitsLogical().decode(b"TF\0")
    b'\x01\x00\x00'
    """

    codec_id = "fits_logical"

    def __init__(self, *, takes_numbers: bool = False) -> None:
        self.takes_numbers = takes_numbers

    def encode(self, buf: Any) -> Any:
        """The letters."""
        return np.where(np.frombuffer(ensure_bytes(buf), np.uint8), np.uint8(_TRUE), np.uint8(_FALSE)).tobytes()

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The truth values."""
        letters = np.frombuffer(ensure_bytes(buf), np.uint8)
        values = letters == _TRUE
        if self.takes_numbers:
            values |= letters == 1
        return ndarray_copy(values.tobytes(), out)
