"""Every selector of `coo_map` puts every input where it says."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from bridge import combine, month, to_dataset, to_refs

from chunkmap.combining import Recipe
from chunkmap.errors import CombineError

STATIC = ["area", "x", "y"]


def values(refs, dim):
    return to_dataset(refs, decode_times=False)[dim].values.tolist()


def inputs(*numbers):
    return [to_refs(month(n, ntime=1), name=f"s3://bucket/file_{n}.nc", temp={"chunks": (1, 2, 3)}) for n in numbers]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("data:time", [0, 1, 2]),
        ("cf:time", [0, 1, 2]),
        ("attr:number", [0, 1, 2]),
        ("vattr:temp:number", [0, 10, 20]),
        ("INDEX", [0, 1, 2]),
        (re.compile(r"file_(\d+)"), ["0", "1", "2"]),
        (re.compile(r"e_\d"), ["e_0", "e_1", "e_2"]),
        ([5.5, 6.5, 7.5], [5.5, 6.5, 7.5]),
        (lambda index, refs, dim, name: index * 10 + len(refs.arrays) + len(dim) + len(name), [30, 40, 50]),
    ],
    ids=["data", "cf", "attr", "vattr", "INDEX", "regex group", "regex match", "list", "function"],
)
def test_a_selector_gives_the_coordinate(selector, expected):
    """The coordinate of the result holds what the selector gives for each input, and the data follow it."""
    sets = []
    for n, refs in enumerate(inputs(0, 1, 2)):
        array = refs.arrays["temp"]
        arrays = {**refs.arrays, "temp": array.with_meta(attrs={**array.meta.attrs, "number": 10 * n})}
        sets.append(type(refs)(arrays, refs.groups, name=refs.name))

    combined = combine(sets, concat_dims=["time"], coo_map={"time": selector}, identical_dims=STATIC)

    assert expected == values(combined, "time")
    found = to_dataset(combined, decode_times=False)["temp"]
    for n in range(3):
        np.testing.assert_array_equal(found[n], month(n, ntime=1)["temp"][0])


def test_inputs_keep_their_names_in_any_order():
    """File names stay with their references whatever the order of the list."""
    combined = combine(
        inputs(2, 0, 1),
        concat_dims=["n"],
        coo_map={"n": re.compile(r"file_(\d)")},
        coo_dtypes={"n": int},
        identical_dims=[*STATIC, "time"],
        waive=["identical"],
    )

    found = to_dataset(combined, decode_times=False)

    assert [0, 1, 2] == found["n"].values.tolist()
    assert [0.0, 100.0, 200.0] == found["temp"][:, 0, 0, 0].values.tolist()


def test_a_constant_makes_a_dimension_of_one():
    """A text that is no selector, and a number, are the same value for every input."""
    combined = combine(
        inputs(0, 1), concat_dims=["time", "k", "m"], coo_map={"k": "hello", "m": 3}, identical_dims=STATIC
    )

    found = to_dataset(combined)

    assert ("k", "m", "time", "y", "x") == found["temp"].dims
    assert ["hello"] == found["k"].values.tolist()
    assert [3] == found["m"].values.tolist()


def test_names_of_variables_become_a_dimension():
    """VARNAME with a common output name stacks variables of different name along a new dimension."""
    sets = [to_refs(xr.Dataset({name: ("x", [n, n + 0.5])}, {"x": [0, 1]})) for n, name in enumerate("ab")]

    combined = combine(sets, concat_dims=["which"], coo_map={"which": "VARNAME", "var": "out"}, identical_dims=["x"])

    found = to_dataset(combined)
    assert ["a", "b"] == found["which"].values.tolist()
    assert [[0, 0.5], [1, 1.5]] == found["out"].values.tolist()


def test_the_axis_of_names_renames_variables():
    """A selector for `var` says what the data variable of each input is called."""
    sets = [to_refs(xr.Dataset({"a": ("x", [n, n + 0.5])}, {"x": [0, 1]})) for n in range(2)]

    found = to_dataset(combine(sets, concat_dims=["var"], coo_map={"var": ["p", "q"]}, identical_dims=["x"]))

    assert [0, 0.5] == found["p"].values.tolist()
    assert [1, 1.5] == found["q"].values.tolist()


def test_values_are_cast():
    """`coo_dtypes` takes a type or its name, and casts the coordinate."""
    for dtype in ("f4", np.dtype("f4"), np.float32):
        combined = combine(inputs(0, 1), concat_dims=["time"], coo_dtypes={"time": dtype}, identical_dims=STATIC)

        assert np.dtype("f4") == combined.arrays["time"].meta.dtype


def test_times_can_be_stored_as_dates():
    """`cf:` with a datetime64 type stores dates, and leaves out the units that no longer hold."""
    combined = combine(
        inputs(0, 1),
        concat_dims=["time"],
        coo_map={"time": "cf:time"},
        coo_dtypes={"time": np.dtype("M8[s]")},
        identical_dims=STATIC,
    )

    assert "units" not in combined.arrays["time"].meta.attrs
    assert np.array_equal(to_dataset(combined)["time"], np.array(["2000-01-01", "2000-01-02"], "M8[ns]"))


@pytest.mark.parametrize(
    ("selector", "words"),
    [
        ("data:nope", ["no array 'nope'", "s3://bucket/file_0.nc", "temp"]),
        ("attr:nope", ["no global attribute 'nope'", "s3://bucket/file_0.nc", "title"]),
        ("vattr:temp:nope", ["no attribute of temp 'nope'", "units"]),
        ("VARNAME", ["Multiple varnames found", "area", "temp"]),
        (re.compile("zzz"), ["zzz", "s3://bucket/file_0.nc"]),
        ([1], ["1 values", "none for s3://bucket/file_1.nc"]),
        ("cf:x", ["cannot read times", "use data:"]),
        (lambda *_: np.zeros((2, 2)), ["shape (2, 2)"]),
    ],
)
def test_a_selector_that_finds_nothing_says_so(selector, words):
    """What a selector does not find is named, with the input and what there is instead."""
    with pytest.raises(CombineError) as caught:
        combine(inputs(0, 1), concat_dims=["n"], coo_map={"n": selector})

    assert all(word in str(caught.value) for word in words)


def test_a_value_that_cannot_be_cast_is_refused():
    """A text that is no number cannot be cast to one."""
    with pytest.raises(CombineError, match="cannot be made"):
        combine(inputs(0), concat_dims=["n"], coo_map={"n": "abc"}, coo_dtypes={"n": "i4"})


@pytest.mark.parametrize(
    "dates",
    [
        [date(2000, 1, 1 + n) for n in range(2)],
        np.array(["2000-01-01", "2000-01-02"], "M8[D]"),
        pd.date_range("2000-01-01", periods=2),
        lambda index, *_: pd.Timestamp(2000, 1, 1 + index).to_pydatetime(),
    ],
    ids=["list", "array", "index", "function"],
)
def test_dates_are_stored_as_dates(dates):
    """Dates that a selector gives make an axis of dates, whatever holds them."""
    combined = combine(
        inputs(0, 1), concat_dims=["run"], coo_map={"run": dates}, identical_dims=[*STATIC, "time"], waive=["identical"]
    )

    assert combined.arrays["run"].meta.dtype.kind == "M"
    assert np.array_equal(to_dataset(combined)["run"], np.array(["2000-01-01", "2000-01-02"], "M8[ns]"))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["x_20000101.nc", "x_20000102.nc"], ["2000-01-01", "2000-01-02"]),
        (["x_200001011230.nc", "x_200001020000.nc"], ["2000-01-01T12:30", "2000-01-02"]),
        (["x_2000-01-01.nc", "x_2000-01-02.nc"], ["2000-01-01", "2000-01-02"]),
    ],
)
def test_dates_of_digits_in_file_names(names, expected):
    """Digits that stand for a date are not taken for a year."""
    sets = [replace(refs, name=name) for refs, name in zip(inputs(0, 1), names, strict=True)]
    pattern = re.compile(r"x_(.*)\.nc")

    combined = combine(
        sets, concat_dims=["time"], coo_map={"time": pattern}, coo_dtypes={"time": "M8[s]"}, identical_dims=STATIC
    )

    assert np.array_equal(to_dataset(combined)["time"], np.array(expected, "M8[ns]"))


@pytest.mark.parametrize(
    ("selector", "meant"),
    [
        ("INEX", "INDEX"),
        ("index", "INDEX"),
        (" VARNAME", "VARNAME"),
        ("cftime:time", "cf:VARIABLE"),
        ("CF:time", "cf:VARIABLE"),
        ("dta:time", "data:VARIABLE"),
        ("atrr:run", "attr:NAME"),
        ("attr:", "attr:NAME"),
        ("vattr:d", "vattr:VARIABLE:NAME"),
    ],
)
def test_a_slip_of_the_pen_is_no_constant(selector, meant):
    """A text that is nearly a selector is refused, with the one that was meant, and can be had through a function."""
    with pytest.raises(CombineError, match=f"for n is no selector: did you mean '{meant}'"):
        Recipe(concat_dims=["n"], coo_map={"n": selector})

    assert Recipe(concat_dims=["n"], coo_map={"n": lambda *_: selector})
    for constant in ("ICON", "s3://bucket/a", "model:x", "2000", "variable"):
        assert Recipe(concat_dims=["n"], coo_map={"n": constant}).selectors == {"n": constant}
