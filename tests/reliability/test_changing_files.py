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
from chunkmap.io.rounds.answers import _BLOCK, _MOST_BLOCKS, InMemory

CHILD = """
import os, sys, numpy as np, chunkmap
for path in sys.argv[1:]:
    dataset = chunkmap.open_dataset(path)
    values = dataset["v"][0].values
    if "cut" in path:
        os.truncate(path, 8192)
    else:
        with open(path, "wb") as file:
            file.write(b"over")
    for key in (30, slice(None), np.array([3, 17])):
        try:
            dataset["v"][key].values
        except chunkmap.errors.ChunkmapError as error:
            print(type(error).__name__)
"""


def test_a_file_that_is_cut_short_is_an_error(tmp_path):
    """A reader of a local file that is truncated, or copied over in place, gets an error; its process lives on."""
    paths = []
    for compression in ("gzip", None):
        for how in ("cut", "over"):
            paths.append(tmp_path / f"{how}-{compression}.h5")
            with h5py.File(paths[-1], "w") as file:
                data = np.random.default_rng(0).random((40, 100, 100))
                file.create_dataset("v", data=data, chunks=(1, 100, 100), compression=compression)
    found = subprocess.run([sys.executable, "-c", CHILD, *paths], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout.split()) == (0, ["TruncatedFile"] * 12), found.stderr


def test_a_scan_of_a_file_that_is_cut_short_is_an_error(tmp_path):
    """What a scan asks of a mapped file that has become shorter is an error and not a view of pages that are gone."""
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(100_000))
    mapped = InMemory(open_source(path))
    os.truncate(path, 5000)
    for request in (Span(90_000, 8, 8), Gather(np.array([10, 90_000]), 8)):
        with pytest.raises(TruncatedFile):
            mapped.serve(request)


def test_what_a_scan_asks_of_any_place_is_what_is_there(tmp_path):
    """Spans within a block, across two, across many and at the end are the file's bytes, however many blocks there are;
    of a file that was cut short, what was read stays and what was not is an error.
    """
    path = tmp_path / "a.bin"
    data = np.random.default_rng(0).bytes((_MOST_BLOCKS + 3) * _BLOCK + 17)
    path.write_bytes(data)
    read = InMemory(open_source(path))
    starts = [*range(0, len(data), _BLOCK), *range(_BLOCK - 7, len(data), 40 * _BLOCK), 5, len(data) - 3]
    for start in starts:
        for want in (3, 100, 3 * _BLOCK):
            assert read.serve(Span(start, 3, want)) == data[start : start + want]
    unread = InMemory(open_source(path))
    os.truncate(path, 10 * _BLOCK)
    assert read.serve(Span(len(data) - 3, 3, 3)) == data[-3:]
    with pytest.raises(TruncatedFile):
        unread.serve(Span(20 * _BLOCK, 8, 8))


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
