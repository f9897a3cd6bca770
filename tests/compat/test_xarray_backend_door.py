"""kerchunk.xarray_backend: the engine `kerchunk` and `open_reference_dataset`."""

import inspect
import json
import warnings

import fsspec
import netCDF4
import numpy as np
import pytest
import xarray as xr

from chunkmap import open_store, scan
from chunkmap.storage import load, write
from kerchunk.hdf import SingleHdf5ToZarr
from kerchunk.utils import refs_as_store
from kerchunk.xarray_backend import KerchunkBackend, open_reference_dataset


@pytest.fixture
def refs(tmp_path):
    """A dictionary of references to a local file, with a missing chunk."""
    (tmp_path / "data.bin").write_bytes(np.arange(4, dtype="<f4").tobytes())
    zarray = {
        "shape": [4],
        "chunks": [1],
        "dtype": "<f4",
        "compressor": None,
        "filters": None,
        "fill_value": None,
        "order": "C",
        "zarr_format": 2,
    }
    url = str(tmp_path / "data.bin")
    return {
        "version": 1,
        "refs": {
            ".zgroup": '{"zarr_format": 2}',
            "x/.zarray": json.dumps(zarray),
            "x/.zattrs": '{"_ARRAY_DIMENSIONS": ["time"], "a": 1}',
            **{f"x/{n}": [url, 4 * n, 4] for n in (0, 1, 3)},
        },
    }


@pytest.fixture(params=["a.json", "a.json.gz", "a.json.zst", "a.parq", "a.parquet", "dict"])
def opened(request, refs, tmp_path):
    """The references in every form."""
    if request.param == "dict":
        return refs
    write(load(refs), tmp_path / request.param)
    return str(tmp_path / request.param)


def check(dataset):
    """The values and attributes."""
    assert dataset["x"].dims == ("time",)
    assert dataset["x"].attrs == {"a": 1}
    assert dataset["x"].values.tolist() == [0, 1, 0, 3]


def test_signatures():
    """Names and defaults are kerchunk's."""
    assert list(inspect.signature(open_reference_dataset).parameters) == [
        "filename_or_obj",
        "storage_options",
        "open_dataset_options",
    ]
    assert list(inspect.signature(KerchunkBackend.open_dataset).parameters) == [
        "self",
        "filename_or_obj",
        "storage_options",
        "open_dataset_options",
        "kw",
    ]


def test_every_form_opens(opened):
    """The function and the engine open JSON, compressed JSON, Parquet and dictionaries."""
    check(open_reference_dataset(opened))
    check(xr.open_dataset(opened, engine="kerchunk"))
    check(open_reference_dataset(opened, storage_options={"remote_protocol": "file", "target_protocol": "file"}))


@pytest.mark.parametrize("opened", ["a.json", "a.json.gz", "a.parq", "dict"], indirect=True)
def test_values_equal_those_of_fsspec(opened):
    """fsspec's own reader gives the same dataset: options that only it has take its road."""
    compressed = {"target_options": {"compression": "gzip"}} if str(opened).endswith(".gz") else {}
    theirs = open_reference_dataset(opened, storage_options={"max_gap": 0, **compressed})
    xr.testing.assert_identical(theirs.load(), open_reference_dataset(opened).load())


def test_options_reach_zarr(refs):
    """`open_dataset_options` and keywords of `xarray.open_dataset` are passed on."""
    assert list(open_reference_dataset(refs, open_dataset_options={"drop_variables": ["x"]}).variables) == []
    assert list(xr.open_dataset(refs, engine="kerchunk", drop_variables=["x"]).variables) == []
    assert open_reference_dataset(refs, open_dataset_options={"chunks": {}})["x"].chunks == ((1, 1, 1, 1),)


def test_remote_data(refs):
    """`remote_protocol` and `remote_options` are those of the data, `target_options` those of the references."""
    fs = fsspec.filesystem("memory")
    fs.pipe("/door/data.bin", np.arange(4, dtype="<f4").tobytes())
    for key, value in refs["refs"].items():
        if isinstance(value, list):
            refs["refs"][key] = ["door/data.bin", *value[1:]]
    fs.pipe("/door/refs.json", json.dumps(refs).encode())
    options = {"remote_protocol": "memory", "remote_options": {}, "target_protocol": "memory", "target_options": {}}
    check(open_reference_dataset("door/refs.json", storage_options=options))


