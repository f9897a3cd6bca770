"""netCDF-4 on top of HDF5: dimensions from dimension scales, and what is machinery rather than data.

Conventions: https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html (section "NetCDF-4 Format").
Where files are no netCDF-4, axes without a scale are named as h5netcdf names them with `phony_dims="sort"`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from chunkmap.errors import Unsupported
from chunkmap.formats.hdf5.objects import Dataset
from chunkmap.formats.hdf5.structures.attribute_values import References
from chunkmap.formats.hdf5.structures.attributes import FILL_VALUE, Attributes
from chunkmap.formats.hdf5.tree import Tree

__all__ = [
    "HIDDEN",
    "Dimensions",
    "find_dimensions",
    "is_bare_dimension",
    "name_references",
    "variable_path",
    "visible",
]

HIDDEN: Final = frozenset(
    {
        "CLASS",
        "DIMENSION_LIST",
        "NAME",
        "REFERENCE_LIST",
        "_NCProperties",
        "_Netcdf4Coordinates",
        "_Netcdf4Dimid",
        "_nc3_strict",
    }
)
"""Attributes that netCDF-4 and the dimension scales keep for themselves."""

_OF_SCALES: Final = frozenset({"CLASS", "NAME"})
"""Those that mean something else where no dimension scale is: an image, a table, the name of a station."""

_HIDDEN_OF_SCALES: Final = HIDDEN | {FILL_VALUE}
_HIDDEN_OF_OTHERS: Final = _HIDDEN_OF_SCALES - _OF_SCALES

_NOT_COORDINATE: Final = "_nc4_non_coord_"
_BARE_DIMENSION: Final = "This is a netCDF dimension but not a netCDF variable."


class Dimensions(NamedTuple):
    """The axes of one dataset: names, and lengths, which grow with the unlimited dimensions they lie along."""

    names: tuple[str, ...]
    shape: tuple[int, ...]
    misfits: tuple[str, ...] = ()
    """What does not fit: lengths that are not those of the dimensions that the file says the axes to be."""


def variable_path(path: str, tree: Tree) -> str:
    """The path under which netCDF knows a dataset.

    A variable that has the name of a dimension, but is no coordinate, is stored as `_nc4_non_coord_<name>`.
    """
    group, slash, name = path.rpartition("/")
    if not name.startswith(_NOT_COORDINATE):
        return path
    plain = f"{group}{slash}{name.removeprefix(_NOT_COORDINATE)}"
    taken = tree.datasets.get(plain)
    return path if taken is not None and not is_bare_dimension(taken) else plain


def is_bare_dimension(dataset: Dataset) -> bool:
    """Whether a dataset only stands for a dimension that has no variable."""
    return str(dataset.attributes.values.get("NAME", "")).startswith(_BARE_DIMENSION)


def visible(values: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that a user of netCDF sees, without `_FillValue`."""
    hidden = _HIDDEN_OF_SCALES if values.get("CLASS") == "DIMENSION_SCALE" else _HIDDEN_OF_OTHERS
    return {name: value for name, value in values.items() if name not in hidden}


def name_references(attributes: Attributes, paths: Mapping[int, str]) -> None:
    """The references that a user sees become the paths of what they refer to, now that these are known."""
    values = attributes.values
    for name in [n for n, v in values.items() if isinstance(v, References) and n not in HIDDEN]:
        try:
            values[name] = values[name].value(paths)
        except Unsupported as refusal:
            values.pop(name)
            attributes.lost.append((name, f"reference: {refusal.message}"))


def find_dimensions(tree: Tree) -> dict[str, Dimensions]:
    """The axes of every dataset, by path."""
    finder = _Finder(tree)
    names = {path: finder.names(path, dataset) for path, dataset in tree.datasets.items()}
    lengths = _unlimited_lengths(tree, names)
    hiding = _hiding(finder.scales, names)
    found: dict[str, Dimensions] = {}
    known: dict[tuple[tuple[str, ...], tuple[int, ...], tuple[str, ...]], Dimensions] = {}
    for path, axes in names.items():
        shape = _grown(tree.datasets[path], axes, lengths)
        meant = _meant(path, axes, hiding) if hiding else axes
        fitting = known.get((axes, shape, meant))
        if fitting is None:  # most datasets of a file have the axes of others
            fitting = known[axes, shape, meant] = _fitting(tree, meant, shape, lengths)
        found[path] = fitting
    return found


