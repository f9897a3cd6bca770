"""A file that is compressed as a whole, as a source: a range of it is the pieces of the compressed file around it."""

from __future__ import annotations

import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, Final, cast

from chunkmap.errors import SourceError
from chunkmap.io.compressed.building import build_points
from chunkmap.io.compressed.entering import inflated
from chunkmap.io.compressed.stream import Stream
from chunkmap.io.file_object import FileObjectSource
from chunkmap.io.local import LocalSource
from chunkmap.io.memory import BytesSource
from chunkmap.io.source import Range, Source, SourceBase, check_range
from chunkmap.model import Target
from chunkmap.model.points import Points

__all__ = ["CompressedSource"]

_KEPT: Final = 64 << 20
"""Bytes of decompressed pieces that are kept: chunks that lie side by side are read one after the other."""

_AT_ONCE: Final = 32 << 20
"""Compressed bytes that are fetched in one round; a piece alone may be longer."""

_SPOOLED: Final = 8 << 20
"""Bytes of one request when a whole file is fetched, eight of them at a time."""


class CompressedSource(SourceBase):
    """What a compressed file, or a compressed member of an archive, decompresses to."""

    def __init__(self, outer: Source, url: str, *, points: Points | None = None, stream: Stream | None = None) -> None:
        """With its `points`; or with where its `stream` is, of which they are made when it is first read."""
        self.url = url
        self._outer, self._points, self._stream = outer, points, stream
        self._pieces: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()
        if points is not None and outer.size() != points.size:
            raise SourceError(
                f"changed since it was scanned: expected {points.size:,} compressed bytes, found {outer.size():,};"
                " scan it again",
                url=url,
            )

    @property
    def outer(self) -> Source:
        """The file that is compressed."""
        return self._outer

    @property
    def points(self) -> Points:
        """Where reading can begin. Where they are not known, one pass over the file makes them, and keeps it near."""
        if self._points is None:
            assert self._stream is not None
            check_range(self.url, self._outer.size(), self._stream.first, self._stream.length)
            if not isinstance(self._outer, (BytesSource, LocalSource)):
                self._outer = _Spooled(self._outer, self._stream.first, self._stream.length)
            self._points = build_points(self._outer, self._stream)
        return self._points

    def size(self) -> int:
        """Length in bytes, decompressed."""
        return self.points.length

    def read(self, offset: int, length: int) -> memoryview:
        """The pieces around a range are fetched and decompressed."""
        return self.read_many([Range(offset, length)])[0]

    def read_many(self, ranges: Sequence[Range]) -> list[memoryview]:
        """Pieces are fetched together, some rounds of them for many, and each is decompressed once."""
        for offset, length in ranges:
            check_range(self.url, self.points.length, offset, length)
        found = [bytearray(length) for _, length in ranges]
        wanted = self._wanted(ranges)
        for numbers in self._rounds(sorted(wanted)):
            for number, piece in zip(numbers, self._decoded(numbers), strict=True):
                for row in wanted[number]:
                    self._copy(number, piece, self.points.first + ranges[row].offset, found[row])
        return [memoryview(each).toreadonly() for each in found]

    def target(self) -> Target:
        """What is known of the file, with the decompressed size, and the points by which it is read."""
        outer = self._outer.target()
        return Target(self.points.length, outer.etag, outer.mtime, self.points.to_bytes())

    def confirm(self, *, always: bool = False) -> None:
        """It changes with its file."""
        self._outer.confirm(always=always)

    def check_size(self) -> None:
        """It ends with its file."""
        self._outer.check_size()

    def close(self) -> None:
        """Let the pieces go, and close the file."""
        self._pieces.clear()
        self._outer.close()

    def part(self, url: str, first: int, length: int) -> CompressedSource:
        """A range of it as a source of its own, as a member of a TAR archive is."""
        points = self.points.part(first, length)
        return CompressedSource(self._outer, url, points=points)

    def _wanted(self, ranges: Sequence[Range]) -> dict[int, list[int]]:
        """The ranges that lie in each piece, by their numbers."""
        wanted: dict[int, list[int]] = {}
        for row, (offset, length) in enumerate(ranges):
            if length:
                for number in range(*self.points.around(self.points.first + offset, length)):
                    wanted.setdefault(number, []).append(row)
        return wanted

    def _rounds(self, numbers: Sequence[int]) -> Iterator[list[int]]:
        """Pieces in groups that fit in memory together, compressed and not."""
        group: list[int] = []
        spent = 0
        for number in numbers:
            cost = self.points.piece(number)[1] + self.points.decoded_length(number) // 4
            if group and spent + cost > _AT_ONCE:
                yield group
                group, spent = [], 0
            group.append(number)
            spent += cost
        if group:
            yield group

    def _decoded(self, numbers: Sequence[int]) -> list[bytes]:
        """Pieces, as far as they are not kept fetched together and decompressed on threads."""
        with self._lock:
            found = {number: self._pieces[number] for number in numbers if number in self._pieces}
        lacking = [number for number in numbers if number not in found]
        fetched = self._outer.read_many([Range(*self.points.piece(number)) for number in lacking]) if lacking else []

        def decode(number: int, data: memoryview) -> bytes:
            return inflated(self.points, number, data, self.url)

        if len(lacking) > 1:
            with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
                found.update(zip(lacking, pool.map(decode, lacking, fetched), strict=True))
        else:
            found.update(zip(lacking, map(decode, lacking, fetched), strict=True))
        self._keep({number: found[number] for number in numbers})
        return [found[number] for number in numbers]

    def _keep(self, found: dict[int, bytes]) -> None:
        """Keep the pieces that were read last."""
        with self._lock:
            for number, piece in found.items():
                self._pieces[number] = piece
                self._pieces.move_to_end(number)
            while len(self._pieces) > 1 and sum(map(len, self._pieces.values())) > _KEPT:
                self._pieces.popitem(last=False)

    def _copy(self, number: int, piece: bytes, first: int, out: bytearray) -> None:
        """What a piece has of a range of the stream, into its place."""
        begins = int(self.points.decoded[number])
        start, stop = max(first, begins), min(first + len(out), begins + len(piece))
        out[start - first : stop - first] = memoryview(piece)[start - begins : stop - begins]


class _Spooled(SourceBase):
    """A file of which a range was fetched into a temporary one; all else is asked of the file itself."""

    def __init__(self, outer: Source, first: int, length: int) -> None:
        self.url = outer.url
        self._outer, self._first = outer, first
        file = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - closed with the source
        for start in range(first, first + length, 8 * _SPOOLED):
            stop = min(start + 8 * _SPOOLED, first + length)
            ranges = [Range(at, min(_SPOOLED, stop - at)) for at in range(start, stop, _SPOOLED)]
            for piece in outer.fetch(ranges):
                file.write(piece)
        self._file, self._spool = file, FileObjectSource(file, outer.url)

    def size(self) -> int:
        """That of the file."""
        return self._outer.size()

    def read(self, offset: int, length: int) -> memoryview:
        """From the temporary file."""
        return self._spool.read(offset - self._first, length)

    def read_many(self, ranges: Sequence[Range]) -> list[memoryview]:
        """From the temporary file."""
        return [self.read(offset, length) for offset, length in ranges]

    def target(self) -> Target:
        """What is known of the file."""
        return self._outer.target()

    def confirm(self, *, always: bool = False) -> None:
        """Ask the file."""
        self._outer.confirm(always=always)

    def close(self) -> None:
        """Remove the temporary file, and close the other."""
        self._file.close()
        self._outer.close()
