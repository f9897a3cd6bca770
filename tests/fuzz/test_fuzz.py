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


@pytest.mark.parametrize(("kind", "first", "files"), PARTS)
def test_only_our_errors_come_out(kind, first, files):
    """Of so many damaged files each is read, or refused by an error of chunkmap, in bounded time and memory."""
    words = [sys.executable, str(Path(__file__).with_name("run.py")), "--only", kind, "--files", str(files)]
    words += ["--seed", str(first)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = json.loads(done.stdout.splitlines()[0])
    assert counts["files"] == files
    assert counts["read"] < 0.9 * files
