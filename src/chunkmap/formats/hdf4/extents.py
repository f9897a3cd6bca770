"""Ranges of a file one behind the other: what layouts are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import Unsupported
from chunkmap.formats.hdf4.descriptors import File
from chunkmap.formats.hdf4.elements import HOLE, Element, bytes_of
from chunkmap.io.rounds import Parser
from chunkmap.model import ChunkManifest, CodecConfig

__all__ = ["MOST_INLINE", "Extents", "Layout", "behind", "check_inside", "cut", "in_one", "merged", "part_of"]

MOST_INLINE: Final = 16 << 20
"""Bytes of one array that are held inline because they are in no single range of the file."""

Extents = Sequence[tuple[int, int]]


class Layout(NamedTuple):
    """How the data of one array lie in the file."""

    chunk_shape: tuple[int, ...]
    codecs: tuple[CodecConfig, ...]
    chunks: ChunkManifest
    fill: bytes | None = None
    """What chunks that are missing read as, where the element says so itself."""


def merged(extents: Extents) -> list[tuple[int, int]]:
    """Ranges that touch, as one."""
    out: list[tuple[int, int]] = []
    for offset, length in extents:
        if out and offset != HOLE and out[-1][0] != HOLE and sum(out[-1]) == offset:
            out[-1] = (out[-1][0], out[-1][1] + length)
        else:
            out.append((offset, length))
    return out


def cut(extents: Extents, nbytes: int) -> list[tuple[int, int]]:
    """The first bytes of a sequence of ranges: what was allocated may be longer than the data."""
    out = []
    for offset, length in extents:
        if nbytes <= 0:
            break
        out.append((offset, min(length, nbytes)))
        nbytes -= length
    return out


def behind(extents: Extents, skipped: int) -> list[tuple[int, int]]:
    """What comes behind the first bytes of a sequence of ranges."""
    out = []
    for offset, length in extents:
        if skipped < length:
            out.append((offset if offset == HOLE else offset + skipped, length - skipped))
        skipped = max(skipped - length, 0)
    return out


def part_of(element: Element, start: int, length: int) -> Element:
    """Some of the bytes of an element."""
    if element.coder is not None or element.chunked is not None:
        return element
    if element.external is not None:
        return Element(length, external=(element.external[0], element.external[1] + start))
    return Element(min(length, max(element.length - start, 0)), tuple(cut(behind(element.extents, start), length)))


def in_one(file: File, extents: Extents) -> Parser[bytes]:
    """What lies in several places, to be held inline."""
    total = sum(n for _, n in extents)
    if total > MOST_INLINE:
        raise Unsupported(
            f"its data is one stream of {total} bytes in {len(extents)} linked blocks, too long to hold inline",
            feature="linked blocks",
        )
    return (yield from bytes_of(file, Element(total, tuple(extents))))


def check_inside(file: File, offsets: NDArray[Any], lengths: NDArray[Any]) -> None:
    """Raise FormatError for a range that goes on past the end of the file."""
    outside = np.flatnonzero((offsets != HOLE) & (offsets + lengths > file.size))
    if len(outside):
        place = int(offsets[outside[0]])
        raise file.error(f"expected {lengths[outside[0]]} bytes of data, but the file ends at byte {file.size}", place)
