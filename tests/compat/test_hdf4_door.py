"""The door `kerchunk.hdf4`."""

import json

import numpy as np
import pytest
import xarray as xr
from pyhdf.SD import SD, SDC

from kerchunk.hdf4 import HDF4ToZarr
from kerchunk.utils import refs_as_store


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.hdf"
    sd = SD(str(path), SDC.WRITE | SDC.CREATE)
    sds = sd.create("t", SDC.FLOAT32, (20, 30))
    sds.setcompress(SDC.COMP_DEFLATE, 6)
    sds[:] = np.arange(600, dtype="f4").reshape(20, 30)
    sds.endaccess()
    small = sd.create("n", SDC.INT16, (3,))
    small[:] = [1, 2, 3]
    small.endaccess()
    sd.end()
    return path


def test_translate_gives_bare_references(path):
    """`translate` gives references without a version, as kerchunk does, that read as pyhdf reads the file."""
    out = HDF4ToZarr(str(path)).translate()
    assert "version" not in out
    assert isinstance(out["n/0"], str)
    assert out["t/0.0"][0] == str(path)
    opened = xr.open_zarr(refs_as_store(out, remote_protocol="file"), consolidated=False, zarr_format=2)
    np.testing.assert_array_equal(opened["t"], SD(str(path)).select("t").get())
    assert opened["n"].values.tolist() == [1, 2, 3]


def test_translate_to_a_file(path, tmp_path):
    """With a file name, `translate` writes the references there as JSON."""
    assert HDF4ToZarr(str(path)).translate(str(tmp_path / "refs.json")) is None
    assert json.loads((tmp_path / "refs.json").read_bytes()) == HDF4ToZarr(str(path)).translate()


def test_out_is_filled(path):
    """A mapping given as `out` receives the references, even when it is empty."""
    out = {}
    assert HDF4ToZarr(str(path), out=out).translate() is out
    assert "t/.zarray" in out


def test_what_cannot_be_represented_is_a_warning(tmp_path):
    """An array that is left out is named in a warning."""
    path = tmp_path / "b.hdf"
    sd = SD(str(path), SDC.WRITE | SDC.CREATE)
    sds = sd.create("t", SDC.INT16, (3,))
    sds.setexternalfile(str(tmp_path / "outside.dat"), 0)
    sds[:] = [1, 2, 3]
    sds.endaccess()
    sd.end()
    (tmp_path / "outside.dat").unlink()
    with pytest.warns(UserWarning, match=r"outside\.dat"):
        HDF4ToZarr(str(path)).translate()
