"""From the bytes of an HDF5 or netCDF-4 file to arrays and groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

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
from chunkmap.formats.hdf5.linked import linked_arrays
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
    there_too, groups, lost = yield from _behind_links(tree, group, options, known, source.url)
    arrays |= there_too
    groups = {p: visible(g.attributes.values) for p, g in tree.groups.items() if _is_within(p, group)} | groups
    if linked:
        others = linked_arrays(tree, arrays, [alias for alias in tree.aliases if _is_within(alias, group)])
        arrays |= others.arrays
        groups |= {alias: groups[path] for alias, path in others.groups.items() if path in groups}
        problems += [Problem(_below(p, group), "link", "more names than are given", source.url) for p in others.left]
    else:
        problems += _unlinked(tree, arrays, group, source.url)
    return Scanned(
        {_below(path, group): array for path, array in arrays.items()},
        {_below(path, group): attributes for path, attributes in groups.items()},
        (*problems, *lost),
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
    tree: Tree, group: str, options: Options, known: Known, url: str
) -> Parser[tuple[dict[str, ManifestArray], dict[str, Mapping[str, Any]], list[Problem]]]:
    """The arrays and groups to which links into other files lead by their paths, and why others do not."""
    links = list(_external_links(tree, group))
    found: list[_There | str] = ["not followed; linked_datasets follows it"] * len(links)
    if options.linked_datasets:
        found = yield Together([_follow(name, target, options, known) for _, name, target in links])
    arrays: dict[str, ManifestArray] = {}
    groups: dict[str, Mapping[str, Any]] = {}
    lost: list[Problem] = []
    for (path, file_name, target), there in zip(links, found, strict=True):
        if isinstance(there, str):
            lost.append(Problem(_below(path, group), "external link", f"{file_name}:{target}: {there}", url))
        else:
            arrays |= {f"{path}/{name}".strip("/"): array for name, array in there.arrays.items()}
            groups |= {f"{path}/{name}".strip("/"): attributes for name, attributes in there.groups.items()}
            lost += [replace(p, path=_below(f"{path}/{p.path}".strip("/"), group)) for p in there.problems]
    return arrays, groups, lost


def _is_within(path: str, group: str) -> bool:
    return not group or path == group or path.startswith(f"{group}/")


def _below(path: str, group: str) -> str:
    return path[len(group) + 1 :] if group else path


def _external_links(tree: Tree, group: str) -> Iterator[tuple[str, str, str]]:
    """Path, file and path in that file of each link to another file."""
    for path, found in tree.groups.items():
        if _is_within(path, group):
            for link in found.links:
                if link.kind == "external":
                    # version and flags, name of the file, path of the object
                    name, _, target = link.target[1:].rstrip("\0").partition("\0")
                    yield join(path, link.name), name, target


class _There(NamedTuple):
    """What a link to another file leads to, by path below the link."""

    arrays: dict[str, ManifestArray]
    groups: dict[str, Mapping[str, Any]]
    problems: list[Problem]
    """What is there and not given: links further, among others."""


def _follow(name: str, target: str, options: Options, known: Known) -> Parser[_There | str]:
    """What a link to another file leads to; a text says why there is nothing."""
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
    below = {_below(p, path): a for p, a in scanned.arrays.items() if _is_within(p, path)}
    problems = [_further(p, path) for p in scanned.problems if _is_within(p.path, path)]
    if not below and not problems:
        return "there is no such object that is a dataset or holds any"
    groups = {_below(p, path): attributes for p, attributes in scanned.groups.items() if _is_within(p, path)}
    return _There(below, groups, problems)


def _further(problem: Problem, path: str) -> Problem:
    """A problem of a file that a link leads to, in which links are not followed."""
    message = "a link in a file that a link leads to is not followed" if "link" in problem.feature else problem.message
    return replace(problem, path=_below(problem.path, path), message=message)


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
