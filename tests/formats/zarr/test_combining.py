"""Zarr stores as inputs: a store a year, combined with each other and with files of other formats, and added to."""

import numpy as np
import pytest
import xarray as xr

import chunkmap

pytestmark = [
    pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part"),
    pytest.mark.filterwarnings("ignore:In a future version of xarray"),
]

TIME = {"units": "days since 1990-01-01", "dtype": "i8"}


def year(number, days=6):
    """A year of a series, of which the last chunk of time is whole."""
    time = np.datetime64(f"{number}-01-01", "ns") + np.arange(days) * np.timedelta64(1, "D")
    values = np.random.default_rng(number).normal(size=(days, 4)).astype("f4")
    values[1, 2] = np.nan
    data = {"t": (("time", "x"), values, {"units": "K"})}
    return xr.Dataset(data, {"time": time.astype("M8[ns]"), "x": np.arange(4.0)}, {"title": "series"})


def write(dataset, path, zarr_format):
    """As Zarr of a version, or as NetCDF-4; chunks of two days and raw, so that all of them decode alike."""
    if zarr_format is None:
        encoding = {"t": {"chunksizes": (2, 4), "zlib": False}, "time": {"chunksizes": (2,), **TIME}}
        dataset.to_netcdf(path, encoding=encoding, engine="netcdf4", unlimited_dims=["time"])
        return
    encoding = {"t": {"chunks": (2, 4), "compressors": None, "_FillValue": np.float32("nan")}}
    encoding |= {"time": {"chunks": (2,), "compressors": None, **TIME}, "x": {"compressors": None}}
    dataset.to_zarr(path, encoding=encoding, zarr_format=zarr_format)


def paths(tmp_path, kinds):
    """A path for each year, and what all of them hold."""
    suffixes = {None: "nc", 2: "zarr", 3: "zarr3"}
    found = [str(tmp_path / f"y{2000 + n}.{suffixes[kind]}") for n, kind in enumerate(kinds)]
    datasets = [year(2000 + n) for n in range(len(kinds))]
    for path, kind, dataset in zip(found, kinds, datasets, strict=True):
        write(dataset, path, kind)
    return found, xr.concat(datasets, "time", data_vars="minimal")


@pytest.mark.parametrize("kinds", [(2, 2, 2), (3, 3), (2, None), (None, 2), (3, None, 2), (2, 3)])
def test_a_store_a_year(tmp_path, kinds):
    """Stores of both versions, and NetCDF-4 files among them, are one series, which xarray reads as their sum."""
    urls, expected = paths(tmp_path, kinds)
    refs = chunkmap.combine(chunkmap.scan_many(urls), concat_dims="time")
    with chunkmap.open_dataset(refs) as found:
        xr.testing.assert_identical(found.load().drop_encoding(), expected)
    assert {url.partition("/t/")[0] for url in refs.arrays["t"].chunks.urls} <= set(urls)


@pytest.mark.parametrize("suffix", ["json", "parq"])
@pytest.mark.parametrize("more", [2, None])
def test_more_years_are_added(tmp_path, more, suffix):
    """`build` and `append` take stores as they take files, whatever the set is kept as."""
    urls, expected = paths(tmp_path, (2, 2, more))
    out = tmp_path / f"all.{suffix}"
    chunkmap.build(urls[:2], out, concat_dims="time")
    chunkmap.append(out, urls[2:], concat_dims="time")
    with chunkmap.open_dataset(out) as found:
        xr.testing.assert_identical(found.load().drop_encoding(), expected)


def test_small_chunks_are_held_inline(tmp_path):
    """The one threshold of all formats: chunks of fewer stored bytes, from shards and archives too."""
    path = tmp_path / "a.zarr"
    dataset = year(2000, days=8)
    dataset.to_zarr(path, zarr_format=3, encoding={"t": {"chunks": (2, 4), "shards": (4, 4), "compressors": None}})
    refs = chunkmap.scan(path, inline_threshold=33)
    assert refs.arrays["t"].chunks.is_inline.all()
    assert not chunkmap.scan(path, inline_threshold=32).arrays["t"].chunks.is_inline.any()
    with chunkmap.open_dataset(refs) as found:
        np.testing.assert_array_equal(found["t"], dataset["t"])


def test_a_store_is_never_taken_from_the_cache(tmp_path):
    """Whether a file of a store changed cannot be told without looking at each: it is scanned every time."""
    path, cache = tmp_path / "a.zarr", tmp_path / "cache"
    year(2000).to_zarr(path, zarr_format=2)
    first = chunkmap.scan_many([path], cache=cache)
    year(2000, days=8).to_zarr(path, zarr_format=2, mode="w")
    second = chunkmap.scan_many([path], cache=cache)
    assert [refs[0].arrays["t"].meta.shape for refs in (first, second)] == [(6, 4), (8, 4)]
