"""Warnings stand at the line that called, however much of ours lies between."""

import warnings

import h5py
import numpy as np
import pytest

import chunkmap
from chunkmap.errors import NotPortable, SkippedFiles
from kerchunk.hdf import SingleHdf5ToZarr


@pytest.fixture
def file(tmp_path):
    """An array that is left out, and one that not every reader decodes; beside it is what is no file of any format."""
    with h5py.File(tmp_path / "a.h5", "w") as made:
        made.create_dataset("x", data=np.arange(5000.0), chunks=(1000,), compression="lzf")
        made["long"] = np.arange(3, dtype=np.longdouble)
    (tmp_path / "b.h5").write_bytes(b"no file of any format")
    return str(tmp_path / "a.h5")


def scan_many(file):
    """Of two files one is skipped."""
    chunkmap.scan_many([file, file.replace("a.h5", "b.h5")], on_error="skip")


def write(file):
    """A set is written for every reader."""
    chunkmap.write(chunkmap.scan(file), file.replace("a.h5", "a.json"), portable=True)


def build(file):
    """The same after combining."""
    how = {"concat_dims": "n", "coo_map": {"n": "ORDER"}, "portable": True}
    chunkmap.build(file, file.replace("a.h5", "a.parq"), **how)


def door(file):
    """What kerchunk's users call."""
    SingleHdf5ToZarr(file, error="warn").translate()


@pytest.mark.parametrize(
    ("called", "kind"), [(scan_many, SkippedFiles), (write, NotPortable), (build, NotPortable), (door, UserWarning)]
)
def test_a_warning_names_the_line_that_called(file, called, kind):
    """The line is that of the call in this file."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        called(file)
    first = called.__code__.co_firstlineno
    assert any(issubclass(one.category, kind) for one in caught)
    assert all(one.filename == __file__ and first < one.lineno <= first + 4 for one in caught)
