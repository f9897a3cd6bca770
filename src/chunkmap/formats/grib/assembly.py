"""Fields to arrays: each variable a hypercube over the coordinates that vary, in a tree of groups.

A group is the name of a parameter, how its values come from time, and the type of their level:
`t/instant/isobaricInhPa`. Where fields of one group would stand in the same cell, and yet say different things
(accumulated over other intervals, layers with the same top, another process or experiment), the group is divided by
what they differ in. Fields that differ in nothing that they say are a problem that names them: see `Doubles`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.codecs.grib.eccodes import Message
from chunkmap.formats.grib.coordinates import coordinates_of, times_of
from chunkmap.formats.grib.headers import header
from chunkmap.formats.grib.keys import MEANING
from chunkmap.formats.grib.table import Table
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, Problem
from chunkmap.model.cubes import Coded, Cube, cube_of, grouped

__all__ = ["Doubles", "Layout", "Tree", "tree_of"]

Doubles = Literal["refuse", "later"]
"""What becomes of a variable of which several fields say that they are the same: none of it, or the later one."""

_FALLING: Final = ("isobaricInhPa", "isobaricInPa", "isobaricLayer")
_EXTRA: Final = ("percentileValue", "quantile", "lowerLimit", "upperLimit", "directionNumber", "frequencyNumber")
_TELLING: Final = (
    "dataType", "marsType", "marsStream", "marsClass", "experimentVersionNumber", "generatingProcessIdentifier",
    "typeOfGeneratingProcess", "constituentType", "aerosolType", "typeOfStatisticalProcessing", "referenceDate",
    "hdate", "verifyingMonth", "forecastMonth", "methodNumber", "systemNumber", "centre", "subCentre",
    "tablesVersion", "localTablesVersion", "paramId", "productDefinitionTemplateNumber", "derivedForecast",
    "typeOfEnsembleForecast", "clusterIdentifier", "scaledValueOfFirstWavelength", "scaledValueOfFirstSize",
)  # fmt: skip
"""Keys by which to call fields that differ in their octets, first come first served."""


class Tree(NamedTuple):
    """The arrays and groups of a file, by path."""

    arrays: dict[str, ManifestArray]
    groups: dict[str, Mapping[str, Any]]
    problems: list[Problem]


class Layout(NamedTuple):
    """How arrays are made of fields, as `chunkmap.formats.grib.Options` says."""

    dtype: str = "auto"
    squeeze: bool = True
    doubles: Doubles = "refuse"
    times: tuple[str, ...] = ("time", "step")


_NO_LEVEL: Final = "none"
"""The group of fields without a kind of level, where others of the parameter have one."""


class _Leaf(NamedTuple):
    """The fields of one array."""

    path: str
    rows: NDArray[np.int64]
    cube: Cube


def tree_of(table: Table, url: str, layout: Layout) -> Tree:
    """All fields of a file as arrays."""
    tree = Tree({}, {"": _common([product.group for product in table.products])}, [])
    names = _groups_of(table.products)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    of_product = np.array([numbers[name] for name in names], np.min_scalar_type(len(names)))
    for rows in grouped([of_product[table.product]]):
        for leaf in _leaves(table, names[table.product[rows[0]]], rows, layout.times):
            _add(tree, table, leaf, url, layout)
    tree.problems.extend(Problem("", feature, message, url) for feature, message in _untold(table))
    return tree


def _untold(table: Table) -> Iterator[tuple[str, str]]:
    """What could not be told of fields and grids: the feature, and what to say of it."""
    for why, places in table.refused.items():
        yield "damaged message", f"{_at(places)}: {why}; left out"
    timeless = table.offset[np.isnan(table.time.values)[table.time.codes]].tolist()
    if timeless:
        yield "reference time", f"{_at(timeless)}: no year, as of a climate, or no date at all; without a time"
    for grid in {each.places: each for each in table.grids}.values():
        if grid.problem is not None:
            why = f"the points of {grid.label} have no latitude and longitude: {grid.problem}"
            yield "coordinates of the grid", why


def _at(places: Sequence[int]) -> str:
    """Fields, by where the first of them is."""
    return f"the field at byte {places[0]}" + (f" and {len(places) - 1} more" if len(places) > 1 else "")


def _groups_of(products: Sequence[Any]) -> list[str]:
    """The group of each product. What has no kind of level has a group of its own beside those that have one: in trees
    of xarray the axes of a group are those of all groups below it.
    """
    paths = ["/".join(_steps_of_path(product)) for product in products]
    above = {path[:end] for path in set(paths) for end in range(len(path)) if path[end] == "/"}
    return [f"{path}/{_NO_LEVEL}" if path in above else path for path in paths]


def _steps_of_path(product: Any) -> list[str]:
    return [text.replace("/", "_") for text in (product.name, product.step_type, product.type_of_level) if text]


def _leaves(table: Table, path: str, rows: NDArray[np.int64], times: Sequence[str]) -> Iterator[_Leaf]:
    """The arrays of one group: one for each grid, and more where fields would stand in one cell."""
    grids = _first_with_the_same_places(table)[table.grid[rows]]
    by_grid = [rows] if (grids == grids[0]).all() else [rows[group] for group in grouped([grids])]
    alike: Counter[str] = Counter()
    for part in by_grid:
        label = table.grids[table.grid[part[0]]].label
        alike[label] += 1
        label += f"_{alike[label]}" if alike[label] > 1 else ""
        yield from _apart(table, f"{path}/{label}" if len(by_grid) > 1 else path, part, _FACETS, times)


def _first_with_the_same_places(table: Table) -> NDArray[Any]:
    """The number of each grid -> that of the first one with the same points."""
    first: dict[Any, int] = {}
    numbers = [first.setdefault(grid.places, number) for number, grid in enumerate(table.grids)]
    return np.array(numbers, table.grid.dtype)


def _apart(
    table: Table, path: str, rows: NDArray[np.int64], facets: Sequence[_Facet], times: Sequence[str]
) -> Iterator[_Leaf]:
    """The fields as one cube; as several where they are different things, or where two stand in one cell and a facet
    tells them apart.
    """
    if not facets or facets[0] not in _ALWAYS:
        cube = cube_of(_keys(table, rows, times), falling=_FALLING)
        if not facets or not len(cube.crowded()):
            yield _Leaf(path, rows, cube)
            return
    labels = facets[0](table, rows)
    for group in grouped([labels]):
        label = str(labels[group[0]])
        same = len(group) == len(rows)
        yield from _apart(table, path if same else f"{path}/{label}", rows[group], facets[1:], times)


def _keys(table: Table, rows: NDArray[np.int64], times: Sequence[str]) -> dict[str, Coded]:
    """The coordinates of a cube, as columns: number, times, level, and what products have of their own."""
    level = table.products[table.product[rows[0]]].type_of_level or "level"
    keys = {"number": table.number.of(rows), **{name: times_of(table, name, rows) for name in times}}
    if level not in keys:
        keys[level] = table.level.of(rows)
    for name in _EXTRA:
        if any(name in product.extra for product in table.products):
            extra = np.array([product.extra.get(name, np.nan) for product in table.products])
            keys[name] = Coded(table.product[rows], extra)
    return {name: column for name, column in keys.items() if not np.isnan(column.values[column.used()]).all()}


_Facet = Callable[[Table, NDArray[np.int64]], NDArray[Any]]


def _by_meaning(table: Table, rows: NDArray[np.int64]) -> NDArray[Any]:
    """What fields are that are called the same: parameters, substances, means and spreads, probabilities."""
    numbers = table.product[rows]
    meanings = {number: table.products[number].meaning for number in np.unique(numbers).tolist()}
    distinct = list(dict.fromkeys(meanings.values()))
    if len(distinct) == 1:
        return np.zeros(len(rows), np.uint8)
    labels = {meaning: f"kind_{place}" for place, meaning in enumerate(distinct, 1)}
    for key, *said in reversed(list(zip(MEANING, *distinct, strict=True))):
        if len(set(said)) == len(said):
            labels = {meaning: f"{key}_{_in_path(value)}" for meaning, value in zip(distinct, said, strict=True)}
    return _labels(numbers, lambda number: labels[meanings[number]])


def _in_path(value: Any) -> str:
    return "none" if value is None else str(value).replace("/", "_")


def _by_presence(table: Table, rows: NDArray[np.int64]) -> NDArray[Any]:
    """Members of an ensemble, and what is no member."""
    return np.where(np.isnan(table.number.at(rows)), "control", "members")


def _by_interval(table: Table, rows: NDArray[np.int64]) -> NDArray[Any]:
    """The length of the interval; all those that begin at the reference time together, where lengths vary."""
    begin = table.begin.at(rows)
    length = table.step.at(rows) - begin
    since_start = (begin == 0) & (len(np.unique(length[begin == 0])) > 1)
    return np.where(since_start, "since_start", _labels(length, _text_of_hours))


def _text_of_hours(seconds: float) -> str:
    if np.isnan(seconds):
        return "no_interval"
    return f"{seconds / 3600:g}h" if seconds % 3600 == 0 else f"{seconds:g}s"


def _by_bottom(table: Table, rows: NDArray[np.int64]) -> NDArray[Any]:
    """The bottom of a layer."""
    return _labels(table.bottom.at(rows), lambda bottom: "no_layer" if np.isnan(bottom) else f"to_{bottom:g}")


def _labels(values: NDArray[Any], text: Callable[[Any], str]) -> NDArray[Any]:
    """The text of each value, of which few are distinct."""
    distinct, which = np.unique(values, return_inverse=True)
    labels: NDArray[Any] = np.array(list(map(text, distinct.tolist())))[which]
    return labels


def _by_octets(table: Table, rows: NDArray[np.int64]) -> NDArray[Any]:
    """Whatever else fields say, by the first key that tells all of them apart; else by numbers."""
    numbers = table.product[rows]
    values, first = np.unique(numbers, return_index=True)
    distinct = values[np.argsort(first)].tolist()
    labels = _telling_labels(table, distinct)
    return _labels(numbers, labels.__getitem__)


def _telling_labels(table: Table, distinct: Sequence[int]) -> Mapping[int, str]:
    if len(distinct) > 1:
        first = [table.firsts[number] for number in distinct]
        for key in _TELLING:
            values = []
            for field in first:
                with Message(header(field)) as message:
                    values.append(str(message.get(key)).replace("/", "_"))
            if len(set(values)) == len(values):
                return {number: f"{key}_{value}" for number, value in zip(distinct, values, strict=True)}
    return {number: f"variant_{place}" for place, number in enumerate(distinct, 1)}


_ALWAYS: Final[Sequence[_Facet]] = (_by_meaning, _by_presence)
"""What tells fields apart even where they do not stand in one cell."""
_FACETS: Final[Sequence[_Facet]] = (*_ALWAYS, _by_interval, _by_bottom, _by_octets)


def _add(tree: Tree, table: Table, leaf: _Leaf, url: str, layout: Layout) -> None:
    """Put one array and its coordinates into the tree."""
    crowded = leaf.cube.crowded()
    if len(crowded):
        problem = _problem(table, leaf, crowded, url, layout.doubles)
        tree.problems.append(problem)
        if layout.doubles == "refuse":
            return
    products = [table.products[number] for number in np.unique(table.product[leaf.rows]).tolist()]
    grids = [table.grids[number] for number in np.unique(table.grid[leaf.rows]).tolist()]
    grid = grids[0]
    if 0 in grid.shape:
        tree.problems.append(Problem(leaf.path, "grid", "the grid has no points; left out", url))
        return
    name = products[0].name
    coordinates = coordinates_of(table, leaf.rows, leaf.cube, squeeze=layout.squeeze)
    kept = [key for key, axis in leaf.cube.axes.items() if len(axis) > 1 or not layout.squeeze]
    shape = (*(len(leaf.cube.axes[key]) for key in kept), *grid.shape)
    chunks = _chunks(table, leaf, url, len(grid.shape))
    chunk_shape = (*(1,) * len(kept), *grid.shape)
    single = layout.dtype == "float32" or (layout.dtype == "auto" and not table.double[leaf.rows].any())
    meta = ArrayMeta(
        shape=shape,
        chunk_shape=chunk_shape,
        dtype=np.dtype("<f4" if single else "<f8"),
        filters=({"id": "grib", "var": name, "dtype": "float32" if single else "float64"},),
        fill_value=np.float32("nan") if single else np.float64("nan"),
        dims=(*kept, *grid.dims),
        attrs={
            **_common([product.attrs for product in products]),
            **_common([each.attrs for each in grids]),
            "coordinates": " ".join([*coordinates, *grid.coordinates]),
        },
    )
    tree.arrays[f"{leaf.path}/{name}"] = ManifestArray(meta, chunks.reshape_grid(meta.grid_shape))
    for key, array in {**coordinates, **grid.coordinates}.items():
        tree.arrays[f"{leaf.path}/{key}"] = array
    _add_groups(tree, leaf, products)


def _chunks(table: Table, leaf: _Leaf, url: str, inner: int) -> ChunkManifest:
    """The fields of a leaf in its grid, over `inner` axes of one cell each; of several in one cell, the last."""
    rows = leaf.cube.last_in_cell()
    cells = leaf.cube.cells[rows]
    rows = leaf.rows[rows]
    columns = np.ones(len(rows), np.uint32), table.offset[rows], table.length[rows]
    del rows  # of a million fields it is as much as their offsets
    return ChunkManifest.from_columns((*leaf.cube.shape, *(1,) * inner), cells, (None, url), columns)


def _add_groups(tree: Tree, leaf: _Leaf, products: Sequence[Any]) -> None:
    """Each group on the way to a leaf says what the fields in it have in common."""
    said: dict[str, Any] = {}
    path = ""
    told = {"name": "GRIB_name", "stepType": "GRIB_stepType", "typeOfLevel": "GRIB_typeOfLevel"}
    for part, (key, source) in zip(leaf.path.split("/"), [*told.items(), *[("", "")] * 8], strict=False):
        path = f"{path}/{part}" if path else part
        if source in products[0].attrs:
            said[key] = products[0].attrs[source]
        tree.groups.setdefault(path, dict(said))
    tree.groups[leaf.path] = {**_common([product.group for product in products]), **said}


def _problem(table: Table, leaf: _Leaf, crowded: NDArray[np.int64], url: str, doubles: Doubles) -> Problem:
    first, second = table.offset[leaf.rows[crowded[:2]]].tolist()
    places = f"the fields at bytes {first} and {second}"
    done = "the later of them was taken" if doubles == "later" else "left out; doubles='later' takes the later of them"
    message = f"{len(crowded)} fields say that they are the same as another, as {places}; {done}"
    return Problem(leaf.path, "the same field twice", message, url)


def _common(said: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The attributes that are the same in all."""
    if not said:
        return {}
    return {key: value for key, value in said[0].items() if all(key in other and other[key] == value for other in said)}
