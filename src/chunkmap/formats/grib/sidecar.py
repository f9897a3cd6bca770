"""Indexes that lie beside a file: where its messages begin, so that nothing has to be read to find them.

NCEP's inventories as wgrib2 prints them, `12.1:4501:d=2024010100:UGRD:10 m above ground:anl:`, or with commas, and
ECMWF's lines of JSON with `_offset` and `_length`. Nothing else in them is believed: what a message is stands in its
own head. An index that does not fit the file is refused: it is of another one.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from typing import Any, Final

from chunkmap.errors import ChunkmapError, FormatError, SourceError, Unsupported
from chunkmap.formats.grib.fields import Steps
from chunkmap.formats.grib.sections import Walked, steps, walked
from chunkmap.io.rounds import Found, Hint, Other, Parser, Span, Together
from chunkmap.io.source import Source

__all__ = ["by_sidecar", "offsets_in"]

_LINE: Final = re.compile(rb"\s*\d+(?:\.\d+)?\s*[:,]\s*(\d+)\s*[:,]")
_MOST_BYTES: Final = 64 << 20
_LEAST_MESSAGE: Final = 20
_END: Final = 4
_HEAD: Final = 2 << 10
"""Bytes of each message that are fetched: its sections 0 to 5 mostly lie in them."""


def by_sidecar(source: Source, name: str | None) -> Parser[Walked | None]:
    """Every field of a file, by its index: the one of this name, or the one that lies beside it; None without one.

    Raises FormatError with both names where it does not fit.
    """
    names = _names(source.url) if name is None else [name]
    answers = yield Together([_asked(each, must=name is not None) for each in names])
    for found in answers:
        if found is not None:
            return (yield from _by_offsets(source, found.url, found.result))
    return None


def _names(url: str) -> list[str]:
    """What indexes of a file are called: after it, or instead of its suffix."""
    name = posixpath.basename(url.partition("?")[0].partition("::")[0])
    stem = name.rpartition(".")[0] or name
    return list(dict.fromkeys([f"{name}.idx", f"{stem}.index", f"{name}.index", f"{stem}.idx"]))


def _asked(name: str, *, must: bool) -> Parser[Found | None]:
    """An index, if there is one that may be read: without it the file says the same, in more rounds."""
    try:
        found: Found | None = yield Other(name, _read)
    except (SourceError, Unsupported):
        if must:
            raise
        return None
    if found is None and must:
        raise FormatError(f"expected the index {name!r} beside the file, found none")
    return found


def _read(source: Source) -> Parser[list[int]]:
    """The offsets that an index says; of one that is none, nothing."""
    size = source.size()
    if size > _MOST_BYTES:
        raise Unsupported(f"{source.url}: an index of {size} bytes", feature="index of GRIB")
    return offsets_in(bytes((yield Span(0, size, size)))) if size else []


def offsets_in(text: bytes) -> list[int]:
    r"""Where messages begin, by the lines of an index; empty where it has another line.

    >>> offsets_in(b"1:0:d=2024:TMP:\n2.1:900:d=2024:UGRD:\n2.2:900:d=2024:VGRD:\n")
    [0, 900]
    >>> offsets_in(b'{"param": "2t", "_offset": 7, "_length": 20}\n')
    [7]
    """
    try:
        return sorted(set(_offsets(text)))
    except (ValueError, KeyError, TypeError):
        return []


def _offsets(text: bytes) -> Iterator[int]:
    """Raises an error of Python where a line is of neither kind."""
    for line in text.splitlines():
        if line.lstrip().startswith(b"{"):
            said: Any = json.loads(line)
            yield _natural(said["_offset"])
        elif line.strip():
            match = _LINE.match(line)
            if match is None:
                raise ValueError(line)
            yield int(match[1])


def _natural(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(value)
    return value


def _by_offsets(source: Source, index: str, offsets: list[int]) -> Parser[Walked]:
    """The messages at these offsets, and whatever lies between them."""
    size = source.size()
    if not offsets:
        raise _unfit(source, index, "it has no lines of an index")
    if offsets[-1] > size - _LEAST_MESSAGE:
        raise _unfit(source, index, f"it names byte {offsets[-1]} of a file of {size} bytes")
    heads = [max(offset - _END, 0) for offset in offsets]
    last = Span(size - _END, _END, _END)
    yield Hint([*(Span(head, min(_END + 16, size - head), _END + _HEAD) for head in heads), last])
    stops = [*offsets[1:], size]
    found: list[Steps] = yield Together([steps(o, o + 1, size, ahead=_HEAD, most=1) for o in offsets])
    for step, offset, stop in zip(found, offsets, stops, strict=True):
        if not step or step.first != offset:
            raise _unfit(source, index, f"there is no message at byte {offset}")
        if step.fields and step.after > stop:
            raise _unfit(source, index, f"a message goes from byte {offset} to {step.after}, beyond {stop}")
    ends = [(0, offsets[0])] if offsets[0] else []
    ends += [(step.after, stop) for step, stop in zip(found, stops, strict=True)]
    gaps = [(place, stop) for place, stop in ends if stop - place >= _LEAST_MESSAGE]
    between: list[Steps] = yield Together([steps(place, stop, size) for place, stop in gaps])
    every = Steps()
    for part in sorted([*found, *filter(None, between)], key=lambda part: part.first):
        every.extend(part)
    return walked(every, source.url)


def _unfit(source: Source, index: str, why: str) -> ChunkmapError:
    message = f"the index {index} is not of this file: {why}. Pass index='none' to scan without it"
    return FormatError(message, url=source.url)
