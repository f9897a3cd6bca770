"""`chunkmap scan`: find the chunks of files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

import chunkmap as library
from chunkmap.frontends.command_line.arguments import destinations, expand
from chunkmap.frontends.command_line.display import counting, warn_of_problems, warnings_as_notes
from chunkmap.frontends.command_line.options import FILE, set_option, storage_option
from chunkmap.frontends.command_line.scanning import HowToScan, scan_options, workers_option
from chunkmap.frontends.command_line.sets import deliver

__all__ = ["scan"]


@click.command()
@click.argument("urls", type=FILE, nargs=-1, required=True, metavar="URL...")
@click.option(
    "-o", "--out", type=FILE, metavar="OUT", help="Where the set goes; for several files a directory, one set each."
)
@workers_option
@scan_options
@storage_option
@set_option
def scan(
    *,
    urls: tuple[str, ...],
    out: str | None,
    workers: int | None,
    scanning: HowToScan,
    storage_options: Mapping[str, Any] | None,
    set_options: Mapping[str, Any] | None,
) -> None:
    """Find the chunks of files.

    One reference set a file is written, or without -o shown; `-o -` prints JSON. URLs may be quoted globs.
    """
    names = expand(urls, storage_options=storage_options)
    if out == "-" and len(names) > 1:
        raise click.UsageError(f"standard output takes one set, not {len(names)}")
    targets = destinations(names, out)
    with warnings_as_notes(), counting("scanning", len(names)) as progress:
        sets = library.scan_many(
            names,
            workers=workers,
            progress=progress,
            storage_options=storage_options,
            on_error=scanning.on_error,
            **scanning.options,
        )
    if out is not None and out not in targets.values() and "://" not in out:
        Path(out).mkdir(parents=True, exist_ok=True)
    for refs in sets:
        with warnings_as_notes():
            deliver(refs, targets[refs.name], set_options, portable=bool(scanning.options.get("portable")))
    warn_of_problems(problem for refs in sets for problem in refs.problems)
