"""What the command line says of other readers."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from invoking import run

import chunkmap as library
from chunkmap.frontends.command_line.commands import doctor


@pytest.fixture
def checked(tmp_path, monkeypatch):
    """The current directory holds the set of a file with a checksum behind every chunk, and an array of LZF."""
    monkeypatch.chdir(tmp_path)
    with h5py.File("a.h5", "w") as file:
        file.create_dataset("sum", data=np.arange(400.0), chunks=(100,), fletcher32=True, compression="gzip")
        file.create_dataset("lzf", data=np.arange(400.0), chunks=(100,), compression="lzf")
    library.write(library.scan("a.h5"), "set.json")


def test_inspect_says_which_readers_decode_what(checked):
    """A line for each reader names the arrays that it does not decode, and why; --json has the same."""
    lines = run("inspect", "set.json").stdout.splitlines()
    assert "  zarr-python 3: all" in lines
    assert "  zarrita: all but lzf (the codec hdf5_lzf), sum (the codec fletcher32)" in lines
    facts = json.loads(run("inspect", "set.json", "--json").stdout)
    assert facts["arrays"]["sum"]["not_read_by"] == dict.fromkeys(["zarrita", "GDAL"], "the codec fletcher32")


def test_convert_makes_a_set_portable_and_lists_what_stays(checked):
    """The checksum is gone from codecs and ranges, and the codec that few readers know is said to be one."""
    result = run("convert", "set.json", "plain.json", "--portable")
    assert result.exit_code == 0, result.stderr
    assert "1 array is not for every reader: lzf (zarr-python 2: the codec hdf5_lzf; zarrita: " in result.stderr
    before, after = (library.load(name).arrays["sum"] for name in ("set.json", "plain.json"))
    assert [codec["id"] for codec in after.meta.codecs] == ["zlib"]
    assert (before.chunks.length - after.chunks.length).tolist() == [4] * 4
    assert library.open_dataset("plain.json")["sum"].values.tolist() == list(range(400))


def test_the_doctor_looks_at_a_set(checked, monkeypatch):
    """It says who decodes what, and which extra is missing here to read the set."""
    said = run("doctor", "set.json")
    assert said.exit_code == 0, said.stdout
    assert "  GDAL: all but lzf (the codec hdf5_lzf), sum (the codec fletcher32)" in said.stdout.splitlines()
    document = json.loads(Path("set.json").read_text())
    array = json.loads(document["refs"]["lzf/.zarray"])
    array["filters"] = [{"id": "hdf5_szip", "mask": 141, "pixels_per_block": 8}]
    document["refs"]["lzf/.zarray"] = json.dumps(array)
    Path("szip.json").write_text(json.dumps(document))
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda package: None if package == "imagecodecs" else real(package))
    said = run("doctor", "szip.json")
    assert said.exit_code == 1
    assert "wrong: lzf: its codec hdf5_szip needs more here: pip install 'chunkmap[hdf5]'" in said.stdout.splitlines()
