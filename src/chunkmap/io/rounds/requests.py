"""What parsers ask for: the vocabulary between them and `chunkmap.io.rounds`, which brings them their bytes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from chunkmap.io.source import Source
from chunkmap.model import Target

__all__ = ["Found", "Gather", "Hint", "Other", "Parser", "Pieces", "Span", "Together"]

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


class Pieces:
    """Many ranges of any lengths, to be given one behind the other as one string of bytes."""

    __slots__ = ("lengths", "offsets")

    def __init__(self, offsets: NDArray[np.int64], lengths: NDArray[np.int64]) -> None:
        self.offsets, self.lengths = offsets, lengths


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


class Other:
    """Another file, by the name that this one has for it, and the parser that reads it.

    The answer is a `Found`; None where there is no such file. Raised at the `yield` are SourceError where the file
    cannot be had or may not be opened, Unsupported where nothing can be beside this one, and whatever its parser
    raises: who asks decides what that means. Without a parser nothing of the file is read.
    """

    __slots__ = ("name", "parser")

    def __init__(self, name: str, parser: Callable[[Source], Parser[Any]] | None = None) -> None:
        self.name, self.parser = name, parser


class Found(NamedTuple):
    """Another file, and what its parser returned."""

    url: str
    """What references call it."""
    target: Target
    """What is known of it, its size too."""
    result: Any


Parser = Generator[Any, Any, T]
"""A generator that yields requests, is sent their answers, and returns what it has parsed."""
