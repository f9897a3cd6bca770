"""GRIB, editions 1 and 2: every field of a file, as hypercubes in a tree of groups.

WMO Manual on Codes, FM 92 GRIB (https://codes.wmo.int/grib2). `sections` finds the fields, `keys` says what they
are and `grids` where their points are (both ask eccodes, seldom), `table` makes columns of it, `assembly` arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from chunkmap.errors import FormatError
from chunkmap.formats.format import Scanned
from chunkmap.formats.grib.assembly import Doubles, Layout, tree_of
from chunkmap.formats.grib.coordinates import TIME_DIMS
from chunkmap.formats.grib.far import walk_any
from chunkmap.formats.grib.repeats import repeats
from chunkmap.formats.grib.selection import selected, unmatched
from chunkmap.formats.grib.table import Description
from chunkmap.io.rounds import Parser
from chunkmap.io.source import Source

__all__ = ["Options", "parse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a user may say of a GRIB file."""

    filter_by_keys: Mapping[str, Any] = field(default_factory=dict)
    """Only fields whose keys have these values, or one of several: `{"typeOfLevel": "surface"}`."""
    squeeze: bool = True
    """Whether a coordinate of one value is a scalar; else each variable has all its dimensions."""
    doubles: Doubles = "refuse"
    """Fields that say that they are the same and differ: `refuse` leaves out the variable, `later` takes the later."""
    dtype: Literal["auto", "float32", "float64"] = "auto"
    """Type of the values; `auto` is float32 where they are packed in at most 24 bits, else float64."""

    index: str = "auto"
    """Which index says where messages are: one beside a file far away (`auto`), `none`, or its name."""

    time_dims: str = "time,step"
    """Which times are dimensions: `time,step`, `valid_time`, `valid_time,step` or `time,valid_time`."""

    def __post_init__(self) -> None:
        for name, allowed in (("doubles", ("refuse", "later")), ("dtype", ("auto", "float32", "float64"))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected one of {', '.join(allowed)}")
        if self.times not in TIME_DIMS:
            known = "; ".join(map(",".join, TIME_DIMS))
            raise ValueError(f"time_dims is {self.time_dims!r}, expected one of {known}")

    @property
    def times(self) -> tuple[str, ...]:
        """The names in `time_dims`, which may be given as cfgrib takes them, too."""
        said = self.time_dims.split(",") if isinstance(self.time_dims, str) else list(self.time_dims)
        return tuple(name.strip() for name in said)


def parse(source: Source, options: Options) -> Parser[Scanned]:
    """Every field of a file, by path. Raises FormatError where there is none."""
    description = Description()
    walked = yield from walk_any(source, options.index, None if options.filter_by_keys else description.add)
    if not (description.count or walked.fields):
        why = f"; {walked.problems[0].message}" if walked.problems else ""
        raise FormatError(f"expected GRIB messages, found none in {source.size()} bytes{why}", url=source.url)
    description.add(selected(walked.fields, options.filter_by_keys))
    if not description.count:
        return Scanned({}, {"": {}}, (*walked.problems, unmatched(walked.fields, options.filter_by_keys, source.url)))
    table, problems = description.table(), walked.problems
    del description, walked  # the table says all that is needed of them
    if options.doubles == "refuse":
        table = table.without((yield from repeats(table.said, table.offset, table.length)))
    layout = Layout(options.dtype, options.squeeze, options.doubles, options.times)
    tree = tree_of(table, source.url, layout)
    return Scanned(tree.arrays, tree.groups, (*problems, *tree.problems))
