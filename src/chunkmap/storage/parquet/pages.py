"""Small partitions of the kind that a scan of one file becomes, decoded without Arrow: many of them in one go.

Opening a file and making its four columns costs Arrow ten times what is in a thousand rows costs. Of what chunkmap
itself writes the bytes are known: the footer of every file is the same but for a few numbers, and so are the headers
of its pages. Here a file is taken that is so to the last byte, whose rows are all ranges of one file, or whose one row
is held inline; any other is for Arrow, and so is whatever turns out otherwise than it should.

Specification: https://github.com/apache/parquet-format (parquet.thrift, Encodings.md) and, of the numbers in it,
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md. A field is a byte, how much its
number is larger than the one before (first four bits) and its type, and the value; a zero ends a structure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from chunkmap.model import WHOLE_FILE, ChunkManifest
from chunkmap.storage.parquet.partition import decode_raw

__all__ = ["Pages", "decode_pages", "pages_of"]

_MOST_ROWS: Final = 1 << 14
"""Rows from which on it is the rows that take time."""

_LONGEST: Final = 1 << 18
"""Bytes of a page from which on a file is for Arrow."""

_MAGIC: Final = b"PAR1"
_END: Final = 8
"""Bytes after the footer: its length, and the magic again."""

# ---------------------------------------------------------------------- what a file says

_NUMBER: Final = rb"([\x80-\xff]{0,4}[\x00-\x7f])"
_ANY: Final = rb"[\x80-\xff]{0,9}[\x00-\x7f]"
_ROWS: Final = rb"(?P=rows)"
_WRITER: Final = b"parquet-cpp-arrow version "
_BOUNDS: Final = rb"\x18\x08.{8}\x18\x08.{8}"
_STATISTICS: Final = rb"%b\x16\x00\x28%b(?:\x11\x11)?\x00" % (_BOUNDS, _BOUNDS[4:])
"""Largest and smallest value, no nulls, and since Arrow 18 that the values are exact."""


def _column(kind: bytes, encodings: bytes, name: bytes, more: bytes) -> bytes:
    """ColumnChunk: its type, encodings and name, zstd, how many values, and where its pages are: how many bytes, and
    from where on.
    """
    named = b"%c%b" % (len(name), name)
    said = (rb"\x26%b\x1c" % _ANY) + (b"\x15%b\x19%b\x19\x18%b\x15\x0c\x16" % (kind, encodings, named)) + _ROWS
    return said + rb"\x16%b\x16%b\x26%b%b\x00\x00" % (_ANY, _NUMBER, _NUMBER, more)


_PLAIN: Final = rb"\x19\x1c\x15\x00\x15\x00\x15\x02\x00"
"""PageEncodingStats: one page."""

_COUNTED: Final = rb"(?:\x3c\x16%b\x19\x06\x19\x26%b%b\x00)?" % (_ANY, _ANY, _ANY)
"""SizeStatistics, which Arrow writes since version 19: how many bytes, and how many values are there."""

_SCHEMA: Final = (
    rb"\x19\x5c\x35\x00\x18\x06schema\x15\x08\x00"
    rb"\x15\x0c\x25\x02\x18\x04path\x25\x00\x4c\x1c\x00\x00\x00"
    rb"\x15\x04\x25\x00\x18\x06offset\x00\x15\x04\x25\x00\x18\x04size\x00"
    rb"\x15\x0c\x25\x02\x18\x03raw\x00"
)
_FOOTER: Final = re.compile(
    rb"\x15\x04"
    + _SCHEMA
    + rb"\x16(?P<rows>%b)\x19\x1c\x19\x4c" % _NUMBER[1:-1]
    + _column(
        rb"\x0c",
        rb"\x35\x00\x06\x10",
        b"path",
        rb"\x26\x08\x29\x2c\x15\x04\x15\x00\x15\x02\x00\x15\x00\x15\x10\x15\x02\x00" + _COUNTED,
    )
    + _column(rb"\x04", rb"\x25\x06\x00", b"offset", rb"\x3c" + _STATISTICS + _PLAIN)
    + _column(rb"\x04", rb"\x25\x06\x00", b"size", rb"\x3c" + _STATISTICS + _PLAIN)
    + _column(rb"\x0c", rb"\x25\x06\x00", b"raw", rb"\x49" + _PLAIN[4:] + _COUNTED)
    + rb"\x16%b\x16%b\x26\x08\x16%b(?:\x14\x00)?\x00" % (_ANY, _ROWS, _ANY)
    + rb"\x28(?P<letters>.)%b(?P<version>[0-9.]+)\x19\x4c(?:\x1c\x00\x00){4}\x00" % _WRITER,
    re.DOTALL,
)


def _header(rest: bytes) -> re.Pattern[bytes]:
    """DataPageHeader: how many bytes, decompressed and compressed, how many values, and the rest."""
    return re.compile(rb"\x15\x00\x15%b\x15%b\x2c\x15%b%b\x00\x00" % (_NUMBER, _NUMBER, _NUMBER, rest), re.DOTALL)


_DICTIONARY: Final = re.compile(rb"\x15\x04\x15%b\x15%b\x4c\x15%b\x15\x00\x12\x00\x00" % ((_NUMBER,) * 3))
_INDEXED: Final = _header(rb"\x15\x10\x15\x06\x15\x06\x1c\x00")
_INTEGERS: Final = _header(rb"\x15\x00\x15\x06\x15\x06\x1c" + _STATISTICS)
_BYTES: Final = _header(rb"\x15\x00\x15\x06\x15\x06\x1c\x00")


class _Page(NamedTuple):
    """A page that stands in a file."""

    frame: bytes
    """It is compressed."""
    nbytes: int
    """How long it is decompressed."""
    values: int


class Pages(NamedTuple):
    """The pages of a file, compressed."""

    rows: int
    is_held: bool
    """Whether its one row is held inline; else all rows are ranges of one file."""
    offset: _Page
    size: _Page
    path: _Page
    nothing: _Page
    """In which nothing is said: that no row is held inline, or that there is no URL."""
    text: _Page
    """The URL, or what is held inline."""


def pages_of(data: bytes, rows: int) -> Pages | None:
    """The pages of a file of so many rows; None where it is not of the kind that is told here."""
    stop = len(data) - _END - int.from_bytes(data[-_END:-4], "little")
    if rows > _MOST_ROWS or stop < 0 or not data.startswith(_MAGIC) or not data.endswith(_MAGIC):
        return None
    footer = _FOOTER.fullmatch(data, stop, len(data) - _END)
    if (
        footer is None
        or len(footer["version"]) + len(_WRITER) != footer["letters"][0]
        or _number(footer["rows"]) != rows
    ):
        return None
    path_bytes, path_at, *others = map(_number, footer.groups()[1:9])
    indexes = _page(_INDEXED, data, path_at, path_bytes + len(_MAGIC) - path_at)
    places = zip((_INTEGERS, _INTEGERS, _BYTES), others[1::2], others[::2], strict=True)
    offset, size, raw = (_page(header, data, at, nbytes) for header, at, nbytes in places)
    words = _page(_DICTIONARY, data, len(_MAGIC), path_at - len(_MAGIC))
    if words is None or indexes is None or offset is None or size is None or raw is None:
        return None
    is_held = words.values == 0
    nothing, text = (words, raw) if is_held else (raw, words)
    pages = Pages(rows, is_held, offset, size, indexes, nothing, text)
    return pages if _is_told(pages) else None


def _page(header: re.Pattern[bytes], data: bytes, start: int, nbytes: int) -> _Page | None:
    """The page that is all of some bytes of a file; None where they are not one page of this kind."""
    found = header.match(data, start, start + nbytes)
    if found is None:
        return None
    decompressed, compressed, values = map(_number, found.groups())
    if found.end() + compressed != start + nbytes or not 0 <= decompressed <= _LONGEST:
        return None
    if not data.startswith(_frame(decompressed), found.end()):
        return None
    return _Page(data[found.end() : start + nbytes], decompressed, values)


def _is_told(pages: Pages) -> bool:
    """Whether each page has the length that it must have, and says so many values."""
    rows, is_held, offset, size, path, nothing, text = pages
    expected, raw = _expected(rows, is_held), text if is_held else nothing
    return (
        rows == offset.values == size.values == path.values == raw.values
        and offset.nbytes == size.nbytes == 8 * rows
        and path.nbytes == len(expected.path)
        and nothing.nbytes == len(expected.nothing)
        and (rows == 1 if is_held else text.values == 1)
    )


@lru_cache(1024)
def _number(text: bytes) -> int:
    """A number of the protocol: seven bits a byte, the lowest first; it is even, or it is negative."""
    value = sum((byte & 127) << 7 * place for place, byte in enumerate(text))
    return (value >> 1) ^ -(value & 1)


@lru_cache(1024)
def _frame(nbytes: int) -> bytes:
    """How a frame of zstd begins that says that it becomes so many bytes, and has no checksum (RFC 8878, 3.1.1)."""
    magic = b"\x28\xb5\x2f\xfd"
    if nbytes < 256:
        return magic + b"\x20" + nbytes.to_bytes(1, "little")
    if nbytes < 65536 + 256:
        return magic + b"\x60" + (nbytes - 256).to_bytes(2, "little")
    return magic + b"\xa0" + nbytes.to_bytes(4, "little")


# ---------------------------------------------------------------------- what is in it


class _Expected(NamedTuple):
    """The pages that are the same in all files of so many rows."""

    path: bytes
    nothing: bytes
    before: bytes
    """What stands before what is held inline, or before a URL."""


@lru_cache(1024)
def _expected(rows: int, is_held: bool) -> _Expected:
    """Encodings.md, "RLE / Bit-Packing Hybrid": a run is twice its length, seven bits a byte, and the value; of levels,
    1 where there is a value, the length stands before it, and of indexes how many bits they have.
    """
    run, left = b"", 2 * rows
    while left > 127:
        run, left = run + bytes([left & 127 | 128]), left >> 7
    run += bytes([left])
    length = (len(run) + 1).to_bytes(4, "little")
    present, missing = length + run + b"\1", length + run + b"\0"
    return (
        _Expected(missing + b"\0", b"", present) if is_held else _Expected(present + b"\1" + run + b"\0", missing, b"")
    )


def decode_pages(files: Sequence[Pages]) -> ChunkManifest:
    """The chunks of many files of one kind, end to end in a grid of one axis.

    Raises ValueError or OSError when one is not what it seemed to be.
    """
    offset, size, path, nothing, text = _decompressed(files)
    expected = [_expected(file.rows, file.is_held) for file in files]
    if path != b"".join([own.path for own in expected]) or nothing != b"".join([own.nothing for own in expected]):
        raise ValueError("rows that are not all of one kind")
    texts = list(_texts(text, [file.text.nbytes for file in files], [own.before for own in expected]))
    columns = np.frombuffer(offset, np.uint64), np.frombuffer(size, np.uint64)
    if any(len(column) and int(column.max()) >> 63 for column in columns):
        raise ValueError("a negative number")
    rows = np.array([file.rows for file in files])
    return _held(texts) if files[0].is_held else _ranges(texts, rows, *columns)


def _decompressed(files: Sequence[Pages]) -> Iterable[memoryview]:
    """All pages of each kind, one after the other: frames that follow one another are decompressed by one call."""
    kinds = zip(*((file.offset, file.size, file.path, file.nothing, file.text) for file in files), strict=True)
    several = list(kinds)
    stops = list(accumulate((sum(page.nbytes for page in pages) for pages in several), initial=0))
    frames = b"".join([page.frame for pages in several for page in pages])
    data = memoryview(pa.Codec("zstd").decompress(frames, stops[-1])).cast("B")
    return (data[start:stop] for start, stop in pairwise(stops))


def _texts(pages: memoryview, lengths: Sequence[int], before: Sequence[bytes]) -> Iterable[bytes]:
    """The one value of each page: its length stands before it, in four bytes."""
    start = 0
    for length, levels in zip(lengths, before, strict=True):
        page = bytes(pages[start : start + length])
        begin = len(levels) + 4
        if length < begin or not page.startswith(levels + (length - begin).to_bytes(4, "little")):
            raise ValueError("a page that is not one value")
        yield page[begin:]
        start += length


def _held(texts: Sequence[bytes]) -> ChunkManifest:
    pieces = list(map(decode_raw, texts))
    length = np.array(list(map(len, pieces)), np.uint64)
    offset = np.cumsum(length, dtype=np.uint64) - length
    columns = (np.ones(len(pieces), np.uint32), offset, length)
    return ChunkManifest.from_columns((len(pieces),), np.arange(len(pieces)), (None, b"".join(pieces)), columns)


def _ranges(
    texts: Sequence[bytes], rows: NDArray[np.int64], offset: NDArray[np.uint64], size: NDArray[np.uint64]
) -> ChunkManifest:
    numbers = dict[str, int]()
    named = [numbers.setdefault(text.decode(), len(numbers) + 1) for text in texts]
    source = np.repeat(np.array(named, np.uint32), rows)
    length = np.where((offset | size) == 0, np.uint64(WHOLE_FILE), size)
    return ChunkManifest.from_columns(
        (len(source),), np.arange(len(source)), (None, *numbers), (source, offset, length)
    )
