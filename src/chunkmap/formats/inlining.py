"""Holding small chunks inline: their bytes stand in the set, and need no request of their own.

By columns: chunks that follow one another in the file are one range, others are gathered as rows of an array; no chunk
is an object of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.io.rounds import Gather, Parser, Pieces, Span, Together
from chunkmap.model import ChunkManifest, ManifestArray

__all__ = ["INLINE_THRESHOLD", "inlined", "small_arrays", "small_chunks"]

Choose = Callable[[ManifestArray], NDArray[np.bool_] | None]
"""Which chunks of an array are small enough; None for none of them."""

INLINE_THRESHOLD: Final = 500
"""Chunks of fewer stored bytes are held inline, unless the caller says otherwise."""

_FEW: Final = 64
"""Rows of an array that cost less one by one than it costs to find out what could be done with all of them."""

_RUN: Final = 4
"""Chunks of a range, at the least and in the mean, for which ranges are cheaper than gathering."""


def small_chunks(threshold: int) -> Choose:
    """Chunks of fewer stored bytes."""

    def choose(array: ManifestArray) -> NDArray[np.bool_] | None:
        return array.chunks.length < threshold

    return choose


def small_arrays(threshold: int) -> Choose:
    """All chunks of arrays that have fewer bytes in all, and are not inline in part already."""

    def choose(array: ManifestArray) -> NDArray[np.bool_] | None:
        if array.meta.nbytes >= threshold or array.chunks.is_inline.any():
            return None
        return np.ones(len(array.chunks), np.bool_)

    return choose


def inlined(arrays: Mapping[str, ManifestArray], url: str, choose: Choose) -> Parser[dict[str, ManifestArray]]:
    """The arrays, with the chunks that were chosen held inline as far as they are in the file of this URL."""
    rows = {path: found for path, array in arrays.items() if len(found := _rows(array, url, choose))}
    if not rows:
        return dict(arrays)
    few = [path for path, found in rows.items() if len(found) <= _FEW]
    many = [path for path in rows if path not in few]
    parsers = [_inline(arrays[path].chunks, rows[path]) for path in many]
    some, *others = yield Together([_inline_few([(arrays[path].chunks, rows[path]) for path in few]), *parsers])
    chunks = zip([*few, *many], [*some, *others], strict=True)
    return {**arrays, **{path: ManifestArray(arrays[path].meta, found) for path, found in chunks}}


_NONE: Final = np.empty(0, np.int64)


def _rows(array: ManifestArray, url: str, choose: Choose) -> NDArray[np.int64]:
    """The rows of the manifest that are chosen."""
    chunks = array.chunks
    small = choose(array)
    if small is None or not np.count_nonzero(small):
        return _NONE
    small &= chunks.length > 0
    sources = chunks.sources
    if sources.few != (None, url):
        small &= ~chunks.is_inline
        small &= np.array([source == url for source in sources], np.bool_)[chunks.source]
    return np.flatnonzero(small)


def _inline_few(some: Sequence[tuple[ChunkManifest, NDArray[np.int64]]]) -> Parser[list[ChunkManifest]]:
    """The same as `_inline` for many arrays of few rows each: what is done for every array is as little as can be."""
    if not some:
        return []
    lengths = [chunks.length[rows] for chunks, rows in some]
    offsets = np.concatenate([chunks.offset[rows] for chunks, rows in some])
    data: bytes = yield Pieces(offsets.astype(np.int64), np.concatenate(lengths).astype(np.int64))
    stops = np.cumsum([int(own.sum()) for own in lengths]).tolist()
    return [
        chunks.with_inline_rows(rows, data[start:stop], own)
        for (chunks, rows), own, start, stop in zip(some, lengths, [0, *stops], stops, strict=False)
    ]


def _inline(chunks: ChunkManifest, rows: NDArray[np.int64]) -> Parser[ChunkManifest]:
    """Fetch the bytes of some rows, and hold them inline as one blob."""
    offsets, lengths = chunks.offset[rows], chunks.length[rows]
    if len(rows) > 1 and bool((offsets[1:] < offsets[:-1]).any()):
        order = np.argsort(offsets, kind="stable")
        rows, offsets, lengths = rows[order], offsets[order], lengths[order]
    follows = np.zeros(len(rows), np.bool_)
    follows[1:] = offsets[1:] == offsets[:-1] + lengths[:-1]
    firsts = np.flatnonzero(~follows)
    if len(firsts) * _RUN <= len(rows) or len(rows) < 2 * _RUN:
        stops = np.append(firsts[1:], len(rows)) - 1
        sizes = offsets[stops] + lengths[stops] - offsets[firsts]
        pieces = yield [Span(o, n, n) for o, n in zip(offsets[firsts].tolist(), sizes.tolist(), strict=True)]
        return chunks.with_inline_rows(rows, b"".join(pieces), lengths)
    groups = list(_by_length(lengths))
    found: list[NDArray[np.uint8]] = yield Together([_gathered(offsets[own], length) for length, own in groups])
    order = np.concatenate([own for _, own in groups])
    return chunks.with_inline_rows(rows[order], b"".join(block.tobytes() for block in found), lengths[order])


def _by_length(lengths: NDArray[Any]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Each length, and who has it."""
    if bool((lengths == lengths[0]).all()):
        yield int(lengths[0]), np.arange(len(lengths))
        return
    values, which = np.unique(lengths, return_inverse=True)
    order = np.argsort(which, kind="stable")
    stops = np.cumsum(np.bincount(which)).tolist()
    for value, start, stop in zip(values.tolist(), [0, *stops], stops, strict=False):
        yield value, order[start:stop]


def _gathered(offsets: NDArray[Any], length: int) -> Parser[NDArray[np.uint8]]:
    rows: NDArray[np.uint8] = yield Gather(offsets.astype(np.uint64), length)
    return rows
