"""`chunkmap diagnose`: whether sets or files fit together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
import orjson

import chunkmap as library
from chunkmap.errors import respelled
from chunkmap.frontends.command_line.arguments import as_option
from chunkmap.frontends.command_line.options import FILE, combine_options, fit_options, set_option, storage_option
from chunkmap.frontends.command_line.sets import load_all, set_or_scan

__all__ = ["diagnose"]


@click.command()
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
    SETs may be quoted globs; files that are no sets are scanned.
    """
    found = library.diagnose(
        load_all(sets, set_options, lambda name: set_or_scan(name, storage_options, set_options)),
        remote_options=storage_options,
        **recipe,
    )
    remedies = [remedy for finding in found.findings for remedy in finding.remedies]
    said = respelled(str(found), remedies, as_option)
    click.echo(orjson.dumps(found.to_dict(), option=orjson.OPT_INDENT_2) if as_json else said)
    click.get_current_context().exit(0 if found.fits else 1)
