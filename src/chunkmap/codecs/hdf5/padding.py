"""Text of fixed length as numpy has it, padded with NUL, of what HDF5 pads with spaces, or ends with its first NUL.

HDF5 File Format Specification, IV.A.2.d, class 3, padding types 0 ("null terminate": what follows the first NUL is
no text) and 2 ("space pad"). The codec `hdf5_text` does this to chunks, and who scans to what it reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

__all__ = ["check_texts", "nul_padded", "space_padded"]

_NUL_TERMINATED, _SPACE_PADDED = 0, 2
_SPACE: Final = ord(" ")

Texts = Sequence[Sequence[int]]
"""Offset in an element, length and padding type of each text in it."""


def check_texts(size: int, texts: Texts) -> None:
    """Raise ValueError where there is no such text in elements of so many bytes."""
    for offset, length, padding in texts:
        if offset < 0 or offset + length > size or padding not in (_NUL_TERMINATED, _SPACE_PADDED):
            raise ValueError(f"there is no text {offset, length, padding} in elements of {size} bytes")


def nul_padded(data: Any, size: int, texts: Texts) -> bytes:
    r"""Elements of so many bytes with NUL after their texts. Raises ValueError where these are not in the elements.

    >>> nul_padded(b"ab  c d ", 4, [[0, 4, 2]])
    b'ab\x00\x00c d\x00'
    """
    check_texts(size, texts)
    elements = np.frombuffer(data, np.uint8).reshape(-1, size).copy()
    for offset, length, padding in texts:
        text = elements[:, offset : offset + length]
        if padding == _SPACE_PADDED:
            text[_at_the_end(text == _SPACE)] = 0
        else:
            text[np.logical_or.accumulate(text == 0, axis=1)] = 0
    return elements.tobytes()


def space_padded(data: Any, size: int, texts: Texts) -> bytes:
    """The same as HDF5 has it: text is the same for it when NUL ends it; spaces are put back where they pad."""
    elements = np.frombuffer(data, np.uint8).reshape(-1, size).copy()
    for offset, length, padding in texts:
        if padding == _SPACE_PADDED:
            text = elements[:, offset : offset + length]
            text[_at_the_end(text == 0)] = _SPACE
    return elements.tobytes()


def _at_the_end(marked: Any) -> Any:
    """Of each row, what is marked from there to the end."""
    return np.logical_and.accumulate(marked[:, ::-1], axis=1)[:, ::-1]
