"""Hundreds of files of random kinds: values, types and attributes are those that the formats' own libraries read."""

import importlib.util
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.formats.scanning import scan_source
from chunkmap.io import LocalSource

scan = partial(scan_source, format="hdf5")

FILES = 240
FOUND = [2220]
"""Of the files beyond those, the ones that once were read wrongly: an index that has a header and no entries."""
SHARES = 8
"""Files are many, tests are few: each looks at a share."""


@pytest.fixture(scope="module")
def zoo():
    """The module that writes the files."""
    spec = importlib.util.spec_from_file_location("zoo", Path(__file__).with_name("zoo.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def as_json(value):
    """What an attribute is in JSON: one element stands for itself, members of a record are a list."""
    if isinstance(value, np.ndarray):
        return as_json(value.ravel()[0]) if value.size == 1 else lists(value)
    if isinstance(value, np.void):
        return [as_json(member) for member in value.tolist()]
    if isinstance(value, np.complexfloating):
        return [float(value.real), float(value.imag)]
    value = value.item() if isinstance(value, np.generic) else value
    return value.decode() if isinstance(value, bytes) else value


def lists(values):
    """An array as lists in lists."""
    return [lists(one) if isinstance(one, np.ndarray) else as_json(one) for one in values]


def texts(values):
    """Texts as `str`, whether they are read as that or as bytes."""
    return [value.decode() if isinstance(value, bytes) else value for value in values.ravel().tolist()]


def datasets(file):
    """Every dataset by its path."""
    found = {}
    file.visititems(lambda name, one: found.update({name: one}) if isinstance(one, h5py.Dataset) else None)
    return found


def flags(dataset):
    """The attributes in which the names of an enumeration are kept."""
    members = h5py.check_enum_dtype(dataset.dtype)
    return {"flag_values": [*members.values()], "flag_meanings": " ".join(members)} if members else {}


def check_dataset(array, dataset):
    """An array that was read through references is the dataset that h5py reads."""
    want, found = dataset[...], read_array(array, Fetcher())
    if found.dtype.kind == "O":
        assert found.shape == want.shape
        assert texts(found) == texts(want)
    else:
        assert found.dtype == want.dtype
        np.testing.assert_array_equal(found, want)
    wanted = {name: as_json(value) for name, value in dataset.attrs.items()}
    assert dict(array.meta.attrs) == wanted | flags(dataset)


@pytest.mark.parametrize("share", range(SHARES))
def test_files_of_h5py(tmp_path, zoo, share):
    """Every dataset is there, or a problem that says why; only what is too large to be filled inline may be one."""
    path = tmp_path / "a.h5"
    for seed in [*range(FILES), *FOUND][share::SHARES]:
        zoo.write_hdf5(path, seed)
        refs = scan(LocalSource(path))
        assert {problem.feature for problem in refs.problems} <= {"fill value"}
        with h5py.File(path) as file:
            found = datasets(file)
            assert sorted(found) == sorted(refs.arrays)
            for name, dataset in found.items():
                check_dataset(refs.arrays[name], dataset)


@pytest.mark.parametrize("share", range(SHARES))
def test_files_of_netcdf4(tmp_path, zoo, share):
    """Every group is what h5netcdf reads, decoded and not."""
    for seed in range(share, FILES // 6, SHARES):
        path = tmp_path / f"{seed}.nc"
        zoo.write_netcdf4(path, seed)
        for options in ({}, {"mask_and_scale": False}):
            with xr.open_datatree(path, engine="h5netcdf", **options) as want:
                found = xr.open_datatree(path, engine="chunkmap", **options)
                xr.testing.assert_identical(found.load(), want.load())
