"""What a parser of a folder asks of it: the vocabulary between them, so that the parser opens nothing.

    Files(names)                    -> the bytes of each file; None for one that is not there
    Sizes(names)                    -> int64 array: the length of each file; -1 for one that is not there
    Pieces(names, offsets, length)  -> uint8 array of shape (names, length): a range of each file
    Each(names, parser)             -> what a parser of files returns for each, or the ChunkmapError that stopped it

Whatever is asked for at one time is fetched at one time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from chunkmap.io.folder import Folder
from chunkmap.io.member import MemberSource
from chunkmap.io.rounds.requests import Parser, Together
from chunkmap.io.rounds.scheduler import Reading, run_many
from chunkmap.io.source import Range, Source

__all__ = ["Each", "Files", "Pieces", "Sizes", "answered"]

T = TypeVar("T")


class Files(NamedTuple):
    """Whole files."""

    names: Sequence[str]


class Sizes(NamedTuple):
    """The lengths of files that were not listed."""

    names: Sequence[str]


class Pieces(NamedTuple):
    """Ranges of files, all of one length."""

    names: Sequence[str]
    offsets: NDArray[np.uint64]
    length: int


class Each(NamedTuple):
    """Files to be parsed one by one, in the same rounds."""

    names: Sequence[str]
    parser: Callable[[Source], Parser[Any]]


def answered(folder: Folder, parser: Parser[T]) -> T:
    """What a parser returns, whose requests a folder answers. It may have several parsers run side by side."""
    value: Any = None
    while True:
        try:
            request = parser.send(value)
        except StopIteration as stop:
            result: T = stop.value
            return result
        value = _together(folder, request.parsers) if isinstance(request, Together) else _answers(folder, [request])[0]


def _together(folder: Folder, parsers: Sequence[Parser[Any]]) -> list[Any]:
    """What parsers return; what all of them ask for at one time is fetched at one time."""
    results: list[Any] = [None] * len(parsers)
    values: dict[int, Any] = dict.fromkeys(range(len(parsers)))
    while values:
        requests: dict[int, Any] = {}
        for number, value in values.items():
            try:
                requests[number] = parsers[number].send(value)
            except StopIteration as stop:
                results[number] = stop.value
        values = dict(zip(requests, _answers(folder, list(requests.values())), strict=True))
    return results


def _answers(folder: Folder, requests: Sequence[Files | Sizes | Pieces | Each]) -> list[Any]:
    """The answers to requests: one call for all of a kind."""
    found: dict[int, Any] = {}
    pieces = {number: request for number, request in enumerate(requests) if isinstance(request, Pieces)}
    if pieces:
        found.update(zip(pieces, _pieces(folder, list(pieces.values())), strict=True))
    for kind, ask in ((Files, _files), (Sizes, _sizes), (Each, _each)):
        own = [number for number, request in enumerate(requests) if isinstance(request, kind)]
        if not own:
            continue
        some: list[Any] = [requests[number] for number in own]
        every, start = ask(folder, some), 0
        for number, request in zip(own, some, strict=True):
            found[number] = every[start : start + len(request.names)]
            start += len(request.names)
    return [found[number] for number in range(len(requests))]


def _files(folder: Folder, requests: Sequence[Files]) -> list[bytes | None]:
    return folder.read_many([name for request in requests for name in request.names], optional=True)


def _sizes(folder: Folder, requests: Sequence[Sizes]) -> NDArray[np.int64]:
    return folder.sizes([name for request in requests for name in request.names])


def _pieces(folder: Folder, requests: Sequence[Pieces]) -> list[NDArray[np.uint8]]:
    rows = [np.empty((len(request.names), request.length), np.uint8) for request in requests]
    ranges = [Range(offset, request.length) for request in requests for offset in request.offsets.tolist()]
    into: list[memoryview] = [row.data for some in rows for row in some]
    folder.read_into([name for request in requests for name in request.names], ranges, into)
    return rows


def _each(folder: Folder, requests: Sequence[Each]) -> list[Any]:
    with ExitStack() as opened:
        readings = []
        for request in requests:
            for name in request.names:
                source = folder.open(name)
                if not isinstance(source, MemberSource):  # a member ends with its archive
                    opened.callback(source.close)
                readings.append(Reading(source, request.parser(source)))
        return run_many(readings)
