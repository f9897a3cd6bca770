"""What the engine opened can be written as a Zarr store by xarray, without a word about encodings."""

import warnings

import h5py
import numpy as np
import pytest
import xarray as xr

import chunkmap


@pytest.fixture
def month(tmp_path):
    """A file with the filters of HDF5, a mask, times, text and an array with a filter that only HDF5 has."""
    path = tmp_path / "a.nc"
    with h5py.File(path, "w") as file:
        file["time"] = np.arange(3.0)
        file["time"].make_scale("time")
        file["time"].attrs["units"] = "days since 2000-01-01"
        how = {"chunks": (1, 50), "compression": "gzip", "shuffle": True, "fletcher32": True}
        file.create_dataset("t", data=np.arange(300, dtype=">f4").reshape(3, 100), **how)
        file["t"].attrs["_FillValue"] = np.array([7], ">f4")
        file.create_dataset("lzf", data=np.arange(300, dtype="i2").reshape(3, 100), chunks=(1, 50), compression="lzf")
        file.create_dataset("names", data=["a", "bb", "ccc"], dtype=h5py.string_dtype())
        for name in ("t", "lzf", "names"):
            file[name].dims[0].attach_scale(file["time"])
    return path


@pytest.mark.parametrize("chunks", [None, {}], ids=["whole", "dask"])
@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("kept", ["the file", "a.json", "a.parq", "v3.json"])
def test_what_was_opened_can_be_written(month, tmp_path, kept, version, chunks):
    """A copy in either version of Zarr reads as what was opened, whatever was opened and however it is compressed."""
    stored = month if kept == "the file" else tmp_path / kept
    if kept != "the file":
        chunkmap.write(chunkmap.scan(month), stored, zarr_format=3 if kept == "v3.json" else 2)
    opened = xr.open_dataset(stored, engine="chunkmap", chunks=chunks)
    copy = tmp_path / "copy.zarr"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zarr warns that text is not in the specification of v3
        opened.to_zarr(copy, zarr_format=version, consolidated=False)
        with xr.open_zarr(copy, consolidated=False, chunks=None) as again:
            xr.testing.assert_identical(again.load(), opened.load())
