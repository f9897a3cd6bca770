"""netCDF-4 files opened through references equal what xarray's own engines read."""

from functools import partial
from itertools import product

import h5netcdf
import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr

from chunkmap.formats.scanning import scan_source
from chunkmap.io import LocalSource

scan = partial(scan_source, format="hdf5")


def write(path):
    """Dimensions, coordinates, packing, fill values, strings, unlimited axes of several lengths, groups."""
    with netCDF4.Dataset(path, "w") as f:
        for name, size in (("time", None), ("x", 5), ("nv", 2), ("length", 4), ("only_a_dimension", 3)):
            f.createDimension(name, size)
        f.title, f.number, f.pair = "t", np.int16(3), np.array([1.5, 2.5])
        f.setncattr_string("texts", ["a", "b"])
        time = f.createVariable("time", "f8", ("time",))
        time.units, time[:] = "hours since 2001-01-01", [0, 1, 2]
        masked = f.createVariable("masked", "f4", ("time", "x"), zlib=True, fletcher32=True, fill_value=-9.0)
        masked[:] = np.arange(15).reshape(3, 5)
        masked[1, 2] = -9.0
        f.createVariable("zeros", "i4", ("x",))[:] = [0, 1, 2, 0, 4]
        f.createVariable("unwritten", "i4", ("x",))
        f.createVariable("unwritten_chunks", "f8", ("time", "x"), zlib=True)
        f.createVariable("unwritten_masked", "f8", ("time", "x"), zlib=True, fill_value=-1.0)
        f.createVariable("shorter", "i4", ("time",), chunksizes=(2,))[:1] = 8
        f.createVariable("characters", "S1", ("x", "length"))[:] = np.array(list("abcdefghijklmnopqrst"), "S1").reshape(
            5, 4
        )
        f.createVariable("names", str, ("x",))[:] = np.array(["a", "bb", "ccc", "é", ""], object)
        f.createVariable("scalar", "i8")[:] = 7
        packed = f.createVariable("packed", "i2", ("x",), fill_value=-1)
        packed.scale_factor, packed.add_offset = 0.5, 10.0
        packed[:] = [10, 11, 12, 13, 14]
        f.createVariable("bounds", "f8", ("x", "nv"))[:] = 1
        f.createVariable("bytes", "u1", ("x",))[:] = [1, 2, 3, 4, 255]
        g = f.createGroup("g")
        g.createDimension("y", 3)
        g.createVariable("y", "i4", ("y",))[:] = [1, 2, 3]
        g.createVariable("d", "f4", ("x", "y"))[:] = 1
        g.a = "b"


def open_references(refs, group=None):
    """Through fsspec's reference filesystem and zarr, as everybody reads."""
    options = {"storage_options": {"fo": refs.to_dict()}, "consolidated": False}
    return xr.open_dataset("reference://", engine="zarr", backend_kwargs=options)


def assert_same(mine, theirs):
    """The same variables, dimensions, types, values and attributes."""
    assert set(mine.variables) == set(theirs.variables)
    assert set(mine.coords) == set(theirs.coords)
    assert dict(mine.sizes) == dict(theirs.sizes)
    for name, variable in theirs.variables.items():
        assert mine[name].dims == variable.dims, name
        if variable.dtype.kind not in "OTU":
            assert mine[name].dtype == variable.dtype, name
        np.testing.assert_array_equal(mine[name].values.astype(variable.dtype), variable.values, name)
        assert {k: np.asarray(v).tolist() for k, v in mine[name].attrs.items()} == {
            k: np.asarray(v).tolist() for k, v in variable.attrs.items()
        }, name
    assert {k: np.asarray(v).tolist() for k, v in mine.attrs.items()} == {
        k: np.asarray(v).tolist() for k, v in theirs.attrs.items()
    }


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("group", [None, "g"])
@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_a_netcdf_file_is_what_its_own_engines_read(tmp_path, engine, group):
    """Values, masks, missing data, dimensions and attributes, in the root and in a group."""
    path = tmp_path / "a.nc"
    write(path)
    refs = scan(LocalSource(path), group=group)
    assert not refs.problems
    with xr.open_dataset(path, engine=engine, group=group) as theirs, open_references(refs) as mine:
        assert_same(mine.load(), theirs.load())


