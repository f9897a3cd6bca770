"""Sets whose chunks are of several lengths: built from real files, at rest, and read by every road that there is."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
import zarr
from click.testing import CliRunner

import chunkmap
from chunkmap.access.store_for_xarray import EvenStore
from chunkmap.frontends.command_line.commands import chunkmap as chunkmap_command

HOW = {"concat_dims": ["time"], "load_below": 0, "zarr_format": 3}
KNOWS_RECTILINEAR = zarr.config.get("array.rectilinear_chunks", None) is not None
MONTHS = (31, 28, 31, 30)

pytestmark = [
    pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3"),
    pytest.mark.filterwarnings("ignore:The data type"),
]


@pytest.fixture(scope="module", params=["plain", "compressed"])
def files(request, tmp_path_factory):
    """Four months in NetCDF4 files, in chunks of ten days that hang over their ends, and xarray's concatenation."""
    folder = tmp_path_factory.mktemp(request.param)
    start = np.datetime64("2001-01-01", "ns")
    parts, day = [], 0
    for number, days in enumerate(MONTHS):
        time = start + (day + np.arange(days)).astype("m8[D]")
        rng = np.random.default_rng(number)
        part = xr.Dataset(
            {
                "temp": (("time", "y", "x"), rng.normal(size=(days, 4, 5)).astype("f4"), {"units": "K"}),
                "count": (("time", "y"), rng.integers(0, 99, (days, 4)).astype("i2")),
            },
            {"time": time, "y": np.arange(4.0), "x": np.arange(5.0)},
        )
        packed = {"zlib": True, "shuffle": True} if request.param == "compressed" else {}
        encoding = {
            "temp": {"chunksizes": (10, 3, 5), "_FillValue": np.float32(-9), **packed},
            "count": {"chunksizes": (7, 4), **packed},
            "time": {"units": "days since 2001-01-01"},
        }
        part.to_netcdf(folder / f"{number}.nc", unlimited_dims=["time"], encoding=encoding)
        parts.append(part)
        day += days
    return folder, xr.concat(parts, "time")


@pytest.fixture
def stored(files, tmp_path):
    """The set of the files as JSON of Zarr v3, and what it holds."""
    folder, expected = files
    chunkmap.build(f"{folder}/*.nc", tmp_path / "cube.json", **HOW)
    return tmp_path / "cube.json", expected


def opened_by_others(path):
    """The root of a set of Zarr v3, by fsspec and zarr."""
    options = {"fo": str(path), "remote_protocol": "file"}
    backend = {"consolidated": False, "storage_options": options, "zarr_format": 3}
    return xr.open_dataset("reference://", engine="zarr", backend_kwargs=backend)


def test_the_engine_reads_them_whatever_zarr_there_is(stored):
    """Values are those of xr.concat; dask's chunks are those of the files."""
    path, expected = stored
    found = chunkmap.open_dataset(path)
    xr.testing.assert_equal(found.load(), expected)

    lazy = chunkmap.open_dataset(path, chunks={})
    assert lazy["temp"].chunks[0] == (10, 10, 10, 1, 10, 10, 8, 10, 10, 10, 1, 10, 10, 10)
    assert lazy["temp"].chunks[1:] == ((3, 1), (5,))
    xr.testing.assert_equal(lazy.compute(), expected)
    part = {"time": [0, 30, 31, 119], "y": slice(1, 4)}
    xr.testing.assert_equal(chunkmap.open_dataset(path).isel(part).load(), expected.isel(part))


def test_what_was_opened_is_written(stored, tmp_path):
    """A dataset whose chunks are of several lengths goes to a store of Zarr, once it is cut anew."""
    path, expected = stored
    opened = chunkmap.open_dataset(path)
    assert opened["temp"].encoding["chunks"][0][:4] == (10, 10, 10, 1)
    opened.drop_encoding().chunk({"time": 30}).to_zarr(tmp_path / "copy.zarr", zarr_format=2)
    xr.testing.assert_equal(xr.open_zarr(tmp_path / "copy.zarr").load(), expected)


