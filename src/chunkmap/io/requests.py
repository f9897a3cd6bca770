"""What parsers ask for: the vocabulary between them and `chunkmap.io.rounds`, which brings them their bytes."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Gather", "Hint", "Parser", "Span", "Together"]

T = TypeVar("T")


class Span(NamedTuple):
    """A range of bytes: `need` of them are indispensable, up to `want` are welcome."""

    offset: int
    need: int
    want: int


class Gather:
    """Many ranges of one size, to be given as the rows of an array."""

    __slots__ = ("offsets", "size")

    def __init__(self, offsets: NDArray[np.uint64], size: int) -> None:
        self.offsets, self.size = offsets, size


class Hint:
    """Spans that another parser is about to ask for. Those that are not inside the file are passed over."""

    __slots__ = ("spans",)

    def __init__(self, spans: Sequence[Span]) -> None:
        self.spans = spans


class Together:
    """Parsers to run side by side, so that what they need is fetched in the same rounds."""

    __slots__ = ("parsers",)

    def __init__(self, parsers: Sequence[Parser[Any]]) -> None:
        self.parsers = parsers


Parser = Generator[Any, Any, T]
"""A generator that yields requests, is sent their answers, and returns what it has parsed."""