@pytest.mark.filterwarnings("ignore")
def test_files_of_h5netcdf(tmp_path):
    """What h5netcdf writes is read as it reads it."""
    path = tmp_path / "a.nc"
    data = xr.Dataset(
        {"t": (("y", "x"), np.arange(12.0).reshape(3, 4)), "s": ("x", np.array(["a", "b", "c", "d"], object))},
        {"x": [1.0, 2.0, 3.0, 4.0], "label": ("y", [1, 2, 3])},
        {"title": "here"},
    )
    data.to_netcdf(path, engine="h5netcdf", encoding={"t": {"zlib": True, "chunksizes": (2, 3)}})
    with xr.open_dataset(path, engine="h5netcdf") as theirs, open_references(scan(LocalSource(path))) as mine:
        assert_same(mine.load(), theirs.load())


def test_dimensions_without_a_scale_are_numbered_as_h5netcdf_does(tmp_path):
    """Phony dimensions are numbered by length within a group, and count on over the groups."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        f["a"], f["b"], f["c"], f["s"] = np.zeros((3, 4)), np.zeros((4, 4)), np.zeros(3), 1.0
        f["z"] = np.zeros((5, 3, 4))
        f["g/a"], f["g/h/k"], f["g/h/l"] = np.ones((3, 7)), np.ones(7), np.ones((7, 7))
        f["scale"] = np.zeros(6)
        f["scale"].make_scale("scale")
        f["like_scale"] = np.zeros((6, 6))
        f["attached"] = np.zeros((6, 2))
        f["attached"].dims[0].attach_scale(f["scale"])
        f["g/attached"] = np.zeros((6,))
        f["g/attached"].dims[0].attach_scale(f["scale"])
    refs = scan(LocalSource(path))
    found = {}

    def walk(group):
        for name, variable in group.variables.items():
            if "attached" not in name:
                found[f"{group.name}/{name}".strip("/")] = variable.dimensions
        for below in group.groups.values():
            walk(below)

    with h5py.File(path, "a") as f:
        del f["attached"]
    with h5netcdf.File(path, phony_dims="sort") as f:
        walk(f)
    assert {name: refs.arrays[name].meta.dims for name in found} == found
    assert refs.arrays["attached"].meta.dims[0] == "scale"
    assert refs.arrays["g/attached"].meta.dims == ("scale",)


def test_an_unlimited_scale_of_a_length_is_no_reason_for_fewer_phony_dimensions(tmp_path):
    """h5netcdf counts an unlimited scale among those of no length, so the numbers go on behind one more."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        f.create_dataset("t", (2,), "f4", maxshape=(None,), chunks=(2,)).make_scale("t")
        f["a"], f["b"] = np.zeros((2, 1, 1)), np.zeros((2, 2, 5))
        f["g/a"] = np.zeros((2, 1))
    found = {}
    with h5netcdf.File(path, phony_dims="sort") as f:
        found = {name: f[name].dimensions for name in ("a", "b", "g/a")}
    assert {name: scan(LocalSource(path)).arrays[name].meta.dims for name in found} == found


def test_dimensions_of_one_name_in_a_group(tmp_path):
    """A variable made along a dimension that its own group hides later: it has another axis, and the others open."""
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as f:
        f.createDimension("t", 2)
        f.createVariable("t", "i4", ("t",))[:] = [7, 8]
        group = f.createGroup("g")
        group.createVariable("early", "f4", ("t",))[:] = [1, 2]
        group.createDimension("t", 3)
        group.createVariable("late", "f4", ("t",))[:] = [3, 4, 5]
        group.createVariable("t", "i4", ("t",))[:] = [9, 10, 11]
        below = group.createGroup("h")
        below.createVariable("v", "f4", ("t",))[:] = [1, 2, 3]
        same = f.createGroup("same")
        same.createVariable("early", "f4", ("t",))[:] = [1, 2]
        same.createDimension("t", 2)
        same.createVariable("late", "f4", ("t",))[:] = [3, 4]
    refs = scan(LocalSource(path))
    assert {name: array.meta.dims for name, array in refs.arrays.items() if name.startswith("g/")} == {
        "g/early": ("t_2",),
        "g/late": ("t",),
        "g/t": ("t",),
        "g/h/v": ("t",),
    }
    assert [(p.path, "2 elements along 't', which has 3" in p.message) for p in refs.problems] == [("g/early", True)]
    with xr.open_dataset(refs, engine="chunkmap", group="g") as found, h5py.File(path) as f:
        for name in ("early", "late", "t"):
            np.testing.assert_array_equal(found[name], f["g"][name])
    with xr.open_dataset(path, engine="netcdf4", group="same") as expected:
        xr.testing.assert_identical(xr.open_dataset(refs, engine="chunkmap", group="same"), expected)


