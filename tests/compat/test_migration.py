"""What docs/how-to/migrate-from-kerchunk.md says beside the scripts that it shows, which tests/architecture runs."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import warnings
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr

import chunkmap
from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from kerchunk.combine import MultiZarrToZarr
from kerchunk.fits import process_file
from kerchunk.grib2 import grib_tree, scan_grib
from kerchunk.hdf import SingleHdf5ToZarr
from kerchunk.hdf4 import HDF4ToZarr
from kerchunk.netCDF3 import NetCDF3ToZarr
from kerchunk.tiff import tiff_to_zarr
from kerchunk.zarr import single_zarr

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "migrate-from-kerchunk.md"
FORMATS = Path(__file__).parents[1] / "formats"
TEXT = h5py.string_dtype()

WAYS = {
    "SingleHdf5ToZarr(url).translate()": ("hdf5", lambda url: SingleHdf5ToZarr(url).translate()),
    "NetCDF3ToZarr(url).translate()": ("netcdf3", lambda url: NetCDF3ToZarr(url).translate()),
    "scan_grib(url)": ("grib", lambda url: grib_tree(scan_grib(url))),
    "process_file(url)": ("fits", process_file),
    "tiff_to_zarr(url)": ("tiff", tiff_to_zarr),
    "HDF4ToZarr(url).translate()": ("hdf4", lambda url: HDF4ToZarr(url).translate()),
    "single_zarr(url)": ("zarr", single_zarr),
}
"""What the table of the page says of a file, by the format that it is of."""


def samples_of(name):
    """The samples of a format."""
    path = FORMATS / name / "samples.py"
    spec = importlib.util.spec_from_file_location(f"migrated_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.samples()


@pytest.mark.parametrize("way", WAYS)
def test_scan_gives_what_the_functions_of_a_format_give(tmp_path, way):
    """Both give arrays of the same names; but for one HDU of several, and the one image of a TIFF."""
    assert f"`{way}`" in PAGE.read_text()
    name, translate = WAYS[way]
    for sample in samples_of(name):
        folder = tmp_path / sample.name
        folder.mkdir()
        url = sample.write(folder)
        theirs, ours = set(chunkmap.load(translate(url)).arrays), set(chunkmap.scan(url).arrays)
        if way == "process_file(url)":
            first = min(theirs).partition("/")[0]
            assert theirs == {path for path in ours if path.partition("/")[0] == first}
        elif way == "tiff_to_zarr(url)":
            assert {path or "image" for path in theirs} | {"band"} == ours | {"band"}
            assert "" in theirs
        else:
            assert theirs == ours


def test_every_way_of_the_table_is_tried():
    """A format that the table gains is one that is compared here."""
    rows = [line.split("|")[1:3] for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    scanned = [
        call for before, after in rows if "`chunkmap.scan(url)`" in after for call in re.findall("`(.*?)`", before)
    ]
    assert set(scanned) - {"grib_tree"} == set(WAYS)


def write_series(path, times, kind="f4", bounds=None, **attrs):
    """A file of one variable in time."""
    with netCDF4.Dataset(path, "w") as file:
        for name, size in (("time", None), ("x", 6), ("nv", 2)):
            file.createDimension(name, size)
        time = file.createVariable("time", "i4", ("time",), chunksizes=(2,))
        time[:] = times
        if bounds is not None:
            file.createVariable("time_bnds", "f8", ("time", "nv"))[:] = [[bounds + n, bounds + n + 1] for n in times]
        array = file.createVariable(attrs.pop("name", "v"), kind, ("time", "x"), chunksizes=(2, 6), zlib=True)
        array.set_auto_scale(False)
        array.setncatts(attrs)
        array[:] = np.arange(len(times) * 6).reshape(-1, 6)
    return str(path)


def joined(*paths):
    """The files combined in time by kerchunk's functions."""
    singles = [SingleHdf5ToZarr(path, inline_threshold=0).translate() for path in paths]
    return MultiZarrToZarr(singles, concat_dims=["time"], remote_protocol="file").translate()


@pytest.mark.parametrize(
    ("differs", "what"),
    [
        ({"kind": "f8"}, "dtype is <f4"),
        ({"units": "K"}, "units is None"),
        ({"scale_factor": 2.0}, "scale_factor is None"),
        ({"times": [1, 2]}, "both hold time = 1"),
    ],
    ids=["type", "units", "packing", "overlap"],
)
def test_what_is_refused_names_the_files(tmp_path, differs, what):
    """Of dictionaries too, which have no name: both files stand in the message."""
    first = write_series(tmp_path / "first.nc", [0, 1])
    second = write_series(tmp_path / "second.nc", **{"times": [2, 3], **differs})
    with pytest.raises(ValueError, match=what) as refused:
        joined(first, second)
    assert first in str(refused.value)
    assert second in str(refused.value)


