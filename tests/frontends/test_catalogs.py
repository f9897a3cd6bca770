"""A set is served over HTTP as plain Zarr, and described for catalogs."""

import json
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import fsspec
import h5py
import intake as catalogs
import numpy as np
import pystac
import pytest
import uvicorn
import xarray as xr
import zarr
from invoking import run

import chunkmap as library
from chunkmap.frontends.catalogs import stac_item
from chunkmap.frontends.serving import application


@pytest.fixture
def cube(tmp_path, monkeypatch):
    """The current directory holds the sets of two days of a global field, as JSON and as Parquet."""
    monkeypatch.chdir(tmp_path)
    for day in range(2):
        with h5py.File(f"d{day}.nc", "w") as file:
            axes = {
                "time": (np.array([float(day)]), "days since 2015-01-01"),
                "lat": (np.array([-60.0, 0.0, 60.0]), "degrees_north"),
                "lon": (np.array([0.0, 90.0, 180.0, 270.0]), "degrees_east"),
            }
            for name, (values, units) in axes.items():
                file[name] = values
                file[name].make_scale(name)
                file[name].attrs["units"] = units
            field = file.create_dataset("tos", data=np.arange(12.0).reshape(1, 3, 4) + day, chunks=(1, 3, 4))
            field.attrs["units"] = "K"
            for axis, name in enumerate(axes):
                field.dims[axis].attach_scale(file[name])
    for name in ("cube.json", "cube.parq"):
        how = {"coo_map": {"time": "cf:time"}, "scan_options": {"inline_threshold": 0}}
        library.build("d*.nc", name, concat_dims=["time"], **how)
    return xr.open_dataset("cube.json", engine="chunkmap")


