"""What was found in each file, kept: so that a second run scans only what is new.

A cache is a directory, here or wherever fsspec writes. An entry is named by the URL of a file, its size, its etag or
time of change, the options of the scan and the version of chunkmap: a file that has changed is another entry.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any, cast

from chunkmap.errors import StorageError
from chunkmap.formats.folders import holds
from chunkmap.formats.scanning import scan
from chunkmap.io import Source, open_any, stored_file
from chunkmap.io.filesystem import Located, locate
from chunkmap.io.folder import FolderBase
from chunkmap.logs import logger
from chunkmap.model import ReferenceSet, Target
from chunkmap.storage.spill import read_spill, write_spill
from chunkmap.version import __version__
from chunkmap.warning import warn_caller

__all__ = ["ScanCache", "scan_with"]

_LOG = logger("cache")


@dataclass(frozen=True, slots=True)
class ScanCache:
    """A directory of tables. It can be pickled, and used by many workers at once."""

    url: str
    options: Mapping[str, Any] | None = field(default=None, repr=False)
    """How fsspec opens it."""

    @classmethod
    def of(cls, cache: str | os.PathLike[str] | ScanCache) -> ScanCache:
        """A cache by its URL."""
        return cache if isinstance(cache, ScanCache) else cls(os.fspath(cache))

    def entry(self, url: str, target: Target, options: Mapping[str, Any]) -> Located:
        """The file in which a scan is kept."""
        said = [
            __version__,
            url,
            *(target.size, target.etag, target.mtime),
            sorted((key, repr(value)) for key, value in options.items()),
        ]
        digest = hashlib.sha256(json.dumps(said).encode()).hexdigest()
        return locate(f"{self.url.rstrip('/')}/{digest[:2]}/{digest[2:]}.table", self.options)


def scan_with(
    cache: ScanCache, url: str, *, storage_options: Mapping[str, Any] | None, options: Mapping[str, Any]
) -> ReferenceSet:
    """Scan a file, or find that it was scanned. The chunks of the set stay in the cache until they are asked for.

    A file of which neither etag nor time of change is known, and a folder of files, is scanned every time.
    """
    known = _target(url, storage_options)
    if known.etag is None and known.mtime is None:
        return scan(url, storage_options=storage_options, **options)
    entry = cache.entry(url, known, options)
    found = _found(entry)
    if found is not None:
        _LOG.info("%s: found in the cache", url)
        return found
    refs = scan(url, storage_options=storage_options, **options)
    if not any(_are_one(known, target) for target in refs.targets.values()):  # it changed while it was scanned
        return refs
    write_spill(refs, entry)
    return _found(entry) or refs


def _are_one(known: Target, target: Target) -> bool:
    """Whether two say the same of a file; of one that is compressed, the second says how long it is decompressed."""
    return known == (target if target.points is None else replace(target, size=known.size))


def _target(url: str, storage_options: Mapping[str, Any] | None) -> Target:
    """What is known of a file; of a folder nothing, as each of its files may change."""
    opened = open_any(url, storage_options=storage_options, holds=holds())
    with closing(opened):
        return opened.target() if isinstance(opened, FolderBase) else stored_file(cast("Source", opened)).target()


def _found(entry: Located) -> ReferenceSet | None:
    try:
        return read_spill(entry)
    except StorageError as error:
        warn_caller(f"{error}; the file is scanned again")
        return None