def test_the_same_bounds_in_several_files_are_taken_once(tmp_path):
    """Files of one variable each that repeat their bounds are joined, and are refused where these differ."""
    one = write_series(tmp_path / "one.nc", [0, 1], bounds=0)
    two = write_series(tmp_path / "two.nc", [0, 1], bounds=0, name="w")
    assert {"v", "w", "time_bnds"} <= set(chunkmap.load(joined(one, two)).arrays)
    with pytest.raises(ValueError, match="time_bnds"):
        joined(one, write_series(tmp_path / "other.nc", [0, 1], bounds=0.5, name="w"))


def write_left_out(path):
    """What kerchunk leaves out of HDF5 files."""
    record = np.dtype([("n", "<i4"), ("text", TEXT), ("to", h5py.ref_dtype), ("s", h5py.vlen_dtype("<i4"))])
    with h5py.File(path, "w") as file:
        file["null"] = h5py.Empty("f4")
        file["x"] = np.arange(4.0)
        file["x"].make_scale("x")
        file["longer"] = np.arange(6.0)
        file["longer"].dims[0].attach_scale(file["x"])
        file.create_dataset("records", (1,), record)[0] = (1, "one", file["x"].ref, np.array([7, 8], "<i4"))
        file.create_dataset("texts", (1,), h5py.vlen_dtype(TEXT))[0] = ["a", "bc"]
        file.create_dataset("leads", (1,), h5py.vlen_dtype(h5py.ref_dtype))[0] = np.array(
            [file["x"].ref], h5py.ref_dtype
        )
    return str(path)


@pytest.mark.filterwarnings("ignore:The following exception was caught:UserWarning")
def test_what_was_left_out_of_hdf5_is_there(tmp_path):
    """Null dataspaces, records with what lies elsewhere, sequences of text and references, and an axis too long."""
    arrays = chunkmap.load(SingleHdf5ToZarr(write_left_out(tmp_path / "a.h5")).translate()).arrays
    assert (arrays["null"].meta.shape, arrays["null"].meta.dims) == ((0,), ("null_null",))
    values = {name: read_array(arrays[name], Fetcher()) for name in ("records", "texts", "leads")}
    assert values["records"].tolist() == [(1, b"one", b"/x", 2, 7, 8)]
    assert values["texts"].dtype.names == ("length", "[0]", "[1]")
    assert values["texts"].tolist() == [(2, b"a", b"bc")]
    assert values["leads"].tolist() == [(1, b"/x")]
    assert arrays["longer"].meta.dims == ("x_6",)


def test_an_axis_that_does_not_fit_is_a_warning(tmp_path):
    """`error="raise"` does not raise for it, and does for what is left out."""
    path = write_left_out(tmp_path / "a.h5")
    with pytest.warns(UserWarning, match="the axis is called x_6"):
        SingleHdf5ToZarr(path).translate()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert "longer/0" in SingleHdf5ToZarr(path, inline_threshold=0, error="raise").translate()["refs"]
    with h5py.File(path, "a") as file:
        file["long"] = np.arange(3, dtype="g")
    with pytest.raises(Exception, match="long double"):
        SingleHdf5ToZarr(path, error="raise").translate()


def test_netcdf3_keeps_its_references_and_its_numbers(tmp_path):
    """A reference for each record by `NetCDF3ToZarr` and `portable=True`, else one chunk; numbers stay numbers."""
    path = str(tmp_path / "a.nc")
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("t", None)
        file.answer = np.int16(42)
        for name in "ab":
            file.createVariable(name, "f4", ("t",))[:] = np.arange(5000)
    refs = NetCDF3ToZarr(path).translate()
    assert json.loads(refs["refs"][".zattrs"]) == {"answer": 42}
    counts = [len(s.arrays["a"].manifest()) for s in (chunkmap.load(refs), chunkmap.scan(path, portable=True))]
    assert counts == [5000, 5000]
    scanned = chunkmap.scan(path)
    assert len(scanned.arrays["a"].manifest()) == 1
    assert type(chunkmap.open_dataset(scanned).attrs["answer"]) is np.int16


def test_options_and_odd_sets_of_others(tmp_path):
    """The engine `kerchunk` takes fsspec's options; what is odd in a set is left out and named, arrays in a warning."""
    refs = SingleHdf5ToZarr(write_series(tmp_path / "a.nc", [0, 1]), inline_threshold=0).translate()
    refs["refs"].update({"v/9.9": ["x", 0, 1], "gone/0": ["x", 0, 1], "bad/.zarray": '{"shape":[2]}'})
    options = {"skip_instance_cache": True, "max_gap": 100, "lazy": True, "remote_protocol": "file"}
    with pytest.warns(UserWarning, match="1 array is left out. 'bad'"):
        opened = xr.open_dataset(refs, engine="kerchunk", storage_options=options)
    with opened as dataset:
        assert dataset.v.values.ravel().tolist() == list(range(12))
    assert {problem.path for problem in chunkmap.load(refs).problems} == {"v", "gone/0", "bad"}
