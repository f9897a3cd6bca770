"""`chunkmap inspect`: show what a set holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import orjson

import chunkmap as library
from chunkmap.frontends import html as drawing
from chunkmap.frontends.command_line.display import describe, note, warn_of_problems
from chunkmap.frontends.command_line.facts import facts_of, only
from chunkmap.frontends.command_line.options import ARRAY, FILE, set_option
from chunkmap.model.wording import counted

__all__ = ["inspect"]


@click.command()
@click.argument("stored", type=FILE, metavar="SET")
@click.argument("array", type=ARRAY, required=False, metavar="[ARRAY]")
@click.option("--json", "as_json", is_flag=True, help="Say it as JSON, with attributes.")
@click.option("--html", "html", type=FILE, metavar="FILE", help="Write a page that shows it, with the grids of chunks.")
@set_option
def inspect(
    *, stored: str, array: str | None, as_json: bool, html: str | None, set_options: Mapping[str, Any] | None
) -> None:
    """Show what a stored set holds, or one array of it.

    Its arrays with their chunks, units, codecs and sizes, where coordinates reach, attributes, files, who can read it,
    and what could not be represented.
    """
    refs = library.load(stored, storage_options=set_options)
    shown = refs if array is None else only(refs, array)
    if html is not None:
        Path(html).write_text(drawing.page(replace(shown, name=stored), stored), encoding="utf-8")
        note(f"{html}: {counted(len(shown.arrays), 'array')}")
    elif as_json:
        option = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY
        click.echo(orjson.dumps(facts_of(shown, stored), default=float, option=option))
    else:
        describe(shown, stored)
    warn_of_problems(shown.problems)
