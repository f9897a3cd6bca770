"""From the bytes of an HDF5 or netCDF-4 file to arrays and groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from chunkmap.errors import ChunkmapError
from chunkmap.formats.format import Scanned
from chunkmap.formats.hdf5.arrays import (
    Options,
    ReadValues,
    Represented,
    Values,
    attribute_problems,
    represent,
)
from chunkmap.formats.hdf5.elsewhere import Known, find_elsewhere
from chunkmap.formats.hdf5.netcdf4 import find_dimensions, is_bare_dimension, name_references, variable_path, visible
from chunkmap.formats.hdf5.objects import NAMED_TYPE, read_objects
from chunkmap.formats.hdf5.structures.file import File
from chunkmap.formats.hdf5.structures.overlay import overlaid
from chunkmap.formats.hdf5.structures.superblock import read_superblock
from chunkmap.formats.hdf5.tree import Tree, build_tree, join
from chunkmap.io import Source
from chunkmap.io.rounds import Found, Other, Parser, Together
from chunkmap.model import ManifestArray, Problem

__all__ = ["parse"]

_MOST_LINKED: Final = 1 << 16
"""Arrays that are given under other names."""


def parse(source: Source, options: Options, *, read_values: ReadValues | None = None) -> Parser[Scanned]:
    """References to the datasets of one file.

    `read_values(path, nbytes)` may give the values of a dataset whose filters have no codec, read some other way; they
    are held inline.

    Raises FormatError or TruncatedFile, with the offset, where the superblock or the root group break the rules;
    other objects that do are among the problems, unless the options say `strict`, as is what cannot be represented.
    """
    file = File(source.url, source.size())
    file.strict, file.long_doubles = options.strict, options.long_doubles is not None
    root = yield from read_superblock(file)
    return (yield from overlaid(file.image, _parse_from(source, file, root, options, read_values)))


def _parse_from(
    source: Source, file: File, root: int, options: Options, read_values: ReadValues | None
) -> Parser[Scanned]:
    group, linked = (options.group or "").strip("/"), options.linked_datasets
    values = Values(options.vlen_encode, options.long_doubles, read_values, unlike=not options.portable)
    tree = build_tree((yield from read_objects(file, root)))
    file.paths = tree.paths
    known = Known()
    more = yield from find_elsewhere(file, tree, known)
    if group not in tree.groups:
        names = ", ".join(repr(name) for name in tree.groups if name)
        there = f"its groups are {names}" if names else "it has none"
        raise ValueError(f"{source.url}: expected a group {group!r}, {there}")
    arrays, problems = yield from _represented(file, tree, group, values, more)
    problems += _other_problems(tree, group, source.url)
    if linked:
        arrays |= _linked(tree, arrays, group)
    else:
        problems += _unlinked(tree, arrays, group, source.url)
    there_too, lost = yield from _behind_links(tree, group, options, known)
    return Scanned(
        {_below(path, group): array for path, array in (arrays | there_too).items()},
        {
            _below(path, group): visible(g.attributes.values)
            for path, g in tree.groups.items()
            if _is_within(path, group)
        },
        (*problems, *(Problem(path, "external link", message, source.url) for path, message in lost)),
        known.targets,
    )


def _represented(
    file: File, tree: Tree, group: str, values: Values, more: Mapping[str, Sequence[tuple[str, str]]]
) -> Parser[tuple[dict[str, ManifestArray], list[Problem]]]:
    """The arrays of a group, and what is wrong with any; `more` is known already."""
    dims = find_dimensions(tree)
    paths = [p for p, d in tree.datasets.items() if _is_within(p, group) and not is_bare_dimension(d)]
    outcomes: list[Represented] = yield Together([represent(file, p, tree.datasets[p], dims[p], values) for p in paths])
    for found_group in tree.groups.values():
        name_references(found_group.attributes, tree.paths)
    named = [(variable_path(p, tree), outcome) for p, outcome in zip(paths, outcomes, strict=True)]
    problems = [
        Problem(_below(p, group), feature, message, file.url)
        for p, outcome in named
        for feature, message in (*outcome.problems, *more.get(p, ()))
    ]
    return {p: outcome.array for p, outcome in named if outcome.array is not None}, problems


def _unlinked(tree: Tree, arrays: Mapping[str, ManifestArray], group: str, url: str) -> list[Problem]:
    """Other names of what is there, which are not given."""
    return [
        Problem(_below(alias, group), "link", f"another name of {path or '/'!r}; linked_datasets gives it too", url)
        for alias, path in tree.aliases.items()
        if (path in arrays or path in tree.groups) and alias != path and _is_within(alias, group)
    ]


def _behind_links(
    tree: Tree, group: str, options: Options, known: Known
) -> Parser[tuple[dict[str, ManifestArray], list[tuple[str, str]]]]:
    """The arrays to which links into other files lead, and why others do not, by their paths below the group."""
    links = list(_external_links(tree, group))
    found: list[dict[str, ManifestArray] | str] = ["not followed; linked_datasets follows it"] * len(links)
    if options.linked_datasets:
        found = yield Together([_follow(name, target, options, known) for _, name, target in links])
    arrays: dict[str, ManifestArray] = {}
    lost: list[tuple[str, str]] = []
    for (path, file_name, target), there in zip(links, found, strict=True):
        if isinstance(there, str):
            lost.append((_below(path, group), f"{file_name}:{target}: {there}"))
        else:
            arrays |= {f"{path}/{name}".strip("/"): array for name, array in there.items()}
    return arrays, lost


def _is_within(path: str, group: str) -> bool:
    return not group or path == group or path.startswith(f"{group}/")


def _below(path: str, group: str) -> str:
    return path[len(group) + 1 :] if group else path


def _linked(tree: Tree, arrays: dict[str, ManifestArray], group: str) -> dict[str, ManifestArray]:
    """The arrays under their other names, and those below a group under its other names, which are not in it."""
    found: dict[str, ManifestArray] = {}
    for alias, path in tree.aliases.items():
        if not _is_within(alias, group) or len(found) > _MOST_LINKED:
            continue
        if path in arrays:
            found[alias] = arrays[path]
        elif path in tree.groups and path and not _is_within(alias, path):
            found |= {alias + p.removeprefix(path): a for p, a in arrays.items() if p.startswith(f"{path}/")}
    return found


def _external_links(tree: Tree, group: str) -> Iterator[tuple[str, str, str]]:
    """Path, file and path in that file of each link to another file."""
    for path, found in tree.groups.items():
        if _is_within(path, group):
            for link in found.links:
                if link.kind == "external":
                    # version and flags, name of the file, path of the object
                    name, _, target = link.target[1:].rstrip("\0").partition("\0")
                    yield join(path, link.name), name, target


def _follow(name: str, target: str, options: Options, known: Known) -> Parser[dict[str, ManifestArray] | str]:
    """The arrays that a link to another file leads to, by path below the link; a text says why there are none."""
    there = replace(options, group=None, linked_datasets=False)
    try:
        found: Found | None = yield Other(name, lambda source: parse(source, there))
    except ChunkmapError as error:
        return str(error)
    if found is None:
        return "there is no such file"
    scanned: Scanned = found.result
    known.targets.update({found.url: found.target, **scanned.files})
    path = target.strip("/")
    below = {p[len(path) :].strip("/"): a for p, a in scanned.arrays.items() if p == path or _is_within(p, path)}
    return below or "there is no such object that is a dataset or holds any"


def _other_problems(tree: Tree, group: str, url: str) -> Iterator[Problem]:
    for path, refusal in tree.refused.items():
        if _is_within(path, group):
            feature = NAMED_TYPE if refusal.feature == NAMED_TYPE else "object"
            yield Problem(_below(path, group), feature, f"left out: {refusal.message}", url)
    for path, found in tree.groups.items():
        if _is_within(path, group):
            for feature, message in attribute_problems(found.attributes):
                yield Problem(_below(path, group), feature, message, url)
            for link in found.links:
                if link.kind == "user":
                    text = "a link of a class that its writer defined is not followed"
                    yield Problem(_below(join(path, link.name), group), "user-defined link", text, url)
            if found.refused is not None:
                yield Problem(_below(path, group), found.refused.feature, found.refused.message, url)
