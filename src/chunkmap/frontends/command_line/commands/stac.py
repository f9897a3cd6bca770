"""`chunkmap stac`: an entry of a catalog for a stored set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
import orjson

from chunkmap.frontends.catalogs import stac_item
from chunkmap.frontends.command_line.options import FILE, set_option, storage_option

__all__ = ["stac"]


@click.command()
@click.argument("stored", type=FILE, metavar="SET")
@click.option("--id", "name", metavar="NAME", help="The id of the item; else the name of the set.")
@storage_option
@set_option
def stac(
    *,
    stored: str,
    name: str | None,
    storage_options: Mapping[str, Any] | None,
    set_options: Mapping[str, Any] | None,
) -> None:
    """Print an Item of STAC for a stored set.

    With the extension datacube: dimensions and variables, times, and the box in longitude and latitude, from the set's
    CF coordinates. SET is named in it as it is given.
    """
    item = stac_item(stored, name=name, storage_options=set_options, remote_options=storage_options)
    click.echo(orjson.dumps(item, option=orjson.OPT_INDENT_2))
