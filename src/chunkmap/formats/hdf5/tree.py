"""Names for objects: which paths lead to which address, as a tree of groups.

An object with several hard links has the name that a walk in order of names meets first, as `h5py.visititems` gives
it; the other names are aliases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chunkmap.errors import Unsupported
from chunkmap.formats.hdf5.objects import Dataset, Group, Objects
from chunkmap.formats.hdf5.structures.groups import Link

__all__ = ["Tree", "build_tree", "join"]


@dataclass(slots=True)
class Tree:
    """The objects of a file by path; the root group has the path `""`."""

    paths: dict[int, str] = field(default_factory=dict)
    """Address -> the path of the object."""
    groups: dict[str, Group] = field(default_factory=dict)
    """Groups by path, parents before children."""
    datasets: dict[str, Dataset] = field(default_factory=dict)
    """Datasets by path."""
    aliases: dict[str, str] = field(default_factory=dict)
    """Other hard links and soft links: their path -> the path they lead to."""
    refused: dict[str, Unsupported] = field(default_factory=dict)
    """Objects that could not be read: path -> why."""


def join(group: str, name: str) -> str:
    """The path of a member of a group."""
    return f"{group}/{name}" if group else name


def build_tree(objects: Objects) -> Tree:
    """Name every object."""
    tree = Tree()
    _name(objects, tree)
    order = _in_order(tree)
    tree.groups = {path: tree.groups[path] for path in order if path in tree.groups}
    tree.datasets = {path: tree.datasets[path] for path in order if path in tree.datasets}
    _resolve_soft_links(tree)
    return tree


def _name(objects: Objects, tree: Tree) -> None:
    """Walk down in order of names, the first name of an object being its path."""
    waiting: list[tuple[str, int]] = [("", objects.root)]
    while waiting:
        path, address = waiting.pop()
        if address in tree.paths:
            tree.aliases[path] = tree.paths[address]
            continue
        tree.paths[address] = path
        if path in tree.datasets or path in tree.groups:
            text = "another object has a name that reads alike, in other bytes"
            tree.refused[path] = Unsupported(text, feature="object")
            continue
        found = objects.found.get(address)
        if address in objects.refused:
            tree.refused[path] = objects.refused[address]
        if isinstance(found, Dataset):
            tree.datasets[path] = found
        elif isinstance(found, Group):
            tree.groups[path] = found
            hard = sorted((link for link in found.links if link.kind == "hard"), key=lambda link: link.name)
            waiting += [(join(path, link.name), link.address) for link in reversed(hard)]


def _in_order(tree: Tree) -> list[str]:
    """Every path in the order in which groups list their members."""
    paths, waiting = [], [""]
    while waiting:
        path = waiting.pop()
        paths.append(path)
        group = tree.groups.get(path)
        if group is not None:
            waiting += [join(path, link.name) for link in reversed(group.links) if _is_own(tree, path, link)]
    return paths


def _is_own(tree: Tree, path: str, link: Link) -> bool:
    return link.kind == "hard" and tree.paths.get(link.address) == join(path, link.name)


def _resolve_soft_links(tree: Tree) -> None:
    """Soft links to datasets and groups become aliases; those that lead nowhere, or in a circle, to nothing."""
    soft = {
        join(path, link.name): _absolute(path, link.target)
        for path, group in tree.groups.items()
        for link in group.links
        if link.kind == "soft"
    }
    hard, found = dict(tree.aliases), dict[str, str | None]()
    for path in soft:
        target = found[path] if path in found else _resolve(path, hard, soft, found)
        if target in tree.datasets or target in tree.groups:
            tree.aliases[path] = target


def _resolve(path: str, hard: Mapping[str, str], soft: Mapping[str, str], found: dict[str, str | None]) -> str | None:
    """The own path of what a soft link leads to, through links wherever they stand in its path; None for a circle.

    What was `found` of soft links is kept. Links that lead to links are no recursion: a file may have very many.
    """
    waiting = {path: None}
    while waiting:
        link = next(reversed(waiting))
        target, unknown = _walked(soft[link], hard, soft, found)
        if unknown is not None and unknown not in waiting:
            waiting[unknown] = None
            continue
        found[link] = target if unknown is None else None
        del waiting[link]
    return found[path]


def _walked(
    path: str, hard: Mapping[str, str], soft: Mapping[str, str], found: Mapping[str, str | None]
) -> tuple[str | None, str | None]:
    """Where a path leads by what is known; the first soft link in it of which that is not known yet."""
    at: str | None = ""
    for part in path.split("/") if path else ():
        if at is None:
            return None, None
        at = join(at, part)
        at = hard.get(at, at)
        if at in soft:
            if at not in found:
                return None, at
            at = found[at]
    return at, None


def _absolute(group: str, target: str) -> str:
    """A path without its dots, from the root."""
    parts = [] if target.startswith("/") else group.split("/")
    parts += target.split("/")
    return "/".join(part for part in parts if part not in ("", "."))
