"""kerchunk's door to index reuse: references to many runs of a model from one scan and the `.idx` files of the others.

A file of each horizon is scanned once (`build_idx_grib_mapping`); the inventories of other runs are joined with it by
what their lines say (`map_from_index`); the rows of all runs fill the tree of one file (`reinflate_grib_store`).
"""

from __future__ import annotations

import functools
import gzip
import json
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import fsspec
import numpy as np

from chunkmap.warning import warn_caller
from kerchunk._grib_aggregation import (
    COORD_DIM_MAPPING,
    ECCODES_VERTICAL_LEVELS,
    AggregationType,
    build_path,
    create_steps,
    grib_coord,
    reinflate_grib_store,
    repeat_steps,
    store_coord_var,
    store_data_var,
)
from kerchunk._grib_columns import are_alike, frame_of, held, is_unique

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = [
    "COORD_DIM_MAPPING",
    "ECCODES_VERTICAL_LEVELS",
    "ZARR_TREE_STORE",
    "AggregationType",
    "DynamicZarrStoreError",
    "build_idx_grib_mapping",
    "build_path",
    "create_steps",
    "extract_dataset_chunk_index",
    "extract_datatree_chunk_index",
    "grib_coord",
    "map_from_index",
    "parse_grib_idx",
    "read_store",
    "reinflate_grib_store",
    "repeat_steps",
    "store_coord_var",
    "store_data_var",
    "strip_datavar_chunks",
    "write_store",
]

ZARR_TREE_STORE: Final = "zarr_tree_store.json.gz"

_MAPPED: Final = ("varname", "typeOfLevel", "stepType", "name", "step", "level")
_FOUND: Final = {"uri": "grib_uri", "offset": "offset", "length": "length"}
_FROM_MAPPING: Final = ("attrs", *_MAPPED, "time", "valid_time")
_FROM_INDEX: Final = ("attrs", *_FOUND.values())
_ATTRIBUTES: Final = ("typeOfLevel", "stepType", "name")
_ON_THE_GRID: Final = ("latitude", "longitude")
_CHUNK_KEY: Final = re.compile(r"(?:(.*)/)?([^/]+)/(\d+(?:\.\d+)*)")


class DynamicZarrStoreError(ValueError):
    """A tree that cannot be filled from an index."""


def parse_grib_idx(
    basename: str,
    suffix: str = "idx",
    storage_options: dict[str, Any] | None = None,
    validate: bool = False,
) -> pd.DataFrame:
    """The inventory of a GRIB file, a row a field: where it is, and what its line says.

    `validate` refuses one in which two lines say the same.
    """
    import pandas as pd  # noqa: PLC0415 - who scans a file needs none

    uri = f"{basename}.{suffix}"
    fs, path = fsspec.core.url_to_fs(basename, **(storage_options or {}))
    size = int(fs.info(path)["size"])
    lines = fs.cat_file(f"{path}.{suffix}").decode().splitlines()
    try:
        numbers, offsets, dates, attrs = zip(*[line.split(":", 3) for line in lines if line.strip()], strict=True)
        offset = np.array([*map(int, offsets)], np.int64)
        counted = _numbers(numbers)
    except ValueError as error:
        wanted = "lines of the form number:offset:date:attributes, as wgrib2 prints them"
        raise ValueError(f"{uri}: expected {wanted} ({error})") from error
    if validate and len(set(attrs)) < len(attrs):
        raise ValueError(f"Attribute mapping for grib file {basename} is not unique: two lines of {uri} say the same")
    ends = np.append(np.unique(offset), size)
    columns = {
        "offset": offset,
        "date": dates,
        "attrs": attrs,
        "length": ends[np.searchsorted(ends, offset, "right")] - offset,
        "idx_uri": uri,
        "grib_uri": basename,
    }
    return pd.DataFrame(columns, index=pd.Index(counted, name="idx"))


def _numbers(labels: Sequence[str]) -> Any:
    """The numbers of fields: of messages, or where some hold several (`12.1`), counted."""
    if "." in "".join(labels):
        return np.arange(1, len(labels) + 1)
    return np.array([*map(int, labels)], np.int64)


def build_idx_grib_mapping(
    basename: str,
    storage_options: dict[str, Any] | None = None,
    suffix: str = "idx",
    mapper: Callable[[Any], Any] | None = None,
    validate: bool = True,
) -> pd.DataFrame:
    """What the lines of an inventory stand for: the inventory of a file beside what a scan of the file says."""
    scanned = _map_grib_file_by_group(basename, mapper=mapper, storage_options=storage_options)
    said = parse_grib_idx(basename, suffix=suffix, storage_options=storage_options)
    found = said.merge(scanned, left_index=True, right_index=True, how="left", suffixes=("_idx", "_grib"))
    if validate:
        _check_mapping(found, basename)
    return found