@contextmanager
def served(stored, *, origins=(), **how):
    """The URL at which a set is served."""
    config = uvicorn.Config(
        application(library.open_store(stored, **how), origins=origins), port=0, log_level="error", lifespan="off"
    )
    server = uvicorn.Server(config)
    config.load()
    socket = config.bind_socket()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def asked(url, method="GET", **headers):
    """Status, headers and body of an answer."""
    request = urllib.request.Request(url, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("stored", ["cube.json", "cube.parq", "d0.nc"])
def test_a_set_is_plain_zarr_over_http(cube, stored, version):
    """zarr-python opens what is served of any set, or file, in either version, as if it were a Zarr store."""
    with served(stored, zarr_format=version) as url:
        store = zarr.storage.FsspecStore(fsspec.filesystem("http", asynchronous=True), path=url, read_only=True)
        group = zarr.open_group(store, mode="r", zarr_format=version)
        wanted = cube.tos.values if stored != "d0.nc" else cube.tos.values[:1]
        assert group["tos"][...].tolist() == wanted.tolist()


def test_keys_parts_and_methods(cube):
    """Ranges are answered as such, what is not there is 404, and nothing can be written."""
    with served("cube.json") as url:
        status, headers, whole = asked(f"{url}/tos/0.0.0")
        assert (status, len(whole), headers["Content-Type"]) == (200, 96, "application/octet-stream")
        status, headers, part = asked(f"{url}/tos/0.0.0", Range="bytes=8-15")
        assert (status, part, headers["Content-Range"]) == (206, whole[8:16], "bytes 8-15/96")
        assert asked(f"{url}/tos/0.0.0", Range="bytes=-8")[2] == whole[-8:]
        assert asked(f"{url}/tos/0.0.0", Range="bytes=96-")[0] == 416
        status, headers, body = asked(f"{url}/tos/.zarray", method="HEAD")
        assert (status, headers["Content-Type"], body) == (200, "application/json", b"")
        assert asked(f"{url}/tos/7.0.0")[0] == 404
        assert asked(f"{url}/../../etc/passwd")[0] == 404
        assert asked(f"{url}/tos/0.0.0", method="PUT")[0] == 405


def test_a_file_that_is_gone_is_no_missing_chunk(cube):
    """Readers take 404 for a chunk that does not exist; so it is an error of another kind."""
    Path("d0.nc").unlink()
    with served("cube.json") as url:
        status, _, body = asked(f"{url}/tos/0.0.0")
    assert status == 502
    assert b"d0.nc" in body


def test_pages_read_it_only_where_they_may(cube):
    """Without --cors no page of another origin reads the answers."""
    with served("cube.json", origins=["https://viewer.org"]) as url:
        assert asked(f"{url}/.zgroup", Origin="https://viewer.org")[1]["Access-Control-Allow-Origin"] is not None
        assert asked(f"{url}/.zgroup", Origin="https://other.org")[1]["Access-Control-Allow-Origin"] is None
    with served("cube.json") as url:
        assert asked(f"{url}/.zgroup", Origin="https://viewer.org")[1]["Access-Control-Allow-Origin"] is None


def test_the_command_says_where_it_serves(cube, monkeypatch):
    """The address is said before the first request, with the port that was free."""
    monkeypatch.setattr(uvicorn.Server, "run", lambda _self, sockets: [one.close() for one in sockets])
    result = run("serve", "cube.parq", "--port", "0", "--zarr-format", "3")
    assert result.exit_code == 0, result.stderr
    assert result.stderr.startswith("cube.parq: Zarr v3 at http://127.0.0.1:")


@pytest.mark.parametrize(
    ("east", "west_and_east", "kind"),
    [
        ([170.0, 180.0, 190.0], (170.0, -170.0), "MultiPolygon"),
        ([120.0, 200.0, 280.0], (120.0, -80.0), "MultiPolygon"),
        ([-179.5, 0.5, 179.5], (0.5, -179.5), "MultiPolygon"),
        ([0.0, 1.0, np.nan], (0.0, 1.0), "Polygon"),
    ],
)
def test_the_box_of_what_lies_across_the_antimeridian(tmp_path, east, west_and_east, kind):
    """West is the larger then, and the place is drawn in two parts; coordinates are auxiliary variables."""
    axes = {
        "time": ("time", [0.0], {"units": "days since 2015-01-01"}),
        "lat": ("lat", [-5.0, 5.0], {"units": "degrees_north"}),
        "lon": ("x", east, {"units": "degrees_east"}),
    }
    dataset = xr.Dataset({"tos": (("time", "lat", "x"), np.zeros((1, 2, 3)))}, axes)
    dataset.to_netcdf(tmp_path / "f.nc", engine="h5netcdf")
    library.write(library.scan(tmp_path / "f.nc"), tmp_path / "f.json")
    item = stac_item(str(tmp_path / "f.json"))
    assert item["bbox"] == [west_and_east[0], -5.0, west_and_east[1], 5.0]
    assert item["geometry"]["type"] == kind
    kinds = {name: one["type"] for name, one in item["properties"]["cube:variables"].items()}
    assert kinds == {"tos": "data", "time": "auxiliary", "lat": "auxiliary", "lon": "auxiliary"}


def test_an_item_of_stac(cube):
    """The item has times, box and cube of the set, and is what pystac takes for one."""
    result = run("stac", "cube.parq", "--id", "days")
    assert result.exit_code == 0, result.stderr
    item = pystac.Item.from_dict(json.loads(result.stdout))
    assert (item.id, item.bbox) == ("days", [-90.0, -60.0, 180.0, 60.0])
    assert item.properties["start_datetime"] == "2015-01-01T00:00:00Z"
    assert item.properties["end_datetime"] == "2015-01-02T00:00:00Z"
    cube = pystac.extensions.datacube.DatacubeExtension.ext(item)
    assert {name: dimension.dim_type for name, dimension in cube.dimensions.items()} == {
        "time": "temporal",
        "lat": "spatial",
        "lon": "spatial",
    }
    assert cube.variables["tos"].dimensions == ["time", "lat", "lon"]
    assert cube.variables["tos"].unit == "K"
    assert item.assets["references"].href == "cube.parq"
    assert [link.rel for link in item.links] == ["store"]


def test_an_item_without_a_time_is_refused(cube):
    """STAC takes no item without a time, and it is said so."""
    with h5py.File("plain.h5", "w") as file:
        file["x"] = [1, 2]
    library.write(library.scan("plain.h5"), "plain.json")
    with pytest.raises(ValueError, match="no coordinate is a time"):
        stac_item("plain.json")


@pytest.mark.parametrize("stored", ["cube.json", "cube.parq"])
def test_a_catalog_of_intake_opens_as_it_stands(cube, stored):
    """What is printed is a catalog whose source is the dataset, read through fsspec."""
    result = run("intake", stored, "--name", "days")
    assert result.exit_code == 0, result.stderr
    Path("catalog.yml").write_text(result.stdout)
    found = catalogs.open_catalog("catalog.yml")["days"].to_dask()
    xr.testing.assert_equal(found.load(), cube.load())
