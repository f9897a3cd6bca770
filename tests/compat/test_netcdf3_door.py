"""The door `kerchunk.netCDF3`."""

import json
import tarfile
import zipfile

import netCDF4
import numpy as np
import pytest
import xarray as xr

from kerchunk.netCDF3 import NetCDF3ToZarr, netcdf_recording_file
from kerchunk.utils import consolidate, dereference_archives, refs_as_store


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as nc:
        nc.createDimension("time", None)
        nc.createDimension("x", 40)
        nc.createVariable("time", "f8", ("time",))[:] = np.arange(5)
        nc.createVariable("v", "f4", ("time", "x"))[:] = np.arange(200).reshape(5, 40)
        nc.createVariable("x", "f8", ("x",))[:] = np.arange(40)
        nc.title = "t"
    return path


def opened(refs):
    return xr.open_zarr(refs_as_store(refs, remote_protocol="file"), consolidated=False, zarr_format=2)


@pytest.mark.parametrize("inline_threshold", [0, 100, 10**6])
def test_translate_gives_version_1(path, inline_threshold):
    """`translate` gives a set of version 1 that opens as the file does; references name the file as it was given."""
    out = NetCDF3ToZarr(str(path), inline_threshold=inline_threshold).translate()
    assert out["version"] == 1
    json.dumps(out)
    assert {v[0] for v in out["refs"].values() if isinstance(v, list)} <= {str(path)}
    with xr.open_dataset(path, engine="scipy") as expected:
        xr.testing.assert_identical(opened(out).load(), expected.load())


def test_max_chunk_size_cuts_chunks(path):
    """`max_chunk_size` bounds the bytes of a chunk."""
    out = NetCDF3ToZarr(str(path), inline_threshold=0, max_chunk_size=80).translate()
    lengths = [v[2] for v in out["refs"].values() if isinstance(v, list)]
    assert max(lengths) == 80
    with xr.open_dataset(path, engine="scipy") as expected:
        np.testing.assert_array_equal(opened(out)["v"], expected["v"])


def test_out_is_filled_even_when_empty(path):
    """A mapping given as `out` receives the references; one that stores them is flushed, and is what comes back."""

    class Flushing(dict):
        flushed = False

        def flush(self):
            self.flushed = True

    mapping, flushing = {}, Flushing()
    assert NetCDF3ToZarr(str(path), out=mapping).translate()["refs"] is mapping
    assert "v/0.0" in mapping
    assert NetCDF3ToZarr(str(path), out=flushing).translate() is flushing
    assert flushing.flushed
    assert "v/0.0" in flushing


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_chained_urls_stay_until_they_are_dereferenced(path, tmp_path, kind):
    """References keep a chained URL; `dereference_archives` and `consolidate` make a set that needs no archive."""
    outer = tmp_path / f"o.{kind}"
    if kind == "tar":
        with tarfile.open(outer, "w") as archive:
            archive.add(path, "a.nc")
    else:
        with zipfile.ZipFile(outer, "w") as archive:
            archive.write(path, "a.nc")
    url = f"{kind}://a.nc::{outer}"
    out = NetCDF3ToZarr(url, inline_threshold=0).translate()
    assert {v[0] for v in out["refs"].values() if isinstance(v, list)} == {url}
    refs = consolidate(dereference_archives(out))
    assert {v[0] for v in refs["refs"].values() if isinstance(v, list)} == {str(outer)}
    with xr.open_dataset(path, engine="scipy") as expected:
        xr.testing.assert_identical(opened(refs).load(), expected.load())


def test_arguments_of_scipy_are_accepted_where_they_mean_nothing(path):
    """`mode`, `mmap`, `maskandscale` and `version` are taken with the values that kerchunk takes, others refused."""
    NetCDF3ToZarr(str(path), mode="r", mmap=False, maskandscale=False, version=1).translate()
    with pytest.raises(ValueError, match="mode='w'"):
        NetCDF3ToZarr(str(path), mode="w")
    assert netcdf_recording_file is NetCDF3ToZarr


def test_problems_are_warnings(path):
    """What could not be represented is told."""
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.warns(UserWarning, match="incomplete last record"):
        NetCDF3ToZarr(str(path)).translate()
