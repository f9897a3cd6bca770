"""The codec `fits_variable`: a column of FITS whose rows are of various lengths.

FITS standard 4.0, section 7.3.5. A row holds a descriptor, how many elements there are and where; the elements stand in
the heap behind the table. A chunk begins with the first descriptor and ends with the heap.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

__all__ = ["FitsVariable"]


class FitsVariable(Codec):  # type: ignore[misc]
    r"""Gives every row `longest` elements of `itemsize` bytes, filled up with the bytes `fill` (hexadecimal).

    There are `records` rows of `record` bytes, and the heap begins `heap` bytes behind the first descriptor.
    Descriptors are of 2 numbers of 64 bits where they are `wide`, else of 32. Where the elements are `bits`, 8 of a
    descriptor's count make a byte.

    >>> row = bytes([0, 0, 0, 2, 0, 0, 0, 1])
    >>> FitsVariable(record=8, records=1, heap=8, itemsize=1, longest=3).decode(row + b"-ab")
    b'ab\x00'
    """

    codec_id = "fits_variable"

    def __init__(
        self,
        *,
        record: int,
        records: int,
        heap: int,
        itemsize: int,
        longest: int,
        wide: bool = False,
        bits: bool = False,
        fill: str = "00",
    ) -> None:
        if record < (16 if wide else 8) or min(records, heap, itemsize - 1, longest) < 0:
            raise ValueError(f"there are no {records} descriptors in records of {record} bytes before byte {heap}")
        self.record, self.records, self.heap, self.itemsize = record, records, heap, itemsize
        self.longest, self.wide, self.bits, self.fill = longest, wide, bits, fill

    def encode(self, buf: Any) -> Any:
        """What else is in the heap is not known."""
        raise NotImplementedError("columns of various lengths are read, never written")

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The rows. Raises ValueError where a descriptor leads out of the heap, or a row is longer than it may be."""
        raw = np.frombuffer(ensure_bytes(buf), np.uint8)
        kind = np.dtype(">i8" if self.wide else ">i4")
        if len(raw) < max(self.heap, (self.records - 1) * self.record + 2 * kind.itemsize):
            raise ValueError(f"expected {self.records} descriptors and a heap, found {len(raw)} bytes")
        pairs = np.ndarray((self.records, 2), kind, raw.data, 0, (self.record, kind.itemsize)).astype(np.int64)
        counts, starts = pairs[:, 0], pairs[:, 1]
        if self.bits:
            counts = -(-counts // 8)
        heap = raw[self.heap :]
        if len(counts) and (
            counts.min() < 0
            or counts.max() > self.longest
            or starts[counts > 0].min(initial=0) < 0
            or (starts + counts * self.itemsize)[counts > 0].max(initial=0) > len(heap)
        ):
            raise ValueError(f"a row of a column of various lengths leads out of the heap of {len(heap)} bytes")
        lengths = counts * self.itemsize
        rows = np.empty((self.records, self.longest, self.itemsize), np.uint8)
        rows[...] = np.frombuffer(bytes.fromhex(self.fill) * (self.itemsize // (len(self.fill) // 2)), np.uint8)
        flat, within = rows.reshape(-1), np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        row_starts = np.arange(self.records) * (self.longest * self.itemsize)
        flat[within + np.repeat(row_starts, lengths)] = heap[within + np.repeat(starts, lengths)]
        return ndarray_copy(rows.tobytes(), out)
