"""Coordinates of every kind: texts, in groups, of several values a file in several dimensions, beside a dimension."""

from __future__ import annotations

import itertools

import netCDF4
import numpy as np
import pytest
import xarray as xr

import chunkmap


def opened(refs, **options):
    """What xarray reads through references, times as they are stored."""
    return chunkmap.open_dataset(refs, decode_times=False, **options).load()


def write(path, variables, dimensions, groups=()):
    """A NetCDF4 file: `variables` are path -> (dims, values, attributes), in chunks of one along the first axis."""
    with netCDF4.Dataset(path, "w") as file:
        for group in groups:
            file.createGroup(group)
        for name, size in dimensions.items():
            group, _, dim = name.rpartition("/")
            (file[group] if group else file).createDimension(dim, size)
        for name, (dims, given, attrs) in variables.items():
            values = np.asarray(given)
            kind = str if values.dtype.kind in "UO" else values.dtype
            chunks = (1, *values.shape[1:]) if values.ndim else None
            variable = file.createVariable(name, kind, dims, chunksizes=chunks)
            variable.setncatts(attrs)
            variable[...] = values.astype(object) if kind is str else values
    return str(path)


def test_texts_of_any_length(tmp_path):
    """Names of stations, of variable length, are a coordinate; so is an array of texts beside it."""
    names = [["zurich", "bern"], ["a"], ["münchen", "oslo", "x" * 30]]
    paths = [
        write(
            tmp_path / f"{n}.nc",
            {
                "station": (("station",), block, {}),
                "owner": (("station",), [f"owner of {name}" for name in block], {}),
                "d": (("station",), [float(len(name)) for name in block], {}),
            },
            {"station": len(block)},
        )
        for n, block in enumerate(names)
    ]

    found = opened(chunkmap.combine(chunkmap.scan_many(paths), concat_dims="station"))

    listed = found["station"].values.tolist()
    assert sorted(name for block in names for name in block) == sorted(listed)
    assert [f"owner of {name}" for name in listed] == found["owner"].values.tolist()
    assert [float(len(name)) for name in listed] == found["d"].values.tolist()


def test_texts_of_fixed_length(tmp_path):
    """A table of characters is a coordinate of texts."""
    for n, name in enumerate(["bb", "a"]):
        with netCDF4.Dataset(tmp_path / f"{n}.nc", "w") as file:
            for dim, size in {"station": 1, "width": 5, "t": 2}.items():
                file.createDimension(dim, size)
            file.createVariable("name", "S1", ("station", "width"))[0] = np.array([name], "S5").view("S1")
            file.createVariable("d", "f8", ("station", "t"))[:] = n
    sets = chunkmap.scan_many(str(tmp_path / "*.nc"))

    found = opened(chunkmap.combine(sets, concat_dims="station", coo_map={"station": "data:name"}))

    assert [b"a", b"bb"] == found["station"].values.tolist()
    assert [b"a", b"bb"] == found["name"].values.tolist()
    assert [[1, 1], [0, 0]] == found["d"].values.tolist()


def test_each_group_has_its_own_times(tmp_path):
    """A group with a coordinate of its own is combined along that, whatever the root's is; others use the root's."""
    files = []
    for n in range(3):
        fine = 10.0 * n + np.arange(n + 1)
        files.append(
            write(
                tmp_path / f"{n}.nc",
                {
                    "time": (("time",), [float(n)], {"units": "days since 2000-01-01"}),
                    "d": (("time",), [100.0 + n], {}),
                    "fine/time": (("time",), fine, {"units": "hours since 2000-01-01"}),
                    "fine/d": (("time",), fine * 2, {}),
                    "plain/e": (("time",), [7.0 * n], {}),
                },
                {"time": 1, "fine/time": n + 1},
                ["fine", "plain"],
            )
        )

    refs = chunkmap.combine([chunkmap.scan(files[n]) for n in (2, 0, 1)], concat_dims="time")

    fine = [0, 10, 11, 20, 21, 22]
    assert [100, 101, 102] == opened(refs)["d"].values.tolist()
    assert fine == opened(refs, group="fine")["time"].values.tolist()
    assert [2 * t for t in fine] == opened(refs, group="fine")["d"].values.tolist()
    assert [0, 7, 14] == opened(refs, group="plain")["e"].values.tolist()


def test_times_in_groups_alone(tmp_path):
    """Where only groups have times, what lies at the root is the same in all files, and is compared."""

    def file(n, mask):
        times = (("time",), [2.0 * n, 2.0 * n + 1], {"units": f"days since 2000-01-0{n + 1}"})
        return write(
            tmp_path / f"{n}-{mask}.nc",
            {"g/time": times, "g/d": (("time",), [n, n], {}), "mask": (("x",), [mask, 0], {})},
            {"g/time": 2, "x": 2},
            ["g"],
        )

    sets = [chunkmap.scan(file(n, 1)) for n in (1, 0)]
    recipe = {"concat_dims": "time", "coo_map": {"time": "cf:time"}}
    refs = chunkmap.combine(sets, **recipe)

    assert [0, 0, 1, 1] == opened(refs, group="g")["d"].values.tolist()
    assert [1, 0] == opened(refs)["mask"].values.tolist()
    with pytest.raises(chunkmap.CombineError, match="mask: taken as identical"):
        chunkmap.combine([sets[0], chunkmap.scan(file(0, 5))], **recipe)


