"""The quick start and the tutorial of kerchunk's documentation, on a public bucket."""

from __future__ import annotations

import gzip
import re

import fsspec
import intake
import numpy as np
import pytest
import ujson
import xarray as xr
import zarr
from granules import month
from numcodecs import Zstd

from kerchunk.combine import MultiZarrToZarr, merge_vars
from kerchunk.hdf import SingleHdf5ToZarr
from kerchunk.utils import dict_to_store

REMOTE = {"remote_protocol": "s3", "remote_options": {"anon": True}}
FIRST = {"anon": True, "default_fill_cache": False, "default_cache_type": "first"}


def opened(refs, **more):
    """The tutorial's way to open: fsspec and zarr alone."""
    storage = {"fo": refs, "remote_protocol": "s3", "remote_options": {"anon": True, "asynchronous": True}, **more}
    options = {"consolidated": False, "storage_options": {**storage, "asynchronous": True}}
    return xr.open_dataset("reference://", engine="zarr", backend_kwargs=options, zarr_format=2)


@pytest.fixture
def two_variables(bucket, here):
    """Two months of two variables in the bucket, and their JSONs in the directory of the notebook."""
    fs = fsspec.filesystem("s3", anon=True)
    for name in ("air", "sea"):
        for number in range(2):
            bucket.put(f"2020/{number + 1:02}/data/{name}.nc", month(number, name))
    for file in fs.glob(f"s3://{bucket.name}/2020/*/data/*.nc"):
        with fs.open(file, mode="rb", **FIRST) as opened_file:
            refs = SingleHdf5ToZarr(opened_file, f"s3://{file}", inline_threshold=300).translate()
        (here / f"{file.split('/')[-3]}_{file.split('/')[-1][:-3]}.json").write_bytes(ujson.dumps(refs).encode())
    return fsspec.filesystem("")


def test_quick_start(bucket):
    """Files opened by fsspec from a public bucket, sets in memory, joined in time, opened as `reference://`."""
    urls = [bucket.put(f"2017/{number}.comp", month(number)) for number in range(4)]
    singles = []
    for url in urls:
        with fsspec.open(url, **FIRST) as file:
            singles.append(SingleHdf5ToZarr(file, url, inline_threshold=100).translate())

    out = MultiZarrToZarr(singles, **REMOTE, concat_dims=["time"]).translate()

    expected = xr.concat([month(number) for number in range(4)], "time")
    xr.testing.assert_identical(expected, opened(out).load())
    assert not [value for value in out["refs"].values() if isinstance(value, list) and value[0] not in urls]


def test_joining_in_time(two_variables):
    """JSONs by a pattern, joined along a dimension, what does not vary named as identical."""
    paths = two_variables.glob("*_air.json")

    refs = MultiZarrToZarr(paths, **REMOTE, concat_dims=["time"], identical_dims=["lat", "lon"]).translate()

    xr.testing.assert_identical(xr.concat([month(0), month(1)], "time"), opened(refs).load())


@pytest.mark.parametrize("how", ["list", "regex"])
def test_a_dimension_that_no_file_has(two_variables, how):
    """`coo_map` makes a dimension of a list of values, or of what a pattern finds in the names of the JSONs."""
    paths = sorted(two_variables.glob("01_*.json"))
    selector = {"list": ["a", "s"], "regex": re.compile(r".*01_(\w)")}[how]

    refs = MultiZarrToZarr(
        [_renamed(path) for path in paths] if how == "list" else _rewritten(paths),
        **REMOTE,
        coo_map={"kind": selector},
        concat_dims=["kind"],
        identical_dims=["lat", "lon", "time"],
    ).translate()

    found = opened(refs).load()
    assert found["kind"].values.tolist() == ["a", "s"]
    np.testing.assert_array_equal(found["v"][1], month(0, "sea")["sea"])


def _renamed(path):
    """The set of a JSON, with its variable under one name."""
    text = fsspec.filesystem("file").cat_file(path).decode()
    return ujson.loads(re.sub(r'"(air|sea)(\\?/|")', r'"v\2', text))


def _rewritten(paths):
    for path in paths:
        fsspec.filesystem("file").pipe_file(path, ujson.dumps(_renamed(path)).encode())
    return paths