def test_a_coordinate_of_two_dimensions(tmp_path):
    """A variable that is a scale and has two axes finds them by the numbers of its dimensions."""
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as f:
        f.createDimension("name", 3)
        f.createDimension("length", 4)
        f.createVariable("name", "S1", ("name", "length"))[:] = b"x"
    assert scan(LocalSource(path)).arrays["name"].meta.dims == ("name", "length")


def test_a_variable_with_the_name_of_a_dimension(tmp_path):
    """A variable named as a dimension that it does not lie along has the name that netCDF gives it."""
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as f:
        f.createDimension("x", 3)
        f.createDimension("y", 2)
        f.createVariable("x", "f4", ("y",))[:] = 1
    with h5py.File(path) as f:
        assert "_nc4_non_coord_x" in f
    refs = scan(LocalSource(path))
    assert {name: a.meta.dims for name, a in refs.arrays.items()} == {"x": ("y",)}


def test_a_scale_without_data_is_still_a_variable(tmp_path):
    """Only a scale that says it is no variable is left out."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        f.create_dataset("x", (4,), "f4").make_scale("x")
        f.create_dataset("y", (4,), "f4").make_scale("This is a netCDF dimension but not a netCDF variable.         4")
        f.create_dataset("z", (4,), "f4").make_scale("This is a netCDF dimension but not a netCDF variable of mine")
    assert list(scan(LocalSource(path)).arrays) == ["x", "z"]


FILLS = {
    # HDF5's fill, _FillValue, all written -> fill_value, attribute kept
    "neither": (None, None, False, None, False),
    "attribute, all written": (None, -1, True, -1, False),
    "attribute, missing reads as zero": (None, -1, False, None, True),
    "attribute equals fill": (-1, -1, False, -1, False),
    "attribute differs from fill": (5, -1, False, -1, False),
    "fill alone": (5, None, False, None, False),
    "fill alone, all written": (5, None, True, None, False),
    "zero is missing": (0, 0, False, 0, False),
}


def test_a_zero_with_a_sign_is_another_one(tmp_path, values):
    """What is masked says -0.0, and what was never written reads as 0.0, which is masked too as they are equal."""
    with h5py.File(tmp_path / "a.h5", "w") as f:
        for name, native, attribute in (("a", 0.0, -0.0), ("b", -0.0, 0.0), ("c", -0.0, -0.0)):
            f.create_dataset(name, (4,), ">f4", chunks=(2,), fillvalue=native)[:2] = 1
            f[name].attrs["_FillValue"] = np.array([attribute], ">f4")
        want = {name: f[name][()].tobytes() for name in f}
    refs = scan(LocalSource(tmp_path / "a.h5"))
    assert {name: values(refs, name).tobytes() for name in want} == want
    with xr.open_dataset(refs, engine="chunkmap") as found:
        assert all(np.isnan(found[name][2:]).all() for name in want)


@pytest.mark.parametrize("case", FILLS)
@pytest.mark.parametrize("filters", [{}, {"compression": 1, "shuffle": True}], ids=["plain", "filtered"])
def test_fill_values(tmp_path, values, case, filters):
    """What was never written reads as HDF5 has it, and only `_FillValue` masks."""
    native, attribute, written, fill_value, kept = FILLS[case]
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        d = f.create_dataset("v", (10,), "<i4", chunks=(3,), fillvalue=native, **filters)
        d[: 10 if written else 4] = 9
        if attribute is not None:
            d.attrs["_FillValue"] = np.array([attribute], "<i4")
        want = d[()]
    refs = scan(LocalSource(path), inline_threshold=0)
    meta = refs.arrays["v"].meta
    assert meta.fill_value == fill_value
    assert ("_FillValue" in meta.attrs) == kept
    np.testing.assert_array_equal(values(refs, "v"), want)
    assert not refs.problems


@pytest.mark.parametrize("options", [{}, {"mask_and_scale": False}, {"concat_characters": False}], ids=str)
def test_characters_that_are_missing(tmp_path, options):
    """`_FillValue` of a variable of characters masks them, whether they were written or not."""
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as f:
        f.createDimension("x", 4)
        f.createDimension("n", 3)
        for name, missing in (("letters", b"x"), ("spaces", b" "), ("nothing", b"\0")):
            v = f.createVariable(name, "S1", ("x", "n"), fill_value=missing, chunksizes=(2, 3))
            v[:2] = np.array([[b"a", b"x", b" "], [b"", b"b", b"c"]])
    with xr.open_dataset(path, engine="h5netcdf", **options) as want:
        xr.testing.assert_identical(xr.open_dataset(path, engine="chunkmap", **options), want)


@pytest.mark.parametrize("version", ["earliest", "latest"])
@pytest.mark.parametrize("chunks", [None, (4,)])
@pytest.mark.parametrize("times", [*product(["never", "alloc", "ifset"], ["EARLY", "LATE", "INCR"])], ids=" ".join)
def test_when_fill_values_are_written(tmp_path, values, version, chunks, times):
    """A fill value that is never written is not read either, whenever space is allocated."""
    path = tmp_path / "a.h5"
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_alloc_time(getattr(h5py.h5d, f"ALLOC_TIME_{times[1]}"))
    with h5py.File(path, "w", libver=version) as f:
        f.create_dataset("v", (10,), "<i4", chunks=chunks, fillvalue=38, fill_time=times[0], dcpl=plist)
        want = f["v"][()]
    refs = scan(LocalSource(path))
    assert not refs.problems
    np.testing.assert_array_equal(values(refs, "v"), want)


def test_too_many_missing_chunks_are_reported(tmp_path, values):
    """Where chunks of fill values would cost too much, they read right, and the mask that comes with it is reported."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        f.create_dataset("v", (100_000,), "<i4", chunks=(1,), fillvalue=5)[3] = 1
    refs = scan(LocalSource(path))
    assert [(p.path, p.feature) for p in refs.problems] == [("v", "fill value")]
    assert refs.arrays["v"].meta.fill_value == 5
    assert values(refs, "v")[:5].tolist() == [5, 5, 5, 1, 5]