def test_trees_of_groups_are_opened(stored):
    """The same by way of groups."""
    path, expected = stored
    tree = xr.open_datatree(path, engine="chunkmap")
    xr.testing.assert_equal(tree.to_dataset().load(), expected)


@pytest.mark.skipif(not KNOWS_RECTILINEAR, reason="this zarr has no rectilinear grids")
def test_zarr_reads_them_when_it_is_told_to(stored):
    """Over our store, and over fsspec's reference filesystem."""
    path, expected = stored
    with zarr.config.set({"array.rectilinear_chunks": True}):
        store = chunkmap.open_store(path)
        xr.testing.assert_equal(xr.open_zarr(store, zarr_format=3).load(), expected)
        options = {"fo": str(path), "remote_protocol": "file"}
        ours = xr.open_dataset(
            "reference://",
            engine="zarr",
            backend_kwargs={"consolidated": False, "storage_options": options, "zarr_format": 3},
            chunks={},
        )
        assert ours["temp"].chunks[0][:4] == (10, 10, 10, 1)
        xr.testing.assert_equal(ours.compute(), expected)
    with pytest.warns(UserWarning, match=r"array\.rectilinear_chunks.* temp"):
        store = chunkmap.open_store(path)
    np.testing.assert_array_equal(zarr.open_group(store, mode="r")["x"][:], expected["x"])
    with pytest.raises(chunkmap.Unsupported, match=r"array\.rectilinear_chunks"):
        zarr.open_array(store, path="temp", mode="r")


@pytest.mark.parametrize("road", ["write", "convert"])
def test_a_group_of_their_own_leaves_the_others_to_everybody(stored, tmp_path, road):
    """Readers that do not know such grids open the rest; the group beside it has the coordinates too."""
    path, expected = stored
    out = tmp_path / "apart.json"
    if road == "write":
        chunkmap.write(chunkmap.load(path), out, zarr_format=3, uneven_group="uneven")
    else:
        options = ["--zarr-format", "3", "--uneven-group", "uneven"]
        assert CliRunner().invoke(chunkmap_command, ["convert", str(path), str(out), *options]).exit_code == 0

    rest = opened_by_others(out)
    assert set(rest.variables) == {"time", "y", "x"}
    xr.testing.assert_equal(rest.load(), expected.drop_vars(["temp", "count"]))
    xr.testing.assert_equal(chunkmap.open_dataset(out, group="uneven").load(), expected)
    taken = replace(chunkmap.load(path), groups={"": {}, "uneven": {}})
    with pytest.raises(ValueError, match="a group 'uneven' in the set already"):
        chunkmap.write(taken, tmp_path / "taken.json", zarr_format=3, uneven_group="uneven")


@pytest.mark.parametrize("road", ["build", "combine", "combine out", "append", "command line"])
def test_every_verb_that_makes_such_puts_them_apart(files, tmp_path, road):
    """Building, combining and appending give what `write` gives: the rest is everybody's, the group beside is whole."""
    folder, expected = files
    paths, out = sorted(map(str, folder.glob("*.nc"))), tmp_path / "apart.json"
    how = {**HOW, "uneven_group": "uneven"}
    if road == "build":
        chunkmap.build(paths, out, **how)
    elif road == "append":
        chunkmap.build(paths[:2], out, **how)
        chunkmap.append(out, paths[2:], **how)
    elif road == "command line":
        options = [*paths, "--out", str(out), "--concat", "time", "--load-below", "0", "--zarr-format", "3"]
        run = CliRunner().invoke(chunkmap_command, ["build", *options, "--uneven-group", "uneven"])
        assert run.exit_code == 0, run.output
        assert "hides" not in run.output
    else:
        refs = chunkmap.combine([*map(chunkmap.scan, paths)], out=out if road == "combine out" else None, **how)
        chunkmap.write(refs, out, zarr_format=3)
    refs = chunkmap.load(out)
    assert set(refs.arrays) == {"time", "y", "x", *(f"uneven/{name}" for name in expected.variables)}
    xr.testing.assert_equal(opened_by_others(out).load(), expected.drop_vars(["temp", "count"]))
    xr.testing.assert_equal(chunkmap.open_dataset(out, group="uneven").load(), expected)


