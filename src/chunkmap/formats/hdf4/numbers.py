"""Number types: what the elements of arrays, tables and attributes are.

HDF Specification and Developer's Guide, "Number type" (DFTAG_NT), and `hntdefs.h` of the library.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np

from chunkmap.errors import Unsupported

__all__ = ["CHAR8", "DEFAULT_FILLS", "UCHAR8", "default_fill", "dtype_of", "dtype_of_nt", "little_endian"]

UCHAR8: Final = 3
CHAR8: Final = 4

NUMBER_TYPES: Final[Mapping[int, str]] = {
    3: "u1",  # DFNT_UCHAR8
    4: "S1",  # DFNT_CHAR8
    5: "f4",  # DFNT_FLOAT32
    6: "f8",  # DFNT_FLOAT64
    20: "i1",  # DFNT_INT8
    21: "u1",  # DFNT_UINT8
    22: "i2",  # DFNT_INT16
    23: "u2",  # DFNT_UINT16
    24: "i4",  # DFNT_INT32
    25: "u4",  # DFNT_UINT32
    26: "i8",  # DFNT_INT64
    27: "u8",  # DFNT_UINT64
}

_NATIVE: Final = 0x1000
_LITTLE: Final = 0x4000
_STANDARD, _LITTLE_CLASS = (0, 1), 4

DEFAULT_FILLS: Final[Mapping[str, Any]] = {
    "i1": -127,
    "u1": 129,
    "i2": -32767,
    "u2": 32769,
    "i4": -2147483647,
    "u4": 2147483649,
    "f4": 9.9692099683868690e36,
    "f8": 9.9692099683868690e36,
}
"""What the library fills never-written data with; of unsigned types it is that of the signed ones, reinterpreted."""


@lru_cache(maxsize=256)
def dtype_of(number_type: int) -> np.dtype[Any]:
    """The type as it lies in the file. Raises Unsupported for a number that is none of the known.

    >>> dtype_of(22).str, dtype_of(22 | 0x4000).str
    ('>i2', '<i2')
    """
    text = NUMBER_TYPES.get(number_type & 0xFF)
    if text is None:
        raise Unsupported(f"there is no number type {number_type & 0xFF}", feature="number type")
    # what was written natively lies as on the machine that wrote it: all that are left are little-endian
    order = "<" if number_type & (_LITTLE | _NATIVE) else ">"
    return np.dtype(text if text[1] == "1" else order + text)


def dtype_of_nt(element: bytes) -> np.dtype[Any]:
    """The type that a number type element describes: version, type, width and class, a byte each."""
    _, number_type, _, kind = element[:4]
    if number_type not in (UCHAR8, CHAR8, 20, 21) and kind not in (*_STANDARD, _LITTLE_CLASS):
        raise Unsupported(f"numbers of class {kind} (VAX, Cray or Convex) are not decoded", feature="number class")
    return dtype_of(number_type | (_LITTLE if kind == _LITTLE_CLASS else 0))


def little_endian(number_type: int) -> bool:
    """Whether numbers of this type lie little-endian."""
    return bool(number_type & (_LITTLE | _NATIVE))


def default_fill(dtype: np.dtype[Any]) -> Any:
    """What never-written elements read as, where no fill value is given.

    >>> default_fill(np.dtype(">u2"))
    np.uint16(32769)
    """
    if dtype.kind == "S":
        return b""
    return dtype.newbyteorder("=").type(DEFAULT_FILLS.get(dtype.str[1:], 0))
