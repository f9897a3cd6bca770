"""Sets that are built for more readers are what making them so afterwards gives, and stay so when files are added."""

import json
import warnings

import h5py
import numpy as np
import pytest
from invoking import run

import chunkmap
from chunkmap.errors import CombineError, NotPortable

HOW = {"coo_map": {"time": "data:time"}}


@pytest.fixture
def files(tmp_path):
    """Three files with checksums behind their chunks, and NaN among the attributes of everything."""
    names = []
    for number in range(3):
        names.append(str(tmp_path / f"f{number}.nc"))
        with h5py.File(names[-1], "w") as file:
            file.attrs["nothing"] = np.nan
            values = np.arange(2.0) + 2 * number
            for name, data, chunks in (("time", values, (2,)), ("t", np.outer(values, np.arange(5000.0)), (1, 5000))):
                file.create_dataset(name, data=data, chunks=chunks, fletcher32=True, compression="gzip")
                file[name].attrs["spread"] = np.array([np.nan, 1.0])
            file["time"].make_scale("time")
            file["t"].dims[0].attach_scale(file["time"])
    return names


def without_origin(path):
    """A stored set, but for what is written down of how it came about."""
    if path.is_dir():
        found = {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}
        about = json.loads(found.pop(".chunkmap.json"))
        return found, {key: value for key, value in about.items() if key != "origin"}
    document = json.loads(path.read_text())
    about = json.loads(document.pop("chunkmap"))
    return document, {key: value for key, value in about.items() if key != "origin"}


@pytest.mark.parametrize("name", ["set.json", "set.parq"])
def test_building_so_is_writing_so(files, tmp_path, name):
    """Built with `portable`, a set is what writing the combined set with it gives; appending keeps it so."""
    combined = chunkmap.combine(chunkmap.scan_many(files), **HOW)
    chunkmap.write(combined, tmp_path / "after" / name, portable=True)
    chunkmap.build(files, tmp_path / "built" / name, portable=True, **HOW)
    chunkmap.build(files[:2], tmp_path / "grown" / name, portable=True, **HOW)
    chunkmap.append(tmp_path / "grown" / name, files[2:])

    after = without_origin(tmp_path / "after" / name)
    assert without_origin(tmp_path / "built" / name) == after
    assert without_origin(tmp_path / "grown" / name) == after
    found = chunkmap.load(tmp_path / "grown" / name)
    assert [codec["id"] for codec in found.arrays["t"].meta.codecs] == ["zlib"]
    values = chunkmap.open_dataset(tmp_path / "grown" / name).t.values
    np.testing.assert_array_equal(values, np.outer(np.arange(6.0), np.arange(5000.0)))


def test_no_text_of_it_is_other_than_json(files, tmp_path):
    """Groups, arrays and coordinates alike: a strict parser takes every document."""
    chunkmap.build(files, tmp_path / "set.json", portable=True, **HOW)
    refs = json.loads((tmp_path / "set.json").read_text())["refs"]

    def refuse(text):
        raise AssertionError(text)

    for key, text in refs.items():
        if key.rpartition("/")[2].startswith(".z"):
            json.loads(text if isinstance(text, str) else json.dumps(text), parse_constant=refuse)


def test_files_are_added_as_the_set_was_built(files, tmp_path):
    """What was built without it takes no files with it, nor the other way round."""
    for built in (True, False):
        chunkmap.build(files[:2], tmp_path / "set.json", portable=built, **HOW)
        with pytest.raises(CombineError, match=f"built {'with' if built else 'without'} `portable`"):
            chunkmap.append(tmp_path / "set.json", files[2:], portable=not built)


def test_a_scan_says_chunks_so(files):
    """Of one file: the checksum is left out of every range, and the values are the same."""
    plain, said = chunkmap.scan(files[0]), chunkmap.scan(files[0], portable=True)
    before, after = plain.arrays["t"].manifest(), said.arrays["t"].manifest()
    assert (before.length - after.length).tolist() == [4, 4]
    assert chunkmap.open_dataset(said).equals(chunkmap.open_dataset(plain))
    assert chunkmap.scan_many(files[:1], portable=True)[0] == said


def test_what_stays_unportable_is_listed(tmp_path):
    """The arrays that some reader does not decode are a warning of `build`, as of `write`."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=np.arange(5000.0), chunks=(1000,), compression="lzf")
    with pytest.warns(NotPortable) as caught:
        chunkmap.build(
            str(tmp_path / "a.h5"), tmp_path / "a.json", concat_dims="n", coo_map={"n": "ORDER"}, portable=True
        )
    (warning,) = caught
    assert "hdf5_lzf" in warning.message.arrays["x"]["zarrita"]


def test_on_the_command_line(files, tmp_path):
    """--portable of scan and build; standard output is strict too."""
    how = ["--concat", "time", "--portable"]
    assert run("build", *files[:2], "-o", tmp_path / "set.json", *how).exit_code == 0
    assert run("append", tmp_path / "set.json", files[2]).exit_code == 0
    assert "NaN," not in (tmp_path / "set.json").read_text()
    assert run("scan", files[0], "-o", tmp_path / "one.json", "--portable").exit_code == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chunkmap.write(chunkmap.scan(files[0]), tmp_path / "same.json", portable=True)
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "same.json").read_bytes()
    shown = json.loads(run("scan", files[0], "-o", "-", "--portable").stdout)["refs"]
    assert shown == json.loads((tmp_path / "one.json").read_text())["refs"]
