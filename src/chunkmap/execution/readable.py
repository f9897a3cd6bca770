"""What is given where a set is wanted and a file will do."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from chunkmap.errors import ChunkmapError
from chunkmap.formats.scanning import scan
from chunkmap.io.filesystem import OURS
from chunkmap.model import ReferenceSet
from chunkmap.storage import find_set, load

__all__ = ["readable", "set_or_scan"]


def set_or_scan(
    name: str | os.PathLike[str],
    file_options: Mapping[str, Any] | None,
    storage_options: Mapping[str, Any] | None = None,
) -> ReferenceSet:
    """The stored set of this name, opened with `storage_options`; a file, or a folder of another format, is scanned."""
    is_given = bool(storage_options and storage_options.keys() - OURS)
    options = storage_options if is_given else file_options
    if find_set(name, storage_options=options).store is not None:
        return load(name, storage_options=options)
    return scan(name, storage_options=file_options)


def readable(read: Callable[..., ReferenceSet]) -> Callable[..., ReferenceSet | ChunkmapError]:
    """A function that gives why something cannot be read where `read` raises it."""

    def either(*args: Any, **options: Any) -> ReferenceSet | ChunkmapError:
        try:
            return read(*args, **options)
        except ChunkmapError as error:
            return error

    return either
