"""The codec `hdf5_text`: text of fixed length that HDF5 does not pad with NUL, as if it did.

numpy, and what reads through it, knows NUL padding alone; `chunkmap.codecs.hdf5.padding` says what HDF5 has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

from chunkmap.codecs.hdf5.padding import check_texts, nul_padded, space_padded

__all__ = ["Hdf5Text"]


class Hdf5Text(Codec):  # type: ignore[misc]
    r"""Pads with NUL. Elements have `size` bytes; `texts` are offset, length and padding type of the text in them.

    >>> Hdf5Text(4, [[0, 4, 2]]).decode(b"ab  c d ")
    b'ab\x00\x00c d\x00'
    """

    codec_id = "hdf5_text"

    def __init__(self, size: int, texts: Sequence[Sequence[int]]) -> None:
        self.size, self.texts = size, [list(text) for text in texts]
        check_texts(size, self.texts)

    def encode(self, buf: Any) -> Any:
        """The elements as HDF5 pads them."""
        return space_padded(ensure_bytes(buf), self.size, self.texts)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The elements with NUL after the text."""
        return ndarray_copy(nul_padded(ensure_bytes(buf), self.size, self.texts), out)
