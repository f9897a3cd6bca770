"""Project Pythia's kerchunk cookbook: basics, Dask, appending, Parquet, GRIB, GeoTIFF, a tree of many sets."""

from __future__ import annotations

import glob
import json
import sys
from pathlib import Path

import dask
import fsspec
import numpy as np
import rasterio
import ujson
import xarray as xr
from fsspec.implementations.reference import LazyReferenceMapper, ReferenceFileSystem
from granules import month, netcdf4

from kerchunk.combine import MultiZarrToZarr, auto_dask
from kerchunk.df import refs_to_dataframe
from kerchunk.grib2 import grib_tree, scan_grib
from kerchunk.hdf import SingleHdf5ToZarr
from kerchunk.tiff import generate_coords, tiff_to_zarr

sys.path.insert(0, str(Path(__file__).parents[1] / "formats" / "grib"))
from making import field

SO = {"mode": "rb", "anon": True, "default_fill_cache": False, "default_cache_type": "first"}
REMOTE = {"remote_protocol": "s3", "remote_options": {"anon": True}}
ENGINE = {**REMOTE, "skip_instance_cache": True}


def forecasts(bucket, count):
    """Files of a run of a model, found by a pattern as the notebook finds them."""
    for number in range(count):
        bucket.put(f"DET/2022/WRFDETAR_01H_{number:03}.nc", month(number, "T2", 1))
    fs = fsspec.filesystem("s3", anon=True, skip_instance_cache=True)
    return fs, sorted("s3://" + path for path in fs.glob(f"s3://{bucket.name}/DET/2022/WRFDETAR_01H_*"))


def generate(fs, url, folder):
    """One file to one JSON in a folder: what is wrapped in `dask.delayed`."""
    with fs.open(url, **SO) as file:
        refs = SingleHdf5ToZarr(file, url, inline_threshold=300).translate()
    out = f"{folder}/{url.split('/')[-1].removesuffix('.nc')}.json"
    with open(out, "wb") as target:  # noqa: PTH123 - as a notebook would
        target.write(ujson.dumps(refs).encode())
    return out


def test_one_file(bucket, here):
    """A file in a bucket, its JSON on disk, opened with either engine."""
    url = bucket.put("WRF.nc", month(0))
    with fsspec.open(url, **SO) as file:
        refs = SingleHdf5ToZarr(file, url, inline_threshold=100).translate()
    with open("single.json", "wb") as target:  # noqa: PTH123
        target.write(ujson.dumps(refs).encode())

    theirs = xr.open_dataset(
        "single.json", engine="kerchunk", storage_options=ENGINE, open_dataset_options={"chunks": {}}
    )
    ours = xr.open_dataset("single.json", engine="chunkmap", remote_options={"anon": True}, chunks={})

    for found in (theirs, ours):
        xr.testing.assert_equal(month(0), found.compute())


def test_delayed_then_appended(bucket, here):
    """Half of the files in parallel, combined to a JSON; then the other half appended to what was loaded from it."""
    fs, urls = forecasts(bucket, 6)
    how = {"concat_dims": ["time"], "identical_dims": ["lat", "lon"], "coo_map": {"time": "cf:time"}, **REMOTE}
    tasks = [dask.delayed(generate)(fs, url, str(here)) for url in urls]
    paths = list(dask.compute(*tasks, scheduler="threads"))

    first = MultiZarrToZarr(paths[:3], **how).translate()
    Path("combined.json").write_bytes(ujson.dumps(first).encode())
    archive = ujson.load(fsspec.filesystem("file").open("combined.json"))
    refs = MultiZarrToZarr.append(paths[3:], original_refs=archive, **how).translate()
    Path("combined.json").write_bytes(ujson.dumps(refs).encode())

    expected = xr.concat([month(number, "T2", 1) for number in range(6)], "time")
    found = xr.open_dataset("combined.json", engine="kerchunk", storage_options=ENGINE, chunks={})
    assert found["T2"].chunksizes["time"] == (1,) * 6
    xr.testing.assert_equal(expected, found.compute())


