"""Codecs of other packages, which sets made by them name: read where these are installed, else named."""

import json
import struct

import numcodecs
import numpy as np
import pytest
from numcodecs.abc import Codec

import chunkmap
from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.errors import Unsupported

VALUES = np.arange(6, dtype="<f8").reshape(1, 2, 3)


@pytest.fixture(params=[2, 3])
def path_of(request, tmp_path):
    """Writes a set of one array, as the packages write it, whose codec has a name."""
    (tmp_path / "f.grib2").write_bytes(b"GRIB" + VALUES.tobytes())

    def write(name, **configuration):
        array = {"zarr_format": request.param, "shape": [1, 2, 3], "fill_value": None if request.param == 2 else 0.0}
        if request.param == 2:
            array |= {"chunks": [1, 2, 3], "dtype": "<f8", "order": "C", "compressor": None}
            array |= {"filters": [{"id": name, **configuration}]}
            said = {".zgroup": {"zarr_format": 2}, "t/.zarray": array}
            said["t/.zattrs"] = {"_ARRAY_DIMENSIONS": ["time", "y", "x"]}
        else:
            array |= {"node_type": "array", "data_type": "float64", "dimension_names": ["time", "y", "x"]}
            array |= {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, 2, 3]}}}
            array |= {"chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}}}
            array |= {"codecs": [{"name": name, "configuration": configuration}], "attributes": {}}
            said = {"zarr.json": {"zarr_format": 3, "node_type": "group", "attributes": {}}, "t/zarr.json": array}
        refs = {key: json.dumps(document) for key, document in said.items()}
        refs["t/0.0.0" if request.param == 2 else "t/c/0/0/0"] = [str(tmp_path / "f.grib2"), 0, 52]
        (tmp_path / "set.json").write_text(json.dumps({"version": 1, "refs": refs}))
        return str(tmp_path / "set.json")

    return write


class Gribberish(Codec):
    """As strict as the one of gribberish is: it takes `bytes`, and no view of them."""

    codec_id = "gribberish"

    def __init__(self, var, dtype=None):
        self.var, self.dtype = var, dtype

    def encode(self, buf):
        raise NotImplementedError

    def decode(self, buf, out=None):
        if type(buf) is not bytes:
            raise TypeError(f"argument 'data': {type(buf).__name__!r} object cannot be cast as 'bytes'")
        return np.array(struct.unpack("<6d", buf[4:]))


@pytest.mark.parametrize("name", ["gribberish", "grib2io"])
def test_a_package_that_is_not_here_is_named(path_of, name):
    """A set that needs the codec of another package opens, and says which package to install for what it leaves out."""
    path = path_of(name, var="t")
    with pytest.warns(UserWarning, match=rf"'{name}' needs the package {name} \(pip install {name}\).* t"):
        assert "t" not in chunkmap.open_dataset(path)
    with pytest.raises(Unsupported, match=f"pip install {name}"):
        read_array(chunkmap.load(path).arrays["t"], Fetcher())


def test_a_package_that_is_here_decodes(path_of, monkeypatch):
    """Where the package has registered its codec, values are those that it decodes from the bytes of the chunk."""
    monkeypatch.setitem(numcodecs.registry.codec_registry, "gribberish", Gribberish)
    path = path_of("gribberish", var="t")
    assert np.array_equal(chunkmap.open_dataset(path)["t"], VALUES)
    assert np.array_equal(read_array(chunkmap.load(path).arrays["t"], Fetcher()), VALUES)


def test_v3_may_say_that_a_codec_is_of_numcodecs(path_of, monkeypatch):
    """`numcodecs.` before the name of such a codec changes nothing, as grib2io has it under both names."""
    monkeypatch.setitem(numcodecs.registry.codec_registry, "grib2io", Gribberish)
    path = path_of("numcodecs.grib2io", var="t")
    if chunkmap.load(path).zarr_format == 3:
        with chunkmap.open_dataset(path) as ds:
            assert np.array_equal(ds["t"], VALUES)
