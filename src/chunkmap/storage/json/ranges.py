"""`"x/0.0":["a.nc",0,100],"x/0.1":["a.nc",100,100]`: text of many references -> columns, where nothing else is in it.

Nearly all of a large set is of this form. A parser of JSON makes a list, a text and two numbers of each reference, and
a dictionary of all. Here the text is cut at its quotation marks: a short one into Python's texts, a long one into
Arrow's, of which none is an object. What stands between the marks decides whether the text is of this form at all.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.model.printed import Lines
from chunkmap.model.ranges import Ranges

__all__ = ["LONG", "read_ranges"]

LONG: Final = 1 << 18
"""Bytes of text from which on it is worth while to load Arrow for it."""

_DIGITS: Final = b"0123456789"
_OPENINGS: Final = (b":[", b": [")
_TO_SPACES: Final = bytes.maketrans(b",]", b"  ")
_MOST: Final = np.iinfo(np.int64).max
_QUOTE, _COMMA, _SPACE, _CLOSING = b'", ]'
_MARKS: Final = np.frombuffer(b'"""",,,', np.uint8)
"""The quotation marks and commas of one reference, and the comma after it."""
_LARGEST: Final = 2**31 - 1
"""Bytes of text that Arrow counts in 32 bits."""


def read_ranges(text: bytes, *, long: int = LONG) -> tuple[list[str] | Lines, Ranges] | None:
    """Keys and values of the references in some text; None where anything else stands in it, or stands so that only a
    parser of JSON knows what it means.

    >>> keys, ranges = read_ranges(b'"x/0":["a.nc",0,100],"x/1":["b.nc",7,100]')
    >>> keys, list(ranges)
    (['x/0', 'x/1'], [['a.nc', 0, 100], ['b.nc', 7, 100]])
    >>> read_ranges(b'"x/0":["a.nc",0,100],"x/1":"inline"') is None
    True
    """
    if b"\\" in text:
        text = text.replace(b"\\/", b"/")  # some writers escape every slash; a backslash that is one stays, and is seen
    if b"\\" in text or int(np.frombuffer(text, np.uint8).min(initial=_SPACE)) < _SPACE:
        return None
    if long <= len(text) < _LARGEST and (columns := _read_long(text)) is not None:
        return columns
    try:
        return _read_short(text.decode())
    except UnicodeDecodeError:
        return None


def _read_short(text: str) -> tuple[list[str], Ranges] | None:
    """The same by Python's own means."""
    pieces = text.split('"')  # before a key, the key, between it and its URL, the URL, the numbers, ...
    count = len(pieces) // 4
    opening = pieces[2] if count else ""
    if len(pieces) != 4 * count + 1 or pieces[0].strip(" ") or opening.encode() not in _OPENINGS:
        return None
    if pieces[2::4].count(opening) != count:
        return None
    numbers = "".join(pieces[4::4]).replace(", ", ",").encode()
    if numbers.translate(None, _DIGITS) != (b",,]," * count)[:-1]:
        return None
    columns = np.fromstring(numbers.translate(_TO_SPACES), np.int64, sep=" ")
    if len(columns) != 2 * count or int(columns.max(initial=0)) == _MOST:
        return None
    urls = dict.fromkeys(pieces[3::4])
    known = dict(zip(urls, range(len(urls)), strict=True))
    row_urls = np.fromiter(map(known.__getitem__, pieces[3::4]), np.intp, count)
    return pieces[1::4], Ranges(list(urls), row_urls, columns[::2], columns[1::2])


