"""`chunkmap dump`: what is in a file or in a set, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
import orjson

from chunkmap.execution.readable import set_or_scan
from chunkmap.frontends.cdl import cdl
from chunkmap.frontends.command_line.display import show, warn_of_problems
from chunkmap.frontends.command_line.facts import facts_of
from chunkmap.frontends.command_line.options import FILE, storage_option, timeout_option

__all__ = ["dump"]


@click.command()
@click.argument("name", type=FILE, metavar="FILE|SET")
@click.option("--json", "as_json", is_flag=True, help="Say it as JSON.")
@storage_option
@timeout_option
def dump(*, name: str, as_json: bool, storage_options: Mapping[str, Any] | None) -> None:
    """Print the header of a file or of a set, as `ncdump -hs` does.

    In CDL: dimensions, variables with their attributes, chunks and filters, groups. Files of every format are scanned.
    """
    refs = set_or_scan(name, storage_options)
    if as_json:
        click.echo(orjson.dumps(facts_of(refs, name), default=float, option=orjson.OPT_INDENT_2))
    else:
        show(cdl(refs, name))
    warn_of_problems(refs.problems)
