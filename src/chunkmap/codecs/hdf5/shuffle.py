"""The codec `hdf5_shuffle`: HDF5's filter 2, for chunks that are no whole number of elements.

HDF5 shuffles the bytes of whole elements and leaves what is over at the end as it is. That happens where another
filter came before, such as a checksum of 4 bytes after elements of 8: numcodecs' own `shuffle` refuses such chunks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_contiguous_ndarray, ndarray_copy

__all__ = ["Hdf5Shuffle"]


class Hdf5Shuffle(Codec):  # type: ignore[misc]
    """The bytes of all elements by their place in the element; `elementsize` is the length of an element in bytes.

    >>> Hdf5Shuffle(2).encode(b"a1b2c3!").tobytes(), Hdf5Shuffle(2).decode(b"abc123!").tobytes()
    (b'abc123!', b'a1b2c3!')
    """

    codec_id = "hdf5_shuffle"

    def __init__(self, elementsize: int) -> None:
        if elementsize < 1:
            raise ValueError(f"elementsize is {elementsize}, expected the length of an element in bytes")
        self.elementsize = elementsize

    def encode(self, buf: Any) -> Any:
        """First bytes of all elements, second bytes, and so on; then the bytes of no whole element."""
        return self._transposed(buf, lambda count: (count, self.elementsize), None)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The elements one after the other; then the bytes of no whole element."""
        return self._transposed(buf, lambda count: (self.elementsize, count), out)

    def _transposed(self, buf: Any, shape: Any, out: Any) -> Any:
        raw = ensure_contiguous_ndarray(buf).view(np.uint8)
        whole = len(raw) - len(raw) % self.elementsize
        done = raw.copy()
        done[:whole] = raw[:whole].reshape(shape(whole // self.elementsize)).T.reshape(-1)
        return ndarray_copy(done, out)