def _hiding(
    scales: Mapping[str, Mapping[str, int]], names: Mapping[str, tuple[str, ...]]
) -> dict[tuple[str, str], str]:
    """By group and plain name, the dimension that has the name there, of names that several dimensions have.

    Datasets of a group may lie along that of a group above as well; xarray has one of a name in a group.
    """
    plain = Counter(path.rpartition("/")[2] for own in scales.values() for path in own)
    several = {name for name, count in plain.items() if count > 1}
    found: dict[tuple[str, str], str] = {}
    for path, axes in names.items() if several else ():
        for axis in axes:
            key = path.rpartition("/")[0], axis.rpartition("/")[2]
            if key[1] in several and _depth(axis, key[0]) >= _depth(found.get(key, axis), key[0]):
                found[key] = axis
    return found


def _depth(dimension: str, group: str) -> int:
    """How near a dimension is to a group below that in which it is; -1 for one of another group."""
    own = dimension.rpartition("/")[0]
    return dimension.count("/") if f"{group}/".startswith(f"{own}/" if own else "") else -1


def _meant(path: str, axes: tuple[str, ...], hiding: Mapping[tuple[str, str], str]) -> tuple[str, ...]:
    """The dimensions that have the names of a dataset's axes in its group."""
    group = path.rpartition("/")[0]
    return tuple(hiding.get((group, axis.rpartition("/")[2]), axis) for axis in axes)


def _fitting(tree: Tree, axes: tuple[str, ...], shape: tuple[int, ...], lengths: Mapping[str, int]) -> Dimensions:
    """The axes by name; one that is not as long as its dimension has a name of its own, so that the others open."""
    names, misfits = [], []
    for name, length in zip(axes, shape, strict=True):
        scale, plain = tree.datasets.get(name), name.rpartition("/")[2]
        expected = None if scale is None or not scale.shape else lengths.get(name, scale.shape[0])
        if expected not in (None, length):
            misfits.append(
                f"{length} elements along {plain!r}, which has {expected}: the axis is called {plain}_{length}"
            )
            plain = f"{plain}_{length}"
        names.append(plain)
    return Dimensions(tuple(names), shape, tuple(misfits))


