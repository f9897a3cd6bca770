"""The same as plain text, where it goes into a file or a pipe: rich would write it so, and takes a
tenth of the time of a short command to load.

Terminals are rich's, which knows how wide they are and what they can show, and so is all that says that it be one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final

from chunkmap.frontends.command_line.contents import NUMBERS, TEXTS, Contents

__all__ = ["is_enough", "written"]

_SAYS_TERMINAL: Final = ("FORCE_COLOR", "TTY_COMPATIBLE")
"""Variables of the environment by which rich draws as on a terminal, though the output is none."""

_WIDE: Final = "\u0300"
"""The first character that is not as wide as all before it: it stands above the one before."""

_LONGEST: Final = 5_000
"""Characters of a line, of which rich would make two if there were twice as many."""


def is_enough(contents: Contents) -> bool:
    """Whether rich would write nothing else."""
    if sys.stdout.isatty() or any(name in os.environ for name in _SAYS_TERMINAL):
        return False
    cells = [cell for row in contents.rows for cell in row]
    longest = [contents.name, *contents.lines, *("".join(row) for row in contents.rows)]
    return all(map(_is_narrow, cells)) and max(map(len, longest)) < _LONGEST


def _is_narrow(text: str) -> bool:
    """Whether all characters are of one width."""
    return text.isascii() or max(text) < _WIDE


def written(contents: Contents) -> str:
    """A table, and the lines below it."""
    lines = [contents.name, *_table((TEXTS + NUMBERS, *contents.rows)), *contents.lines]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows with their columns one below the other, numbers at the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    formats = [f"{{:<{n}}}" for n in widths[: len(TEXTS)]] + [f"{{:>{n}}}" for n in widths[len(TEXTS) :]]
    return ["  ".join(formats).format(*row) for row in rows]
