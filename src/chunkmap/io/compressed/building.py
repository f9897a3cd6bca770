"""Making the restart points of a compressed file: one pass, and a proof of every point by what will read from it.

Blocks of bzip2 and frames of Zstandard have modules of their own. What follows is about deflate, and so about gzip.
`indexed_gzip` knows where blocks begin, which Python's zlib does not tell. Its points are not believed: each piece is
decompressed from its point with what will read it, and what comes of the last one ends where the stream ends.
"""

from __future__ import annotations

import gzip
import io
import os
import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, BinaryIO, Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import FormatError, NotInstalled, SourceError
from chunkmap.io.compressed.bzip2 import bzip2_points
from chunkmap.io.compressed.entering import checksum
from chunkmap.io.compressed.stream import LONGEST, Stream
from chunkmap.io.compressed.zstandard import zstd_points
from chunkmap.io.file_object import Readable
from chunkmap.io.source import Source
from chunkmap.model.points import WINDOW, Points

__all__ = ["SHARE", "SPACING", "build_points"]

SPACING: Final = 4 << 20
"""Bytes between two points, decompressed: a window of 32 KB, compressed like the rest, is 0.8 % of a piece."""

_MOST_POINTS: Final = 4096
"""Their windows are held while points are made, 128 MB of them; of longer files, points are further apart."""

SHARE: Final = 0.0075
"""Bytes of points for each compressed byte: one is left out where its window compresses worse than the file. As text in
JSON, four characters for three bytes, they are a hundredth of it.
"""

_FURTHEST: Final = 32 << 20
"""Bytes between two points for which one is kept whatever its window costs."""

_STRETCH: Final = 64 << 20
"""Bytes, decompressed, after which it is looked whether they are becoming too many."""

_HEAD: Final = struct.Struct("<7xQQIII")
_POINT: Final = np.dtype([("stored", "<u8"), ("decoded", "<u8"), ("bits", "u1"), ("window", "u1")])
_GZIP: Final = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"


def build_points(source: Source, stream: Stream, *, spacing: int | None = None, share: float | None = None) -> Points:
    """The restart points of a stream, in one pass and bounded memory.

    Raises SourceError when it is cut short, or does not decompress to what its checksums say.
    """
    spacing = SPACING if spacing is None else spacing
    if stream.frame == "bzip2":
        return bzip2_points(source, stream)
    if stream.frame == "zstd":
        return zstd_points(source, stream, spacing=spacing)
    found = _found(source, stream, spacing)
    points = _thinned(found, stream, SHARE if share is None else share)
    return _proven(points, source, stream)


