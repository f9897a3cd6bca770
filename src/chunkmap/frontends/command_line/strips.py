"""What `chunkmap plot` draws on a terminal, with rich: strips of files, and a table of reads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chunkmap.access.touching import spoken
from chunkmap.frontends.command_line.contents import human, safe
from chunkmap.frontends.plotting import Plot, Strip
from chunkmap.model.wording import counted

__all__ = ["draw"]

_WIDTH = 100
_LABEL = 20
_SHADES = " ░▒▓█"
_PLAIN = " .:+#"


def draw(plot: Plot) -> None:
    """Draw one array."""
    console = Console(width=None if Console().is_terminal else _WIDTH, highlight=False, soft_wrap=True)
    for line in _head(plot):
        console.print(line)
    if plot.files:
        console.print(_reads(plot))
    width = max(min(console.width, _WIDTH) - _LABEL - 4, 10)
    shades = _SHADES if (console.encoding or "").lower().startswith("utf") else _PLAIN
    for strip in plot.strips:
        for line in _strip(strip, width, shades):
            console.print(line)
    if plot.files > len(plot.strips):
        console.print(f"  ... and {counted(plot.files - len(plot.strips), 'more file')}")


def _head(plot: Plot) -> Iterator[Text]:
    yield Text.assemble((safe(plot.path), "bold"), f" ({plot.lengths}) {plot.meta.dtype}")
    kinds = [f"{count:,} {what}" for count, what in ((plot.inline, "inline"), (plot.missing, "missing")) if count]
    where = f"{human(plot.stored)} in {counted(plot.files, 'file')}"
    yield Text(f"  {counted(plot.chunks, 'chunk')} of {plot.chunk_lengths}; {', '.join([where, *kinds])}")


def _reads(plot: Plot) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    table.add_column("read", no_wrap=True)
    table.add_column("", overflow="fold")
    for column in ("requests", "files", "chunks", "read", "wanted", "times"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, one in plot.reads.items():
        counts = (one.requests, one.files, len(one.rows))
        times = f"{one.times:,.1f}" if one.wanted else ""
        numbers = (*(f"{n:,}" for n in counts), human(one.read), human(one.wanted), times)
        table.add_row(*map(Text, (name, spoken(one.key).replace(" ", ""), *numbers)))
    return table


def _strip(strip: Strip, width: int, shades: str) -> Iterator[Text]:
    size = human(strip.size) + ("" if strip.is_size_known else " or more")
    yield Text(f"  {strip.url}: {counted(strip.chunks, 'chunk')}, {size}")
    for name, shares in (("chunks", strip.held), *strip.touched.items()):
        yield Text(f"    {name[: _LABEL - 4]:{_LABEL - 4}}|{_line(shares, width, shades)}|")


def _line(shares: NDArray[np.float64], width: int, shades: str) -> str:
    """Shares as so many characters: the mean of what each stands for, and a trace of what is touched at all."""
    edges = np.linspace(0, len(shares), width + 1)
    total = np.concatenate([[0.0], np.cumsum(shares)])
    means = np.diff(np.interp(edges, np.arange(len(total)), total)) / (len(shares) / width)
    numbers = np.ceil(np.round(means, 6) * (len(shades) - 1)).astype(int)
    return "".join(shades[number] for number in np.minimum(numbers, len(shades) - 1).tolist())
