"""Where a compressed stream is in its file, and by what it is compressed."""

from __future__ import annotations

from typing import Final, NamedTuple

from chunkmap.errors import Unsupported
from chunkmap.io.compressed.zstd_frame import MAGIC, is_skippable
from chunkmap.io.source import Source

__all__ = ["LONGEST", "MOST_PIECES", "Stream", "compression_of"]

LONGEST: Final = 1 << 42
"""Bytes, decompressed, of the longest file that is read."""

_MOST, _TIMES = 1 << 30, 5000
"""A file may decompress to so many bytes, and so many times its length beside; gzip gives no more than 1,032 times."""

MOST_PIECES: Final = 1 << 20
"""Blocks or frames of a file that are points: of bzip2 a terabyte of data has so many."""


class Stream(NamedTuple):
    """Where a stream is in its file."""

    frame: str
    """`gzip`, `bzip2` or `zstd`, or `deflate` for a bare one, as it is in a ZIP archive."""
    first: int
    """Its first byte."""
    length: int
    """How many bytes."""
    decoded: int | None = None
    """How many it decompresses to, where the archive says so."""
    crc32: int = 0
    """The checksum of these."""

    def check_total(self, decoded: int, url: str) -> None:
        """Raise Unsupported where so many bytes have come, that more may come for days."""
        most = min(LONGEST, _MOST + _TIMES * self.length)
        if decoded > most:
            raise Unsupported(
                f"it decompresses to more than {most:,} bytes, and is {self.length:,} long; unpack it",
                feature=f"{self.frame} file",
                url=url,
            )


def compression_of(source: Source) -> str | None:
    """By what a file is compressed as a whole, as far as it can be read by range; None for any other."""
    head = bytes(source.read(0, min(4, source.size())))
    if head.startswith(b"\x1f\x8b\x08"):
        return "gzip"
    if head[:3] == b"BZh" and head[3:4] in b"123456789":
        return "bzip2"
    return "zstd" if head == MAGIC or is_skippable(head) else None