class _AsGzip(Readable):
    """A stream as a file of gzip: a bare one gets a header, and the trailer that the archive has elsewhere."""

    def __init__(self, source: Source, stream: Stream) -> None:
        super().__init__()
        self._source, self._stream = source, stream
        bare = stream.frame == "deflate"
        self.head = _GZIP if bare else b""
        self._tail = struct.pack("<II", stream.crc32, (stream.decoded or 0) & 0xFFFFFFFF) if bare else b""

    def length(self) -> int:
        """That of the three parts."""
        return len(self.head) + self._stream.length + len(self._tail)

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as one of the three parts goes."""
        view = memoryview(buffer).cast("B")
        at = self._position - len(self.head)
        if at < 0:
            piece: bytes | memoryview = self.head[self._position :][: len(view)]
        elif at < self._stream.length:
            piece = self._source.read(self._stream.first + at, min(len(view), self._stream.length - at))
        else:
            piece = self._tail[at - self._stream.length :][: len(view)]
        view[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)


class _Found(NamedTuple):
    """Points as they were found: places in the file, bits of the byte before, and windows."""

    stored: NDArray[np.uint64]
    bits: NDArray[np.uint8]
    decoded: NDArray[np.uint64]
    windows: list[bytes]


def _found(source: Source, stream: Stream, spacing: int) -> _Found:
    """All points; where they become too many, because the file is far longer than it seems, anew and further apart."""
    spacing = max(spacing, (stream.decoded or 8 * stream.length) // _MOST_POINTS)
    while (index := _index(source, stream, spacing)) is None:
        spacing *= 16
    return _decode(index, len(_AsGzip(source, stream).head), stream)


def _index(source: Source, stream: Stream, spacing: int) -> BinaryIO | None:
    """The index that `indexed_gzip` makes; None where it would be too large."""
    try:
        import indexed_gzip  # noqa: PLC0415 - heavy, and only here
    except ImportError as error:
        raise NotInstalled(
            "restart points of a compressed file are made with indexed_gzip, which is not installed:"
            " pip install 'chunkmap[gzip]'",
            feature="gzip",
            url=source.url,
        ) from error
    most = stream.decoded if stream.decoded is not None else LONGEST
    try:
        with indexed_gzip.IndexedGzipFile(fileobj=_AsGzip(source, stream), spacing=spacing) as file:
            for reached in _reached(file):
                if reached > most:
                    raise FormatError(f"it decompresses to more than {most:,} bytes", url=source.url)
                if reached > 2 * _MOST_POINTS * spacing:
                    return None
            out = io.BytesIO()
            file.export_index(fileobj=out)
    except (OSError, ValueError, EOFError) as error:
        if isinstance(error, (FormatError, SourceError)):
            raise
        if _is_of_nothing(source, stream):
            raise SourceError("the file is empty: it decompresses to nothing", url=source.url) from error
        raise SourceError(f"cannot be decompressed: {error}", url=source.url) from error
    return out


def _is_of_nothing(source: Source, stream: Stream) -> bool:
    """Whether a stream that has no points is whole, and of no byte."""
    try:
        return not gzip.GzipFile(fileobj=cast("BinaryIO", io.BufferedReader(_AsGzip(source, stream)))).read(1)
    except (OSError, EOFError, zlib.error):
        return False


def _reached(file: Any) -> Iterator[int]:
    """How far the stream was decompressed, stretch by stretch, to its end."""
    reached, wanted = 0, 0
    while reached == wanted:
        wanted += _STRETCH
        reached = file.seek(wanted)
        yield reached


def _decode(index: BinaryIO, head: int, stream: Stream) -> _Found:
    """The file that `indexed_gzip` exports, version 1: sizes, a row for each point, and windows where there are any."""
    data = cast("io.BytesIO", index).getvalue()
    _, decoded, _, window, count = _HEAD.unpack_from(data)
    rows = np.frombuffer(data, _POINT, count, _HEAD.size)
    first = _HEAD.size + rows.nbytes
    places = first + window * (np.cumsum(rows["window"], dtype=np.int64) - rows["window"])
    # of points at one place the last is the block that follows; the one at the end begins nothing
    kept = np.flatnonzero(np.diff(rows["decoded"], append=np.uint64(decoded)) > 0)
    kept = kept if len(kept) else np.array([0])
    starts = rows["stored"][kept].astype(np.int64) - (rows["bits"][kept] > 0) + (stream.first - head)
    return _Found(
        np.append(starts, stream.first + stream.length).astype(np.uint64),
        ((8 - rows["bits"][kept]) % 8).astype(np.uint8),
        np.append(rows["decoded"][kept], np.uint64(decoded)),
        [data[places[row] : places[row] + window] if rows["window"][row] else b"" for row in kept.tolist()],
    )


def _thinned(found: _Found, stream: Stream, share: float) -> Points:
    """The points without those that would make the index larger than its share."""
    windows = [zlib.compress(window[-WINDOW:]) if window else b"" for window in found.windows]
    kept, spent = [0], 0
    for number in range(1, len(windows)):
        cost = len(windows[number]) + 28
        allowed = share * (int(found.stored[number]) - stream.first)
        if spent + cost <= allowed or int(found.decoded[number] - found.decoded[kept[-1]]) >= _FURTHEST:
            kept.append(number)
            spent += cost
    ends = [*kept, len(windows)]
    return Points(
        stream.frame,
        0,
        int(found.decoded[-1]),
        0,
        found.stored[ends],
        found.bits[kept],
        found.decoded[ends],
        np.zeros(len(kept), np.uint32),
        tuple(windows[number] for number in kept),
    )


def _proven(points: Points, source: Source, stream: Stream) -> Points:
    """The points with the checksums of their pieces, each decompressed from its point, a few at a time."""

    def proven(number: int) -> int:
        return checksum(points, number, source.read(*points.piece(number)), source.url)

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        sums = np.fromiter(pool.map(proven, range(len(points))), np.uint32, len(points))
    if stream.decoded is not None and points.length != stream.decoded:
        raise FormatError(f"expected {stream.decoded:,} bytes, it decompresses to {points.length:,}", url=source.url)
    return replace(points, size=source.size(), crc32=sums)