def _check_mapping(found: pd.DataFrame, basename: str) -> None:
    there = found.dropna(subset=["varname"])
    for column in ("offset", "length"):
        differ = there[there[f"{column}_idx"] != there[f"{column}_grib"]]
        if len(differ):
            raise ValueError(
                f"{basename}: its index does not fit it: {len(differ)} fields of another {column}, the first is"
                f" {differ.iloc[0]['attrs']!r}"
            )
    if found["attrs"].duplicated().any():
        warn_caller(f"{basename}: lines of its index say the same: drop all but one of them")
    if there.duplicated(["varname", "typeOfLevel", "stepType", "level", "valid_time"]).any():
        warn_caller(f"{basename}: fields are the same but for what a hierarchy of names can say")


def _map_grib_file_by_group(
    fname: str, mapper: Callable[[Any], Any] | None = None, storage_options: dict[str, Any] | None = None
) -> pd.DataFrame:
    """A row for each field of a file that has a name, under its number, counted from 1."""
    import pandas as pd  # noqa: PLC0415 - as above

    from kerchunk.grib2 import scan_grib  # noqa: PLC0415 - this module is part of that one's names

    groups = scan_grib(fname, storage_options=storage_options)
    found = [
        _extract_single_group(group if mapper is None else mapper(group), number, storage_options)
        for number, group in enumerate(groups, 1)
    ]
    rows = [frame for frame in found if frame is not None]
    if not rows:
        raise DynamicZarrStoreError(f"{fname}: expected fields whose parameters have names, found none")
    return pd.concat(rows)


def _extract_single_group(grib_group: dict[str, Any], idx: int, storage_options: Any = None) -> pd.DataFrame | None:
    """The row of one field, as a set of its own; None where its parameter has no name."""
    import pandas as pd  # noqa: PLC0415 - as above

    from kerchunk._grib_fields import row_of  # noqa: PLC0415 - loads eccodes

    row = row_of(grib_group)
    return None if row is None else pd.DataFrame([row], index=pd.Index([idx], name="idx"))


def map_from_index(
    run_time: pd.Timestamp, mapping: pd.DataFrame, idxdf: pd.DataFrame, raw_merged: bool = False
) -> pd.DataFrame:
    """The inventory of another run as an index of chunks: what its lines stand for, by the mapping of a file scanned.

    Lines that the mapping does not know, and parameters without a name, are left out. `raw_merged` gives both beside
    each other, with every line.
    """
    import pandas as pd  # noqa: PLC0415 - as above

    (known, *mapped), (said, *found) = held(mapping, _FROM_MAPPING), held(idxdf, _FROM_INDEX)
    alike = are_alike(known, said)  # as the lines of one model mostly are: then nothing is moved
    if not is_unique(known):
        raise ValueError("Mapping data must have unique attrs to merge on!")
    if not (alike or is_unique(said)):
        raise ValueError("Parsed idx data must have unique attrs to merge on!")
    if raw_merged:
        left, right = idxdf.reset_index().set_index("attrs"), mapping.reset_index().set_index("attrs")
        right = right.drop(columns="uri", errors="ignore")
        return left.merge(right, left_index=True, right_index=True, how="left", suffixes=("", "_mapping"))
    units = [column.dtype for column in mapped[len(_MAPPED) :]]
    columns: dict[str, Any] = dict(zip(_MAPPED, mapped, strict=False))
    of_index: dict[str, Any] = dict(zip(_FOUND, found, strict=True))
    named = ~np.asarray(pd.isna(columns["varname"]))
    if not (alike and named.all()):
        places = _places(known.tolist(), said.tolist())
        kept = np.flatnonzero((places >= 0) & named[places]) if len(known) else np.zeros(0, np.int64)
        columns = {name: column.take(places[kept]) for name, column in columns.items()}
        of_index = {name: column.take(kept) for name, column in of_index.items()}
    count = len(of_index["offset"])
    times = np.full(count, pd.Timestamp(run_time).to_datetime64())
    columns["time"] = times.astype(units[0])
    columns["valid_time"] = (times + np.asarray(columns["step"], "m8")).astype(units[1])
    of_index["inline_value"] = np.full(count, None, object)
    return frame_of({**columns, **of_index}, count)


def _places(known: Sequence[str], said: Sequence[str]) -> Any:
    """For each line of an index, the row of the mapping that says the same, else -1."""
    rows = dict(zip(known, range(len(known)), strict=True))
    return np.array([rows.get(line, -1) for line in said], np.int64)


def extract_dataset_chunk_index(
    dset: xr.DataTree, ref_store: dict[str, Any], grib: bool = False
) -> list[dict[str, Any]]:
    """A row for each chunk of each variable of one group: its coordinates, and where it is.

    `grib` calls whatever level there is `level`.
    """
    return _rows_of_group(dset, _chunks_by_array(ref_store.get("refs", ref_store)), grib=grib)


