"""Arrow's arrays put together from their buffers: `pyarrow.array` imports pandas, for a quarter of a second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from chunkmap.errors import StorageError

__all__ = ["flags", "numbers", "optional", "pieces", "texts"]

_LARGEST: Final = 2**31 - 1
"""Bytes that the pieces of one array can have: Arrow counts them in 32 bits."""


def numbers(values: NDArray[Any], missing: NDArray[np.bool_] | None = None) -> pa.Array:
    """The same numbers, not copied.

    >>> numbers(np.array([1, 2], "u4"), np.array([False, True])).to_pylist()
    [1, None]
    """
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, len(values), [_validity(missing), pa.py_buffer(np.ascontiguousarray(values))])


def optional(values: Sequence[float | None], dtype: str) -> pa.Array:
    """Numbers of which some may be None.

    >>> optional([None, 2], "i8").to_pylist()
    [None, 2]
    """
    missing = np.array([value is None for value in values], np.bool_)
    return numbers(np.array([0 if value is None else value for value in values], dtype), missing)


def flags(values: NDArray[np.bool_]) -> pa.Array:
    """True and false, a bit each."""
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(np.packbits(values, bitorder="little"))])


def texts(values: Sequence[str | None]) -> pa.Array:
    """Texts.

    >>> texts(["a", None]).to_pylist()
    ['a', None]
    """
    return pieces([None if value is None else value.encode() for value in values], pa.string())


def pieces(values: Sequence[bytes | None], kind: pa.DataType) -> pa.Array:
    """Texts or bytes one after the other, and where each ends. Raises StorageError where they have 2 GB in all."""
    stops = np.cumsum([0, *(len(value or b"") for value in values)])
    if int(stops[-1]) > _LARGEST:
        raise StorageError(f"{int(stops[-1])} bytes are held inline in one partition; write smaller ones (record_size)")
    missing = np.array([value is None for value in values], np.bool_)
    data = b"".join(value or b"" for value in values)
    buffers = [_validity(missing), pa.py_buffer(stops.astype(np.int32)), pa.py_buffer(data)]
    return pa.Array.from_buffers(kind, len(values), buffers)


def _validity(missing: NDArray[np.bool_] | None) -> pa.Buffer | None:
    if missing is None or not bool(missing.any()):
        return None
    return pa.py_buffer(np.packbits(~missing, bitorder="little"))
