"""Names for objects: which paths lead to which address, as a tree of groups.

An object with several hard links has the name that a walk in order of names meets first, as `h5py.visititems` gives
it; the other names are aliases.
"""

from __future__ import annotations

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
    for path, first in soft.items():
        target = first
        for _ in range(len(soft)):
            target = tree.aliases.get(target, target)
            if target not in soft:
                break
            target = soft[target]
        if target in tree.datasets or target in tree.groups:
            tree.aliases[path] = target


def _absolute(group: str, target: str) -> str:
    """A path without its dots, from the root."""
    parts = [] if target.startswith("/") else group.split("/")
    parts += target.split("/")
    return "/".join(part for part in parts if part not in ("", "."))
