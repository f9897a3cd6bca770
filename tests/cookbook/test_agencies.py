"""Notebooks of NASA, NOAA, NCAR, USGS, ESIP, DKRZ, CEDA and Planetary Computer, in kerchunk's names."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
import zipfile
from pathlib import Path

import dask
import fsspec
import intake
import numpy as np
import pytest
import ujson
import xarray as xr
import zarr
from astropy.io import fits
from fsspec.implementations.reference import LazyReferenceMapper
from granules import month, netcdf4

import kerchunk.fits
from chunkmap import SourceError
from kerchunk.combine import MultiZarrToZarr, auto_dask, drop
from kerchunk.df import refs_to_dataframe
from kerchunk.hdf import SingleHdf5ToZarr
from kerchunk.netCDF3 import NetCDF3ToZarr
from kerchunk.utils import (
    consolidate,
    do_inline,
    inline_array,
    refs_as_store,
    rename_target,
    rename_target_files,
    subchunk,
)

MONTHS = [month(number) for number in range(3)]
JOINED = xr.concat(MONTHS, "time")
JOIN = {"concat_dims": ["time"], "identical_dims": ["lat", "lon"]}


def singles(urls, **options):
    """A set for each URL, opened by fsspec first, as most notebooks do."""
    found = []
    for url in urls:
        with fsspec.open(url, **options) as file:
            found.append(SingleHdf5ToZarr(file, url, inline_threshold=100).translate())
    return found


def test_nasa_behind_a_login(range_server, here, monkeypatch):
    """PO.DAAC: granules behind HTTPS that want a token; scanned by Dask, joined by the day in their names, opened."""
    _want_token(range_server, monkeypatch)
    headers = {"headers": {"Authorization": "Bearer good"}}
    fs = fsspec.filesystem("http", client_kwargs=headers)
    urls = [
        range_server.put(f"CLDPROP.A2024{173 + n}.011.nc", netcdf4(one.drop_vars("time")))
        for n, one in enumerate(MONTHS)
    ]

    def reference(url):
        with fs.open(url) as file:
            refs = SingleHdf5ToZarr(file, url, inline_threshold=300).translate()
        name = url.rpartition("/")[2].replace(".nc", ".json")
        Path(name).write_text(ujson.dumps(refs))
        return name

    paths = dask.compute(*[dask.delayed(reference)(url) for url in urls], scheduler="threads")

    def day_of(index, group, variable, name):
        found = re.search(r"A(\d{4})(\d{3})\.", name)
        return dt.datetime(int(found[1]), 1, 1) + dt.timedelta(days=int(found[2]) - 1)  # noqa: DTZ001

    refs = MultiZarrToZarr(
        sorted(paths),
        coo_map={"day": day_of},
        coo_dtypes={"day": np.dtype("M8[s]")},
        concat_dims=["day"],
        identical_dims=["lat", "lon"],
        remote_protocol="http",
        remote_options={"client_kwargs": headers},
    ).translate()

    storage = {"remote_protocol": "http", "remote_options": {"client_kwargs": headers}}
    found = xr.open_dataset(refs, engine="kerchunk", storage_options=storage)
    assert found["day"].values.astype("M8[D]").astype(str).tolist() == ["2024-06-21", "2024-06-22", "2024-06-23"]
    np.testing.assert_array_equal(found["air"], np.stack([one["air"] for one in MONTHS]))
    with pytest.raises(SourceError, match="401"):
        np.asarray(xr.open_dataset(refs, engine="kerchunk", storage_options={"remote_protocol": "http"})["air"])


def _want_token(server, monkeypatch):
    """The server answers 401 to who does not say the token."""
    handler = server._server.RequestHandlerClass
    plain = handler._answer

    def answer(self):
        if self.headers.get("Authorization") == "Bearer good":
            return plain(self)
        self.send_response(401)
        self.send_header("Content-Length", "2")
        self.end_headers()
        return b"no", 0, 2 if self.command == "GET" else 0

    monkeypatch.setattr(handler, "_answer", answer)


def test_noaa_goes_in_a_zip(bucket, here):
    """GOES: a JSON for each image in a ZIP, read back from it, joined along the time of the image."""
    urls = [bucket.put(f"ABI/OR_ABI_s2021{number:03}.nc", one) for number, one in enumerate(MONTHS)]
    with zipfile.ZipFile("refs.zip", "w") as archive:
        for url, refs in zip(urls, singles(urls, anon=True), strict=True):
            archive.writestr(url.rpartition("/")[2] + ".json", json.dumps(refs))

    with zipfile.ZipFile("refs.zip") as archive:
        stored = [ujson.loads(archive.read(name)) for name in archive.namelist()]
    names = [f"zip://{url.rpartition('/')[2]}.json::refs.zip" for url in urls]
    options = {"remote_protocol": "s3", "remote_options": {"anon": True}}
    in_memory = MultiZarrToZarr(stored, **JOIN, **options).translate()
    by_name = MultiZarrToZarr(names, **JOIN, **options).translate()

    assert in_memory == by_name
    found = xr.open_dataset(in_memory, engine="kerchunk", storage_options=options)
    xr.testing.assert_equal(JOINED, found.load())


def test_noaa_water_model_in_a_tree(bucket):
    """National Water Model: scanned and joined as a tree, text and unused variables dropped on the way."""
    urls = [bucket.put(f"nwm/{n:04}.CHRTOUT.comp", one.assign(crs="")) for n, one in enumerate(MONTHS)]
    with dask.config.set(scheduler="threads"):
        refs = auto_dask(
            urls,
            single_driver=SingleHdf5ToZarr,
            single_kwargs={"inline_threshold": 0, "storage_options": {"anon": True}},
            mzz_kwargs={**JOIN, "preprocess": drop("crs"), "inline_threshold": 0},
            n_batches=2,
            remote_protocol="s3",
            remote_options={"anon": True},
        )

    storage = {"remote_protocol": "s3", "remote_options": {"anon": True}}
    found = xr.open_dataset(refs, engine="kerchunk", storage_options=storage)
    xr.testing.assert_equal(JOINED, found.load())


def test_noaa_hycom_in_pieces(bucket, here):
    """HYCOM: NetCDF3 in a bucket, its one large chunk cut by `subchunk`, then read in parts."""
    dataset = xr.Dataset({"temp": (("depth", "lat", "lon"), np.arange(8 * 6 * 4, dtype="f4").reshape(8, 6, 4))})
    dataset.to_netcdf("hycom.nc", format="NETCDF3_64BIT", engine="netcdf4")
    url = bucket.put("hycom.nc", Path("hycom.nc").read_bytes())

    refs = NetCDF3ToZarr(url, inline_threshold=100, storage_options={"anon": True}).translate()
    cut = subchunk(refs["refs"], "temp", 4)

    assert json.loads(cut["temp/.zarray"])["chunks"] == [2, 6, 4]
    storage = {"remote_protocol": "s3", "remote_options": {"anon": True}}
    found = xr.open_dataset({"version": 1, "refs": cut}, engine="kerchunk", storage_options=storage, chunks={})
    assert found["temp"].chunksizes["depth"] == (2, 2, 2, 2)
    xr.testing.assert_equal(dataset["temp"][5], found["temp"][5].compute())


def test_ncar_moved_to_another_server(range_server, here):
    """NCAR: sets of files on disk whose targets are renamed to the URLs of the server, as a set and as files."""
    paths = []
    for number, one in enumerate(MONTHS):
        Path(f"{number}.nc").write_bytes(netcdf4(one))
        paths.append(str(here / f"{number}.nc"))
    refs = MultiZarrToZarr([SingleHdf5ToZarr(path).translate() for path in paths], **JOIN).translate()
    renames = {path: range_server.put(f"d633000/{Path(path).name}", Path(path).read_bytes()) for path in paths}
    Path("disk.json").write_text(ujson.dumps(refs))

    moved = rename_target(refs, renames)
    rename_target_files("disk.json", renames, "server.json")
    refs_to_dataframe(moved, "server.parq", record_size=4)
    for path in paths:
        Path(path).unlink()

    for name in (moved, "server.json", "server.parq"):
        found = xr.open_dataset(name, engine="kerchunk", storage_options={"remote_protocol": "http"})
        xr.testing.assert_equal(JOINED, found.load())


def test_dkrz_catalog_of_parquet(here):
    """DKRZ: a catalog whose entries are Parquet sets of files on disk, opened as `reference::` by intake."""
    paths = []
    for number, one in enumerate(MONTHS):
        Path(f"{number}.nc").write_bytes(netcdf4(one))
        paths.append(str(here / f"{number}.nc"))
    Path("era5.parq").mkdir()
    out = LazyReferenceMapper.create("era5.parq", fs=fsspec.filesystem("file"), record_size=4)
    MultiZarrToZarr([SingleHdf5ToZarr(path).translate() for path in paths], out=out, **JOIN).translate().flush()
    Path("catalog.yaml").write_text(f"""
