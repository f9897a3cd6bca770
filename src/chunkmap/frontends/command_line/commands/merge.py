"""`chunkmap merge`: one set of stored ones that hold different arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

import chunkmap as library
from chunkmap.frontends.command_line.display import say_of
from chunkmap.frontends.command_line.options import FILE, output_option, set_option, storage_option
from chunkmap.frontends.command_line.sets import deliver, load_all

__all__ = ["merge"]


@click.command()
@click.argument("sets", type=FILE, nargs=-1, required=True, metavar="SET...")
@output_option
@storage_option
@set_option
def merge(
    *,
    sets: tuple[str, ...],
    out: str,
    storage_options: Mapping[str, Any] | None,
    set_options: Mapping[str, Any] | None,
) -> None:
    """Make one set of stored ones that hold different arrays.

    SETs may be quoted globs. What several of them have must be the same in all, and is taken once.
    """
    refs = library.merge(load_all(sets, set_options), remote_options=storage_options)
    deliver(refs, out, set_options)
    say_of(refs)
