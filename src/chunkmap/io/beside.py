"""Files that a file names, found from where it lies: sources of virtual datasets, raw data, external links."""

from __future__ import annotations

import posixpath
from pathlib import Path

from chunkmap.errors import SourceError, Unsupported
from chunkmap.io.head import HeadSource
from chunkmap.io.local import LocalSource
from chunkmap.io.remote import RemoteSource
from chunkmap.io.source import Source

__all__ = ["open_beside"]


def open_beside(source: Source, name: str) -> Source:
    """Open the file that `source` names: relative to its own place, and nowhere but on its own filesystem.

    An absolute name that leads nowhere is looked for in the source's directory too. Raises SourceError when there is
    no such file, Unsupported when the source has no place, such as bytes in memory and members of archives.
    """
    if isinstance(source, HeadSource):
        return open_beside(source.source, name)
    if isinstance(source, LocalSource):
        return _open_local(source, name)
    if isinstance(source, RemoteSource):
        return RemoteSource(*source.beside(name), posixpath.join(posixpath.dirname(source.url), name))
    raise Unsupported(
        f"it names the file {name!r}, which cannot be looked for beside a file object, bytes or a member of an archive",
        feature="file beside",
    )


def _open_local(source: LocalSource, name: str) -> Source:
    folder = Path(source.path).parent
    try:
        return LocalSource(folder / name, _beside(source.url, name))
    except SourceError:
        if not Path(name).is_absolute():
            raise
        return LocalSource(folder / Path(name).name, _beside(source.url, Path(name).name))


def _beside(url: str, name: str) -> str:
    protocol, separator, path = url.rpartition("://")
    return f"{protocol}{separator}{posixpath.join(posixpath.dirname(path), name)}"