def test_icechunk_keeps_them_apart_when_more_comes(tmp_path):
    """Files are added to the group beside, and its coordinates grow with those of the others."""
    icechunk = pytest.importorskip("icechunk")
    if icechunk.__version__.startswith("1."):
        pytest.skip("Icechunk 1 has no such grids")
    parts, paths, day = [], [], 0
    for days in (3, 2, 4, 1):
        time = np.datetime64("2001-01-01", "ns") + (day + np.arange(days)).astype("m8[D]")
        parts.append(xr.Dataset({"temp": (("time", "x"), np.full((days, 2), day, "f4"))}, {"time": time}))
        encoding = {"temp": {"chunksizes": (days, 2)}, "time": {"units": "days since 2001-01-01"}}
        paths.append(str(tmp_path / f"{day}.nc"))
        parts[-1].to_netcdf(paths[-1], encoding=encoding)
        day += days
    how, out = {**HOW, "uneven_group": "uneven"}, tmp_path / "a.icechunk"
    chunkmap.build(paths[:2], out, **how)
    chunkmap.append(out, paths[2:], **how)
    assert set(chunkmap.load(out).arrays) == {"time", "uneven/temp", "uneven/time"}
    xr.testing.assert_equal(chunkmap.open_dataset(out, group="uneven").load(), xr.concat(parts, "time"))
    assert chunkmap.open_dataset(out).time.size == day


def test_a_group_of_that_name_is_refused(files):
    """What the inputs have there already is not mixed with what is put apart; a path is no name."""
    folder, _ = files
    sets = [chunkmap.scan(str(path)) for path in sorted(folder.glob("*.nc"))]
    taken = [replace(refs, groups={"": {}, "uneven": {}}) for refs in sets]
    with pytest.raises(chunkmap.CombineError, match="a group 'uneven' in the inputs already.*uneven_group"):
        chunkmap.combine(taken, **HOW, uneven_group="uneven")
    with pytest.raises(ValueError, match="expected the name of a group"):
        chunkmap.combine(sets, **HOW, uneven_group="a/b")


@pytest.mark.skipif(KNOWS_RECTILINEAR, reason="this zarr has rectilinear grids")
def test_an_older_zarr_is_told_what_it_needs(stored):
    """It opens what it knows; what it does not know is named, with what would read it."""
    path, expected = stored
    with pytest.warns(UserWarning, match=r"array\.rectilinear_chunks.* temp"):
        store = chunkmap.open_store(path)
    assert set(store.left_out) == {"temp", "count"}
    np.testing.assert_array_equal(zarr.open_group(store, mode="r")["x"][:], expected["x"])
    with pytest.raises(chunkmap.Unsupported, match=r"zarr .* has no rectilinear chunk grids"):
        zarr.open_array(store, path="temp", mode="r")
    np.testing.assert_array_equal(store.reader("temp").read((slice(None),) * 3), expected["temp"])


def test_the_engine_does_not_read_such_chunks_through_zarr(stored):
    """The regular grid that stands for another is never read."""
    path, expected = stored
    store = EvenStore(chunkmap.load(path))
    again = pickle.loads(pickle.dumps(store))
    with pytest.raises(chunkmap.Unsupported, match="temp: its chunks are of several lengths"):
        zarr.open_group(again, mode="r")["temp"][...]
    np.testing.assert_array_equal(again.reader("temp").read((slice(None),) * 3), expected["temp"])


def test_combining_in_memory_is_the_same(files, stored, tmp_path):
    """What is built at rest is what is combined in memory, and goes through a dictionary."""
    folder, expected = files
    refs = chunkmap.combine(chunkmap.scan_many(f"{folder}/*.nc"), **HOW)
    assert refs == chunkmap.load(stored[0])
    chunkmap.build(f"{folder}/*.nc", tmp_path / "deferred.json", cache=tmp_path / "cache", **HOW)
    assert refs == chunkmap.load(tmp_path / "deferred.json"), "chunks that stay in a cache until they are placed"
    assert chunkmap.ReferenceSet.from_dict(refs.to_dict(zarr_format=3)) == refs
    xr.testing.assert_equal(chunkmap.open_dataset(refs).load(), expected)
    with pytest.raises(chunkmap.Unsupported, match="zarr_format=3"):
        refs.to_dict()


