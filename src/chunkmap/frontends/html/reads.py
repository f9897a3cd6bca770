"""A picture of where chunks lie in their files and what reads of them touch, as SVG and as a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.access.touching import spoken
from chunkmap.frontends.html.parts import colour, document, fold
from chunkmap.frontends.plotting import Plot, Strip
from chunkmap.model.wording import counted

__all__ = ["reads_page", "reads_svg"]

_WIDTH: Final = 720
_STRIP: Final = 12
_READ: Final = 4
_TEXT: Final = 14
_SHADES: Final = 8

_ALONE: Final = "<style>:root{color-scheme:light dark;background:Canvas;color:CanvasText}</style>"
"""Light or dark as its reader has it; within a page that is what the page is."""


def reads_page(plots: Iterable[Plot], name: str) -> str:
    """A page with a section for each array."""
    found = list(plots)
    first = max(found, key=lambda plot: plot.stored, default=None)
    body = "".join(
        fold(_head(plot), _table(plot) + reads_svg(plot, alone=False), is_open=plot is first) for plot in found
    )
    return document(f'<div class="head">What reads of {escape(name)} would touch</div>{body}', name)


def reads_svg(plot: Plot, *, alone: bool = True) -> str:
    """The picture of one array, `alone` or within a page: a strip for each file, below it a line for each read."""
    rows, height = [], 0
    if plot.strips:
        rows.append(_legend(plot))
        height = _TEXT + 6
    for strip in plot.strips:
        rows.append(f'<g transform="translate(0,{height})">{"".join(_strip(strip))}</g>')
        height += _TEXT + _STRIP + len(strip.touched) * (_READ + 1) + 8
    if plot.files > len(plot.strips):
        rows.append(_text(0, height + 10, f"... and {counted(plot.files - len(plot.strips), 'more file')}"))
        height += _TEXT + 4
    return (
        f'<svg class="reads" xmlns="http://www.w3.org/2000/svg" viewBox="-4 0 {_WIDTH + 8} {height}"'
        f' width="{_WIDTH + 8}" height="{height}" role="img" font-family="sans-serif" font-size="11">'
        f"<title>{escape(plot.path)}</title>{_ALONE if alone else ''}{''.join(rows)}</svg>"
    )


def _legend(plot: Plot) -> str:
    parts, x = [], 0
    for number, name in enumerate(plot.reads, 1):
        parts.append(f'<rect x="{x}" y="3" width="10" height="{_READ + 4}" fill="{colour(number)}"/>')
        parts.append(_text(x + 14, 11, name))
        x += 30 + 7 * len(name)
    return "".join(parts)


def _strip(strip: Strip) -> Iterator[str]:
    size = f"{strip.size:,} bytes" + ("" if strip.is_size_known else " or more")
    yield _text(0, 11, f"{_short(strip.url)}: {counted(strip.chunks, 'chunk')}, {size}")
    yield (
        f'<rect x="0.5" y="{_TEXT + 0.5}" width="{_WIDTH - 1}" height="{_STRIP}" fill="none" stroke="currentColor"'
        ' stroke-opacity="0.5"/>'
    )
    yield from _runs(strip.held, _TEXT + 0.5, _STRIP, "#888")
    for number, shares in enumerate(strip.touched.values(), 1):
        yield from _runs(shares, _TEXT + _STRIP + 2 + (number - 1) * (_READ + 1), _READ, colour(number))


def _runs(shares: NDArray[np.float64], y: float, height: int, fill: str) -> Iterator[str]:
    """A rectangle for every run of parts of the same shade; what is touched at all is seen."""
    shades = np.ceil(shares * _SHADES)
    ends = np.flatnonzero(np.diff(shades)) + 1
    step = _WIDTH / len(shades)
    for start, stop in zip([0, *ends.tolist()], [*ends.tolist(), len(shades)], strict=True):
        if shades[start]:
            opacity = 0.25 + 0.75 * float(shades[start]) / _SHADES
            yield (
                f'<rect x="{start * step:g}" y="{y:g}" width="{(stop - start) * step:g}" height="{height}"'
                f' fill="{fill}" fill-opacity="{opacity:.2f}"/>'
            )


def _text(x: int, y: int, text: str) -> str:
    return f'<text x="{x}" y="{y}" fill="currentColor">{escape(text)}</text>'


def _short(url: str) -> str:
    return url if len(url) <= 80 else f"...{url[-77:]}"


def _head(plot: Plot) -> str:
    return (
        f'<b>{escape(plot.path)}</b> <span class="dim">({escape(plot.lengths)})</span> {counted(plot.chunks, "chunk")}'
        f" of {plot.chunk_lengths} in {counted(plot.files, 'file')}, {plot.inline:,} inline, {plot.missing:,} missing"
    )


def _table(plot: Plot) -> str:
    heads = ("read", "", "requests", "files", "chunks", "bytes read", "bytes wanted", "read / wanted")
    rows = []
    for name, one in plot.reads.items():
        numbers = (one.requests, one.files, len(one.rows), one.read, one.wanted)
        cells = "".join(f'<td class="number">{number:,}</td>' for number in numbers)
        rows.append(
            f"<tr><th>{escape(name)}</th><td class='read'>{spoken(one.key)}</td>{cells}"
            f"<td class='number'>{one.times:,.2f}</td></tr>"
        )
    return f"<table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>{''.join(rows)}</table>"
