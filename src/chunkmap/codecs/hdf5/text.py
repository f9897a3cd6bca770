"""The codec `hdf5_text`: text of fixed length that HDF5 does not pad with NUL, as if it did.

HDF5 File Format Specification, IV.A.2.d, class 3, padding types 0 ("null terminate": what follows the first NUL is
no text) and 2 ("space pad"). numpy, and what reads through it, knows NUL padding alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

__all__ = ["Hdf5Text"]

_NUL_TERMINATED, _SPACE_PADDED = 0, 2
_SPACE: Final = ord(" ")


class Hdf5Text(Codec):  # type: ignore[misc]
    r"""Pads with NUL. Elements have `size` bytes; `texts` are offset, length and padding type of the text in them.

    >>> Hdf5Text(4, [[0, 4, 2]]).decode(b"ab  c d ")
    b'ab\x00\x00c d\x00'
    """

    codec_id = "hdf5_text"

    def __init__(self, size: int, texts: Sequence[Sequence[int]]) -> None:
        self.size, self.texts = size, [list(text) for text in texts]
        for offset, length, padding in self.texts:
            if offset < 0 or offset + length > size or padding not in (_NUL_TERMINATED, _SPACE_PADDED):
                raise ValueError(f"there is no text {offset, length, padding} in elements of {size} bytes")

    def encode(self, buf: Any) -> Any:
        """Text is the same for HDF5 when NUL ends it; spaces are put back where they pad."""
        elements = np.frombuffer(ensure_bytes(buf), np.uint8).reshape(-1, self.size).copy()
        for offset, length, padding in self.texts:
            if padding == _SPACE_PADDED:
                text = elements[:, offset : offset + length]
                text[_at_the_end(text == 0)] = _SPACE
        return elements.tobytes()

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The elements with NUL after the text."""
        elements = np.frombuffer(ensure_bytes(buf), np.uint8).reshape(-1, self.size).copy()
        for offset, length, padding in self.texts:
            text = elements[:, offset : offset + length]
            if padding == _SPACE_PADDED:
                text[_at_the_end(text == _SPACE)] = 0
            else:
                text[np.logical_or.accumulate(text == 0, axis=1)] = 0
        return ndarray_copy(elements.tobytes(), out)


def _at_the_end(marked: Any) -> Any:
    """Of each row, what is marked from there to the end."""
    return np.logical_and.accumulate(marked[:, ::-1], axis=1)[:, ::-1]