def test_files_are_appended(files, tmp_path):
    """More files onto such a set, which stays of Zarr v3, give what building from all gives."""
    folder, expected = files
    chunkmap.build([f"{folder}/{n}.nc" for n in range(2)], tmp_path / "cube.json", **HOW)
    how = {name: value for name, value in HOW.items() if name != "zarr_format"}
    chunkmap.append(tmp_path / "cube.json", [f"{folder}/{n}.nc" for n in (2, 3)], **how)
    chunkmap.build(f"{folder}/*.nc", tmp_path / "whole.json", **HOW)
    assert chunkmap.load(tmp_path / "cube.json") == chunkmap.load(tmp_path / "whole.json")
    xr.testing.assert_equal(chunkmap.open_dataset(tmp_path / "cube.json").load(), expected)


def test_parquet_knows_no_such_grids(files, tmp_path):
    """It is refused before a file is opened."""
    for verb in (chunkmap.build, lambda urls, out, **how: chunkmap.combine([], out=out, **how)):
        with pytest.raises(chunkmap.Unsupported, match="Parquet"):
            verb([f"{files[0]}/missing.nc"], tmp_path / "cube.parq", **HOW)


def test_sets_are_verified_beside_their_files(stored):
    """Chunks that are cut are compared as far as they count."""
    report = chunkmap.verify(stored[0], decode="all", compare=True)
    assert report, str(report)


def test_the_command_line_asks_for_them(files, tmp_path):
    """`--zarr-format 3` of build and combine writes documents of v3; inspect shows the lengths of chunks."""
    folder, expected = files
    flags = ["--concat", "time", "--zarr-format", "3"]
    for words in (
        ["build", f"{folder}/*.nc", "-o", f"{tmp_path}/built.json", *flags],
        ["scan", f"{folder}/*.nc", "-o", f"{tmp_path}/sets"],
        ["combine", f"{tmp_path}/sets/*.json", "-o", f"{tmp_path}/combined.json", *flags],
    ):
        result = CliRunner().invoke(chunkmap_command, words)
        assert result.exit_code == 0, result.output
    for name in ("built", "combined"):
        assert "temp/zarr.json" in json.loads((tmp_path / f"{name}.json").read_text())["refs"]
        xr.testing.assert_equal(chunkmap.open_dataset(tmp_path / f"{name}.json").load(), expected)
    chunkmap.build(f"{folder}/*.nc", tmp_path / "cube.json", **HOW)
    assert "1 to 10 x 3 x 5" in CliRunner().invoke(chunkmap_command, ["inspect", f"{tmp_path}/cube.json"]).output


def test_eras_are_joined_by_xarray(tmp_path):
    """Files packed in unlike ways are no one array; each era is unpacked as its files are, and xarray joins them."""
    parts = []
    for number, scale in enumerate([0.01, 0.01, 0.1]):
        time = np.arange(3 * number, 3 * number + 3)
        values = np.round(np.random.default_rng(number).uniform(0, 100, (3, 4)), 1)
        part = xr.Dataset({"d": (("time", "x"), values)}, {"time": time})
        packing = {"dtype": "i2", "scale_factor": scale, "add_offset": 5.0, "_FillValue": -9}
        part.to_netcdf(tmp_path / f"{number}.nc", encoding={"d": packing})
        parts.append(xr.load_dataset(tmp_path / f"{number}.nc"))
    refs = chunkmap.combine(chunkmap.scan_many(f"{tmp_path}/*.nc"), concat_dims=["time"], eras=True)
    eras = [chunkmap.open_dataset(refs, group=f"era_{n}").load() for n in range(2)]
    xr.testing.assert_identical(xr.concat(eras, "time").drop_attrs(), xr.concat(parts, "time").drop_attrs())
