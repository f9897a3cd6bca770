"""Scanning a file, or finding that it was scanned: what is kept in a `ScanCache`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any, cast

from chunkmap.errors import StorageError
from chunkmap.execution.cache import ScanCache
from chunkmap.formats import holds
from chunkmap.formats.scanning import scan
from chunkmap.io import Source, open_any, stored_file
from chunkmap.io.filesystem import Located
from chunkmap.io.folder import FolderBase
from chunkmap.logs import logger
from chunkmap.model import Precedent, ReferenceSet, Target
from chunkmap.storage.spill import read_spill, write_spill
from chunkmap.warning import warn_caller

__all__ = ["scan_with"]

_LOG = logger("cache")


def scan_with(
    cache: ScanCache,
    url: str,
    *,
    storage_options: Mapping[str, Any] | None,
    options: Mapping[str, Any],
    precedent: Precedent | None = None,
) -> ReferenceSet:
    """Scan a file, or find that it was scanned. The chunks of the set stay in the cache until they are asked for.

    A file of which neither etag nor time of change is known, and a folder of files, is scanned every time.
    """
    known = _target(url, storage_options)
    if known.etag is None and known.mtime is None:
        return scan(url, storage_options=storage_options, **options)
    entry = cache.entry(url, known, options)
    found = _found(entry, precedent)
    if found is not None:
        _LOG.info("%s: found in the cache", url)
        return found
    refs = scan(url, storage_options=storage_options, **options)
    if not any(_are_one(known, target) for target in refs.targets.values()):  # it changed while it was scanned
        return refs
    write_spill(refs, entry)
    return _found(entry, precedent) or refs


def _are_one(known: Target, target: Target) -> bool:
    """Whether two say the same of a file; of one that is compressed, the second says how long it is decompressed."""
    return known == (target if target.points is None else replace(target, size=known.size))


def _target(url: str, storage_options: Mapping[str, Any] | None) -> Target:
    """What is known of a file; of a folder nothing, as each of its files may change."""
    opened = open_any(url, storage_options=storage_options, holds=holds)
    with closing(opened):
        return opened.target() if isinstance(opened, FolderBase) else stored_file(cast("Source", opened)).target()


def _found(entry: Located, precedent: Precedent | None) -> ReferenceSet | None:
    try:
        return read_spill(entry, precedent)
    except StorageError as error:
        warn_caller(f"{error}; the file is scanned again")
        return None
