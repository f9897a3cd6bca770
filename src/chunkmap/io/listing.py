"""From what a caller names to the URLs of files: wildcards are expanded, in sorted order."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from chunkmap.errors import SourceError
from chunkmap.io.filesystem import ask, locate
from chunkmap.io.granules import Nameable, listed, urls_of
from chunkmap.io.names import name_of
from chunkmap.io.opening import compressed_names

__all__ = ["expand_urls"]


def expand_urls(urls: Nameable | Iterable[Nameable], *, storage_options: Mapping[str, Any] | None = None) -> list[str]:
    """The URLs that are meant, those without wildcards as they are; of things of other libraries all that they name.

    `*`, `**` and `[...]` are wildcards, and `?` is one in a path without a protocol. Local paths beside a wildcard are
    made absolute, as those are that it stands for. Raises SourceError when a wildcard matches nothing.

    >>> expand_urls(["a.nc", "s3://bucket/b.nc"])
    ['a.nc', 's3://bucket/b.nc']
    """
    found, wild = [], False
    for thing in listed(urls):
        theirs = urls_of(thing)
        name = name_of(thing) if theirs is None else ""
        found.append(_expanded(name, storage_options or {}) if theirs is None else theirs)
        wild = wild or (theirs is None and found[-1] != [name])
    if wild:
        found = [[_absolute(url) for url in urls] for urls in found]
    return [url for urls in found for url in urls]


def _absolute(url: str) -> str:
    """A path as wildcards give it, so that names of one set are all of one kind."""
    return url if "://" in url else str(Path(url).absolute())


def _within_compressed(name: str, options: Mapping[str, Any]) -> list[str] | None:
    """Members of a compressed TAR archive that match; None of anything else, which fsspec lists."""
    names = compressed_names(name, storage_options=options)
    if names is None:
        return None
    head, link, rest = name.partition("::")
    kind, _, wanted = head.partition("://")
    matches = re.compile(import_module("fsspec.utils").glob_translate(wanted.strip("/"))).match
    found = sorted(each for each in names if matches(each.removeprefix("./")))
    if not found:
        raise SourceError("no file matches", url=name)
    return [f"{kind}://{each}{link}{rest}" for each in found]


def _unlisted() -> tuple[type[Exception], ...]:
    """What is raised where nothing can be listed, by fsspec for archives that are none too; asked for when it was."""
    import tarfile  # noqa: PLC0415
    import zipfile  # noqa: PLC0415

    return SourceError, tarfile.TarError, zipfile.BadZipFile


def _expanded(name: str, options: Mapping[str, Any]) -> list[str]:
    wild = "*" in name or "[" in name or ("?" in name and "://" not in name)
    if not wild or os.path.exists(name):  # noqa: PTH110 - a URL is no Path
        return [name]
    head, link, rest = name.partition("::")
    inside = _within_compressed(name, options) if link else None
    if inside is not None:
        return inside
    try:
        located = locate(name, options)
        fs, path = located.fs, located.path
        found = sorted(ask(lambda: fs.glob(path), name))
    except _unlisted() as error:
        raise SourceError(f"cannot be listed: {error.__cause__ or error}", url=name) from error
    if not found:
        raise SourceError("no file matches", url=name)
    if "://" not in head:
        return [str(path) for path in found]
    protocol = head.partition("://")[0]
    return [f"{protocol}://{path}{link}{rest}" if link else str(fs.unstrip_protocol(path)) for path in found]
