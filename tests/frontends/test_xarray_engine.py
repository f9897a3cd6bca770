"""The xarray engine opens sets at rest, in memory and by name, and leaves the files of other engines alone."""

import json

import fsspec
import h5py
import numpy as np
import pytest
import xarray as xr

from chunkmap.errors import SourceError, StorageError, Unsupported
from chunkmap.frontends.opening import open_store
from chunkmap.frontends.xarray_engine import ChunkmapBackend, open_dataset
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, ReferenceSet
from chunkmap.storage import open_set, write


def reference_set(url):
    """Temperatures of four times and two places in the root, another array in a group; one chunk is missing."""

    def array(dtype, shape, chunk_shape, dims, *, offsets, length, attrs):
        meta = ArrayMeta(
            shape=shape,
            chunk_shape=chunk_shape,
            dtype=np.dtype(dtype),
            dims=dims,
            attrs=attrs,
            fill_value=np.float32(-1) if dtype == "<f4" else None,
        )
        size = int(np.prod(meta.grid_shape))
        rows = [n for n in range(size) if offsets[n] is not None]
        coords = np.stack(np.unravel_index(rows, meta.grid_shape), 1)
        chunks = ChunkManifest.from_rows(
            meta.grid_shape, coords, [url] * len(rows), [offsets[n] for n in rows], [length] * len(rows)
        )
        return ManifestArray(meta, chunks)

    return ReferenceSet(
        {
            "t": array("<f4", (4, 2), (1, 2), ("time", "x"), offsets=[0, 8, None, 24], length=8, attrs={"units": "K"}),
            "time": array(
                "<i4", (4,), (4,), ("time",), offsets=[32], length=16, attrs={"units": "days since 2000-01-01"}
            ),
            "g/h/u": array("<f4", (4,), (2,), ("z",), offsets=[0, 8], length=8, attrs={}),
        },
        {"": {"title": "test"}, "g": {"a": 1}, "g/h": {}},
    )


DATA = np.arange(8, dtype="<f4").tobytes() + np.arange(4, dtype="<i4").tobytes()


@pytest.fixture
def refs(tmp_path):
    """The set over a local file."""
    (tmp_path / "data.bin").write_bytes(DATA)
    return reference_set(str(tmp_path / "data.bin"))


@pytest.fixture(params=["set.json", "set.json.gz", "set.json.zst", "set.parq", "set", "dict", "refs", "lazy"])
def opened(request, refs, tmp_path):
    """The set in every form in which it can be opened."""
    path = tmp_path / request.param
    if request.param == "set":
        path.mkdir()
    if request.param.startswith("set"):
        write(refs, path, record_size=2)
        return str(path)
    if request.param == "lazy":
        write(refs, tmp_path / "lazy.parq", record_size=2)
        return open_set(tmp_path / "lazy.parq")
    return refs.to_dict() if request.param == "dict" else refs


def check(dataset):
    """The values, times and attributes of the root group."""
    assert dataset.attrs == {"title": "test"}
    assert dataset["t"].dims == ("time", "x")
    assert dataset["time"].values.astype("M8[D]").astype(str).tolist()[:2] == ["2000-01-01", "2000-01-02"]
    expected = np.arange(8, dtype="<f4").reshape(4, 2)
    expected[2] = np.nan
    assert np.array_equal(dataset["t"].values, expected, equal_nan=True)


def test_every_form_opens(opened):
    """JSON, Parquet, a dictionary and sets in memory give the same dataset."""
    check(xr.open_dataset(opened, engine="chunkmap"))
    check(open_dataset(opened))


def test_groups_open_alone_and_as_a_tree(opened):
    """One group, all groups as a dictionary, and all groups as a tree."""
    assert open_dataset(opened, group="g/h")["u"].values.tolist() == [0, 1, 2, 3]
    tree = xr.open_datatree(opened, engine="chunkmap")
    check(tree.to_dataset())
    assert tree["g/h/u"].values.tolist() == [0, 1, 2, 3]
    assert tree["g"].attrs == {"a": 1}
    groups = xr.open_groups(opened, engine="chunkmap")
    assert set(groups) == {"/", "/g", "/g/h"}


def test_options_of_xarray_are_understood(refs):
    """Dask chunks, dropped variables and undecoded values are asked for as in every engine."""
    lazy = open_dataset(refs, chunks={})
    assert lazy["t"].chunks == ((1, 1, 1, 1), (2,))
    check(lazy.compute())
    raw = xr.open_dataset(refs, engine="chunkmap", drop_variables=["t"], decode_times=False)
    assert list(raw.variables) == ["time"]
    assert raw["time"].values.tolist() == [0, 1, 2, 3]
    undecoded = xr.open_dataset(refs, engine="chunkmap", decode_cf=False)
    assert undecoded["t"].values[2].tolist() == [-1, -1]


