"""What was found in each file, kept: so that a second run scans only what is new.

A cache is a directory, here or wherever fsspec writes. An entry is named by the URL of a file, its size, its etag or
time of change, the options of the scan and the version of chunkmap: a file that has changed is another entry.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chunkmap.io.filesystem import Located, locate
from chunkmap.model import Target
from chunkmap.version import __version__

__all__ = ["ScanCache"]


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
        import hashlib  # noqa: PLC0415 - OpenSSL, for who has a cache

        digest = hashlib.sha256(json.dumps(said).encode()).hexdigest()
        return locate(f"{self.url.rstrip('/')}/{digest[:2]}/{digest[2:]}.table", self.options)
