"""`chunkmap verify`: check that a set still says the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import click
import orjson

import chunkmap as library
from chunkmap.frontends.command_line.options import FILE, given, set_option, storage_option

__all__ = ["verify"]


@click.command()
@click.argument("stored", type=FILE, metavar="SET")
@click.option("--decode", type=click.Choice(["none", "sample", "all"]), default="none", help="Read chunks as well.")
@click.option("--compare", is_flag=True, help="Read them with the format's own library too, and compare.")
@click.option("--sample", type=click.IntRange(1), metavar="N", help="Chunks of each array in a sample.")
@click.option("--allow", multiple=True, metavar="PREFIX", help="What URLs in the set may begin with.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@storage_option
@set_option
def verify(
    *,
    stored: str,
    decode: Literal["none", "sample", "all"],
    compare: bool,
    sample: int | None,
    allow: tuple[str, ...],
    as_json: bool,
    storage_options: Mapping[str, Any] | None,
    set_options: Mapping[str, Any] | None,
) -> None:
    """Check that a set still says the truth.

    Its files are there, as they were when they were scanned, and long enough. The exit status is 1 when something is
    wrong.
    """
    options = given(sample=sample, allow=allow or None, remote_options=storage_options, storage_options=set_options)
    report = library.verify(stored, decode=decode, compare=compare, **options)
    click.echo(orjson.dumps(report.to_dict()) if as_json else str(report))
    if not report:
        raise click.exceptions.Exit(1)