def test_nested_groups_are_a_tree(tmp_path):
    """`open_datatree` gives the tree that h5netcdf gives, from the root and from a group."""
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as f:
        f.title = "tree"
        f.createDimension("time", None)
        f.createDimension("x", 3)
        f.createVariable("time", "f8", ("time",))[:] = [1, 2]
        f["time"].units = "days since 2000-01-01"
        group = f.createGroup("a")
        group.createDimension("y", 2)
        group.createVariable("t", "f4", ("time", "x"), fill_value=-1)[:] = np.arange(6).reshape(2, 3)
        below = group.createGroup("b")
        below.createVariable("u", "i2", ("y",), zlib=True)[:] = [1, 2]
        below.createGroup("empty").note = "nothing in it"
        texts = below.createVariable("s", str, ("y",))
        texts[0], texts[1] = "a", "bc"
    for group in (None, "a", "a/b"):
        with xr.open_datatree(path, engine="h5netcdf", group=group) as wanted:
            found = xr.open_datatree(path, engine="chunkmap", group=group)
            xr.testing.assert_identical(found.load(), wanted.load())


@pytest.mark.parametrize("maximum", [None, 5])
def test_an_axis_that_is_not_as_long_as_its_dimension(tmp_path, maximum):
    """It has a name of its own, and a problem says so, so that the other variables open."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        f.create_dataset("x", data=np.arange(5.0), maxshape=(maximum,)).make_scale("x")
        for name, length in (("good", 5), ("short", 3)):
            f.create_dataset(name, data=np.arange(length)).dims[0].attach_scale(f["x"])
    refs = scan(LocalSource(path))
    assert [(p.path, p.feature) for p in refs.problems] == [("short", "conflicting sizes")]
    assert "3 elements along 'x', which has 5" in refs.problems[0].message
    with xr.open_dataset(refs, engine="chunkmap") as found:
        assert dict(found.sizes) == {"x": 5, "x_3": 3}
        assert found.good.values.tolist() == list(range(5))
