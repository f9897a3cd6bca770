"""`chunkmap export`: the values of a set as a Zarr store of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, cast

import click

from chunkmap.execution.bars import steps
from chunkmap.frontends.command_line.arguments import words_by_name
from chunkmap.frontends.command_line.display import note, warnings_as_notes
from chunkmap.frontends.command_line.options import ARRAY, FILE, set_option, storage_option
from chunkmap.frontends.exporting import export as export_set

__all__ = ["export"]


def _lengths(ctx: click.Context, param: click.Parameter, words: Iterable[str]) -> dict[str, int]:
    found = words_by_name(ctx, param, [part for word in words for part in word.split(",")])
    for name, text in found.items():
        if not text.isdigit():
            raise click.BadParameter(f"{name}={text}: expected a number")
    return {name: int(text) for name, text in found.items()}


@click.command()
@click.argument("stored", type=FILE, metavar="SET")
@click.argument("out", type=FILE, metavar="OUT")
@click.argument("arrays", type=ARRAY, nargs=-1, metavar="[ARRAY]...")
@click.option(
    "--chunks", multiple=True, callback=_lengths, metavar="DIM=N,...", help="Lengths of chunks; else those of the set."
)
@click.option("--zarr-format", type=click.Choice(["2", "3"]), default="3", show_default=True, help="Of the copy.")
@click.option("--overwrite", is_flag=True, help="Replace what is there.")
@storage_option
@set_option
def export(
    *,
    stored: str,
    out: str,
    arrays: tuple[str, ...],
    chunks: Mapping[str, int],
    zarr_format: str,
    overwrite: bool,
    storage_options: Mapping[str, Any] | None,
    set_options: Mapping[str, Any] | None,
) -> None:
    """Copy the values of a set, or of a file, into a Zarr store.

    All arrays, or those that are named, in chunks as asked; values are copied as they are stored, packed ones with
    their scale. Each part is read back and compared. The set and OUT are opened with --set-options, the files with
    --storage-options.
    """
    with warnings_as_notes(), steps(progress=True) as begin:
        copied = export_set(
            stored,
            out,
            chunks=chunks,
            arrays=arrays or None,
            zarr_format=cast("Literal[2, 3]", int(zarr_format)),
            overwrite=overwrite,
            progress=begin("copying"),
            output_options=set_options,
            storage_options=set_options if set_options is not None else storage_options,
            remote_options=storage_options,
        )
    note(f"{out}: {copied:,} bytes of values, read back and the same")
