"""Sets that a command reads, and the one that it makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click
import orjson

import chunkmap as library
from chunkmap.errors import ChunkmapError
from chunkmap.frontends.command_line.arguments import expand
from chunkmap.frontends.command_line.display import counting, describe, note, size_of
from chunkmap.model import ReferenceSet
from chunkmap.model.portable import portable as as_portable

__all__ = ["deliver", "load_all"]


def load_all(
    sets: tuple[str, ...],
    options: Mapping[str, Any] | None,
    load: Callable[[str], ReferenceSet] | None = None,
    unread: list[ChunkmapError] | None = None,
) -> list[ReferenceSet]:
    """The stored sets of these names, wildcards expanded, in their order.

    Where `unread` is given, what cannot be read is put there, and the others are read all the same.
    """
    names = expand(sets, storage_options=options)
    loaded = []
    with counting("loading", len(names)) as progress:
        for done, name in enumerate(names, start=1):
            try:
                loaded.append(library.load(name, storage_options=options) if load is None else load(name))
            except ChunkmapError as error:
                if unread is None:
                    raise
                unread.append(error)
            progress(done, len(names))
    return loaded


def deliver(
    refs: ReferenceSet, target: str | None, options: Mapping[str, Any] | None, *, portable: bool = False
) -> None:
    """Show a set, print it as JSON, or write it."""
    if target is None:
        describe(refs, refs.name or "")
    elif target == "-":
        said = as_portable(refs, refs.zarr_format) if portable else refs
        click.echo(orjson.dumps(said.to_dict(zarr_format=refs.zarr_format)))
    else:
        library.write(refs, target, storage_options=options, zarr_format=refs.zarr_format, portable=portable)
        note(f"{target}: {size_of(refs)}")
