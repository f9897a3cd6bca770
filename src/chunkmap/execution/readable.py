"""What is given where a set is wanted and a file will do."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from chunkmap.errors import ChunkmapError
from chunkmap.formats import holds
from chunkmap.formats.scanning import scan, scan_opened
from chunkmap.io.filesystem import OURS
from chunkmap.model import ReferenceSet
from chunkmap.storage import FoundSet, Icechunk, find_set

__all__ = ["find_any", "or_error", "scan_found", "set_or_scan"]

_OF_OPENING: Final = frozenset({"url", "storage_options", "timeout", "engine"})
"""Arguments of a scan that say how a file is opened."""


def set_or_scan(
    name: str | os.PathLike[str],
    file_options: Mapping[str, Any] | None,
    storage_options: Mapping[str, Any] | None = None,
) -> ReferenceSet:
    """The stored set of this name, opened with `storage_options`; a file, or a folder of another format, is scanned."""
    is_given = bool(storage_options and storage_options.keys() - OURS)
    options = storage_options if is_given else file_options
    found = find_any(name, options)
    if found.store is None:
        return scan_found(found, **({"storage_options": file_options} if is_given else {}))
    refs: ReferenceSet = found.store.reading.load(found)
    return refs


def find_any(name: str | os.PathLike[str] | Icechunk, options: Mapping[str, Any] | None) -> FoundSet:
    """What lies at a URL, a set or what `scan_found` scans."""
    return find_set(name, storage_options=options, to_scan=holds())


def scan_found(found: FoundSet, **options: Any) -> ReferenceSet:
    """Scan what `find_any` found to be no set: by the source that it opened, unless it is to be opened otherwise.

    What was fetched to tell what it is, and the restart points of a compressed file, are not made again.
    """
    assert found.opened is not None
    if options.keys() & _OF_OPENING:
        found.opened.close()
        return scan(found.url, **{"storage_options": found.options, **options})
    return scan_opened(found.opened, found.url, storage_options=found.options, **options)


def or_error(read: Callable[..., ReferenceSet]) -> Callable[..., ReferenceSet | ChunkmapError]:
    """A function that gives why something cannot be read where `read` raises it."""

    def either(*args: Any, **options: Any) -> ReferenceSet | ChunkmapError:
        try:
            return read(*args, **options)
        except ChunkmapError as error:
            return error

    return either
