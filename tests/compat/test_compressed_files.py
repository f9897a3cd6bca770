"""Doors that are given a compressed file name what compresses it, as `chunkmap.scan` does."""

from __future__ import annotations

import bz2
import gzip
import lzma

import pytest

from chunkmap import scan
from chunkmap.errors import Unsupported
from kerchunk.fits import process_file
from kerchunk.grib2 import scan_grib
from kerchunk.hdf import SingleHdf5ToZarr
from kerchunk.hdf4 import HDF4ToZarr
from kerchunk.netCDF3 import NetCDF3ToZarr
from kerchunk.tiff import tiff_to_zarr

DOORS = {
    "fits": process_file,
    "tiff": tiff_to_zarr,
    "hdf4": lambda path: HDF4ToZarr(path).translate(),
    "netcdf3": lambda path: NetCDF3ToZarr(path).translate(),
    "hdf5": lambda path: SingleHdf5ToZarr(path).translate(),
    "grib": scan_grib,
}
COMPRESSED = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("by", COMPRESSED)
@pytest.mark.parametrize("door", DOORS)
def test_the_door_names_what_compresses_the_file(tmp_path, door, by):
    """A file that begins as a compressed one does is refused by its name, with what to do."""
    path = tmp_path / "a.bin"
    path.write_bytes(COMPRESSED[by](bytes(range(256)) * 40))
    with pytest.raises(Unsupported, match=rf"compressed by {by}: .* Decompress it first"):
        DOORS[door](str(path))


@pytest.mark.parametrize("name", DOORS)
def test_a_format_that_is_named_is_refused_by_the_same_words(tmp_path, name):
    """`scan` of a compressed file says so where it was told the format, too."""
    path = tmp_path / "a.xz"
    path.write_bytes(lzma.compress(bytes(range(256)) * 40))
    with pytest.raises(Unsupported, match=r"compressed by xz: .* Decompress it first"):
        scan(path, format=name)
