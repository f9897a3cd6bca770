"""Files of this machine that are cut short or written over while they are open."""

import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

from chunkmap.errors import SourceError, TruncatedFile
from chunkmap.io import open_source
from chunkmap.io.rounds import Gather, Span
from chunkmap.io.rounds.answers import InMemory

CHILD = """
import sys, numpy as np, chunkmap
dataset = chunkmap.open_dataset(sys.argv[1])
values = dataset["v"][0].values
if sys.argv[2] == "cut":
    open(sys.argv[1], "r+b").truncate(8192)
else:
    with open(sys.argv[1], "wb") as file:
        file.write(b"over")
for key in (30, slice(None), np.array([3, 17])):
    try:
        dataset["v"][key].values
    except chunkmap.errors.ChunkmapError as error:
        print(type(error).__name__)
"""


@pytest.mark.parametrize("how", ["cut", "over"])
@pytest.mark.parametrize("compression", ["gzip", None])
def test_a_file_that_is_cut_short_is_an_error(tmp_path, how, compression):
    """A reader of a local file that is truncated, or copied over in place, gets an error; its process lives on."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        data = np.random.default_rng(0).random((40, 100, 100))
        file.create_dataset("v", data=data, chunks=(1, 100, 100), compression=compression)
    found = subprocess.run([sys.executable, "-c", CHILD, path, how], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout.split()) == (0, ["TruncatedFile"] * 3), found.stderr


def test_a_scan_of_a_file_that_is_cut_short_is_an_error(tmp_path):
    """What a scan asks of a mapped file that has become shorter is an error and not a view of pages that are gone."""
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(100_000))
    mapped = InMemory(open_source(path))
    os.truncate(path, 5000)
    for request in (Span(90_000, 8, 8), Gather(np.array([10, 90_000]), 8)):
        with pytest.raises(TruncatedFile):
            mapped.serve(request)


def test_a_file_that_is_written_into_while_it_is_scanned_is_an_error(tmp_path):
    """A local file that has another time of change at the end of a scan than at its beginning is refused."""
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(1000))
    os.utime(path, (1e9, 1e9))
    source = open_source(path)
    source.confirm()
    path.write_bytes(bytes(1000))
    with pytest.raises(SourceError, match="changed while it was read"):
        source.confirm()