sources:
  era5:
    driver: zarr
    args:
      urlpath: "reference::{here}/era5.parq"
      consolidated: false
      storage_options:
        remote_protocol: file
        lazy: true
""")

    found = intake.open_catalog("catalog.yaml")["era5"].to_dask()

    xr.testing.assert_equal(JOINED, found.compute())


def _a_day(dataset):
    """One day, without its time."""
    day = dataset.drop_vars("time").isel(time=0)
    day["air"].encoding = {"_FillValue": None, "chunksizes": (30, 40), "zlib": True}
    return day


def test_ceda_time_put_in_by_hand(here):
    """CEDA: files without time are given one in their sets, as bytes of base64; the combined set goes to Parquet."""
    sets = []
    for number, one in enumerate(MONTHS):
        Path(f"{number}.nc").write_bytes(netcdf4(_a_day(one)))
        refs = SingleHdf5ToZarr(str(here / f"{number}.nc")).translate()
        array = {"chunks": [1], "compressor": None, "dtype": "<i8", "fill_value": None, "filters": None}
        refs["refs"]["time/.zarray"] = json.dumps({**array, "order": "C", "shape": [1], "zarr_format": 2})
        refs["refs"]["time/.zattrs"] = '{"_ARRAY_DIMENSIONS": ["time"], "units": "days since 2000-01-01"}'
        refs["refs"]["time/0"] = b"base64:" + base64.b64encode(np.array([number], "<i8").tobytes())
        sets.append(refs)
    Path("out.parq").mkdir()
    out = LazyReferenceMapper.create(str(here / "out.parq"), fs=fsspec.filesystem("file"))

    MultiZarrToZarr(sets, out=out, concat_dims={"time"}, identical_dims={"lat", "lon"}).translate()
    out.flush()

    found = xr.open_dataset("out.parq", engine="kerchunk", storage_options={"remote_protocol": "file"})
    assert found["time"].values.astype("M8[D]").astype(str).tolist() == ["2000-01-01", "2000-01-02", "2000-01-03"]
    np.testing.assert_array_equal(found["air"], np.stack([one["air"][0] for one in MONTHS]))


def test_planetary_computer_one_item_after_another(range_server):
    """Planetary Computer: sets as assets of items, loaded by their URLs, variables of several merged by xarray."""
    assets = []
    for name in ("tas", "pr"):
        url = range_server.put(f"{name}.nc", netcdf4(month(0, name)))
        assets.append(range_server.put(f"{name}.json", ujson.dumps(singles([url])[0]).encode()))

    datasets = [
        xr.open_dataset(
            ujson.loads(fsspec.filesystem("http").cat_file(url)),
            engine="kerchunk",
            storage_options={"remote_protocol": "http"},
            chunks={},
        )
        for url in assets
    ]
    found = xr.combine_by_coords(datasets, join="exact", combine_attrs="drop_conflicts")

    expected = xr.merge([month(0, "tas"), month(0, "pr")])
    xr.testing.assert_equal(expected, found.compute())


def test_sun_in_fits(bucket, here):
    """SDO: FITS images in a bucket, joined along the time in their headers, which a function reads."""
    urls = []
    for number in range(3):
        header = fits.Header({"DATE-OBS": f"2012-03-0{number + 1}T00:00:00"})
        fits.ImageHDU(np.full((4, 5), number, "i2"), header).writeto("sun.fits", overwrite=True)
        urls.append(bucket.put(f"AIA/{number}.fits", Path("sun.fits").read_bytes()))
    sets = [kerchunk.fits.process_file(url, storage_options={"anon": True}) for url in urls]
    name = next(key.split("/")[0] for key in sets[0] if key.endswith("/.zarray"))

    def observed(index, group, variable, name_of_file):
        return np.datetime64(group[name].attrs["DATE-OBS"], "s")

    storage = {"remote_protocol": "s3", "remote_options": {"anon": True}}
    refs = MultiZarrToZarr(
        [ujson.loads(ujson.dumps(refs)) for refs in sets],
        coo_map={"time": observed},
        concat_dims=["time"],
        coo_dtypes={"time": "M8[s]"},
        **storage,
    ).translate()

    found = xr.open_dataset(refs, engine="kerchunk", storage_options=storage)
    assert found[name].dims[0] == "time"
    assert found["time"].values.astype("M8[D]").astype(str).tolist() == ["2012-03-01", "2012-03-02", "2012-03-03"]
    assert found[name].values[:, 0, 0].tolist() == [0, 1, 2]


def test_molecules_as_a_zarr_group(bucket):
    """Trajectories in HDF5 are used without xarray: as a Zarr group of groups."""
    import io

    import h5py

    file = io.BytesIO()
    with h5py.File(file, "w") as h5:
        h5.create_dataset("particles/all/position/value", data=np.arange(24.0).reshape(2, 4, 3), chunks=(1, 4, 3))
        h5["particles/all"].attrs["species"] = "water"
    url = bucket.put("peg.h5md", file.getvalue())
    refs = singles([url], anon=True)[0]

    group = zarr.open_group(refs_as_store(refs, True, None, "s3", {"anon": True, "asynchronous": True}), mode="r")

    assert group["particles/all"].attrs["species"] == "water"
    assert group["particles/all/position/value"][1, 3].tolist() == [21, 22, 23]


def test_inlined_and_consolidated(range_server):
    """Coordinates of a combined set are brought into it, what is left are the chunks of the data."""
    urls = [range_server.put(f"{number}.nc", netcdf4(one)) for number, one in enumerate(MONTHS)]
    refs = MultiZarrToZarr(singles(urls), **JOIN, remote_protocol="http", inline_threshold=0).translate()

    small = do_inline(refs["refs"], 400, remote_protocol="http")
    whole = inline_array(small, 1000, ["time"])
    final = consolidate(whole)

    assert json.loads(whole["time/.zarray"])["chunks"] == [9]
    left = {key.split("/")[0] for key, value in final["refs"].items() if isinstance(value, list)}
    assert left == {"air"}
    found = xr.open_dataset(final, engine="kerchunk", storage_options={"remote_protocol": "http"})
    xr.testing.assert_equal(JOINED, found.load())