def test_a_tree_on_dask(bucket, here):
    """`auto_dask` scans in a bucket and writes the combined JSON."""
    _, urls = forecasts(bucket, 5)

    with dask.config.set(scheduler="threads"):
        refs = auto_dask(
            urls,
            single_driver=SingleHdf5ToZarr,
            single_kwargs={"inline_threshold": 300, "storage_options": {"anon": True}},
            mzz_kwargs={"concat_dims": ["time"], "identical_dims": ["lat", "lon"]},
            n_batches=2,
            filename="tree.json",
            **REMOTE,
        )

    assert json.loads(Path("tree.json").read_text())["refs"].keys() == refs["refs"].keys()
    found = xr.open_dataset("tree.json", engine="kerchunk", storage_options=ENGINE)
    xr.testing.assert_equal(xr.concat([month(number, "T2", 1) for number in range(5)], "time"), found.load())


def test_parquet_two_ways(bucket, here):
    """A `LazyReferenceMapper` as `out`, and `refs_to_dataframe`; both open lazily through fsspec and the engines."""
    fs, urls = forecasts(bucket, 4)
    singles = [generate(fs, url, here) for url in urls]
    how = {"concat_dims": ["time"], "identical_dims": ["lat", "lon"], **REMOTE}
    expected = xr.concat([month(number, "T2", 1) for number in range(4)], "time")

    Path("out.parq").mkdir()
    out = LazyReferenceMapper.create(root="out.parq", fs=fsspec.filesystem("file"), record_size=5)
    MultiZarrToZarr(singles, out=out, **how).translate()
    out.flush()
    refs_to_dataframe(MultiZarrToZarr(singles, **how).translate(), "refs.parq", record_size=5)

    for root in ("out.parq", "refs.parq"):
        options = {"remote_options": {"anon": True, "asynchronous": True}, "asynchronous": True, "lazy": True}
        lazy = ReferenceFileSystem(root, remote_protocol="s3", target_protocol="file", **options)
        through = xr.open_zarr(_store(lazy), consolidated=False, zarr_format=2)
        theirs = xr.open_dataset(root, engine="kerchunk", storage_options={**ENGINE, "target_protocol": "file"})
        ours = xr.open_dataset(root, engine="chunkmap", remote_options={"anon": True})
        for found in (through, theirs, ours):
            xr.testing.assert_equal(expected, found.load())


def _store(fs):
    from zarr.storage import FsspecStore

    return FsspecStore(fs, read_only=True, path="")


def test_grib_by_level(bucket, here):
    """Messages of one level of several files, chosen by `filter`, joined along valid time."""
    for step in range(3):
        messages = [field(10 * step + n, "regular_ll_pl_grib2", step=step, level=v) for n, v in enumerate((850, 500))]
        bucket.put(f"hrrr.t{step:02}z.grib2", b"".join(messages))
    fs = fsspec.filesystem("s3", anon=True)
    paths = []
    for file in sorted(fs.glob(f"s3://{bucket.name}/hrrr.*.grib2")):
        options = {"anon": True}
        found = scan_grib(f"s3://{file}", storage_options=options, inline_threshold=100, filter={"level": 500})
        for number, message in enumerate(found):
            path = f"{file.split('/')[-1]}_{number}.json"
            Path(path).write_text(ujson.dumps(message))
            paths.append(path)

    refs = MultiZarrToZarr(
        sorted(glob.glob("*.json")),  # noqa: PTH207
        concat_dims=["valid_time"],
        identical_dims=["latitude", "longitude", "isobaricInhPa"],
        **REMOTE,
    ).translate()

    dataset = xr.open_dataset(refs, engine="kerchunk", storage_options=ENGINE, open_dataset_options={"chunks": {}})
    assert dataset["t"].sizes["valid_time"] == 3
    assert dataset["t"][:, 0, 0].values.ravel()[:3].tolist() == [100, 1100, 2100]


