"""Restart points of a compressed file: where decompressing can begin, and what comes of it from there to the next.

A stream of deflate can be entered where one of its blocks begins, by whoever has the 32 KB that were decompressed
before: the window. Such a block begins within a byte. A block of bzip2 and a frame of Zstandard need nothing that came
before. `Points` are the columns of these places, and a checksum of what lies between two of them, a *piece*.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import StorageError

__all__ = ["LONGEST_PIECE", "WINDOW", "Points", "compressed_size"]

WINDOW: Final = 1 << 15
"""Most bytes that a block of deflate may look back."""

LONGEST_PIECE: Final = 64 << 20
"""Most bytes between two points, decompressed: so much is held for a read, however short."""

_MAGIC: Final = b"CMRP"
_VERSION: Final = 1
_HEADER: Final = struct.Struct("<4sHBxIQQQ")
_FRAMES: Final = ("deflate", "gzip", "bzip2", "zstd")
_FRAME_OF: Final = {"zip": "deflate", "gzip": "gzip", "bz2": "bzip2", "zstd": "zstd"}
_TAR_BLOCK: Final = 512
_ROW: Final = np.dtype(
    [("stored", "<u8"), ("decoded", "<u8"), ("crc32", "<u4"), ("window", "<u4"), ("bits", "u1"), ("reserved", "V3")]
)


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Restart points of one file in a compressed stream.

    Of `n` pieces, `stored` and `decoded` have `n + 1` entries: the last says where the stream ends.
    """

    frame: str
    """What the stream is: `gzip`, of one or many members, `deflate`, which is the same without, `bzip2` or `zstd`."""
    first: int
    """The byte of the decompressed stream with which the file begins: in a TAR archive, not the first."""
    length: int
    """Bytes of the file."""
    size: int
    """Bytes of the compressed file, archive or not, as it was when the points were made."""
    stored: NDArray[np.uint64]
    """The byte of the compressed file in which each piece begins."""
    bits: NDArray[np.uint8]
    """How many bits of that byte belong to the piece before: the low ones, in bzip2 the high ones."""
    decoded: NDArray[np.uint64]
    """The byte of the decompressed stream with which each piece begins."""
    crc32: NDArray[np.uint32]
    """The checksum of each piece, decompressed."""
    windows: tuple[bytes, ...]
    """What was decompressed before each piece, as zlib compresses it; nothing where a stream begins, and in zstd.
    In bzip2 the header of the stream and the bits of the block."""

    def __len__(self) -> int:
        return len(self.bits)

    def piece(self, number: int) -> tuple[int, int]:
        """Where the compressed bytes of a piece are: the first, and how many."""
        start, stop = int(self.stored[number]), int(self.stored[number + 1])
        shared = number + 1 < len(self) and bool(self.bits[number + 1])
        return start, stop + shared - start

    def decoded_length(self, number: int) -> int:
        """How many bytes a piece decompresses to."""
        return int(self.decoded[number + 1] - self.decoded[number])

    def around(self, first: int, length: int) -> tuple[int, int]:
        """The pieces in which a range of the stream lies: the first, and the one after the last."""
        start = int(np.searchsorted(self.decoded, np.uint64(first), "right")) - 1
        stop = int(np.searchsorted(self.decoded, np.uint64(first + length), "left"))
        return start, max(stop, start + 1)

    def part(self, first: int, length: int) -> Points:
        """The points of a file that is a range of this one, as a member of a TAR archive is."""
        if first < 0 or length < 0 or first + length > self.length:
            raise ValueError(f"bytes {first} to {first + length} are not in a file of {self.length}")
        start, stop = self.around(self.first + first, length)
        stop = min(stop, len(self))
        start = min(start, stop - 1)
        # the shared byte of the piece after the last is said by the end itself
        ends = self.stored[start : stop + 1].copy()
        ends[-1] = sum(self.piece(stop - 1))
        return replace(
            self,
            first=self.first + first,
            length=length,
            stored=ends,
            bits=self.bits[start:stop],
            decoded=self.decoded[start : stop + 1],
            crc32=self.crc32[start:stop],
            windows=self.windows[start:stop],
        )

    def lead_into(self, kind: str) -> bool:
        """Whether they may be those of a file that a chained URL names so: the kind of archive, or what compresses it.

        Members of TAR archives begin after whole blocks; other files are all that a stream decompresses to.
        """
        if kind == "tar":
            return self.frame != "deflate" and self.first % _TAR_BLOCK == 0
        whole = self.first == int(self.decoded[0]) == 0 and self.length == int(self.decoded[-1])
        return whole and self.frame == _FRAME_OF.get(kind)

    def to_bytes(self) -> bytes:
        """The points as bytes: a header, a row for each, the windows, and a checksum of it all."""
        rows = np.zeros(len(self) + 1, _ROW)
        rows["stored"], rows["decoded"] = self.stored, self.decoded
        rows["crc32"][:-1], rows["bits"][:-1] = self.crc32, self.bits
        rows["window"][:-1] = [len(window) for window in self.windows]
        frame = _FRAMES.index(self.frame)
        header = _HEADER.pack(_MAGIC, _VERSION, frame, len(self), self.first, self.length, self.size)
        body = b"".join([header, rows.tobytes(), *self.windows])
        return body + zlib.crc32(body).to_bytes(4, "little")

    @classmethod
    def from_bytes(cls, data: bytes) -> Points:
        """Read them. Raises StorageError where they are damaged, or cannot be."""
        if len(data) < _HEADER.size + 4 or data[:4] != _MAGIC:
            raise StorageError("expected restart points of a compressed file, found other bytes; scan the file again")
        if zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
            raise StorageError("restart points of a compressed file are damaged; scan the file again")
        _, version, frame, count, first, length, size = _HEADER.unpack_from(data)
        if version != _VERSION or frame >= len(_FRAMES):
            raise StorageError(
                f"expected restart points of version {_VERSION}, found {version}.{frame}; a later chunkmap wrote them"
            )
        stop = _HEADER.size + (count + 1) * _ROW.itemsize
        if not count or stop > len(data) - 4:
            raise StorageError(f"expected {count} restart points, found {len(data)} bytes; scan the file again")
        rows = np.frombuffer(data, _ROW, count + 1, _HEADER.size)
        ends = stop + np.cumsum(rows["window"][:-1], dtype=np.int64)
        _check(rows, first, length, size, int(ends[-1]) == len(data) - 4)
        starts = [stop, *ends.tolist()]
        return cls(
            _FRAMES[frame],
            first,
            length,
            size,
            rows["stored"].copy(),
            rows["bits"][:-1].copy(),
            rows["decoded"].copy(),
            rows["crc32"][:-1].copy(),
            tuple(data[a:b] for a, b in pairwise(starts)),
        )


