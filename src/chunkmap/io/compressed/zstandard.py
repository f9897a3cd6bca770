"""Frames of Zstandard as pieces: a frame needs nothing of those before it, and says where it ends.

A piece is a frame, or several that are short, as `pzstd` and the seekable format of zstd write them; a file of one long
frame has no other place where reading could begin. Frames are decompressed by pyarrow, which is there for Parquet.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from itertools import islice
from typing import Any, Final, NamedTuple

import numpy as np

from chunkmap.errors import SourceError, Unsupported
from chunkmap.io.compressed.stream import MOST_PIECES, Stream
from chunkmap.io.compressed.zstd_frame import frames
from chunkmap.io.source import Source
from chunkmap.model.points import LONGEST_PIECE, Points

__all__ = ["Frames", "zstd_points"]

_STEP: Final = 1 << 20
"""Bytes of a frame that are held at once while its checksum is made."""

_TOGETHER: Final = 64
"""Pieces that are handed to threads at once."""


class Frames:
    """A piece of one or more frames, decompressed as it is asked for. Raises ValueError where they are none."""

    def __init__(self, data: memoryview) -> None:
        pa: Any = import_module("pyarrow")  # when a file needs it
        self._stream = pa.CompressedInputStream(pa.BufferReader(data), "zstd")

    def more(self, most: int) -> bytes:
        """At most so many bytes, at least one while there are any."""
        try:
            found: bytes = self._stream.read(min(most, _STEP))
        except OSError as error:
            raise ValueError(str(error)) from error
        return found


class _Piece(NamedTuple):
    """Frames that are to be one piece."""

    start: int
    stop: int
    decoded: int | None
    """Bytes of their content, where they say so."""


def zstd_points(source: Source, stream: Stream, *, spacing: int) -> Points:
    """The frames of a file as pieces, short ones together.

    Raises SourceError where any of it is damaged, Unsupported where a frame is too long to be a piece.
    """
    starts: list[int] = []
    lengths: list[int] = []
    sums: list[int] = []
    decoded = 0
    for piece, length, crc32 in _decoded(source, _pieces(source, stream, spacing)):
        if length:  # what holds nothing is the end of the piece before
            starts.append(piece.start if starts else stream.first)
            lengths.append(length)
            sums.append(crc32)
        decoded += length
        stream.check_total(decoded, source.url)
        if len(starts) > MOST_PIECES:
            raise Unsupported(
                f"it has more than {MOST_PIECES:,} frames of zstd; unpack it", feature="zstd file", url=source.url
            )
    if not starts:
        raise SourceError("the file is empty: it decompresses to nothing", url=source.url)
    return Points(
        "zstd",
        0,
        decoded,
        source.size(),
        np.array([*starts, stream.first + stream.length], np.uint64),
        np.zeros(len(starts), np.uint8),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.uint64),
        np.array(sums, np.uint32),
        (b"",) * len(starts),
    )


def _pieces(source: Source, stream: Stream, spacing: int) -> Iterator[_Piece]:
    """Frames that say how long they are together, up to the spacing; others alone."""
    piece: _Piece | None = None
    for frame in frames(source, stream.first, stream.length):
        if frame.decoded is not None and frame.decoded > LONGEST_PIECE:
            raise _too_long(source.url, f"{frame.decoded:,} bytes")
        if piece is not None:
            if piece.decoded is not None and frame.decoded is not None and piece.decoded + frame.decoded <= spacing:
                piece = _Piece(piece.start, frame.stop, piece.decoded + frame.decoded)
                continue
            yield piece
        piece = _Piece(*frame)
    if piece is not None:
        yield piece


def _decoded(source: Source, pieces: Iterator[_Piece]) -> Iterator[tuple[_Piece, int, int]]:
    """Each piece with its length, decompressed, and its checksum."""

    def decoded(piece: _Piece) -> tuple[_Piece, int, int]:
        return piece, *_measured(source, piece)

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        while some := list(islice(pieces, _TOGETHER)):
            yield from pool.map(decoded, some)


def _measured(source: Source, piece: _Piece) -> tuple[int, int]:
    """The length of a piece, decompressed, and its checksum; its bytes are let go as they come."""
    length = crc32 = 0
    try:
        frames_ = Frames(source.read(piece.start, piece.stop - piece.start))
        while (found := frames_.more(_STEP)) and length <= LONGEST_PIECE:
            length, crc32 = length + len(found), zlib.crc32(found, crc32)
    except ValueError as error:
        raise SourceError(f"cannot be decompressed: {error}", url=source.url) from error
    if length > LONGEST_PIECE:
        raise _too_long(source.url, f"more than {LONGEST_PIECE:,} bytes")
    return length, crc32


def _too_long(url: str, found: str) -> Unsupported:
    return Unsupported(
        f"expected frames of zstd of at most {LONGEST_PIECE:,} bytes, decompressed, found one of {found}: each read"
        " would decompress it from its beginning. Compress it in frames (pzstd, or split -b 4M --filter='zstd -c'),"
        " or unpack it",
        feature="long frame of zstd",
        url=url,
    )