def test_grib_as_a_tree(bucket):
    """All messages of a file as a tree of groups, one of which is opened."""
    url = bucket.put("gfs.grib2", b"".join(field(n, "regular_ll_pl_grib2", level=v) for n, v in enumerate((850, 500))))

    tree = grib_tree(scan_grib(url, storage_options={"anon": True}), remote_options={"anon": True})
    found = xr.open_dataset(tree, engine="kerchunk", storage_options=ENGINE, group="t/instant/isobaricInhPa")

    assert found["isobaricInhPa"].values.tolist() == [500, 850]
    assert found["t"].values[..., 0, 0].ravel().tolist() == [100, 0]


def test_geotiff(bucket, here):
    """Images of several dates: a JSON each, joined along a time that is in the name of the file, with coordinates."""
    import re

    data = np.arange(2 * 32 * 48, dtype="u2").reshape(2, 32, 48)
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint16", "width": 48, "height": 32, "crs": "EPSG:3067"}
    layout = {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"}
    jsons = []
    for number in range(2):
        with rasterio.open(
            "radar.tif", "w", transform=rasterio.Affine(250, 0, 1000, 0, -250, 9000), **profile, **layout
        ) as file:
            file.write(data[number : number + 1])
        url = bucket.put(f"2023010{number + 1}.tif", Path("radar.tif").read_bytes())
        refs = tiff_to_zarr(url, remote_options={"anon": True})
        out = f"2023010{number + 1}.json"
        Path(out).write_text(ujson.dumps(refs))
        jsons.append(out)

    refs = MultiZarrToZarr(
        jsons,
        concat_dims=["time"],
        coo_map={"time": re.compile(r"(\d{8})\.json")},
        coo_dtypes={"time": "int64"},
        identical_dims=["X", "Y"],
        preprocess=_as_variable,
        **REMOTE,
    ).translate()

    found = xr.open_dataset(refs, engine="kerchunk", storage_options=ENGINE)
    assert found["time"].values.tolist() == [20230101, 20230102]
    np.testing.assert_array_equal(found["image"], data)
    attrs = json.loads(Path(jsons[0]).read_text())[".zattrs"]
    coords = generate_coords(json.loads(attrs), [32, 48])
    assert (coords["x"][0], coords["y"][0]) == (1125, 8875)


def _as_variable(refs):
    """The array at the root as a variable of a group."""
    for key in [".zarray", ".zattrs", *[key for key in refs if not key.startswith(".")]]:
        refs[f"image/{key}"] = refs.pop(key)
    refs[".zgroup"] = '{"zarr_format": 2}'
    return refs


def test_many_sets_as_a_tree(range_server):
    """Parquet sets behind HTTP, one for each scenario, opened lazily in parallel, as one `DataTree`."""
    catalog = {}
    for scenario in ("historical", "ssp245"):
        url = range_server.put(f"{scenario}.nc", netcdf4(month(len(scenario), "tas")))
        with fsspec.open(url) as file:
            refs = SingleHdf5ToZarr(file, url).translate()
        catalog[f"ACCESS-CM2/{scenario}"] = range_server.put(f"{scenario}.json", ujson.dumps(refs).encode())

    def load(name, url):
        return name, xr.open_dataset(
            url, engine="kerchunk", storage_options={"remote_protocol": "http", "skip_instance_cache": True}, chunks={}
        )

    tasks = [dask.delayed(load)(name, url) for name, url in catalog.items()]
    tree = xr.DataTree.from_dict(dict(dask.compute(tasks, scheduler="threads")[0]))

    assert set(tree["ACCESS-CM2"].children) == {"historical", "ssp245"}
    xr.testing.assert_equal(month(6, "tas"), tree["ACCESS-CM2/ssp245"].to_dataset().compute())
