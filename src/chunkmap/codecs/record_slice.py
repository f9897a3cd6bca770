"""The codec `record_slice`: of records that stand one behind the other, the same few bytes of each.

A column of a table, a variable among others that share records: its bytes are picked out when they are read, so that
no row has to be copied beforehand and no other column has to be described.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

__all__ = ["RecordSlice"]


class RecordSlice(Codec):  # type: ignore[misc]
    """Takes `nbytes` bytes from `offset` on of every `record` bytes.

    What is decoded may end with the last byte that is taken, and need not begin with the first of a record: so a
    reference to one column ends where the column does. With `records`, fewer of them are filled up with zeros: the last
    chunk of an array is as long as all others.

    >>> RecordSlice(record=4, nbytes=2, offset=1).decode(b"aABaaCDaaEF")
    b'ABCDEF'
    """

    codec_id = "record_slice"

    def __init__(self, record: int, nbytes: int, offset: int = 0, records: int | None = None) -> None:
        if min(offset, nbytes) < 0 or record < 1 or nbytes > record:
            raise ValueError(f"there are no {nbytes} bytes from byte {offset} on in records of {record} bytes")
        self.record, self.nbytes, self.offset, self.records = record, nbytes, offset, records

    def encode(self, buf: Any) -> Any:
        """A part of a record says nothing of the rest."""
        raise NotImplementedError("a part of a record cannot be written without the rest")

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The bytes that are taken, contiguous. Raises ValueError when the last record is cut short."""
        raw = ensure_bytes(buf)
        count, rest = divmod(max(len(raw) - self.offset, 0), self.record)
        whole = rest >= self.nbytes > 0
        if not whole and rest and self.nbytes:
            raise ValueError(f"expected {self.nbytes} bytes of the last record, found {rest}")
        count += whole
        taken = b""
        if count and self.nbytes:
            rows = np.ndarray((count,), np.dtype((np.void, self.nbytes)), raw, self.offset, (self.record,))
            taken = rows.tobytes()
        if self.records is not None:
            if count > self.records:
                raise ValueError(f"expected at most {self.records} records, found {count}")
            taken = taken.ljust(self.records * self.nbytes, b"\0")
        return ndarray_copy(taken, out)
