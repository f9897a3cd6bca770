"""Sets that a command reads, and the one that it makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click
import orjson

import chunkmap as library
from chunkmap.frontends.command_line.arguments import expand
from chunkmap.frontends.command_line.display import counting, describe, note, size_of
from chunkmap.io.filesystem import OURS
from chunkmap.model import ReferenceSet
from chunkmap.model.portable import portable as as_portable
from chunkmap.storage import find_set

__all__ = ["deliver", "load_all", "set_or_scan"]


def load_all(
    sets: tuple[str, ...], options: Mapping[str, Any] | None, load: Callable[[str], ReferenceSet] | None = None
) -> list[ReferenceSet]:
    """The stored sets of these names, wildcards expanded, in their order."""
    names = expand(sets, storage_options=options)
    loaded = []
    with counting("loading", len(names)) as progress:
        for done, name in enumerate(names, start=1):
            loaded.append(library.load(name, storage_options=options) if load is None else load(name))
            progress(done, len(names))
    return loaded


def set_or_scan(
    name: str, file_options: Mapping[str, Any] | None, set_options: Mapping[str, Any] | None = None
) -> ReferenceSet:
    """The stored set of this name; a file, or a folder of another format, is scanned."""
    is_given = bool(set_options and set_options.keys() - OURS)
    options = set_options if is_given else file_options
    if find_set(name, storage_options=options).store is not None:
        return library.load(name, storage_options=options)
    return library.scan(name, storage_options=file_options)


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
