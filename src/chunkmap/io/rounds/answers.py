"""The bytes that answer requests: those of a file in memory, and those of a file that is fetched as they are needed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import repeat
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import TruncatedFile
from chunkmap.io.head import head_of
from chunkmap.io.joining import GAP, in_pieces
from chunkmap.io.rounds.extents import Extents
from chunkmap.io.rounds.requests import Gather, Hint, Pieces, Span
from chunkmap.io.source import Range, Source

__all__ = ["LEAST", "READ_AHEAD", "Fetched", "InMemory"]

LEAST: Final = 4 << 10
"""Least bytes a request asks for: structures that point at one another are often neighbours."""

READ_AHEAD: Final = 1 << 20
"""Most bytes asked for because as many before them were needed."""

_BLOCK: Final = 16 << 10
_BEYOND: Final = 4 << 10
"""Bytes of a local file that are read at once, and those of the next block that are read with them, so that a short
span is in one. It takes no longer than to ask how long the file is now, as every look at a map must; and what was read
stays, whatever becomes of the file. Larger blocks cost more than they save: memory that was never touched.
"""

_MOST_BLOCKS: Final = 256
"""Blocks that are held at a time."""

_SPARE: Final = 512 << 10
"""Bytes that a round may fetch in vain to save requests, beside as many as it needs."""


class InMemory:
    """A file that is in memory, or on this machine. Short spans come from blocks that were read, and are read where
    they cross two; rows and long spans come from a map: a span of it is a view, rows are copied by one strided index.
    Each look at a map leaves 64 KiB of the file in the memory of the process.
    """

    def __init__(self, source: Source) -> None:
        self._source, self._url, self._size = source, source.url, source.size()
        self._check_size = source.check_size
        self._blocks: dict[int, memoryview] = {}

    @cached_property
    def _view(self) -> memoryview:
        return self._source.view(0, self._size)

    @cached_property
    def _array(self) -> NDArray[np.uint8]:
        return np.frombuffer(self._view, np.uint8) if self._size else np.empty(0, np.uint8)

    def span(self, span: Span) -> memoryview:
        """As many bytes as are wanted and there."""
        offset, need, want = span
        size = self._size
        if offset < 0 or offset + need > size:
            raise _too_short(self._url, size, offset, need)
        number, start = offset // _BLOCK, offset % _BLOCK
        if start + want <= _BLOCK + _BEYOND or size <= _BLOCK:
            block = self._blocks.get(number)
            return (self._block(number) if block is None else block)[start : start + want]
        if want <= _BLOCK:
            return self._source.read(offset, min(want, size - offset))
        self._check_size()
        return self._view[offset : offset + want]

    def _block(self, number: int) -> memoryview:
        """A block that is not held yet; of many, the one that was read first is let go."""
        if len(self._blocks) >= _MOST_BLOCKS:
            del self._blocks[next(iter(self._blocks))]
        first = number * _BLOCK
        block = self._blocks[number] = self._source.read(first, min(_BLOCK + _BEYOND, self._size - first))
        return block

    def rows(self, gather: Gather) -> NDArray[np.uint8]:
        """A view where it is one row, else a copy."""
        _check_rows(gather, self._size, self._url)
        self._check_size()
        if len(gather.offsets) == 1:
            start = int(gather.offsets[0])
            return self._array[start : start + gather.size].reshape(1, -1)
        if not len(gather.offsets) or not gather.size:
            return np.empty((len(gather.offsets), gather.size), np.uint8)
        windows = np.lib.stride_tricks.as_strided(
            self._array, (self._size - gather.size + 1, gather.size), (1, 1), writeable=False
        )
        rows: NDArray[np.uint8] = windows[gather.offsets]
        return rows

    def pieces(self, pieces: Pieces) -> bytes:
        """Copies, one behind the other."""
        _check_pieces(pieces, self._size, self._url)
        self._check_size()
        view = self._view
        stops = (pieces.offsets + pieces.lengths).tolist()
        return b"".join([view[start:stop] for start, stop in zip(pieces.offsets.tolist(), stops, strict=True)])

    def serve(self, request: Any) -> Any:
        """The answer to any request. Nothing has to be fetched, so a hint says nothing."""
        kind = type(request)
        if kind is Span:
            return self.span(request)
        if kind is Gather:
            return self.rows(request)
        if kind is Pieces:
            return self.pieces(request)
        return () if kind is Hint else list(map(self.span, request))


class Fetched:
    """A file that has to be fetched, as far as it has been."""

    def __init__(self, source: Source) -> None:
        self.source, self.extents = source, Extents()
        self._size = source.size()

    def span(self, span: Span) -> memoryview | None:
        """As many bytes as are wanted and held; None while less than needed is."""
        offset, need, want = span
        if offset < 0 or offset + need > self._size:
            raise _too_short(self.source.url, self._size, offset, need)
        held = self.extents.held(offset, min(want, self._size - offset))
        return self.extents.find(offset, held) if held >= need else None

    def rows(self, gather: Gather) -> NDArray[np.uint8] | None:
        """A copy; None while not all of it is held."""
        _check_rows(gather, self._size, self.source.url)
        found = self._joined(zip(gather.offsets.tolist(), repeat(gather.size), strict=False))
        return None if found is None else np.frombuffer(found, np.uint8).reshape(len(gather.offsets), gather.size)

    def pieces(self, pieces: Pieces) -> bytes | None:
        """Copies, one behind the other; None while not all of them are held."""
        _check_pieces(pieces, self._size, self.source.url)
        return self._joined(zip(pieces.offsets.tolist(), pieces.lengths.tolist(), strict=True))

    def _joined(self, ranges: Iterable[tuple[int, int]]) -> bytes | None:
        """The bytes of ranges, one behind the other; None while not all of them are held."""
        found: list[memoryview] = []
        for offset, length in ranges:
            block = self.extents.find(offset, length)
            if block is None:
                return None
            found.append(block)
        return b"".join(found)

    def serve(self, request: Any) -> Any:
        """The answer to a request; None as long as not all of it was fetched."""
        kind = type(request)
        if kind is Span:
            return self.span(request)
        if kind is Gather:
            return self.rows(request)
        if kind is Pieces:
            return self.pieces(request)
        if kind is Hint:
            return self.hint(request)
        found = list(map(self.span, request))
        return None if None in found else found

    def hint(self, hint: Hint) -> tuple[()] | None:
        """Fetched before it is needed; what is not inside the file is whoever's mistake who asks for it."""
        return None if any(self.extents.held(s.offset, s.need) < s.need for s in self._inside(hint)) else ()

    def _inside(self, hint: Hint) -> list[Span]:
        return [span for span in hint.spans if 0 <= span.offset <= self._size - span.need]

    def missing(self, requests: Sequence[Any]) -> list[Range]:
        """The ranges to fetch so that all requests can be served."""
        wanted = [r for request in requests for r in self._wanted(request)]
        spare = _SPARE + sum(r.length for r in wanted)
        return [piece for found in self.extents.missing(wanted, gap=GAP, spare=spare) for piece in in_pieces(found)]

    def _wanted(self, request: Any) -> list[Range]:
        if isinstance(request, Gather):
            return [Range(offset, request.size) for offset in request.offsets.tolist()]
        if isinstance(request, Pieces):
            return list(map(Range, request.offsets.tolist(), request.lengths.tolist()))
        if isinstance(request, Hint):
            spans: Sequence[Span] = self._inside(request)
        else:
            spans = [request] if isinstance(request, Span) else request
        return [
            Range(offset, min(max(want, self._least(offset)), self._size - offset))
            for offset, need, want in spans
            if self.extents.held(offset, need) < need
        ]

    def _least(self, offset: int) -> int:
        """Least bytes to ask for: behind what is held, as much again."""
        return max(LEAST, min(self.extents.readahead(offset, near=GAP), READ_AHEAD))

    def first(self) -> list[Range]:
        """What is fetched before anything is known."""
        return [Range(0, head_of(self._size))] if self._size else []


def _check_rows(gather: Gather, size: int, url: str) -> None:
    if len(gather.offsets):
        last = int(gather.offsets.max()) if len(gather.offsets) > 1 else int(gather.offsets[0])
        if last + gather.size > size:
            raise _too_short(url, size, last, gather.size)


def _check_pieces(pieces: Pieces, size: int, url: str) -> None:
    outside = np.flatnonzero((pieces.offsets < 0) | (pieces.lengths < 0) | (pieces.offsets > size - pieces.lengths))
    if len(outside):
        raise _too_short(url, size, int(pieces.offsets[outside[0]]), int(pieces.lengths[outside[0]]))


def _too_short(url: str, size: int, offset: int, length: int) -> TruncatedFile:
    return TruncatedFile(
        f"expected {length} bytes, but the file has only {size} in all; it is cut short or the address is wrong",
        url=url,
        offset=offset,
    )