def compressed_size(data: bytes) -> int:
    """The bytes of the compressed file, of points as they are stored; nothing where they are damaged."""
    return int(_HEADER.unpack_from(data)[-1]) if len(data) >= _HEADER.size else 0


def _check(rows: NDArray[Any], first: int, length: int, size: int, fits: bool) -> None:
    """Raise StorageError for points that lead out of the file, go back, or would fill the memory."""
    stored, decoded = rows["stored"], rows["decoded"]
    reasons = (
        (not fits, "windows of other lengths"),
        (int(stored[-1]) > size or (stored[1:] < stored[:-1]).any(), "points beyond the file, or not in order"),
        (length and (decoded[1:] <= decoded[:-1]).any(), "pieces without bytes"),
        (
            (decoded[1:] - decoded[:-1] > np.uint64(LONGEST_PIECE)).any(),
            f"a piece of more than {LONGEST_PIECE:,} bytes",
        ),
        ((rows["bits"] > 7).any() or (rows["window"] > WINDOW + 64).any(), "bits or windows that no deflate has"),
        (
            first < int(decoded[0]) or first + length > int(decoded[-1]),
            "a file that is longer than its pieces",
        ),
        (
            length and (first >= int(decoded[1]) or first + length <= int(decoded[-2])),
            "pieces in which nothing of the file is",
        ),
    )
    wrong = next((text for is_so, text in reasons if is_so), None)
    if wrong is not None:
        raise StorageError(f"restart points of a compressed file cannot be right: {wrong}; scan the file again")