def test_sets_and_data_elsewhere():
    """A set in another filesystem than its data: the options of each go to the right one."""
    fs = fsspec.filesystem("memory")
    fs.pipe("/engine/data.bin", DATA)
    refs = reference_set("engine/data.bin")
    for name in ("set.json", "set.parq"):
        write(refs, f"memory://engine/{name}")
        check(open_dataset(f"memory://engine/{name}", remote_protocol="memory", storage_options={}, remote_options={}))


def test_open_mfdataset_goes_through_the_engine(refs, tmp_path):
    """Several sets open as one dataset."""
    for name in ("a.json", "b.json"):
        write(refs, tmp_path / name)
    both = xr.open_mfdataset(
        [tmp_path / "a.json", tmp_path / "b.json"], engine="chunkmap", combine="nested", concat_dim="member"
    )
    assert both["t"].shape == (2, 4, 2)


def test_only_sets_are_recognised(refs, tmp_path):
    """What is surely a reference set is recognised; other JSON, directories and data files are not."""
    guess = ChunkmapBackend().guess_can_open
    for name in ("a.json", "a.json.gz", "a.json.zst", "a.parq", "a.parquet"):
        write(refs, tmp_path / name)
        assert guess(tmp_path / name)
        assert guess(str(tmp_path / name))
    (tmp_path / "other.json").write_text(json.dumps({"type": "FeatureCollection"}))
    (tmp_path / "table.parquet").write_bytes(b"PAR1" + bytes(50))
    (tmp_path / "parts.parquet").mkdir()
    (tmp_path / "data.nc").write_bytes(b"\x89HDF\r\n\x1a\n")
    for name in ("other.json", "table.parquet", "parts.parquet", "data.nc", "none.json", "."):
        assert not guess(tmp_path / name)
    assert guess("s3://bucket/set.parq")
    assert guess("https://host/set.json.zst")
    assert not guess("https://host/data.nc")
    assert guess(refs)
    assert guess(refs.to_dict())
    assert not guess({"a": 1})
    assert not guess(b"bytes")


def test_xarray_chooses_the_engine(refs):
    """A set in memory needs no `engine=`."""
    check(xr.open_dataset(refs))


def test_what_cannot_be_opened_says_so(tmp_path):
    """A file that is not there, and JSON that is no set, are chunkmap's errors, with the name."""
    with pytest.raises(SourceError, match=r"none\.nc"):
        open_dataset(tmp_path / "none.nc")
    (tmp_path / "bad.json").write_text('{"version": 1, "refs": {"x/0": ["a", 0, 1]}}')
    with pytest.raises(StorageError, match=r"bad\.json"):
        open_dataset(tmp_path / "bad.json")


def test_dask_workers_read_their_own_partitions(refs, tmp_path):
    """A dataset over Parquet computes in other processes."""
    import pickle

    write(refs, tmp_path / "set.parq", record_size=2)
    dataset = open_dataset(tmp_path / "set.parq", chunks={})
    check(pickle.loads(pickle.dumps(dataset)).compute(scheduler="synchronous"))


def test_a_store_can_be_had_for_zarr(opened):
    """The store behind the engine opens with zarr."""
    import zarr

    assert zarr.open_group(open_store(opened), mode="r")["g/h/u"][...].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "select",
    [
        lambda ds: ds["t"].isel(time=1),
        lambda ds: ds["t"].isel(time=[3, 0], x=[1]),
        lambda ds: ds["t"].isel(time=slice(None, None, -1)),
        lambda ds: ds["t"].isel(time=xr.DataArray([0, 3], dims="p"), x=xr.DataArray([1, 0], dims="p")),
        lambda ds: ds["t"].isel(time=slice(2, 2)),
        lambda ds: ds["t"].sel(time="2000-01-02"),
        lambda ds: ds["t"].mean("time"),
    ],
)
def test_every_way_of_selecting(opened, select):
    """Lazy selections of every kind give what the same selections of the values in memory give."""
    whole = open_dataset(opened).load()
    xr.testing.assert_identical(select(open_dataset(opened)).load(), select(whole))


def test_the_tree_below_a_group(opened):
    """A tree that starts at a group has its paths from there on."""
    tree = xr.open_datatree(opened, engine="chunkmap", group="g")
    assert tree["h/u"].values.tolist() == [0, 1, 2, 3]
    assert set(xr.open_groups(opened, engine="chunkmap", group="g")) == {"/", "/h"}


def test_values_are_those_of_zarr(refs):
    """The engine's own reading gives what xarray's zarr engine gives through the same store."""
    ours = open_dataset(refs).load()
    theirs = xr.open_zarr(open_store(refs), zarr_format=2, chunks=None).load()
    xr.testing.assert_identical(ours, theirs)
    assert ours["t"].encoding["chunks"] == theirs["t"].encoding["chunks"]