class _Finder:
    """Looks up the dimensions of datasets as full paths; phony ones are numbered over the whole file."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self.scales: dict[str, dict[str, int]] = {group: {} for group in tree.groups}
        """By group, the paths of its scales and their numbers."""
        self._phony: dict[str, dict[str, int]] = {}
        self._fitting: dict[tuple[str, int], list[str]] = {}
        self._unnamed: dict[tuple[str, tuple[int, ...]], tuple[str, ...]] = {}
        members: dict[str, list[str]] = {group: [] for group in tree.groups}
        for path, dataset in tree.datasets.items():
            group = path.rpartition("/")[0]
            members[group].append(path)
            if _is_scale(dataset):
                self.scales[group][path] = -1
        scales = phonies = 0
        for group, paths in members.items():
            for path in self.scales[group]:
                number = tree.datasets[path].attributes.values.get("_Netcdf4Dimid")
                self.scales[group][path] = number if isinstance(number, int) else scales
                scales += 1
            self._phony[group] = self._invent(group, paths, scales, phonies)
            phonies += len(self._phony[group])

    def _invent(self, group: str, paths: list[str], scales: int, phonies: int) -> dict[str, int]:
        """A group's phony dimensions: for each length, as many as one dataset needs beyond the scales of that length.

        Unlimited scales are not among them for h5netcdf, though one that has the length is taken first.
        """
        datasets = [self._tree.datasets[path] for path in paths if path not in self.scales[group]]
        wanted: Counter[int] = Counter()
        for shape in dict.fromkeys(d.shape for d in datasets if not _listed(d)):
            wanted |= Counter(shape)
        there = Counter(self._tree.datasets[path].space.maximum[:1] for path in self.scales[group])
        invented: dict[str, int] = {}
        for length, count in wanted.items():
            for _ in range(there[(length,)], count):
                name = f"phony_dim_{scales + phonies + len(invented)}"
                invented[f"{group}/{name}" if group else name] = length
        return invented

    def names(self, path: str, dataset: Dataset) -> tuple[str, ...]:
        """The dimensions of one dataset."""
        shape, group = dataset.shape, path.rpartition("/")[0]
        if path in self.scales[group]:
            found = self._by_number(group, dataset.attributes.values.get("_Netcdf4Coordinates"), len(shape))
            if found is not None:
                return found
            if len(shape) == 1:
                return (path,)
        references = _listed(dataset)
        if references is not None and len(references.addresses) == len(shape):
            return self._with_phony(group, shape, self._listed_names(references))
        unnamed = self._unnamed.get((group, shape))
        if unnamed is None:
            unnamed = self._unnamed[group, shape] = self._with_phony(group, shape, [None] * len(shape))
        return unnamed

    def _by_number(self, group: str, numbers: Any, rank: int) -> tuple[str, ...] | None:
        numbers = numbers if isinstance(numbers, list) else [numbers]
        scope: dict[int, str] = {}
        for above in _upwards(group):
            for path, number in self.scales.get(above, {}).items():
                scope.setdefault(number, path)
        found = [scope.get(number) for number in numbers if isinstance(number, int)]
        return tuple(f for f in found if f is not None) if len(found) == rank and None not in found else None

    def _listed_names(self, references: References) -> list[str | None]:
        """From DIMENSION_LIST: "if a dimension has more than one scale, the last one" counts, as for netCDF-C."""
        return [self._tree.paths.get(axis[-1]) if axis else None for axis in references.addresses]

    def _with_phony(self, group: str, shape: tuple[int, ...], listed: list[str | None]) -> tuple[str, ...]:
        taken: Counter[int] = Counter()
        names = []
        for name, length in zip(listed, shape, strict=True):
            if name is None:
                names.append(self._nth(group, length, taken[length]))
                taken[length] += 1
            else:
                names.append(name)
        return tuple(names)

    def _nth(self, group: str, length: int, number: int) -> str:
        fitting = self._fitting.get((group, length))
        if fitting is None:
            fitting = [path for path in self.scales[group] if self._tree.datasets[path].shape[:1] == (length,)]
            fitting += [path for path, phony in self._phony[group].items() if phony == length]
            self._fitting[group, length] = fitting
        return fitting[number] if number < len(fitting) else f"{group}/phony_dim_{length}_{number}"


def _is_scale(dataset: Dataset) -> bool:
    return bool(dataset.attributes.values.get("CLASS") == "DIMENSION_SCALE")


def _listed(dataset: Dataset) -> References | None:
    found = dataset.attributes.values.get("DIMENSION_LIST")
    return found if isinstance(found, References) and any(found.addresses) else None


def _upwards(group: str) -> Iterator[str]:
    while True:
        yield group
        if not group:
            return
        group = group.rpartition("/")[0]


def _unlimited_lengths(tree: Tree, names: Mapping[str, tuple[str, ...]]) -> dict[str, int]:
    """Unlimited dimensions are as long as the longest variable along them."""
    lengths = {path: 0 for path, scale in tree.datasets.items() if scale.space.maximum[:1] == (None,)}
    for path, axes in names.items() if lengths else ():
        for name, length in zip(axes, tree.datasets[path].shape, strict=True):
            if name in lengths:
                lengths[name] = max(lengths[name], length)
    return lengths


def _grown(dataset: Dataset, axes: tuple[str, ...], lengths: Mapping[str, int]) -> tuple[int, ...]:
    """The shape, longer where an unlimited axis is shorter than its dimension: netCDF reads fill values there."""
    maximum = dataset.space.maximum
    if None not in maximum:
        return dataset.shape
    return tuple(
        lengths.get(name, length) if limit is None else length
        for name, length, limit in zip(axes, dataset.shape, maximum, strict=True)
    )
