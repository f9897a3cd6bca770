"""One set for each field, as kerchunk gives them: an array of the grid's shape, with coordinates of one value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chunkmap.formats.format import Scanned
from chunkmap.formats.grib.assembly import Layout, tree_of
from chunkmap.formats.grib.far import walk_any
from chunkmap.formats.grib.selection import selected
from chunkmap.formats.grib.table import Table, table_of
from chunkmap.io.rounds import Parser
from chunkmap.io.source import Source

__all__ = ["parse_fields"]


def parse_fields(source: Source, keys: Mapping[str, Any], most: int | None = None) -> Parser[list[Scanned]]:
    """Each field whose keys have the values asked for, of the first `most` fields of a file."""
    walked = yield from walk_any(source)
    fields = selected(walked.fields[:most], keys)
    table = table_of(fields)
    places = zip(table.offset.tolist(), (table.offset + table.length).tolist(), strict=True)
    row_of = {place: row for row, place in enumerate(places)}
    rows = [row_of.get((offset, stop)) for offset, stop in fields.spans.tolist()]
    return [
        _alone(table_of(fields[number : number + 1]) if row is None else table.alone(row), source.url)
        for number, row in enumerate(rows)
    ]


def _alone(table: Table, url: str) -> Scanned:
    tree = tree_of(table, url, Layout(dtype="float64"))
    arrays = {path.rpartition("/")[2]: array for path, array in tree.arrays.items()}
    attrs = {**tree.groups[""], "coordinates": " ".join(name for name in arrays if not _holds_values(arrays[name]))}
    return Scanned(arrays, {"": attrs}, tuple(tree.problems))


def _holds_values(array: Any) -> bool:
    return "GRIB_gridType" in array.meta.attrs
