"""The codec `fits_ascii`: numbers that are written out in the rows of an ASCII table of FITS.

FITS standard 4.0, section 7.2.5. D stands for E in an exponent. In a real number without a decimal point, the point
is before the last `decimals` digits.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy
from numpy.typing import NDArray

__all__ = ["FitsAscii"]

_LETTERS: Final = bytes.maketrans(b"Dd\0", b"EE ")


class FitsAscii(Codec):  # type: ignore[misc]
    """Text of `width` characters to numbers of `dtype`.

    `null` is how an undefined number is written, which reads as NaN, or as the integer `missing`. A field of spaces is
    NaN as well, or the integer 0 where it is not `null`.

    >>> FitsAscii(6, "<f8", null="-").decode(b"1.5D+2   -  ").tolist()
    [150.0, nan]
    """

    codec_id = "fits_ascii"

    def __init__(self, width: int, dtype: str, decimals: int = 0, null: str | None = None, missing: int = 0) -> None:
        self.width, self.dtype, self.decimals, self.null, self.missing = width, dtype, decimals, null, missing
        self._dtype = np.dtype(dtype)
        if width < 1 or self._dtype.kind not in "if":
            raise ValueError(f"there are no numbers {dtype} of {width} characters")

    def encode(self, buf: Any) -> Any:
        """How a number was written is not known."""
        raise NotImplementedError("numbers of ASCII tables are read, never written")

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The numbers. Raises ValueError for text that is none."""
        raw = ensure_bytes(buf).translate(_LETTERS)
        text = np.char.strip(np.frombuffer(raw, f"S{self.width}"))
        blank, is_real = text == b"", self._dtype.kind == "f"
        undefined = np.zeros(text.shape, np.bool_)
        if self.null is not None:
            undefined = text == self.null.encode("latin-1").translate(_LETTERS).strip()[: self.width]
        text[blank | undefined] = b"0"
        try:
            values = text.astype(self._dtype)
        except OverflowError as error:
            raise ValueError(f"a number does not fit into {self.dtype}: {error}") from error
        if is_real and self.decimals:
            self._place_points(text, values)
        values[blank | undefined if is_real else undefined] = np.nan if is_real else self.missing
        return ndarray_copy(values, out)

    def _place_points(self, text: NDArray[np.bytes_], values: NDArray[Any]) -> None:
        """Where no point is written, it is implied."""
        implied = (np.char.find(text, b".") < 0) & np.isfinite(values)
        values[implied] /= 10.0**self.decimals