def test_a_lazy_mapper_opens(refs, tmp_path):
    """fsspec's LazyReferenceMapper is taken as it is."""
    from fsspec.implementations.reference import LazyReferenceMapper

    write(load(refs), tmp_path / "a.parq")
    check(open_reference_dataset(LazyReferenceMapper(str(tmp_path / "a.parq"))))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.json", True),
        ("a.json.zst", True),
        ("a.json.zstd", True),
        ("a.parq", True),
        ("a.parquet", True),
        ("s3://b/a.parq/", True),
        ("a.nc", False),
        ({}, False),
    ],
)
def test_names_that_are_recognised(name, expected):
    """The endings that reference sets have."""
    assert KerchunkBackend().guess_can_open(name) is expected


@pytest.mark.parametrize(
    "extra",
    [
        {"skip_instance_cache": True},
        {"skip_instance_cache": True, "target_protocol": "file", "lazy": True},
        {"max_gap": 0, "max_block": 100},
        {"simple_templates": False},
        {"asynchronous": True},
        {"fs": fsspec.filesystem("file")},
        {"fs": {"file": {}}},
        {"template_overrides": {}},
    ],
)
def test_every_option_of_fsspec_is_taken(refs, extra):
    """Options of fsspec's reader of references change no value, whether they mean anything here or not."""
    check(xr.open_dataset(refs, engine="kerchunk", storage_options={"remote_protocol": "file", **extra}))


def test_nothing_is_decoded_unless_it_is_asked_for(refs):
    """`decode_cf=False` gives numbers as they are stored."""
    refs["refs"]["x/.zattrs"] = '{"_ARRAY_DIMENSIONS": ["time"], "scale_factor": 0.5, "units": "days since 2000-01-01"}'
    assert xr.open_dataset(refs, engine="kerchunk", decode_cf=False)["x"].values.tolist() == [0, 1, 0, 3]


def test_what_was_opened_goes_into_a_new_store(tmp_path):
    """A dataset of compressed references is written by `to_zarr` in the newest format, which has not their codecs."""
    data = xr.Dataset({"a": (("y", "x"), np.arange(12.0).reshape(3, 4))})
    data.to_netcdf(tmp_path / "a.nc", engine="h5netcdf", encoding={"a": {"zlib": True, "shuffle": True}})
    write(scan(tmp_path / "a.nc"), tmp_path / "a.json")
    for engine in ("kerchunk", "chunkmap"):
        opened = xr.open_dataset(str(tmp_path / "a.json"), engine=engine, chunks={})
        opened.isel(y=slice(0, 2)).to_zarr(tmp_path / f"{engine}.zarr", consolidated=False)
        xr.testing.assert_identical(
            xr.open_zarr(tmp_path / f"{engine}.zarr", consolidated=False).load(), data.isel(y=slice(0, 2))
        )


def trees_of(path):
    """A file of groups in groups, one of which holds nothing but another, as xarray's own engine opens each group."""
    with netCDF4.Dataset(path, "w") as file:
        for place in ("ancillary", "data/inner"):
            group = file.createGroup(place)
            group.createDimension("x", 5)
            group.createVariable("v", "f4", ("x",), zlib=True, fill_value=-9.0)[:] = np.arange(5)
    return {
        group: xr.open_datatree(path, engine="h5netcdf", group=group).load() for group in (None, "data", "data/inner")
    }


def test_a_tree_opens_by_every_road(tmp_path):
    """`xarray.open_datatree` of a file, of every form of a set, of the doors' stores and of our own is the file's."""
    path = str(tmp_path / "a.nc")
    expected, refs = trees_of(path), SingleHdf5ToZarr(path).translate()
    for name in ("a.json", "a.parq"):
        write(scan(path), tmp_path / name)
    zarr = {"engine": "zarr", "consolidated": False}
    roads = [
        *((road, {"engine": engine}) for engine in ("chunkmap", "kerchunk") for road in (refs, tmp_path / "a.parq")),
        *((road, {"engine": "chunkmap"}) for road in (path, scan(path))),
        (str(tmp_path / "a.json"), {}),
        (refs, {"engine": "kerchunk", "storage_options": {"fs": fsspec.filesystem("file")}}),
        *((refs_as_store(refs), {**zarr, "zarr_format": version}) for version in (2, None)),
        *((open_store(scan(path), zarr_format=version), zarr) for version in (2, 3)),
    ]
    for road, options in roads:
        for group, wanted in expected.items():
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Numcodecs codecs are not in the Zarr version 3")
                found = xr.open_datatree(road, group=group, **options)
                groups = xr.open_groups(road, group=group, **options)
            xr.testing.assert_identical(found.load(), wanted)
            xr.testing.assert_identical(xr.DataTree.from_dict(groups).load(), wanted)
