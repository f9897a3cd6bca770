"""The codec `FITSVarBintable`: a table with columns of various lengths and its heap, as kerchunk describes them.

Sets that chunkmap makes have a codec for each column instead, `fits_variable`.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy
from numpy.typing import NDArray

from chunkmap.codecs.record_member import record_dtype

__all__ = ["VarArrCodec"]

_LETTERS: Final = {"B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}


class VarArrCodec(Codec):  # type: ignore[misc]
    """`nrow` records of the type `dt_in`, behind which stands the heap, to records of the type `dt_out`.

    `types` has the letter of the elements of each column of various lengths, in which `dt_in` has descriptors.
    """

    codec_id = "FITSVarBintable"

    def __init__(self, dt_in: Any, dt_out: Any, nrow: int, types: Mapping[str, str]) -> None:
        self.dt_in, self.dt_out, self.nrow, self.types = dt_in, dt_out, nrow, types
        self._stored, self._values = _record(dt_in), _record(dt_out)
        unknown = [letter for letter in types.values() if letter not in _LETTERS]
        if unknown or self._stored.names is None or self._stored.names != self._values.names:
            raise ValueError(f"expected records of the same members, found {dt_in}, {dt_out} and {types}")

    def encode(self, _: Any) -> Any:
        """What else is in the heap is not known."""
        raise NotImplementedError("tables are read, never written")

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The records. Raises ValueError where a descriptor leads out of the heap."""
        raw = ensure_bytes(buf)
        rows = np.frombuffer(raw, self._stored, self.nrow)
        heap = raw[self.nrow * self._stored.itemsize :]
        values = np.empty(self.nrow, self._values)
        for name in self._values.names or ():
            if name in self.types:
                kind = np.dtype(_LETTERS[self.types[name]])
                values[name] = _rows(heap, rows[name].reshape(self.nrow, -1), kind)
            else:
                values[name] = rows[name]
        return ndarray_copy(values, out)


def _record(dtype: Any) -> np.dtype[Any]:
    return record_dtype(ast.literal_eval(dtype) if isinstance(dtype, str) else dtype)


def _rows(heap: bytes, descriptors: NDArray[Any], kind: np.dtype[Any]) -> NDArray[Any]:
    """The elements of each row."""
    found = np.empty(len(descriptors), object)
    for row, (count, start, *_) in enumerate(descriptors.tolist()):
        if count < 0 or start < 0 or start + count * kind.itemsize > len(heap):
            raise ValueError(f"row {row} leads out of the heap of {len(heap)} bytes")
        found[row] = np.frombuffer(heap, kind, count, start)
    return found
