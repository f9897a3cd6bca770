"""How HDF4 files are scanned and read in these tests."""

import runpy
from pathlib import Path

import pytest
import zarr

import chunkmap

RECIPES = runpy.run_path(str(Path(__file__).with_name("recipes.py")))


@pytest.fixture
def recipe():
    """A file to be made byte by byte."""
    return RECIPES["Recipe"]()


@pytest.fixture
def scanned(tmp_path):
    """Write bytes to a file, or take one that is there, and scan it."""

    def scan(file, **options):
        if isinstance(file, bytes):
            path = tmp_path / "recipe.hdf"
            path.write_bytes(file)
        else:
            path = file
        return chunkmap.scan(path, **{"inline_threshold": 0, **options})

    return scan


@pytest.fixture
def values():
    """The values of one array of a set, as zarr reads them."""

    def read(refs, path):
        return zarr.open_array(chunkmap.open_store(refs), path=path, mode="r", zarr_format=2)[...]

    return read