@pytest.mark.skipif(not hasattr(xr.Variable, "load_async"), reason="this xarray awaits nothing")
def test_values_can_be_awaited(refs):
    """Loading on an event loop gives the same values."""
    import asyncio

    async def load():
        return await open_dataset(refs).load_async()

    check(asyncio.run(load()))


def test_an_archival_file_opens_as_it_is(tmp_path):
    """A NetCDF4 file is scanned and opened; its values are those of its own engine."""
    dataset = xr.Dataset(
        {"t": (("time", "x"), np.arange(12.0).reshape(4, 3), {"units": "K"})},
        {"time": ("time", np.arange(4).astype("M8[D]").astype("M8[ns]"))},
        {"title": "test"},
    )
    dataset.to_netcdf(tmp_path / "a.nc", engine="h5netcdf", encoding={"t": {"chunksizes": (2, 3), "zlib": True}})
    ours = xr.open_dataset(tmp_path / "a.nc", engine="chunkmap").load()
    xr.testing.assert_equal(ours, xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf").load())
    assert ours.attrs == {"title": "test"}
    assert ours["t"].attrs == {"units": "K"}


@pytest.mark.parametrize(
    ("named", "given", "expected"),
    [
        ("refs", {"storage_options": {"a": 1}}, {"a": 1}),
        ("dict", {"storage_options": {"a": 1}}, {"a": 1}),
        ("local", {"storage_options": {"auto_mkdir": True}}, {"auto_mkdir": True}),
        ("local", {"storage_options": {}, "remote_options": {"b": 2}}, {"b": 2}),
        ("elsewhere", {"storage_options": {"secret": 1}}, None),
        ("elsewhere", {"storage_options": {"secret": 1}, "remote_options": {"b": 2}}, {"b": 2}),
    ],
)
def test_whose_options_are_whose(refs, tmp_path, named, given, expected):
    """Options of a set that comes from elsewhere are never handed to the servers that it names."""
    write(refs, tmp_path / "set.json")
    write(refs, "memory://options/set.json")
    forms = {
        "refs": refs,
        "dict": refs.to_dict(),
        "local": tmp_path / "set.json",
        "elsewhere": "memory://options/set.json",
    }
    assert open_store(forms[named], **given)._fetcher.storage_options == expected


def test_an_array_whose_codec_is_not_installed_is_left_out_with_a_warning(refs):
    """It does not keep the other arrays from being opened; who reads it hears which codec lacks."""
    meta = ArrayMeta(
        shape=(1,), chunk_shape=(1,), dtype=np.dtype("<i4"), dims=("one",), compressor={"id": "of-tomorrow"}
    )
    mixed = ReferenceSet(
        {**refs.arrays, "odd": ManifestArray(meta, ChunkManifest.single(b"abcd", 0, 4, 1))}, refs.groups
    )
    with pytest.warns(UserWarning, match="the codecs of odd"):
        check(open_dataset(mixed))
    with pytest.warns(UserWarning, match="the codecs of odd"):
        store = open_store(mixed)
    with pytest.raises(Unsupported, match="of-tomorrow"):
        store.reader("odd").read((slice(None),))


@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
def test_an_array_that_zarr_does_not_know_is_left_out_with_a_warning(refs):
    """A type that zarr cannot name does not keep the other arrays from being opened, and is not left out silently."""
    dtype = np.dtype([("a", "<i4"), ("b", "<f4", (2,))])
    odd = ArrayMeta(shape=(1,), chunk_shape=(1,), dtype=dtype, dims=("one",))
    data = np.array([(1, (2, 3))], dtype)
    array = ManifestArray(odd, ChunkManifest.single(data.tobytes(), 0, data.nbytes, 1))
    mixed = ReferenceSet({**refs.arrays, "odd": array}, refs.groups)
    with pytest.warns(UserWarning, match="the codecs of odd"):
        check(open_dataset(mixed))
    with pytest.warns(UserWarning, match="the codecs of odd"):
        store = open_store(mixed)
    assert np.array_equal(store.reader("odd").read((slice(None),)), data)


def test_an_empty_dataset_says_where_the_arrays_are(tmp_path):
    """Where all arrays are in groups, as of MODIS, a warning names them; a group that has arrays is opened silently."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name in ("grid/fields/t", "grid/more/u"):
            file[name] = np.arange(3.0)
    for group, says in (("", "its group /, so"), ("grid", "its group /grid, so")):
        with pytest.warns(UserWarning, match=f"{says} the dataset is empty; arrays are in grid/fields, grid/more"):
            assert not xr.open_dataset(tmp_path / "a.h5", engine="chunkmap", group=group).variables
    found = xr.open_dataset(tmp_path / "a.h5", engine="chunkmap", group="grid/fields", drop_variables=["t"])
    assert not found.variables
    assert "t" in xr.open_datatree(tmp_path / "a.h5", engine="chunkmap")["grid/fields"]
