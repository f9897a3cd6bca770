"""Notebooks over whole collections: credentials that run out, daily climate models, many sets opened as one."""

from __future__ import annotations

from pathlib import Path

import cftime
import dask
import fsspec
import numpy as np
import pytest
import ujson
import xarray as xr
from granules import month, netcdf4

from kerchunk.combine import MultiZarrToZarr
from kerchunk.hdf import SingleHdf5ToZarr
from kerchunk.utils import inline_array

ANON = {"remote_protocol": "s3", "remote_options": {"anon": True}}


@pytest.mark.parametrize("engine", ["kerchunk", "chunkmap"])
def test_granules_with_credentials_of_an_hour(s3_options, bucket, here, engine):
    """GES DISC, LP DAAC: key, secret and token of a session, for the files, for combining, and for reading."""
    session = {**s3_options, "key": s3_options.get("key", "k"), "secret": s3_options.get("secret", "s"), "token": "t"}
    for number in range(2):
        bucket.put(f"granules/{number}.nc4", month(number))
    fs = fsspec.filesystem("s3", **session)
    singles = []
    for name in sorted(fs.glob(f"{bucket.name}/granules/*.nc4")):
        with fs.open(name, mode="rb", cache_type="first") as granule:
            singles.append(SingleHdf5ToZarr(granule, f"s3://{name}", inline_threshold=100).translate())
    combined = MultiZarrToZarr(
        singles, concat_dims=["time"], identical_dims=["lat", "lon"], remote_protocol="s3", remote_options=session
    ).translate()
    Path("granules.json").write_text(ujson.dumps(combined))

    how = {"remote_protocol": "s3", "remote_options": session}
    how = {"storage_options": {**how, "skip_instance_cache": True}} if engine == "kerchunk" else how
    found = xr.open_dataset("granules.json", engine=engine, chunks={}, **how)

    xr.testing.assert_identical(xr.concat([month(0), month(1)], "time"), found.compute())


def test_a_climate_model_day_by_day(bucket, here):
    """NEX-GDDP: a file a year of a calendar without leap days, one JSON each by Dask, joined, coordinates inlined."""
    years = [_year(number) for number in (2014, 2015)]
    for number, year in zip((2014, 2015), years, strict=True):
        bucket.put(f"model/tasmax/tasmax_day_model_r1i1p1f1_gn_{number}.nc", netcdf4(year))
    fs = fsspec.filesystem("s3", anon=True)
    files = [f"s3://{name}" for name in sorted(fs.glob(f"s3://{bucket.name}/model/*/*"))]

    @dask.delayed
    def written(url):
        out = f"{url.rpartition('/')[2]}.json"
        with fs.open(url) as file, fsspec.open(out, "wb") as target:
            target.write(ujson.dumps(SingleHdf5ToZarr(file, url).translate()).encode())
        return out

    jsons = dask.compute(*map(written, files), scheduler="threads")
    refs = MultiZarrToZarr(sorted(jsons), **ANON, concat_dims=["time"], identical_dims=["lat", "lon"]).translate()
    refs = inline_array(refs["refs"], names=["lat", "lon"], remote_options={"anon": True})
    Path("combined.json").write_text(ujson.dumps(refs))

    found = xr.open_dataset("combined.json", engine="kerchunk", storage_options=ANON, chunks={})
    xr.testing.assert_equal(xr.concat(years, "time"), found.compute())
    assert found["time"].dt.calendar == "noleap"


def _year(number):
    """The last days of a year of a model."""
    values = np.random.default_rng(number).normal(280, 9, (4, 30, 40)).astype("f4")
    days = [cftime.DatetimeNoLeap(number, 12, 28 + day, 12) for day in range(4)]
    coords = {"time": days, "lat": np.linspace(-59.5, 59.5, 30), "lon": np.linspace(0.5, 359.5, 40)}
    dataset = xr.Dataset({"tasmax": (("time", "lat", "lon"), values, {"units": "K"})}, coords)
    dataset["time"].encoding.update(units="days since 1850-01-01", calendar="noleap")
    dataset["tasmax"].encoding.update(zlib=True, chunksizes=(1, 30, 40), _FillValue=np.float32(1e20))
    return dataset


@pytest.mark.parametrize("engine", ["kerchunk", "chunkmap"])
def test_many_sets_as_one(range_server, here, engine):
    """ESIP, NCAR: sets behind HTTP are not combined, but opened as one, a function before each."""
    urls = []
    for number in range(3):
        granule = range_server.put(f"{number}.nc", netcdf4(month(number)))
        with fsspec.open(granule) as file:
            refs = SingleHdf5ToZarr(file, granule).translate()
        urls.append(range_server.put(f"{number}.json", ujson.dumps(refs).encode()))

    found = xr.open_mfdataset(
        urls,
        engine=engine,
        combine="nested",
        concat_dim="time",
        preprocess=lambda dataset: dataset[["air"]].isel(lat=slice(0, 10)),
        data_vars="minimal",
        coords="minimal",
        compat="override",
        **({"storage_options": {"remote_protocol": "http"}} if engine == "kerchunk" else {}),
    )

    expected = xr.concat([month(number).isel(lat=slice(0, 10)) for number in range(3)], "time")
    xr.testing.assert_equal(expected, found.compute())
