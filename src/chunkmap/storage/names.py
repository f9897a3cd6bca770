"""Which paths of arrays can be stored: they become directories, and keys of a Zarr hierarchy."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from chunkmap.errors import StorageError
from chunkmap.model.keys import MOST_GROUPS
from chunkmap.model.zarr_v3 import DOCUMENT

__all__ = ["check_names", "check_path"]


_NO_NAMES: Final = frozenset({"", ".", "..", ".zarray", ".zattrs", ".zgroup", ".zmetadata", DOCUMENT})


def check_names(arrays: Collection[str], groups: Iterable[str]) -> None:
    """Raise StorageError for an array whose path cannot be stored, or that is a group as well.

    An array at the root is all that its set is, and has no name to check.
    """
    above = {path for path in groups if path}
    deepest = max((*arrays, *above), key=lambda path: path.count("/"), default="")
    if deepest.count("/") >= MOST_GROUPS:
        deep = deepest.count("/") + 1
        raise StorageError(
            f"{deepest[:60]}...: {deep} groups deep, expected {MOST_GROUPS} or fewer: sets that are deeper are not read"
        )
    for path in filter(None, arrays):
        check_path(path)
        parts = path.split("/")
        above.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
    both = sorted(above & set(arrays))
    if both:
        raise StorageError(f"{both[0]!r} is an array and a group: a Zarr hierarchy has one of them; rename one")


def check_path(path: str) -> None:
    """Raise StorageError for a path that cannot be one of directories.

    >>> check_path("group/name")
    >>> check_path("../name")
    Traceback (most recent call last):
    chunkmap.errors.StorageError: an array is called '../name', which cannot be the name of a directory; rename it
    """
    if (
        any(part in _NO_NAMES or part.startswith(".chunkmap") for part in path.split("/"))
        or "\\" in path
        or "\0" in path
    ):
        raise StorageError(f"an array is called {path!r}, which cannot be the name of a directory; rename it")
