"""The codec `record_member`: one member of an array of records."""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_contiguous_ndarray, ndarray_copy

__all__ = ["RecordArrayMember"]


class RecordArrayMember(Codec):  # type: ignore[misc]
    """Reads one member of records that are stored together.

    >>> records = np.array([(1, 2.5), (3, 4.5)], [("n", "<i4"), ("x", "<f8")])
    >>> RecordArrayMember("x", [["n", "<i4"], ["x", "<f8"]]).decode(records.tobytes())
    array([2.5, 4.5])
    """

    codec_id = "record_member"

    def __init__(self, member: str, dtype: Any) -> None:
        self.member, self.dtype = member, dtype
        self._record = record_dtype(dtype)
        if member not in (self._record.names or ()):
            raise ValueError(f"there is no member {member!r} in records of {self._record.names}")

    def encode(self, buf: Any) -> Any:
        """One member says nothing of the others."""
        raise NotImplementedError("one member of a record cannot be written without the others")

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The values of the member, contiguous."""
        records = ensure_contiguous_ndarray(buf).view("u1").view(self._record)
        return ndarray_copy(np.ascontiguousarray(records[self.member]), out)


def record_dtype(dtype: Any) -> np.dtype[Any]:
    """The dtype of a codec's configuration, in which JSON has made lists of tuples."""
    return np.dtype([_member(entry) for entry in dtype]) if isinstance(dtype, (list, tuple)) else np.dtype(dtype)


def _member(entry: Any) -> tuple[Any, ...]:
    name, kind, *shape = entry
    return name, record_dtype(kind), *(tuple(s) if isinstance(s, (list, tuple)) else s for s in shape)
