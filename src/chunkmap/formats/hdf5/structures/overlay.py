"""Bytes that stand for those of a file, and parsers that see the file through them."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, TypeVar

import numpy as np

from chunkmap.io.rounds import Gather, Hint, Parser, Together

__all__ = ["Overlay", "overlaid"]

T = TypeVar("T")


class Overlay:
    """Bytes at some places of a file, instead of what the file itself has there."""

    def __init__(self, entries: dict[int, bytes]) -> None:
        """`entries` are byte offsets in the file and what is there; they do not overlap."""
        self._starts = sorted(entries)
        self._contents = [entries[start] for start in self._starts]

    def over(self, offset: int, found: memoryview) -> memoryview:
        """The bytes that were found at an offset, with these over them."""
        end = offset + len(found)
        first = max(bisect_right(self._starts, offset) - 1, 0)
        last = bisect_right(self._starts, end - 1)
        patched: bytearray | None = None
        for start, content in zip(self._starts[first:last], self._contents[first:last], strict=True):
            low, high = max(start, offset), min(start + len(content), end)
            if low < high:
                patched = bytearray(found) if patched is None else patched
                patched[low - offset : high - offset] = content[low - start : high - start]
        return found if patched is None else memoryview(bytes(patched))


def overlaid(overlay: Overlay | None, parser: Parser[T]) -> Parser[T]:
    """The same parser, which sees the file through an overlay, if there is one."""
    return parser if overlay is None else _overlaid(overlay, parser)


def _overlaid(overlay: Overlay, parser: Parser[T]) -> Parser[T]:
    answer: Any = None
    while True:
        try:
            request = parser.send(answer)
        except StopIteration as stop:
            result: T = stop.value
            return result
        if isinstance(request, Together):
            answer = yield Together([_overlaid(overlay, inner) for inner in request.parsers])
        else:
            answer = _seen(overlay, request, (yield request))


def _seen(overlay: Overlay, request: Any, answer: Any) -> Any:
    """What was read, as the overlay has it."""
    if isinstance(request, Hint):
        return answer
    if isinstance(request, Gather):
        offsets = request.offsets.tolist()
        rows = [overlay.over(offset, row.data) for offset, row in zip(offsets, answer, strict=True)]
        return np.array([np.frombuffer(row, np.uint8) for row in rows], np.uint8).reshape(answer.shape)
    if isinstance(request, list):
        return [overlay.over(span.offset, found) for span, found in zip(request, answer, strict=True)]
    return overlay.over(request.offset, answer)
