"""`chunkmap formats`: what can be scanned, and how."""

from __future__ import annotations

import textwrap

import click

from chunkmap.formats import FORMATS
from chunkmap.formats.options import options_in

__all__ = ["formats"]


@click.command()
def formats() -> None:
    """List the formats that are scanned, with their options for --option."""
    for row in FORMATS:
        click.echo(row.name)
        for option in options_in(row):
            text = f"{option.name}={option.default!r}  {option.what}"
            click.echo(textwrap.fill(text, 100, initial_indent="  ", subsequent_indent="      "))