def extract_datatree_chunk_index(
    dtree: xr.DataTree, kerchunk_store: dict[str, Any], grib: bool = False
) -> pd.DataFrame:
    """The rows of all groups of a tree."""
    import pandas as pd  # noqa: PLC0415 - as above

    chunks = _chunks_by_array(kerchunk_store.get("refs", kerchunk_store))
    return pd.DataFrame([row for node in dtree.subtree for row in _rows_of_group(node, chunks, grib=grib)])


def _chunks_by_array(refs: Mapping[str, Any]) -> dict[str, list[tuple[str, Any]]]:
    """Path of an array -> indexes and references of its chunks."""
    found: dict[str, list[tuple[str, Any]]] = {}
    for key, value in refs.items():
        path, _, index = key.rpartition("/")
        if index[:1].isdigit():
            found.setdefault(path, []).append((index, value))
    return found


def _rows_of_group(node: Any, chunks: Mapping[str, list[tuple[str, Any]]], *, grib: bool) -> list[dict[str, Any]]:
    said: dict[str, Any] = {}
    for each in (*reversed(node.parents), node):
        said |= {key: each.attrs[key] for key in _ATTRIBUTES if key in each.attrs}
    rows: list[dict[str, Any]] = []
    for name, variable in node.data_vars.items():
        path = "/".join(part for part in (node.path.strip("/"), str(name)) if part)
        found = chunks.get(path, [])
        indexes = np.array([[*map(int, index.split("."))] for index, _ in found], np.int64)
        columns = _coordinates_of_chunks(path, variable, indexes, grib=grib) if found else {}
        for number, (_, value) in enumerate(found):
            coordinates = {key: column[number] for key, column in columns.items()}
            rows.append({"varname": name, **_in_order(said), **coordinates, **_where(value)})
    return rows


def _in_order(said: Mapping[str, Any]) -> dict[str, Any]:
    return {key: said.get(key) for key in _ATTRIBUTES}


def _where(value: Any) -> dict[str, Any]:
    if isinstance(value, (list, tuple)):
        return {"uri": value[0], "offset": value[1], "length": value[2], "inline_value": None}
    return {"uri": None, "offset": -1, "length": -1, "inline_value": value}


def _coordinates_of_chunks(path: str, variable: Any, indexes: Any, *, grib: bool) -> dict[str, Any]:
    """For each coordinate that is one value a chunk, the column of it."""
    single = [dim for dim, size in variable.sizes.items() if _cells(variable, dim, indexes) == size]
    spanned = [dim for dim in variable.sizes if dim not in single or variable.sizes[dim] == 1]
    for dim in spanned:
        if _cells(variable, dim, indexes) != 1:
            raise ValueError(f"{path}: a chunk is neither one step along {dim!r} nor all of them")
    along = {dim: indexes[:, number] for number, dim in enumerate(variable.sizes)}
    found = {}
    for name, coordinate in variable.coords.items():
        if name in _ON_THE_GRID or any(dim not in single for dim in coordinate.dims):
            continue
        values = np.asarray(coordinate.values)
        label = grib_coord(str(name)) if grib else str(name)
        found[label] = (
            values[tuple(along[dim] for dim in coordinate.dims)] if values.ndim else [values[()]] * len(indexes)
        )
    return found


def _cells(variable: Any, dim: Any, indexes: Any) -> int:
    """The number of chunks along a dimension: as its encoding says, else as there are."""
    number, size = list(variable.sizes).index(dim), variable.sizes[dim]
    chunks = variable.encoding.get("chunks") or variable.encoding.get("preferred_chunks")
    if isinstance(chunks, Mapping):
        chunks = [chunks[each] for each in variable.sizes]
    return -(-size // chunks[number]) if chunks else int(indexes[:, number].max()) + 1


def strip_datavar_chunks(kerchunk_store: dict[str, Any], keep_list: tuple[str, ...] = _ON_THE_GRID) -> None:
    """Take all chunks out of a store but those of arrays whose names end with one of the list."""
    refs = kerchunk_store["refs"]
    for key in list(refs):
        match = _CHUNK_KEY.fullmatch(key)
        if match is not None and not match[2].endswith(tuple(keep_list)):
            del refs[key]


def write_store(metadata_path: str, store: dict[str, Any]) -> None:
    """Keep a store in a directory, as compressed JSON."""
    with fsspec.open(posixpath.join(metadata_path, ZARR_TREE_STORE), "wb") as file:
        file.write(gzip.compress(json.dumps(store, default=_text).encode()))


def _text(value: Any) -> str:
    """Documents that are bytes, as kerchunk's `grib_tree` has them."""
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value).__name__} is nothing that JSON can hold")
    return value.decode()


@functools.cache
def read_store(metadata_path: str) -> dict[str, Any]:
    """The store that is kept in a directory: the same one, whenever it is asked for."""
    with fsspec.open(posixpath.join(metadata_path, ZARR_TREE_STORE), "rb") as file:
        found: dict[str, Any] = json.loads(gzip.decompress(file.read()))
    return found
