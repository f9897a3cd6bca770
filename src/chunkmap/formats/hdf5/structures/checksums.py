"""The checksum that ends the structures of HDF5 1.8 and later: Bob Jenkins' lookup3 of all bytes before it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.formats.hdf5.structures.file import File, u32

__all__ = ["CHECKSUM", "check", "check_pages", "check_rows", "check_zeroed"]

CHECKSUM: Final = 4
"""Bytes of a checksum."""


@cache
def _lookup3() -> Callable[[bytes | memoryview], int]:
    """The checksum as numcodecs has it, which is loaded for the first: older structures have none."""
    from numcodecs.jenkins import jenkins_lookup3  # noqa: PLC0415 - takes longer than a small file to scan

    found: Callable[[bytes | memoryview], int] = jenkins_lookup3
    return found


def check(file: File, block: memoryview, size: int, address: int) -> None:
    """Raise FormatError unless the last 4 of the `size` bytes of a structure are the checksum of the others."""
    expected, found = _lookup3()(block[: size - CHECKSUM]), u32(block, size - CHECKSUM)[0]
    if expected != found:
        _refuse(file, expected, found, address)


def check_zeroed(file: File, block: memoryview, place: int, address: int) -> None:
    """The same for a structure that has its checksum inside, and counts it as zeros."""
    zeroed = b"".join((block[:place], bytes(CHECKSUM), block[place + CHECKSUM :]))
    expected, found = _lookup3()(zeroed), u32(block, place)[0]
    if expected != found:
        _refuse(file, expected, found, address)


def check_rows(file: File, rows: NDArray[np.uint8], sizes: NDArray[np.int64], addresses: NDArray[np.uint64]) -> None:
    """The same for many structures, each at the beginning of a row, of so many bytes."""
    flat, starts = rows.reshape(-1).data, np.arange(len(rows)) * rows.shape[1]
    ends = sizes - CHECKSUM
    bounds = zip(starts.tolist(), (starts + ends).tolist(), strict=True)
    checksum = _lookup3()
    expected = np.array([checksum(flat[start:end]) for start, end in bounds], np.uint32)
    found = rows[np.arange(len(rows))[:, None], ends[:, None] + np.arange(CHECKSUM)].view("<u4")[:, 0]
    if np.count_nonzero(expected != found):
        row = int(np.flatnonzero(expected != found)[0])
        _refuse(file, int(expected[row]), int(found[row]), int(addresses[row]))


def check_pages(file: File, pages: memoryview, written: NDArray[np.bool_], stride: int, address: int) -> None:
    """The same for those pages of a block that were written; the last one may be short."""
    for start in (np.flatnonzero(written) * stride).tolist():
        page = pages[start : start + stride]
        check(file, page, len(page), address + start)


def _refuse(file: File, expected: int, found: int, address: int) -> None:
    raise file.error(f"expected the checksum {expected:#010x} of a structure, found {found:#010x}", address)
