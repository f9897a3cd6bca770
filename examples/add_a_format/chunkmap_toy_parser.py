"""Files of the format `toy`: `TOY1`, a count as a 64-bit number, and so many 64-bit floats, all little-endian."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import TruncatedFile
from chunkmap.formats import Scanned
from chunkmap.io import Source
from chunkmap.io.rounds import Parser, Span
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray

_HEADER = struct.Struct("<4sQ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What may be chosen."""

    name: str = "values"
    """What the array is called."""


def parse(source: Source, options: Options) -> Parser[Scanned]:
    """The one array of a file. Every byte is asked for; nothing that the file says is believed before it is checked."""
    head: memoryview = yield Span(0, _HEADER.size, _HEADER.size)
    _, count = _HEADER.unpack(head)
    length = 8 * count
    if _HEADER.size + length > source.size():
        raise TruncatedFile(f"expected {count} values, found {source.size()} bytes in all", url=source.url, offset=4)
    meta = ArrayMeta(shape=(count,), chunk_shape=(max(count, 1),), dtype=np.dtype("<f8"), dims=("x",))
    grid = meta.grid_shape
    if count:
        chunks = ChunkManifest.from_rows(grid, [[0]], [source.url], [_HEADER.size], [length])
    else:
        chunks = ChunkManifest.empty(grid)
    return Scanned({options.name: ManifestArray(meta, chunks)}, {"": {"format": "toy"}})


def oracle(original: Any) -> _Oracle:
    """What reads the format beside us, for `chunkmap verify --compare`. A module may do without."""
    return _Oracle(bytes(original.source.read(0, original.source.size())))


class _Oracle:
    """The library of the format, if it had one; see `chunkmap.frontends.oracles.Oracle`."""

    def __init__(self, data: bytes) -> None:
        self._values = np.frombuffer(data, "<f8", offset=_HEADER.size)

    def read(self, piece: Any) -> NDArray[Any]:
        """The part of the array that one chunk holds."""
        return self._values[piece.part]

    def attributes(self, path: str) -> Mapping[str, Any]:
        """What is said of an array, or of a group."""
        return {} if path else {"format": "toy"}
