"""Repositories of Icechunk, told from other things without importing icechunk, which is an extra and large."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from chunkmap.errors import Unsupported
from chunkmap.storage.place import Place, find_place

__all__ = ["Icechunk", "is_icechunk", "is_repository", "repository_of", "require_icechunk"]

Icechunk = Any
"""What icechunk opened: a `Repository`, one of its sessions, or the store of one."""

_SUFFIX: Final = ".icechunk"
_OTHERS: Final = (".json", ".gz", ".zst", ".zstd", ".parq", ".parquet")
"""Endings of names that say what else it is, so that nobody has to look."""


def is_icechunk(url: str | os.PathLike[str] | Icechunk, *, storage_options: Mapping[str, Any] | None = None) -> bool:
    """Whether a set is in a repository: one that is open, or by its name, or by what is in the directory."""
    if _is_open(url):
        return True
    return not os.fspath(url).endswith(_OTHERS) and is_repository(find_place(url, storage_options))


def is_repository(place: Place) -> bool:
    """Whether a place is called a repository, or is one of Icechunk 1 or 2 on this machine."""
    if place.path.endswith(_SUFFIX):
        return True
    directory = Path(place.path)
    return (
        place.is_local
        and (directory / "snapshots").is_dir()
        and ((directory / "repo").is_file() or (directory / "refs").is_dir())
    )


def repository_of(
    url: str | os.PathLike[str] | Icechunk, storage_options: Mapping[str, Any] | None
) -> Icechunk | Place:
    """What `is_icechunk` is true of, as the functions of `chunkmap.storage.icechunk` take it."""
    return url if _is_open(url) else find_place(url, storage_options)


def require_icechunk() -> Any:
    """The module `chunkmap.storage.icechunk`. Raises Unsupported saying what to install where icechunk is not there."""
    try:
        return import_module("chunkmap.storage.icechunk")
    except ModuleNotFoundError as error:
        if error.name != "icechunk":
            raise
        raise Unsupported(
            "the package icechunk is not installed; install it with `pip install 'chunkmap[icechunk]'`",
            feature="icechunk",
        ) from error


def _is_open(url: Any) -> bool:
    return type(url).__module__.partition(".")[0] == "icechunk"
