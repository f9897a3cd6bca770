"""`chunkmap convert`: the same set kept otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from chunkmap.frontends.command_line.display import note, note_of_icechunk, size_of, warnings_as_notes
from chunkmap.frontends.command_line.options import FILE, given, set_option, uneven_option
from chunkmap.storage.verbs import convert as convert_set

__all__ = ["convert"]


@click.command()
@click.argument("stored", type=FILE, metavar="IN")
@click.argument("out", type=FILE, metavar="OUT")
@click.option("--record-size", type=click.IntRange(1), metavar="ROWS", help="Rows of a Parquet partition.")
@click.option("--zarr-format", type=click.Choice(["2", "3"]), help="Keys and documents of Zarr v2 (else), or v3.")
@uneven_option
@click.option("--portable", is_flag=True, help="Say it as more readers take it, and list what they do not decode.")
@set_option
def convert(
    *,
    stored: str,
    out: str,
    record_size: int | None,
    zarr_format: str | None,
    uneven_group: str | None,
    portable: bool,
    set_options: Mapping[str, Any] | None,
) -> None:
    """Turn JSON into Parquet or Icechunk, or back, or into the other version of Zarr.

    The form of each is told from its name: x.json, x.json.gz, x.json.zst, x.parq, x.icechunk. Parquet is of Zarr v2,
    Icechunk of v3.
    """
    note_of_icechunk(out)
    version = None if zarr_format is None else int(zarr_format)
    with warnings_as_notes():
        how = given(record_size=record_size, zarr_format=version, uneven_group=uneven_group)
        refs = convert_set(stored, out, storage_options=set_options, portable=portable, **how)
    note(f"{out}: {size_of(refs)}")
