"""Faults that others have: where files do not fit, the result here is right, or nothing is combined.

Each case makes files and a recipe, and says what is read, or in which words it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import netCDF4
import numpy as np
import pytest
import xarray as xr

import chunkmap

FORCED = {"load_below": 0}
"""As for arrays that are too large to be read."""


class Case(NamedTuple):
    """Files, how they are combined, and what must come of it."""

    files: list[tuple[xr.Dataset, Mapping[str, Any]]]
    """Datasets and their encoding, in the order of the list."""
    how: Mapping[str, Any]
    refused: str | None = None
    """A pattern of the message; None where it must be right."""
    expected: Callable[[], Mapping[str, list[Any]]] | None = None


def series(values, *, chunk=None, zlib=False, units=None, attrs=None, level=None, **encoding):
    """A file with `d`, ten times its time, along `time`."""
    values = np.asarray(values, "f8")
    time = ("time", values, {"units": units} if units else {})
    dataset = xr.Dataset({"d": ("time", values * 10, attrs or {})}, {"time": time})
    own: dict[str, Any] = {"_FillValue": None, **encoding}
    if chunk:
        own["chunksizes"] = (chunk,)
    if zlib:
        own |= {"zlib": True, "complevel": level or 4}
    return dataset, {"d": own, "time": {"_FillValue": None}}


def steps(*numbers):
    """What must be read of `series`."""
    return lambda: {"time": list(map(float, numbers)), "d": [10.0 * n for n in numbers]}


def year(days, first, chunk):
    """A year of days from a first one."""
    return series(np.arange(first, first + days), chunk=chunk, zlib=True)


def epoch(values, day, calendar=None):
    """Days counted from a day of the year 2000, and the days themselves tenfold."""
    dataset, encoding = series(values, units=f"days since 2000-01-0{day}")
    if calendar:
        dataset["time"].attrs["calendar"] = calendar
    return dataset, encoding


def beside(first):
    """Three steps with a coordinate beside the dimension, in chunks of two."""
    values = np.arange(3.0) + first
    chunks = {"chunksizes": (2,), "zlib": True}
    dataset = xr.Dataset({"d": ("time", values), "lat": ("time", values)}, {"time": values})
    return dataset, {"d": chunks, "lat": chunks}


def packed(value, **packing):
    """One step, packed into two bytes."""
    return series([value])[0], {"d": {"dtype": "i2", "_FillValue": np.int16(-99), **packing}}


CASES = {
    "names stay with their references in a list that is not sorted": Case(
        [series([3.0]), series([1.0]), series([2.0])],
        {
            "concat_dims": "n",
            "coo_map": {"n": re.compile(r"(\d)\.nc")},
            "coo_dtypes": {"n": int},
            "waive": ["identical"],
        },
        expected=lambda: {"n": [0, 1, 2], "d": [[30.0], [10.0], [20.0]]},
    ),
    "a list of values stays with its files": Case(
        [series([3.0]), series([1.0])],
        {"concat_dims": "n", "coo_map": {"n": [9, 4]}, "waive": ["identical"]},
        expected=lambda: {"n": [4, 9], "d": [[10.0], [30.0]]},
    ),
    "a short file first, compressed": Case(
        [series(range(5), chunk=3, zlib=True), series(range(5, 10), chunk=3, zlib=True)],
        {"concat_dims": "time", **FORCED},
        refused="0.nc covers time 0 to 5 of 10, which does not fall on chunks of 3",
    ),
    "a short file first, small": Case(
        [series(range(5), chunk=3, zlib=True), series(range(5, 10), chunk=3, zlib=True)],
        {"concat_dims": "time"},
        expected=steps(*range(10)),
    ),
    "a short file first, cut": Case(
        [series(range(5), chunk=3), series(range(5, 10), chunk=3)],
        {"concat_dims": "time", "split": True, **FORCED},
        expected=steps(*range(10)),
    ),
    "a first file shorter than a chunk": Case(
        [series([0], chunk=1), series(range(1, 5), chunk=2)], {"concat_dims": "time", **FORCED}, refused="chunks are"
    ),
    "a short file last": Case(
        [series(range(6), chunk=3, zlib=True), series(range(6, 8), chunk=2, zlib=True)],
        {"concat_dims": "time"},
        expected=steps(*range(8)),
    ),
    "leap years in chunks that divide neither": Case(
        [year(365, 0, 61), year(366, 365, 61)],
        {"concat_dims": "time", **FORCED},
        refused="does not fall on chunks of 61",
    ),
    "leap years, one chunk a file": Case(
        [year(365, 0, 365), year(366, 365, 366)], {"concat_dims": "time", **FORCED}, refused=r"chunks are \(365,\)"
    ),
    "values that interleave": Case(
        [series([0, 2], chunk=1), series([1, 3], chunk=1)],
        {"concat_dims": "time", **FORCED},
        expected=steps(0, 1, 2, 3),
    ),
    "values that interleave within chunks": Case(
        [series([0, 2], chunk=2), series([1, 3], chunk=2)],
        {"concat_dims": "time", **FORCED},
        refused="does not fall on chunks of 2",
    ),
    "values that fall within a file": Case(
        [series([3, 2], chunk=2), series([1, 0], chunk=2)],
        {"concat_dims": "time", **FORCED},
        expected=steps(3, 2, 1, 0),
    ),
    "values that stand in two files": Case(
        [series([0, 1], chunk=1), series([1, 2], chunk=1)], {"concat_dims": "time"}, refused="both hold time = 1.0"
    ),
    "values that stand twice in a file": Case(
        [series([0, 0], chunk=1), series([1, 2], chunk=1)], {"concat_dims": "time"}, refused="stands more than once in"
    ),
    "another type": Case([series([0]), series([1], dtype="f4")], {"concat_dims": "time"}, refused="dtype is <f8 in"),
    "compressed and not": Case(
        [series([0], chunk=1), series([1], chunk=1, zlib=True)], {"concat_dims": "time"}, refused="codecs is"
    ),
    "shuffled and not": Case(
        [series([0], chunk=1, zlib=True, shuffle=True), series([1], chunk=1, zlib=True, shuffle=False)],
        {"concat_dims": "time"},
        refused="codecs is",
    ),
    "two levels of one codec": Case(
        [series([0], chunk=1, zlib=True, level=4), series([1], chunk=1, zlib=True, level=5)],
        {"concat_dims": "time", **FORCED},
        expected=steps(0, 1),
    ),
    "another scale factor": Case(
        [packed(0, scale_factor=0.1), packed(1, scale_factor=0.2)],
        {"concat_dims": "time"},
        refused="scale_factor is 0.1 in",
    ),
    "another offset": Case(
        [packed(0, add_offset=1.0), packed(1, add_offset=2.0)],
        {"concat_dims": "time"},
        refused="add_offset is 1.0 in",
    ),
    "another fill value": Case(
        [series([0]), (series([1])[0], {"d": {"_FillValue": -1.0}, "time": {"_FillValue": None}})],
        {"concat_dims": "time"},
        refused="fill_value is None in",
    ),
    "other units of the data": Case(
        [series([0], attrs={"units": "K"}), series([1], attrs={"units": "degC"})],
        {"concat_dims": "time"},
        refused="units is K in",
    ),
    "days counted from other days, as numbers": Case(
        [epoch([0, 1], 1), epoch([0, 1], 3)], {"concat_dims": "time"}, refused="'cf:time'"
    ),
    "days counted from other days, as times": Case(
        [epoch([0, 1], 1), epoch([0, 1], 3)],
        {"concat_dims": "time", "coo_map": {"time": "cf:time"}},
        expected=lambda: {"time": [0.0, 1.0, 2.0, 3.0], "d": [0.0, 10.0, 0.0, 10.0]},
    ),
    "days of another calendar, as numbers": Case(
        [epoch([0, 1], 1), epoch([2, 3], 1, "noleap")], {"concat_dims": "time"}, refused="calendar is None in"
    ),
    "days of another calendar, as times": Case(
        [epoch([0, 1], 1), epoch([2, 3], 1, "noleap")],
        {"concat_dims": "time", "coo_map": {"time": "cf:time"}},
        refused="calendars differ",
    ),
    "another length of another dimension": Case(
        [
            (xr.Dataset({"d": (("time", "x"), np.zeros((1, 2)))}, {"time": [0]}), {}),
            (xr.Dataset({"d": (("time", "x"), np.zeros((1, 3)))}, {"time": [1]}), {}),
        ],
        {"concat_dims": "time"},
        refused="length of x is 2 in",
    ),
    "another grid of the same length": Case(
        [
            (xr.Dataset({"d": (("time", "x"), np.zeros((1, 2)))}, {"time": [0], "x": [1, 2]}), {}),
            (xr.Dataset({"d": (("time", "x"), np.zeros((1, 2)))}, {"time": [1], "x": [1, 3]}), {}),
        ],
        {"concat_dims": "time"},
        refused="x: taken as identical in all inputs",
    ),
    "a variable that a file does not have": Case(
        [series([0], chunk=1), (series([1])[0].drop_vars("d"), {}), series([2], chunk=1)],
        {"concat_dims": "time"},
        expected=lambda: {"time": [0.0, 1.0, 2.0], "d": [0.0, np.nan, 20.0]},
    ),
    "whole numbers that a file does not have": Case(
        [(series([0])[0].astype("i4"), {}), (series([1])[0].drop_vars("d"), {})],
        {"concat_dims": "time"},
        refused="has no fill value to say so",
    ),
    "a coordinate beside the dimension, in chunks that do not line up": Case(
        [beside(0), beside(3)],
        {"concat_dims": "time"},
        expected=lambda: {"lat": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "d": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]},
    ),
    "a missing tile": Case(
        [
            (xr.Dataset({"d": (("time", "x"), [[v]])}, {"time": [t], "x": [x]}), {})
            for t, x, v in ((0, 0, 1.0), (1, 1, 2.0))
        ],
        {"concat_dims": ["time", "x"]},
        expected=lambda: {"d": [[1.0, np.nan], [np.nan, 2.0]]},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_right_or_refused(name, tmp_path):
    """What is read is what the files hold, or the files are refused in words that name them and the reason."""
    case = CASES[name]
    paths = []
    for number, (dataset, encoding) in enumerate(case.files):
        paths.append(str(tmp_path / f"{number}.nc"))
        known = {key: value for key, value in encoding.items() if key in dataset.variables}
        dataset.to_netcdf(paths[-1], engine="netcdf4", encoding=known)
    sets = chunkmap.scan_many(paths)

    if case.refused is not None:
        with pytest.raises(chunkmap.CombineError, match=case.refused) as caught:
            chunkmap.combine(sets, **case.how)
        assert ".nc" in str(caught.value)
        return
    found = chunkmap.open_dataset(chunkmap.combine(sets, **case.how), decode_times=False).load()
    assert case.expected is not None
    for variable, values in case.expected().items():
        np.testing.assert_array_equal(values, found[variable].values, err_msg=variable)


def test_another_order_of_bytes(tmp_path):
    """Numbers stored the other way round are not read as those of the first file."""
    for number, endian in enumerate(["little", "big"]):
        with netCDF4.Dataset(tmp_path / f"{number}.nc", "w") as file:
            file.createDimension("time", 1)
            file.createVariable("time", "f8", ("time",))[:] = number
            dtype = np.dtype("f8").newbyteorder(endian)
            file.createVariable("d", dtype, ("time",), endian=endian)[:] = number

    with pytest.raises(chunkmap.CombineError, match=r"dtype is <f8 in .*0.nc but >f8 in .*1.nc"):
        chunkmap.combine(chunkmap.scan_many(str(tmp_path / "*.nc")), concat_dims="time")


def test_a_variable_that_was_never_written(tmp_path):
    """A file that has a variable and none of its chunks is missing data, between files that have them."""
    for number in range(3):
        with netCDF4.Dataset(tmp_path / f"{number}.nc", "w") as file:
            file.createDimension("time", None)
            file.createVariable("time", "f8", ("time",), chunksizes=(2,))[:] = [2 * number, 2 * number + 1]
            d = file.createVariable("d", "i4", ("time",), chunksizes=(2,), zlib=True, fill_value=-1)
            if number != 1:
                d[:] = [2 * number, 2 * number + 1]
    sets = chunkmap.scan_many(str(tmp_path / "*.nc"))

    found = chunkmap.open_dataset(chunkmap.combine(sets, concat_dims="time", load_below=0)).load()

    assert len(sets[1].arrays["d"].chunks) == 0
    np.testing.assert_array_equal(found.d, [0, 1, np.nan, np.nan, 4, 5])


@pytest.mark.parametrize("selector", [re.compile(r"part-(\d)"), lambda i, refs, dim, name: name[-6], [9, 7, 8]])
def test_names_of_stored_sets(tmp_path, selector):
    """Stored sets in a list that is not sorted keep their names, for patterns and functions, and their places in it."""
    names = [9, 7, 8]
    for number in names:
        dataset, encoding = series([float(number)])
        dataset.to_netcdf(tmp_path / "in.nc", engine="netcdf4", encoding=encoding)
        refs = chunkmap.scan(tmp_path / "in.nc", inline_threshold=500)
        chunkmap.write(refs, tmp_path / f"part-{number}.json")
    how = {"concat_dims": "n", "coo_map": {"n": selector}, "coo_dtypes": {"n": int}, "waive": ["identical"]}

    refs = chunkmap.combine([tmp_path / f"part-{number}.json" for number in names], **how)

    found = chunkmap.open_dataset(refs).load()
    np.testing.assert_array_equal(found.n, [7, 8, 9])
    np.testing.assert_array_equal(found.d[:, 0], [70.0, 80.0, 90.0])
