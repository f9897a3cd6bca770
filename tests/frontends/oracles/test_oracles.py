"""Which library is beside a format, and what is said where it is missing."""

import importlib.util
import json
import sys
import tarfile

import h5py
import numpy as np
import pytest

import chunkmap
from chunkmap.errors import NotInstalled
from chunkmap.formats import FORMATS, find_format
from chunkmap.frontends.oracles import ORACLES, find_oracle
from chunkmap.frontends.oracles.difference import attribute_differences, difference
from chunkmap.frontends.verify import verify

FLAT = [("a.b", "i4"), ("c[0]", "i4")]
NESTED = [("a", [("b", "i4")]), ("c", "i4", (1,))]


def test_every_format_has_an_oracle():
    """The table names the formats that there are, but the one that nothing tells, and each has a module."""
    ours = {row.name for row in FORMATS if row.module.startswith("chunkmap.")}
    assert ORACLES.keys() == ours - {"raw"}
    for name in ORACLES:
        assert importlib.util.find_spec(f"chunkmap.frontends.oracles.{name}"), name


@pytest.mark.parametrize("name", [name for name, library in ORACLES.items() if library.extra is not None])
def test_a_missing_library_names_what_to_install(name, monkeypatch):
    """Where the library of a format is not there, the error names it and the extra that brings it."""
    package, extra = ORACLES[name]
    row = find_format(name)
    row.load()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(NotInstalled, match=package) as caught:
        find_oracle(row)
    assert f"'chunkmap[{extra}]'" in str(caught.value)


def test_netcdf3_is_read_without_scipy(tmp_path, monkeypatch):
    """Where scipy is missing, netCDF4 reads what it would have read."""
    import scipy.io

    with scipy.io.netcdf_file(tmp_path / "a.nc", "w") as file:
        file.createDimension("n", 5)
        file.createVariable("v", "i2", ("n",))[:] = np.arange(5)
    monkeypatch.setattr("chunkmap.frontends.oracles.netcdf3.find_spec", lambda name: None)
    report = verify(str(tmp_path / "a.nc"), decode="all", compare=True)
    assert report.counts["chunks equal to the original"] == 1


def test_an_attribute_that_differs_is_found(tmp_path):
    """What the library says of an array, and the set does not, or says otherwise, is wrong."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.arange(200)
        file["x"].attrs.update({"units": "K", "limits": [1, 2], "gone": 1})
    refs = chunkmap.scan(tmp_path / "a.h5")
    assert verify(refs, compare=True)
    document = refs.to_dict()
    document["refs"]["x/.zattrs"] = '{"_ARRAY_DIMENSIONS": ["x"], "units": "m", "limits": [1, 2]}'
    found = verify(document, compare=True).failures
    assert sorted((finding.where, finding.message) for finding in found) == [
        ("x", "attribute 'units': expected 'K', found 'm'"),
        ("x", "expected an attribute 'gone', 1, found none"),
    ]


def test_a_set_that_names_no_file_says_so(tmp_path):
    """Where a stored set holds all its values, it is not taken for the file that they came from."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.arange(4)
    document = {"version": 1, "refs": chunkmap.scan(tmp_path / "a.h5").to_dict()["refs"]}
    (tmp_path / "a.json").write_text(json.dumps(document))
    report = verify(str(tmp_path / "a.json"), compare=True)
    assert report
    assert [note.message for note in report.notes] == [
        "not compared: held inline, so which file it came from is not known"
    ]


def test_plain_elements_have_nothing_to_be_compared_with(tmp_path):
    """The report says so, and does not say how to scan the file: that was done."""
    (tmp_path / "a.bin").write_bytes(bytes(100))
    refs = chunkmap.scan(tmp_path / "a.bin", format="raw", inline_threshold=0)
    (note,) = chunkmap.verify(refs, decode="all", compare=True).notes
    assert "plain elements" in note.message
    assert "describe" not in note.message


def test_members_of_archives_are_compared(tmp_path):
    """A chunk that is a range of an archive is compared with the member that it is in."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.arange(200)
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "a.h5", "first.h5")
        archive.add(tmp_path / "a.h5", "second.h5")
    refs = chunkmap.scan(f"tar://second.h5::{tmp_path / 'a.tar'}", inline_threshold=0)
    report = verify(refs, decode="all", compare=True)
    assert report, str(report)
    assert report.counts["chunks equal to the original"] == 1


def test_columns_that_share_their_bytes_are_told_apart(tmp_path):
    """Columns of a table have the same ranges: each is compared with its own, also in a set that was renamed."""
    from astropy.io import fits

    columns = [fits.Column(name, "J", array=np.arange(6) + n) for n, name in enumerate("abc")]
    fits.BinTableHDU.from_columns(columns, name="T").writeto(tmp_path / "a.fits")
    refs = chunkmap.scan(tmp_path / "a.fits", inline_threshold=0)
    report = verify(refs, decode="all", compare=True)
    assert report, str(report)
    assert report.counts["chunks equal to the original"] == 3


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (np.array([1, 2]), np.ma.MaskedArray([1, 3], [False, True])),
        (np.array([np.nan]), np.array([np.nan])),
        (np.array([b"a"]), np.array(["a"], object)),
        (np.array([(1, 2)], FLAT), np.array([((1,), [2])], NESTED)),
    ],
)
def test_what_is_the_same(ours, theirs):
    """What is masked is not compared; NaN is NaN; bytes are text; records may be laid flat."""
    assert difference(ours, theirs) is None


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        (np.array([1, 2]), np.array([1]), "shape"),
        (np.array([1], "i4"), np.array([1.0], "f4"), "type float32"),
        (np.array([1.0]), np.array([np.nan]), "1 of 1 values differ"),
        (np.array([(1,)], [("a", "i4")]), np.array([(1,)], [("b", "i4")]), "expected a field 'b'"),
    ],
)
def test_what_differs(ours, theirs, words):
    """Shapes, types of numbers, values and fields are told apart."""
    assert words in difference(ours, theirs)


def test_attributes_are_compared_as_numbers_and_texts():
    """A list of one is its element, bytes are text, a number that is none may stand as JSON has it."""
    ours = {"a": 1, "b": "x", "c": "NaN", "d": [1.5, 2]}
    assert attribute_differences(ours, {"a": np.array([1]), "b": b"x", "c": np.nan, "d": np.array([1.5, 2])}) == []
    assert len(attribute_differences(ours, {"a": 2, "e": 1})) == 2
