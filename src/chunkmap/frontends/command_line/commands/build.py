"""`chunkmap build`: scan, combine and write in one go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

import chunkmap as library
from chunkmap.frontends.command_line.arguments import expand
from chunkmap.frontends.command_line.display import (
    counting,
    note,
    note_of_icechunk,
    of_files,
    say_of,
    size_of,
    warnings_as_notes,
)
from chunkmap.frontends.command_line.options import (
    FILE,
    combine_options,
    fit_options,
    given,
    output_option,
    set_option,
    storage_option,
)
from chunkmap.frontends.command_line.scanning import (
    HowToScan,
    cache_option,
    scan_options,
    workers_option,
)

__all__ = ["build"]


@click.command()
@click.argument("urls", type=FILE, nargs=-1, required=True, metavar="URL...")
@output_option
@combine_options
@workers_option
@cache_option
@click.option("--record-size", type=click.IntRange(1), metavar="ROWS", help="Rows of a Parquet partition.")
@fit_options
@scan_options
@storage_option
@set_option
def build(
    *,
    urls: tuple[str, ...],
    out: str,
    workers: int | None,
    cache: str | None,
    record_size: int | None,
    scanning: HowToScan,
    storage_options: Mapping[str, Any] | None,
    set_options: Mapping[str, Any] | None,
    **recipe: Any,
) -> None:
    """Scan files, combine, write one set.

    The whole job in one step. URLs may be quoted globs.
    """
    names = expand(urls, storage_options=storage_options)
    note_of_icechunk(out)
    with warnings_as_notes() as skipped, counting("scanning", len(names)) as progress:
        refs = library.build(
            names,
            out,
            workers=workers,
            progress=progress,
            storage_options=storage_options,
            output_options=set_options,
            on_error=scanning.on_error,
            scan_options=scanning.options,
            cache=cache,
            **given(record_size=record_size),
            **recipe,
        )
    note(f"{out}: {of_files(names, skipped)}, {size_of(refs)}")
    say_of(refs)
