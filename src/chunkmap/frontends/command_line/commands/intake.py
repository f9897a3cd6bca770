"""`chunkmap intake`: an entry of a catalog for a stored set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from chunkmap.frontends.catalogs import intake_catalog
from chunkmap.frontends.command_line.options import FILE, set_option

__all__ = ["intake"]


@click.command()
@click.argument("stored", type=FILE, metavar="SET")
@click.option("--name", metavar="NAME", help="The name of the source; else that of the set.")
@click.option("--protocol", metavar="NAME", help="How the files are reached, where their URLs do not say it.")
@set_option
def intake(*, stored: str, name: str | None, protocol: str | None, set_options: Mapping[str, Any] | None) -> None:
    """Print a catalog of intake with a stored set as its source.

    It opens through fsspec and zarr, where chunkmap is not installed too. SET is named in it as it is given.
    """
    click.echo(intake_catalog(stored, name=name, protocol=protocol, target_options=set_options), nl=False)
