"""Names that files may give their arrays, and sets of references may not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

from chunkmap.formats.format import Scanned
from chunkmap.model import Problem
from chunkmap.model.zarr_v3 import DOCUMENT

__all__ = ["check_name", "storable"]

T = TypeVar("T")

_RESERVED: Final = frozenset({".", "..", ".zarray", ".zattrs", ".zgroup", ".zmetadata", ".chunkmap.json", DOCUMENT})
"""What Zarr's documents, and those of a set, are called; and what is a way in a tree, and no name."""


def check_name(name: str) -> None:
    """Raise ValueError for what one calls an array, where Zarr has no place for it."""
    if "" in name.split("/") or not _is_storable(name):
        raise ValueError(f"name is {name!r}, expected one that an array of Zarr may have")


def storable(found: Scanned, url: str) -> Scanned:
    """What was found, without that whose name Zarr has no place for; problems name it."""
    paths = (*found.arrays, *found.groups)
    if _is_storable("/".join(paths)):
        return found
    wrong = [path for path in paths if not _is_storable(path)]
    text = "left out: Zarr takes a name with a backslash, of dots, or of one of its documents, for another path"
    problems = tuple(Problem(path, "name", text, url) for path in wrong)
    return found._replace(
        arrays=_without(found.arrays, wrong), groups=_without(found.groups, wrong), problems=found.problems + problems
    )


def _is_storable(path: str) -> bool:
    if "\\" in path:
        return False
    may_be = path.startswith(".") or "/." in path or DOCUMENT in path  # so the reserved ones begin
    return not may_be or not _RESERVED.intersection(path.split("/"))


def _without(by_path: Mapping[str, T], wrong: list[str]) -> dict[str, T]:
    return {path: value for path, value in by_path.items() if path not in wrong}
