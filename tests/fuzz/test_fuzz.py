"""Damaged files give errors of chunkmap and nothing else: briefly here, longer by `make fuzz`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PARTS = [
    ("hdf5", 0, 300),
    ("hdf5", 300, 300),
    ("netcdf3", 0, 200),
    ("hdf4", 0, 200),
    ("tiff", 0, 200),
    ("fits", 0, 200),
    ("zarr", 0, 200),
    ("archives", 0, 200),
    ("documents", 0, 100),
    ("stored", 0, 100),
    ("nifti", 0, 100),
    ("npy", 0, 100),
    ("envi", 0, 100),
    ("dmrpp", 0, 100),
    ("grib", 0, 300),
]


def named(part):
    """A part as `run.py` is told it."""
    return ":".join(map(str, part))


@pytest.fixture(scope="module")
def fuzzer(request):
    """One process that does all parts that are asked for, so that what it imports it imports once."""
    parts = [item.callspec.params["part"] for item in request.session.items if item.path == request.path]
    words = [sys.executable, str(Path(__file__).with_name("run.py")), "--parts", *map(named, parts)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("part", PARTS, ids=named)
def test_only_our_errors_come_out(fuzzer, part):
    """Of so many damaged files each is read, or refused by an error of chunkmap, in bounded time and memory."""
    said = []
    while not said or not said[-1].startswith(f"part {named(part)} ended"):
        said.append(fuzzer.stdout.readline())
        assert said[-1], "".join(said)
    assert said[-1].endswith("ended with 0\n"), "".join(said)
    counts = json.loads(said[-2])
    assert counts["files"] == part[2]
    assert counts["read"] < 0.9 * part[2]
