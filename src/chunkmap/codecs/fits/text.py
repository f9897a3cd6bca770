"""The codec `fits_text`: text of FITS as numpy has it, which ends with NUL bytes and nothing else.

FITS standard 4.0, sections 7.2.5 and 7.3.3.1: text may end before the field does, with a NUL, and spaces at its end are
no part of it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

__all__ = ["FitsText"]

_SPACE: Final = ord(" ")


class FitsText(Codec):  # type: ignore[misc]
    r"""Fields of `size` bytes; what follows the text is NUL.

    >>> FitsText(4).decode(b"ab  c \0d")
    b'ab\x00\x00c\x00\x00\x00'
    """

    codec_id = "fits_text"

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"expected text of at least one byte, not {size}")
        self.size = size

    def encode(self, buf: Any) -> Any:
        """The text ends with NUL bytes already, which FITS takes as well."""
        return ensure_bytes(buf)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The text with NUL behind it."""
        text = np.frombuffer(ensure_bytes(buf), np.uint8).reshape(-1, self.size).copy()
        text[np.logical_or.accumulate(text == 0, axis=1)] = 0
        blank = (text == 0) | (text == _SPACE)
        text[np.logical_and.accumulate(blank[:, ::-1], axis=1)[:, ::-1]] = 0
        return ndarray_copy(text.tobytes(), out)
