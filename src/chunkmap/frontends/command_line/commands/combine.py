"""`chunkmap combine`: one set of many stored ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

import chunkmap as library
from chunkmap.frontends.command_line.display import say_of
from chunkmap.frontends.command_line.options import (
    FILE,
    combine_options,
    fit_options,
    output_option,
    set_option,
    storage_option,
)
from chunkmap.frontends.command_line.sets import deliver, load_all

__all__ = ["combine"]


@click.command()
@click.argument("sets", type=FILE, nargs=-1, required=True, metavar="SET...")
@output_option
@combine_options
@fit_options
@storage_option
@set_option
def combine(
    *,
    sets: tuple[str, ...],
    out: str,
    storage_options: Mapping[str, Any] | None,
    set_options: Mapping[str, Any] | None,
    **recipe: Any,
) -> None:
    """Make one set of many stored ones.

    SETs may be quoted globs.
    """
    refs = library.combine(
        load_all(sets, set_options),
        remote_options=storage_options,
        **recipe,
    )
    deliver(refs, out, set_options)
    say_of(refs)
