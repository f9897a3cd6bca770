"""Sequences of variable length of numbers, of which zarr knows nothing, opened through references."""

import json
import pickle

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr

import chunkmap

ROADS = ("scan", "file", "pickle", "dictionary", "json", "parquet")


def write_sequences(path):
    """Sequences along one and two axes, an empty one, unwritten ones, and a plain array beside them."""
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("x", 4)
        file.createDimension("y", 2)
        whole, real = file.createVLType("i4", "whole"), file.createVLType("f8", "real")
        ragged = file.createVariable("ragged", whole, ("x",))
        ragged.units = "m"
        ragged[0], ragged[1], ragged[2] = np.array([1, 2, 3], "i4"), np.array([], "i4"), np.array([9], "i4")
        pairs = file.createVariable("pairs", real, ("x", "y"))
        alike = file.createVariable("alike", real, ("x",))
        for row in range(4):
            alike[row] = np.array([row, row + 0.5])
            for column in range(2):
                pairs[row, column] = np.arange(row + column, dtype="f8")
        file.createVariable("unwritten", whole, ("x",))
        file.createVariable("plain", "f4", ("x",))[:] = 1
    return str(path)


def road(name, path, folder):
    """What the engine opens."""
    refs = chunkmap.scan(path)
    if name in ("json", "parquet"):
        stored = folder / {"json": "a.json", "parquet": "a.parq"}[name]
        chunkmap.write(refs, stored)
        return stored
    return {"scan": refs, "file": path, "pickle": pickle.loads(pickle.dumps(refs)), "dictionary": refs.to_dict()}[name]


def told(values):
    """The shape of an array of sequences, and of each sequence the type and the numbers."""
    return values.dtype, values.shape, [(type(one), one.dtype, one.tolist()) for one in values.flat]


@pytest.mark.parametrize("decode_cf", [True, False])
@pytest.mark.parametrize("name", ROADS)
def test_sequences_are_those_of_netcdf4(tmp_path, name, decode_cf):
    """By every road each is an array, empty where nothing was written, and parts of the array are as well."""
    path = write_sequences(tmp_path / "a.nc")
    opened = road(name, path, tmp_path)
    with (
        xr.open_dataset(path, engine="netcdf4", decode_cf=decode_cf) as expected,
        xr.open_dataset(opened, engine="chunkmap", decode_cf=decode_cf) as found,
    ):
        assert set(found.variables) == set(expected.variables)
        for array in ("ragged", "pairs", "alike", "unwritten"):
            assert found[array].attrs == expected[array].attrs
            part = [some[array][1:3].values for some in (found, expected)]
            assert told(part[0]) == told(part[1])
            assert told(found[array].values) == told(expected[array].values)


def test_sequences_in_chunks(tmp_path):
    """Dask reads them chunk by chunk; those that were never written are empty, and `_FillValue` masks none."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        array = file.create_dataset("v", (5,), h5py.vlen_dtype(">i2"), chunks=(2,))
        array[0], array[1] = [1, 2], [3]
        array.attrs["_FillValue"] = np.int16(3)
    with xr.open_dataset(tmp_path / "a.h5", engine="chunkmap", chunks={}) as dataset:
        assert dataset.v.chunks == ((2, 2, 1),)
        assert [one.tolist() for one in dataset.v.compute().values] == [[1, 2], [3], [], [], []]
        assert dataset.v.encoding["_FillValue"] == 3


def test_one_sequence_without_dimensions(tmp_path):
    """It is one object, the array, as the variable has no axis."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("v", (), h5py.vlen_dtype("f4"))[()] = np.array([1, 2], "f4")
    with xr.open_dataset(tmp_path / "a.h5", engine="chunkmap") as dataset:
        assert dataset.v.values.shape == ()
        assert dataset.v.values[()].tolist() == [1, 2]


def test_zarr_is_given_none(tmp_path):
    """`open_store`, from which zarr would read, leaves them out with a warning that names them."""
    path = write_sequences(tmp_path / "a.nc")
    with pytest.warns(UserWarning, match="ragged"):
        store = chunkmap.open_store(path)
    assert set(store.left_out) == {"alike", "pairs", "ragged", "unwritten"}


@pytest.mark.parametrize("said", [None, "nothing", ["<i4"], "|O", "<M8[s]"])
def test_a_set_that_says_no_type_of_number(tmp_path, said):
    """An array whose codec names no type of number is left out by name; the others open."""
    refs = chunkmap.scan(write_sequences(tmp_path / "a.nc")).to_dict()
    refs["refs"]["ragged/.zarray"] = refs["refs"]["ragged/.zarray"].replace('"<i4"', json.dumps(said))
    with pytest.warns(UserWarning, match="ragged"):
        dataset = xr.open_dataset(refs, engine="chunkmap")
    assert "plain" in dataset.variables
    assert "ragged" not in dataset.variables
