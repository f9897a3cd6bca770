"""Variables in files of their own, ensembles, and a fixed grid beside a series: checked by value, then joined."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import chunkmap


def write(folder, **datasets):
    """Files by name, and their sets."""
    for name, dataset in datasets.items():
        dataset.to_netcdf(folder / f"{name}.nc")
    return [chunkmap.scan(str(folder / f"{name}.nc"), inline_threshold=0) for name in datasets]


def field(name, **coords):
    """A field of three times on a grid of two."""
    values = np.arange(6.0).reshape(3, 2) + len(name)
    return xr.Dataset({name: (("time", "x"), values)}, {"time": [0, 1, 2], "x": [1.0, 2.0], **coords})


def test_variables_in_files_of_their_own(tmp_path):
    """Files of one variable each become one dataset, as xarray merges them."""
    parts = {"u": field("u"), "wind": field("wind"), "t": field("t")}

    refs = chunkmap.merge(write(tmp_path, **parts))

    xr.testing.assert_equal(xr.merge(parts.values(), compat="equals", join="exact"), chunkmap.open_dataset(refs).load())


def test_coordinates_are_compared_by_value(tmp_path):
    """A coordinate that differs in one element is refused, with the names of both files."""
    sets = write(tmp_path, u=field("u"), v=field("v", x=[1.0, 2.5]))

    with pytest.raises(chunkmap.CombineError) as caught:
        chunkmap.merge(sets)

    assert all(words in str(caught.value) for words in ("x: ", "u.nc", "v.nc", "its values differ"))
    assert {"u", "v"} <= set(chunkmap.merge(sets, compare_below=0).arrays)


def test_storage_does_not_matter(tmp_path):
    """A coordinate stored in another way, with the same values, is the same coordinate."""
    field("u").to_netcdf(tmp_path / "u.nc", encoding={"time": {"zlib": True, "chunksizes": (1,)}})
    sets = [chunkmap.scan(str(tmp_path / "u.nc")), *write(tmp_path, v=field("v"))]

    assert {"u", "v", "time", "x"} == set(chunkmap.merge(sets).arrays)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (xr.Dataset({"u": ("x", [1.0, 2.0])}), "shape is"),
        (xr.Dataset({"v": ("x", [1.0, 2.0, 3.0])}), "its dimension x has the length 3"),
        (
            xr.Dataset({"v": ("x", [1.0, 2.0])}, {"x": ("x", [1.0, 2.0], {"units": "m"})}),
            "units is None in the one and m",
        ),
        (xr.Dataset({"v": ("x", [1.0, 2.0])}, {"x": np.array([1, 2], "i4")}), "dtype is"),
        (xr.Dataset({"u": (("time", "x"), np.ones((3, 2)))}), "its values differ"),
    ],
)
def test_what_does_not_belong_together(other, words, tmp_path):
    """Another shape, length, unit, type or value under one name is refused, with the names of both files."""
    with pytest.raises(chunkmap.CombineError) as caught:
        chunkmap.merge(write(tmp_path, first=field("u"), second=other))

    assert words in str(caught.value)
    assert {"first.nc", "second.nc"} == {name.rpartition("/")[2] for name in caught.value.inputs}


def test_a_fixed_grid_beside_a_series(tmp_path):
    """A grid kept in a file of its own is joined to a series that has been combined."""
    whole = field("d").drop_vars("x")
    parts = {f"t{n}": whole.isel(time=[n]) for n in range(3)}
    grid = xr.Dataset({"lon": ("x", [7.0, 8.0]), "mask": ("x", [0, 1])})
    *series, fixed = write(tmp_path, **parts, grid=grid)

    refs = chunkmap.merge([chunkmap.combine(series, concat_dims="time"), fixed])

    xr.testing.assert_equal(xr.merge([whole, grid]), chunkmap.open_dataset(refs).load())


def test_a_stack_of_ensembles(tmp_path):
    """Members of an ensemble lie along a new dimension, whose values are given; their coordinates are compared."""
    members = {f"m{n}": field("d") * n for n in range(3)}
    sets = write(tmp_path, **members)
    recipe = {"concat_dims": "member", "coo_map": {"member": [10, 20, 30]}}

    found = chunkmap.open_dataset(chunkmap.combine(sets, **recipe)).load()

    expected = xr.concat(members.values(), xr.DataArray([10, 20, 30], dims="member", name="member"), data_vars="all")
    xr.testing.assert_equal(expected, found)
    other = write(tmp_path, m3=field("d", time=[0, 1, 3]))
    with pytest.raises(chunkmap.CombineError, match=r"time: taken as identical.*m3.nc"):
        chunkmap.combine([*sets[:2], *other], **recipe)


def test_any_form_of_input(tmp_path):
    """Sets, dictionaries and stored sets can be merged."""
    u, v, t = write(tmp_path, u=field("u"), v=field("v"), t=field("t"))
    chunkmap.write(t, tmp_path / "t.parq")

    refs = chunkmap.merge([u, v.to_dict(), str(tmp_path / "t.parq")])

    assert {"u", "v", "t"} <= set(chunkmap.open_dataset(refs).load().data_vars)
