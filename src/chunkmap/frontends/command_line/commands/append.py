"""`chunkmap append`: add more files to a set."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import click

import chunkmap as library
from chunkmap.frontends.command_line.arguments import expand
from chunkmap.frontends.command_line.display import (
    counting,
    note,
    of_files,
    say_of,
    size_of,
    warnings_as_notes,
)
from chunkmap.frontends.command_line.options import (
    FILE,
    combine_options,
    fit_options,
    set_option,
    storage_option,
)
from chunkmap.frontends.command_line.scanning import (
    HowToScan,
    cache_option,
    scan_options,
    workers_option,
)

__all__ = ["append"]


@click.command()
@click.argument("out", type=FILE, metavar="OUT")
@click.argument("urls", type=FILE, nargs=-1, required=True, metavar="URL...")
@partial(combine_options, required=False)
@workers_option
@cache_option
@click.option("--overwrite", is_flag=True, help="Let the new files win where OUT holds the same.")
@partial(fit_options, remembered=True)
@scan_options
@storage_option
@set_option
def append(
    *,
    out: str,
    urls: tuple[str, ...],
    workers: int | None,
    cache: str | None,
    overwrite: bool,
    scanning: HowToScan,
    storage_options: Mapping[str, Any] | None,
    set_options: Mapping[str, Any] | None,
    **recipe: Any,
) -> None:
    """Scan more files and add them to the set OUT.

    A set as Parquet or JSON that chunkmap built remembers how; of others, say it again with --concat and its like.
    """
    names = expand(urls, storage_options=storage_options)
    with warnings_as_notes() as skipped, counting("scanning", len(names)) as progress:
        refs = library.append(
            out,
            names,
            workers=workers,
            progress=progress,
            storage_options=storage_options,
            output_options=set_options,
            on_error=scanning.on_error,
            scan_options=scanning.options,
            cache=cache,
            overwrite=overwrite,
            **{name: value for name, value in recipe.items() if value or (value == 0 and value is not False)},
        )
    note(f"{out}: {of_files(names, skipped)} more, {size_of(refs)}")
    say_of(refs)