def test_a_coordinate_without_a_dimension(tmp_path):
    """A single time in each file makes a dimension of its own; arrays beside it line up with it."""
    parts = [
        xr.Dataset({"d": ("x", [n, n + 1.0])}, {"time": ((), float(n)), "run": ((), f"run {n}")}) for n in (2, 0, 1)
    ]
    for n, part in enumerate(parts):
        part.to_netcdf(tmp_path / f"{n}.nc")

    found = opened(chunkmap.combine(chunkmap.scan_many(str(tmp_path / "*.nc")), concat_dims="time"))

    assert [0, 1, 2] == found["time"].values.tolist()
    assert [[0, 1], [1, 2], [2, 3]] == found["d"].values.tolist()
    assert ["run 0", "run 1", "run 2"] == found["run"].values.tolist()


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::5])
def test_tiles_that_fall_in_one_dimension_and_rise_in_another(order, tmp_path):
    """Latitudes fall and times rise, several values of each a file: the result keeps both directions."""
    tiles = []
    for lats, times in itertools.product([[50.0, 40.0], [30.0, 20.0]], [[0, 1, 2], [3, 4]]):
        values = np.array(times)[:, None] * 100.0 + np.array(lats)
        tiles.append(xr.Dataset({"d": (("time", "lat"), values)}, {"time": times, "lat": lats}))
    encoding = {"d": {"chunksizes": (1, 2)}}
    for n, tile in enumerate(tiles):
        tile.to_netcdf(tmp_path / f"{n}.nc", encoding=encoding)
    sets = [chunkmap.scan(str(tmp_path / f"{n}.nc")) for n in order]

    found = opened(chunkmap.combine(sets, concat_dims=["time", "lat"]))

    xr.testing.assert_equal(xr.combine_nested([tiles[:2], tiles[2:]], ["lat", "time"]), found)


def test_a_coordinate_beside_the_dimension(tmp_path):
    """What lies along the dimension and is not its coordinate, its bounds too, is placed with the data."""
    times = np.arange(6.0)
    whole = xr.Dataset(
        {"d": ("time", times * 3), "time_bnds": (("time", "b"), np.stack([times, times + 1], 1))},
        {
            "time": ("time", times, {"bounds": "time_bnds"}),
            "height": ("time", times[::-1].copy()),
            "label": ("time", list("abcdef")),
        },
    )
    for n, part in enumerate([slice(3, 6), slice(0, 2), slice(2, 3)]):
        whole.isel(time=part).to_netcdf(tmp_path / f"{n}.nc")

    found = opened(chunkmap.combine(chunkmap.scan_many(str(tmp_path / "*.nc")), concat_dims="time"))

    for name in ("d", "height", "label", "time_bnds"):
        assert whole[name].values.tolist() == found[name].values.tolist()


@pytest.mark.parametrize(("compare_below", "compared"), [(64_000, True), (10, False)])
def test_identical_arrays_are_checked_or_trusted(compare_below, compared, tmp_path):
    """Arrays named as identical are compared when they are of fewer bytes than `compare_below`, else taken on trust."""
    for n in range(2):
        xr.Dataset({"d": ("time", [1.0]), "mask": ("x", np.arange(100.0) + n)}, {"time": [n]}).to_netcdf(
            tmp_path / f"{n}.nc"
        )
    sets = chunkmap.scan_many(str(tmp_path / "*.nc"), inline_threshold=0)
    recipe = {"concat_dims": "time", "identical_dims": ["mask"], "compare_below": compare_below}

    if compared:
        with pytest.raises(chunkmap.CombineError, match="mask: taken as identical"):
            chunkmap.combine(sets, **recipe)
    else:
        assert list(range(100)) == opened(chunkmap.combine(sets, **recipe))["mask"].values.tolist()


def test_texts_and_numbers_are_no_axis(tmp_path):
    """Where some files give texts and others numbers, no axis can be made of them."""
    paths = [
        write(tmp_path / f"{n}.nc", {"k": (("k",), [value], {}), "d": (("k",), [1.0], {})}, {"k": 1})
        for n, value in enumerate(["a", 1.0])
    ]

    with pytest.raises(chunkmap.CombineError, match="some inputs give text and others numbers"):
        chunkmap.combine(chunkmap.scan_many(paths), concat_dims="k")


def test_objects_that_do_not_line_up(tmp_path):
    """Texts in chunks that do not line up are read and held inline; objects of other kinds are refused."""
    sets = []
    for n, block in enumerate([["a", "bb", "ü"], ["d"], ["", "f"]]):
        times = np.arange(len(block)) + 10 * n
        dataset = xr.Dataset({"name": ("time", np.array(block, object))}, {"time": times})
        dataset.to_netcdf(tmp_path / f"{n}.nc")
        sets.append(chunkmap.scan(str(tmp_path / f"{n}.nc")))

    plan = chunkmap.diagnose(sets, concat_dims="time").plan
    found = opened(chunkmap.combine(sets, concat_dims="time"))

    assert plan.arrays["name"].load is not None
    assert ["a", "bb", "ü", "d", "", "f"] == found["name"].values.tolist()
    other = [
        type(refs)({**refs.arrays, "name": refs.arrays["name"].with_meta(filters=({"id": "json2"},))}) for refs in sets
    ]
    with pytest.raises(chunkmap.CombineError, match="values of type object are not cut"):
        chunkmap.combine(other, concat_dims="time")
