"""Arrays under all the names that links give them, which an option asks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Final, NamedTuple

from chunkmap.formats.hdf5.tree import Tree
from chunkmap.model import ManifestArray

__all__ = ["Linked", "linked_arrays"]

_MOST: Final = 1 << 16
"""Names that are given, and groups that are entered: links to groups with links in them may make any number."""


class Linked(NamedTuple):
    """What links lead to."""

    arrays: dict[str, ManifestArray]
    groups: dict[str, str]
    """Other names of groups, and the paths of these."""
    left: list[str]
    """Links below which names were left out, as they were too many."""


def linked_arrays(tree: Tree, arrays: Mapping[str, ManifestArray], aliases: Iterable[str]) -> Linked:
    """The arrays under other names, and those below a group under its other names, links in it followed too.

    A link to a group in which it stands is not followed, by whatever way it is reached.
    """
    members = _members(tree, arrays)
    found = Linked({}, {}, [])
    for alias in aliases:
        waiting = [(alias, tree.aliases[alias], frozenset(_above(alias)))]
        while waiting:
            name, path, inside = waiting.pop()
            if path in arrays:
                found.arrays[name] = arrays[path]
            elif path in members and path not in inside:
                found.groups[name] = path
                below = reversed(members[path])
                waiting += [(f"{name}/{own}", target, inside | {path}) for own, target in below]
            if len(found.arrays) + len(found.groups) > _MOST:
                found.left.append(alias)
                break
    return found


def _members(tree: Tree, arrays: Mapping[str, ManifestArray]) -> dict[str, list[tuple[str, str]]]:
    """By group, the names in it and the paths that they lead to; of groups in which anything is."""
    members: dict[str, list[tuple[str, str]]] = {}
    own = dict.fromkeys(chain.from_iterable((path, *_above(path)) for path in (*arrays, *tree.aliases)))
    for path, target in ({path: path for path in own if path} | tree.aliases).items():
        group, _, name = path.rpartition("/")
        members.setdefault(group, []).append((name, target))
    return members


def _above(path: str) -> Iterator[str]:
    """The groups in which something stands."""
    while path:
        path = path.rpartition("/")[0]
        yield path
