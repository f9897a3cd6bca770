"""Sets of one field each, of any number of files, as one tree: what kerchunk's `grib_tree` does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import CombineError
from chunkmap.formats.grib.coordinates import held
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, ReferenceSet
from chunkmap.model.cubes import Cube, cube_of
from chunkmap.model.source_table import SourceTable
from chunkmap.warning import warn_caller

__all__ = ["tree_of_sets"]

_ALWAYS: Final = ("time", "step")
"""Coordinates that are dimensions even where they have one value."""


class _Field(NamedTuple):
    """One field: its name, its array, its scalars, and the set that it comes from."""

    name: str
    array: ManifestArray
    scalars: dict[str, float]
    refs: ReferenceSet

    @property
    def path(self) -> str:
        """The group it belongs to."""
        attrs = self.array.meta.attrs
        parts = (self.name, attrs.get("GRIB_stepType"), attrs.get("GRIB_typeOfLevel"))
        return "/".join(str(part) for part in parts if part)

    @property
    def alike(self) -> tuple[Any, ...]:
        """What fields of one array have in common."""
        return self.array.meta.shape, self.array.meta.attrs.get("GRIB_units"), self.scalars.keys()


def tree_of_sets(sets: Sequence[ReferenceSet]) -> ReferenceSet:
    """A group for each name, step type and type of level; in it an array over member, time, step and level."""
    groups: dict[str, list[_Field]] = {}
    for refs in sets:
        field = _field(refs)
        if field is None:
            warn_caller(f"{refs.name or 'a set'}: a message of an unknown parameter is left out")
        else:
            groups.setdefault(field.path, []).append(field)
    arrays: dict[str, ManifestArray] = {}
    attrs: dict[str, dict[str, Any]] = {"": {}}
    for path, fields in groups.items():
        found = _arrays(path, fields)
        arrays |= {f"{path}/{name}": array for name, array in found.items()}
        said: dict[str, Any] = {}
        keys = ("name", "stepType", "typeOfLevel")
        for depth, key in enumerate(keys[: path.count("/") + 1], 1):
            value = fields[0].array.meta.attrs.get(f"GRIB_{key}")
            said |= {} if value is None else {key: value}
            attrs.setdefault("/".join(path.split("/")[:depth]), dict(said))
        coordinates = " ".join(name for name in found if name != fields[0].name)
        attrs[path] = {**fields[0].refs.attrs, **said, "coordinates": coordinates}
    return ReferenceSet(arrays, attrs)


def _field(refs: ReferenceSet) -> _Field | None:
    """The field of a set; None where its parameter has no name."""
    (name,) = [path for path, array in refs.arrays.items() if "GRIB_gridType" in array.meta.attrs]
    if name.startswith("unknown"):
        return None
    scalars = {
        path: float(np.frombuffer(array.chunks.inline_bytes(0), array.meta.dtype)[0])
        for path, array in refs.arrays.items()
        if not array.meta.shape and not array.meta.filters
    }
    return _Field(name, refs.arrays[name], scalars, refs)


def _arrays(path: str, fields: Sequence[_Field]) -> dict[str, ManifestArray]:
    """The array of a group, and its coordinates."""
    first = fields[0]
    for other in fields:
        if other.alike != first.alike:
            raise CombineError(
                f"{path}: its messages differ in their grids, coordinates or units", inputs=_names(first, other)
            )
    names = [name for name in ("number", *_ALWAYS, *first.scalars) if name in first.scalars and name != "valid_time"]
    columns = {name: np.array([field.scalars[name] for field in fields]) for name in dict.fromkeys(names)}
    columns.pop("bottomLevel", None)
    keys = {name: c for name, c in columns.items() if name in _ALWAYS or len(np.unique(c)) > 1}
    cube = cube_of(keys)
    crowded = cube.crowded()
    if len(crowded):
        inputs = " and ".join(dict.fromkeys(_names(*(fields[row] for row in crowded[:2]))))
        warn_caller(f"{path}: {len(crowded)} messages of {inputs} say the same; the last is taken")
    found = {first.name: _cube_array(fields, cube)}
    for name, column in columns.items():
        attrs, dtype = first.refs.arrays[name].meta.attrs, first.refs.arrays[name].meta.dtype
        values = cube.axes[name].astype(dtype) if name in keys else column[:1].astype(dtype).reshape(())
        found[name] = held(name, values, (name,) if name in keys else (), attrs)
    if "time" in keys and "step" in keys:
        found["valid_time"] = _valid_times(cube)
    grid = {
        name: array for name, array in first.refs.arrays.items() if name not in first.scalars and name != first.name
    }
    return {**found, **grid}


def _names(*fields: _Field) -> list[str]:
    return [field.refs.name or "a set" for field in fields]


def _valid_times(cube: Cube) -> ManifestArray:
    times: NDArray[Any] = cube.axes["time"][:, None] + 3600 * cube.axes["step"][None, :]
    return held("valid_time", np.round(times).astype("<i8"), _ALWAYS)


def _cube_array(fields: Sequence[_Field], cube: Cube) -> ManifestArray:
    """The chunks of all fields in one grid."""
    first = fields[0].array.meta
    table = SourceTable()
    order = cube.last_in_cell()
    rows = [fields[number].array.chunks.row(0) for number in order.tolist()]
    columns = (
        table.numbers([row.source for row in rows]),
        np.array([row.offset for row in rows], np.uint64),
        np.array([row.length for row in rows], np.uint64),
    )
    shape = (*cube.shape, *first.shape)
    meta = ArrayMeta(
        shape=shape,
        chunk_shape=(*(1,) * len(cube.axes), *first.shape),
        dtype=first.dtype,
        filters=first.filters,
        fill_value=np.float64("nan"),
        dims=(*cube.axes, *(first.dims or ())),
        attrs=first.attrs,
    )
    grid = (*cube.shape, *(1,) * len(first.shape))
    return ManifestArray(meta, ChunkManifest.from_columns(grid, cube.cells[order], table.sources, columns))
