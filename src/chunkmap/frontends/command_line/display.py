"""What the command line says: sets on standard output; notes, warnings and progress on standard error.

What only some output needs is loaded where that is said: rich for terminals, what keeps sets for notes of those.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

from chunkmap import combining
from chunkmap.errors import ChunkmapError, NotInstalled, SkippedFiles, Unsupported, respelled
from chunkmap.execution.bars import steps
from chunkmap.frontends.command_line.arguments import as_option
from chunkmap.model import Problem, ReferenceSet
from chunkmap.model.wording import counted

__all__ = [
    "counting",
    "describe",
    "note",
    "note_of_icechunk",
    "of_files",
    "say_of",
    "show",
    "size_of",
    "warn_of_problems",
    "warnings_as_notes",
]


@contextmanager
def counting(verb: str, total: int) -> Iterator[Callable[[int, int], None]]:
    """A callable `progress(done, total)`, drawn as a bar where someone is looking and there is something to count."""
    if total < 2 or not sys.stderr.isatty():
        yield _nothing
        return
    with steps(progress=True) as begin:
        yield begin(verb) or _nothing


def _nothing(_done: int, _total: int) -> None:
    """Draw no bar."""


def describe(refs: ReferenceSet, name: str) -> None:
    """Draw the arrays of a set, its files and its problems."""
    from chunkmap.frontends.command_line import plain  # noqa: PLC0415
    from chunkmap.frontends.command_line.contents import contents_of  # noqa: PLC0415

    contents = contents_of(refs, name)
    show(plain.written(contents) if plain.is_enough(contents) else _drawing().drawn(contents))


def show(text: str) -> None:
    """Say a result; where it is longer than the terminal, in the pager of the user (`PAGER`)."""
    if sys.stdout.isatty() and text.count("\n") >= _lines_of_terminal():
        click.echo_via_pager(text)
    else:
        click.echo(text, nl=not text.endswith("\n"))


def _lines_of_terminal() -> int:
    import shutil  # noqa: PLC0415

    return shutil.get_terminal_size().lines


def _drawing() -> Any:
    """What needs rich, loaded where something is drawn."""
    return import_module("chunkmap.frontends.command_line.drawing")


@contextmanager
def warnings_as_notes() -> Iterator[list[ChunkmapError]]:
    """Say what the library warns of in one line each, without the place in its code.

    What is given holds in the end the errors of files that were skipped, each of which is said in a line of its own.
    """
    skipped: list[ChunkmapError] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        yield skipped
    for warning in caught:
        if isinstance(warning.message, SkippedFiles):
            skipped += warning.message.errors
        else:
            note(f"warning: {warning.message}")
    for error in skipped:
        note(f"skipped: {error}")


def of_files(names: Sequence[str], skipped: Sequence[object]) -> str:
    """How many files were used: `"3 files"`, or `"2 of 3 files"` where some were skipped.

    >>> of_files(["a.nc"], []), of_files(["a.nc", "b.nc"], ["error"])
    ('1 file', '1 of 2 files')
    """
    used = f"{len(names) - len(skipped):,} of " if skipped else ""
    return f"{used}{counted(len(names), 'file')}"


def note(text: str) -> None:
    """Say something beside the result."""
    click.echo(text, err=True)


def note_of_icechunk(out: str) -> None:
    """Say, before a repository is written, that this installation will not read its references back."""
    from chunkmap.storage.stores import ICECHUNK, store_named  # noqa: PLC0415

    if store_named(out) is ICECHUNK:
        try:
            ICECHUNK.reading.check_lists(out)
        except NotInstalled:
            raise
        except Unsupported as error:
            note(f"note: chunkmap will not read this back here: {error}. xarray reads it through icechunk")


def size_of(refs: ReferenceSet) -> str:
    """How large a set is, without reading the partitions of one that is at rest."""
    chunks = sum(array.most_chunks for array in refs.arrays.values())
    return f"{counted(len(refs.arrays), 'array')}, {counted(chunks, 'chunk')}"


def say_of(refs: ReferenceSet) -> None:
    """Say what was decided when a set was combined, and what could not be represented."""
    for label, finding in combining.together(refs.notes):
        note(f"note: {respelled(f'{label}: {finding.message}', finding.remedies, as_option)} [{finding.check}]")
    warn_of_problems(refs.problems)


def warn_of_problems(problems: Iterable[Problem]) -> None:
    """Say what could not be represented: how often each kind, and the first of it."""
    first: dict[str, Problem] = {}
    counts: Counter[str] = Counter()
    for problem in problems:
        counts[problem.feature] += 1
        first.setdefault(problem.feature, problem)
    for feature, count in counts.most_common():
        note(f"warning: {count} x {feature}; the first: {first[feature]}")
