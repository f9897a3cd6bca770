"""`chunkmap diagnose`: whether sets or files fit together."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import click
import orjson

import chunkmap as library
from chunkmap.combining.diagnosis import said_of_unread
from chunkmap.errors import ChunkmapError, respelled
from chunkmap.execution.readable import set_or_scan
from chunkmap.frontends.command_line.arguments import as_option
from chunkmap.frontends.command_line.options import FILE, combine_options, fit_options, set_option, storage_option
from chunkmap.frontends.command_line.sets import load_all

__all__ = ["diagnose"]

_WORDS: Final = "chunkmap.words"
"""Under which name the words of the command are kept."""
_LONGEST: Final = 2000
"""Letters of words that are said again."""


class _Repeatable(click.Command):
    """A command that keeps the words that it was given, to say them again."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep them, and take them apart."""
        ctx.meta[_WORDS] = tuple(args)
        return super().parse_args(ctx, args)


@click.command(cls=_Repeatable)
@click.argument("sets", type=FILE, nargs=-1, required=True, metavar="SET...")
@click.option("--json", "as_json", is_flag=True, help="Say it as JSON.")
@combine_options
@fit_options
@storage_option
@set_option
def diagnose(
    *,
    sets: tuple[str, ...],
    as_json: bool,
    storage_options: Mapping[str, Any] | None,
    set_options: Mapping[str, Any] | None,
    **recipe: Any,
) -> None:
    """Say whether stored sets, or files, fit together.

    What combine would refuse, and what would come of it; the exit status is 0 where they fit, and 1 where they do not.
    SETs may be quoted globs; files that are no sets are scanned. All that cannot be read are named, and the others
    looked at.
    """
    unread: list[ChunkmapError] = []
    read = load_all(sets, set_options, lambda name: set_or_scan(name, storage_options, set_options), unread)
    if not read:
        raise click.ClickException(said_of_unread(unread))
    found = replace(library.diagnose(read, remote_options=storage_options, **recipe), unread=tuple(unread))
    if as_json:
        click.echo(orjson.dumps(found.to_dict(), option=orjson.OPT_INDENT_2))
    else:
        remedies = [remedy for finding in found.findings for remedy in finding.remedies]
        click.echo(respelled(str(found), remedies, as_option))
        if found.fits:
            click.echo(_command(read), nl=False)
    click.get_current_context().exit(0 if found.fits else 1)


def _command(read: Sequence[library.ReferenceSet]) -> str:
    """What would make the result, where it is one command: all inputs are files, or all are sets."""
    verbs = {"build" if refs.name in refs.targets else "combine" for refs in read}
    words = shlex.join(click.get_current_context().meta[_WORDS])
    words = words if len(words) < _LONGEST else "... (the same words)"
    return f"to make it\n  chunkmap {verbs.pop()} {words} -o OUT\n" if len(verbs) == 1 else ""
