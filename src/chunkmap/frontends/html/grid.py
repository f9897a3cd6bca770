"""A picture of the chunk grid of an array, as SVG: which file each chunk is in, which are held inline, which missing.

The first axis runs down, the others, in C order, to the right. However large the grid is, the picture has a bounded
number of squares, and of each a bounded number of chunks is looked up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.frontends.html.parts import colour
from chunkmap.model import ChunkManifest

__all__ = ["Squares", "grid_svg", "squares"]

_ROWS: Final = 32
_COLUMNS: Final = 96
_LOOKED_UP: Final = 5
"""Chunks along each side of a square that are looked up: a square of no more is exact."""

_SIDE: Final = 6

MISSING: Final = -1
INLINE: Final = -2


class Squares(NamedTuple):
    """The picture as numbers, rows x columns."""

    kind: NDArray[np.int64]
    """The number of a source, or MISSING, or INLINE: of the first chunk that is there."""
    filled: NDArray[np.float64]
    """The share of the chunks that are there, of those that were looked up."""
    is_exact: bool
    """Whether every chunk was looked up."""


def squares(chunks: ChunkManifest) -> Squares:
    """Look up the chunks that the picture shows."""
    down, right = _folded(chunks.grid_shape)
    rows, columns = min(down, _ROWS), min(right, _COLUMNS)
    at_rows, at_columns = _sampled(down, rows), _sampled(right, columns)
    position = at_rows[:, None, :, None] * right + at_columns[None, :, None, :]
    number = _numbers(chunks, position.reshape(rows, columns, -1))
    first = np.argmax(number != MISSING, axis=-1)
    kind = np.take_along_axis(number, first[..., None], -1)[..., 0]
    is_exact = down <= rows * _LOOKED_UP and right <= columns * _LOOKED_UP
    return Squares(kind, (number != MISSING).mean(axis=-1), is_exact)


def grid_svg(chunks: ChunkManifest) -> str:
    """The picture; empty for a grid without cells."""
    if not chunks.size:
        return ""
    found = squares(chunks)
    rows, columns = found.kind.shape
    width, height = columns * _SIDE, rows * _SIDE
    said = f"grid of {' x '.join(map(str, chunks.grid_shape)) or '1'} chunks"
    if not found.is_exact:
        said += f", of each square at most {_LOOKED_UP**2} chunks looked up"
    body = "".join(_runs(chunks, found))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-1 -1 {width + 2} {height + 2}" width="{width + 2}"'
        f' height="{height + 2}" role="img"><title>{escape(said)}</title>{body}<rect width="{width}"'
        f' height="{height}" fill="none" stroke="currentColor" stroke-opacity="0.5"/></svg>'
    )


def _folded(grid_shape: tuple[int, ...]) -> tuple[int, int]:
    """How many cells run down, and how many to the right: a single row for what has one long axis."""
    first, rest = (grid_shape[0] if grid_shape else 1), math.prod(grid_shape[1:])
    return (1, first) if rest == 1 else (first, rest)


def _sampled(cells: int, squares: int) -> NDArray[np.int64]:
    """Of every square along an axis the cells that are looked up."""
    starts = np.arange(squares + 1) * cells // squares
    steps = np.arange(_LOOKED_UP)
    lengths = np.diff(starts)[:, None]
    return np.asarray(starts[:-1, None] + steps * lengths // _LOOKED_UP, np.int64)


def _numbers(chunks: ChunkManifest, position: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each position the number of its source, or MISSING, or INLINE."""
    if not len(chunks):
        return np.full(position.shape, MISSING, np.int64)
    if chunks.index is None:
        number = chunks.source[position].astype(np.int64)
    else:
        row = np.minimum(np.searchsorted(chunks.index, position), len(chunks) - 1)
        number = np.where(chunks.index[row] == position, chunks.source[row].astype(np.int64), MISSING)
    inline = [n for n in np.unique(number).tolist() if n >= 0 and isinstance(chunks.sources[n], bytes)]
    return np.where(np.isin(number, inline), INLINE, number)


def _runs(chunks: ChunkManifest, found: Squares) -> Iterator[str]:
    """A rectangle for every run of squares that look the same."""
    for row, (kinds, filled) in enumerate(zip(found.kind, np.ceil(found.filled * 4) / 4, strict=True)):
        ends = np.flatnonzero((np.diff(kinds) != 0) | (np.diff(filled) != 0)) + 1
        for start, stop in zip([0, *ends.tolist()], [*ends.tolist(), len(kinds)], strict=True):
            kind = int(kinds[start])
            if kind != MISSING:
                source = chunks.sources[kind] if kind >= 0 else None
                what = escape(source) if isinstance(source, str) else "held inline"
                yield (
                    f'<rect x="{start * _SIDE}" y="{row * _SIDE}" width="{(stop - start) * _SIDE}" height="{_SIDE}"'
                    f' fill="{_colour(kind)}" fill-opacity="{filled[start]:g}"><title>{what}</title></rect>'
                )


def _colour(kind: int) -> str:
    return "#888" if kind == INLINE else colour(kind)