@pytest.mark.filterwarnings("ignore:Concatenated coordinate 'var' contains less than expected")
@pytest.mark.parametrize(
    ("selector", "name"),
    [(re.compile(r".*_(\w+).json"), "air"), ("attr:institution", "Institute"), ("vattr:air:short", "a")],
)
def test_names_of_variables(two_variables, selector, name):
    """`var` in `coo_map` names the variable by the file, by an attribute of the file, or of a variable."""
    paths = two_variables.glob("*_air.json")

    refs = MultiZarrToZarr(
        paths, **REMOTE, coo_map={"var": selector}, concat_dims=["time"], identical_dims=["lat", "lon"]
    ).translate()

    expected = xr.concat([month(0), month(1)], "time").rename(air=name)
    xr.testing.assert_identical(expected, opened(refs).load())


def test_merging_then_dropping(two_variables):
    """`merge_vars` of two JSONs, then `preprocess` drops a variable of it again before a month is joined to it."""
    merged = merge_vars(two_variables.glob("01_sea.json") + two_variables.glob("01_air.json"))
    xr.testing.assert_identical(xr.merge([month(0), month(0, "sea")], combine_attrs="override"), opened(merged).load())
    with two_variables.open("both.json", "wb") as file:
        file.write(ujson.dumps(merged).encode())

    def without_air(refs):
        for key in list(refs):
            if key.startswith("air"):
                refs.pop(key)
        return refs

    paths = two_variables.glob("both.json") + two_variables.glob("02_sea.json")
    how = {"concat_dims": ["time"], "identical_dims": ["lat", "lon"], "preprocess": without_air}
    refs = MultiZarrToZarr(paths, **REMOTE, **how).translate()

    xr.testing.assert_identical(xr.concat([month(0, "sea"), month(1, "sea")], "time"), opened(refs).load())


def test_changing_what_comes_out_with_zarr(two_variables):
    """`postprocess` may open the dictionary as a Zarr store and write into it; what that leaves behind is no matter."""

    def without_fill_value(out):
        group = zarr.open(dict_to_store(out), zarr_format=2)
        group["lat"].attrs["corrected"] = True
        return out

    refs = MultiZarrToZarr(
        two_variables.glob("*_air.json"),
        **REMOTE,
        concat_dims=["time"],
        identical_dims=["lat", "lon"],
        postprocess=without_fill_value,
    ).translate()

    found = opened(ujson.loads(ujson.dumps(refs))).load()
    assert found["lat"].attrs == {"units": "degrees_north", "corrected": True}
    xr.testing.assert_equal(xr.concat([month(0), month(1)], "time"), found)


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_a_compressed_set_in_the_bucket(two_variables, bucket, ending):
    """A compressed JSON in the bucket is opened by its name through both engines, and by fsspec."""
    refs = MultiZarrToZarr(
        two_variables.glob("*_air.json"), **REMOTE, concat_dims=["time"], identical_dims=["lat", "lon"]
    ).translate()
    compress = {"gz": gzip.compress, "zst": lambda data: bytes(Zstd().encode(data))}[ending]
    url = bucket.put(f"combined.json.{ending}", compress(ujson.dumps(refs).encode()))
    expected = xr.concat([month(0), month(1)], "time")

    theirs = xr.open_dataset(url, engine="kerchunk", storage_options={"target_options": {"anon": True}, **REMOTE})
    ours = xr.open_dataset(url, engine="chunkmap", storage_options={"anon": True}, remote_options={"anon": True})

    xr.testing.assert_equal(expected, theirs.load())
    xr.testing.assert_identical(expected, ours.load())
    if ending == "gz":
        target_options = {"anon": True, "compression": "gzip"}
        xr.testing.assert_identical(expected, opened(url, target_options=target_options).load())


def test_a_catalog(two_variables, bucket, here):
    """An entry of an intake catalog opens the set by its name alone."""
    refs = MultiZarrToZarr(
        two_variables.glob("*_air.json"), **REMOTE, concat_dims=["time"], identical_dims=["lat", "lon"]
    ).translate()
    url = bucket.put("combined.json", ujson.dumps(refs).encode())
    (here / "catalog.yml").write_text(
        f"""
sources:
  air:
    driver: intake_xarray.xzarr.ZarrSource
    args:
      urlpath: "reference://"
      consolidated: false
      chunks: {{}}
      storage_options:
        fo: {url}
        target_options: {{anon: true}}
        remote_protocol: s3
        remote_options: {{anon: true, asynchronous: true}}
        asynchronous: true
"""
    )

    found = intake.open_catalog(str(here / "catalog.yml"))["air"].to_dask()

    xr.testing.assert_equal(xr.concat([month(0), month(1)], "time"), found.load())
