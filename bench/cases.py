"""The cases: what is measured, once through the library and once through the names of kerchunk.

    python bench/cases.py CASE ROAD DIRECTORY

runs one case once and prints one line of JSON. A road is `core`, the library's own verbs, or `door`, the names of
kerchunk: which package `import kerchunk` finds, ours or theirs, is the business of the environment that runs this
file. Nothing but the work is timed: imports and the making of inputs come before.
"""

import gc
import json
import shutil
import sys
import time
from pathlib import Path

import archives
import coded_reading
import dask_reading
import documents
import far_files
import fits_files
import grib_files
import hdf4_files
import hdf5_files
import images
import joining
import many_files
import million
import nearby
import reading
import starting
import stores
import variants
from outcomes import peak

SUBJECTS = (
    starting,
    hdf5_files,
    far_files,
    joining,
    many_files,
    fits_files,
    grib_files,
    hdf4_files,
    million,
    reading,
    coded_reading,
    nearby,
    dask_reading,
    archives,
    images,
    stores,
    documents,
    variants,
)
"""Files of cases: each has `CASES`, what each road does in each of them, and `TITLES`, what the table calls them."""

ROADS = ("core", "door", "virtualizarr", "h5py", "hidefix", "astropy", "cfgrib", "pyhdf", "alike")
CASES = {case: roads for subject in SUBJECTS for case, roads in subject.CASES.items()}
"""What each road does in a case; None where it has no such thing."""

TITLES = {case: title for subject in SUBJECTS for case, title in subject.TITLES.items()}

WITHOUT_DOOR = {
    *reading.BESIDE_OTHERS,
    *coded_reading.BESIDE_OTHERS,
    *dask_reading.BESIDE_OTHERS,
    *archives.BESIDE_OTHERS,
    *nearby.BESIDE_OTHERS,
    *images.BESIDE_OTHERS,
    *starting.COMMANDS,
    *million.BESIDE_OTHERS,
}
"""Cases in which the names of kerchunk do nothing: other libraries do."""


def prepare(folder):
    """Write the files that the cases read; nothing happens when they are there already."""
    done = folder / "prepared"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        # Coded ones first: h5py cannot write Blosc where netCDF4 is loaded before hdf5plugin.
        for subject in (coded_reading, hdf5_files, far_files, reading, stores, million):
            subject.prepare(folder)
        done.touch()
    images.prepare(folder)
    archives.prepare(folder)
    dask_reading.prepare(folder)
    starting.prepare(folder)


def main(case, road, folder):
    """Run one case once, and print what was measured."""
    work, describe = CASES[case][ROADS.index(road)](Path(folder))
    gc.collect()
    before = peak()
    start = time.perf_counter()
    outcome = work()
    seconds = time.perf_counter() - start
    memory = peak() - before
    print(json.dumps({"seconds": seconds, "memory": memory, **describe(outcome)}))


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare(Path(sys.argv[2]))
    else:
        main(*sys.argv[1:])