def _read_long(text: bytes) -> tuple[Lines, Ranges] | None:
    """The same by columns, of a text that is ASCII and has no commas in its keys and URLs; None for another one."""
    letters = np.frombuffer(text, np.uint8)
    marks = _marks(letters)
    if marks is None or not text.isascii():
        return None
    key, key_end, url, url_end, offset, length, stop = marks
    space = int(letters[offset[0] + 1] == _SPACE)
    offsets = _numbers(text, offset + (1 + space), length)
    lengths = _numbers(text, length + (1 + space), stop - 1)
    if offsets is None or lengths is None:
        return None
    urls, rows = _repeated(_cut(text, url + 1, url_end))
    keys = _cut(text, key + 1, key_end + 1)  # each with the mark that ends it
    lines = bytes(keys.buffers()[2])[:-1].replace(b'"', b"\n").decode()
    return Lines(lines, len(key)), Ranges(urls, rows, offsets, lengths)


def _marks(letters: NDArray[np.uint8]) -> NDArray[np.int32] | None:
    """Where the marks of each reference are, a column for each mark; None unless what is between them, but for keys,
    URLs and numbers, is as it must be.
    """
    found = np.flatnonzero((letters == _QUOTE) | (letters == _COMMA)).astype(np.int32)
    count, odd = divmod(len(found) + 1, len(_MARKS))
    if odd or not np.array_equal(letters[found], np.tile(_MARKS, count)[:-1]):
        return None
    rows = np.append(found, np.int32(len(letters))).reshape(count, len(_MARKS))
    key, key_end, url, url_end, offset, length, stop = columns = np.ascontiguousarray(rows.T)
    opening = letters[key_end[0] + 1 : url[0]].tobytes()
    space = int(letters[offset[0] + 1] == _SPACE)
    before = key[1:] if space else key[:0]
    alike = (
        opening in _OPENINGS
        and not letters[: key[0]].tobytes().strip(b" ")
        and _all_are(key[1:] - stop[:-1], 1 + space)
        and _all_are(url - key_end, len(opening) + 1)
        and _all_are(offset - url_end, 1)
        and all(_all_are(letters[key_end + (1 + n)], sign) for n, sign in enumerate(opening))
        and all(_all_are(letters[at + 1], _SPACE) for at in (offset, length) if space)
        and _all_are(letters[before - 1], _SPACE)
        and _all_are(letters[stop - 1], _CLOSING)
    )
    return columns if alike else None


def _all_are(column: NDArray[Any], value: int) -> bool:
    return bool((column == value).all())


def _cut(text: bytes, starts: NDArray[np.int32], stops: NDArray[np.int32]) -> Any:
    """The pieces of a text between some places, one after the other in an array of Arrow's."""
    pa = import_module("pyarrow")
    edges = np.stack([starts, stops], 1).ravel()
    every = pa.Array.from_buffers(pa.string(), len(edges) - 1, [None, pa.py_buffer(edges), pa.py_buffer(text)])
    places = np.arange(0, len(edges), 2, dtype=np.int32)
    return every.take(pa.Array.from_buffers(pa.int32(), len(places), [None, pa.py_buffer(places)]))


def _numbers(text: bytes, starts: NDArray[np.int32], stops: NDArray[np.int32]) -> NDArray[np.int64] | None:
    """The numbers between some places; None where anything else stands there, or 64 bits do not hold one."""
    pa, pc = import_module("pyarrow"), import_module("pyarrow.compute")
    printed = _cut(text, starts, stops)
    if not pc.all(pc.ascii_is_decimal(printed)).as_py():
        return None
    try:
        return np.frombuffer(printed.cast(pa.int64()).buffers()[1], np.int64, len(printed))
    except pa.ArrowInvalid:
        return None


def _repeated(urls: Any) -> tuple[list[str], NDArray[np.intp]]:
    """Each text that is another one than the one before it; and for each text, which of these it is."""
    pc = import_module("pyarrow.compute")
    changes = pc.indices_nonzero(pc.not_equal(urls.slice(1), urls.slice(0, len(urls) - 1)))
    starts = np.append(0, np.frombuffer(changes.buffers()[1], np.uint64, len(changes)).astype(np.intp) + 1)
    rows = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(urls)))
    return [urls[start].as_py() for start in starts.tolist()], rows
