"""`"x/0.0":["a.nc",0,100],"x/0.1":["a.nc",100,100]`: text of many references -> columns, where nothing else is in it.

Nearly all of a large set is of this form. A parser of JSON makes a list, a text and two numbers of each reference, and
a dictionary of all; here the text is cut at its quotation marks, once, and all numbers are read at once.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from chunkmap.model.ranges import Ranges

__all__ = ["read_ranges"]

_DIGITS: Final = b"0123456789"
_NO_JSON_TEXT: Final = bytes(range(32)) + b"\\"
"""What stands in no text of JSON, and the sign that another one means more than itself."""
_OPENINGS: Final = frozenset({":[", ": ["})
_TO_SPACES: Final = bytes.maketrans(b",]", b"  ")
_MOST: Final = np.iinfo(np.int64).max


def read_ranges(text: bytes) -> tuple[list[str], Ranges] | None:
    """Keys and values of the references in some text; None where anything else stands in it, or stands so that only a
    parser of JSON knows what it means.

    >>> keys, ranges = read_ranges(b'"x/0":["a.nc",0,100],"x/1":["b.nc",7,100]')
    >>> keys, list(ranges)
    (['x/0', 'x/1'], [['a.nc', 0, 100], ['b.nc', 7, 100]])
    >>> read_ranges(b'"x/0":["a.nc",0,100],"x/1":"inline"') is None
    True
    """
    if len(text.translate(None, _NO_JSON_TEXT)) != len(text):
        return None
    try:
        pieces = text.decode().split('"')  # before a key, the key, between it and its URL, the URL, the numbers, ...
    except UnicodeDecodeError:
        return None
    count = len(pieces) // 4
    if not count or len(pieces) != 4 * count + 1 or pieces[0].strip(" ") or not _OPENINGS.issuperset(pieces[2::4]):
        return None
    numbers = "".join(pieces[4::4]).replace(", ", ",").encode()
    if numbers.translate(None, _DIGITS) != (b",,]," * count)[:-1]:
        return None
    columns = np.fromstring(numbers.translate(_TO_SPACES), np.int64, sep=" ")
    if len(columns) != 2 * count or int(columns.max(initial=0)) == _MOST:
        return None
    return pieces[1::4], Ranges(pieces[3::4], columns[::2], columns[1::2])
