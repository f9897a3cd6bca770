"""What the command line draws with rich: a set on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from chunkmap.frontends.command_line.contents import NUMBERS, TEXTS, Contents

__all__ = ["WIDEST", "drawn"]

WIDEST: Final = 10_000
"""Characters of a line where no terminal says how many it has."""


def drawn(contents: Contents) -> str:
    """A table, or where that is wider than the terminal a paragraph an array; and the lines below."""
    console = Console()
    table = _table(contents.rows)
    with console.capture() as written:
        if not console.is_terminal:
            console.width = WIDEST
        console.print(Text(contents.name, style="bold"))
        if console.measure(table, options=console.options.update(max_width=WIDEST)).maximum > console.width:
            for row in contents.rows:
                _draw_narrow(console, row)
        else:
            console.print(table)
        for line in contents.lines:
            console.print(Text(line))
    return "\n".join(line.rstrip() for line in written.get().splitlines()) + "\n"


def _draw_narrow(console: Console, row: Sequence[str]) -> None:
    path, dims, shape, chunks, dtype, units, codecs, refs, inline, missing, stored, decoded = row
    head = Text.assemble((path, "bold"), f" ({dims}) {shape} {dtype} {units}".rstrip())
    there = f"{refs} ref{'' if refs == '1' else 's'}, {inline} inline, {missing} missing"
    lines = (
        f"in chunks of {chunks}; {codecs or 'not compressed'}",
        f"{there}; {stored} stored, {decoded} decoded",
    )
    console.print(head)
    for line in lines:
        console.print(Padding(Text(line), (0, 0, 0, 2)))


def _table(rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in TEXTS:
        table.add_column(column, overflow="fold")
    for column in NUMBERS:
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    return table
