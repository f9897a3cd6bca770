#!/usr/bin/env bash
# HDF5 with Blosc: where netCDF4 is imported before hdf5plugin, h5py cannot write it. It can read it, and write all others.
#
# The wheel of netCDF4 brings a libnetcdf that holds a Blosc filter of its own, for its own HDF5. hdf5plugin brings one for
# the HDF5 of h5py. When netCDF4 comes first, making a dataset with hdf5plugin's fails in HDF5's callback; when it comes
# second, nothing fails. Blosc2, Zstandard, LZ4 and Bitshuffle of the same package are not touched.
#
# Versions: Python >= 3.11, h5py 3.16.0, hdf5plugin 7.1.0, netCDF4 1.7.5.1.post1; wheels for Linux on x86-64.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder/packages" \
    "h5py==3.16.0" "hdf5plugin==7.1.0" "netCDF4==1.7.5.1.post1" >/dev/null 2>&1
PYTHONPATH="$folder/packages" python3 - "$folder" <<'PY'
import subprocess
import sys

write = """
import sys
for package in sys.argv[2].split():
    __import__(package)
import h5py, hdf5plugin, numpy
numbers = numpy.arange(4096, dtype="f4").reshape(4, 1024)
with h5py.File(sys.argv[1] + "/" + sys.argv[3] + ".h5", "w") as file:
    try:
        file.create_dataset("x", data=numbers, chunks=(1, 1024), **getattr(hdf5plugin, sys.argv[3])())
        print("written")
    except ValueError as error:
        print(error)
"""
read = """
import sys
import netCDF4, h5py, hdf5plugin
print(float(h5py.File(sys.argv[1] + "/Blosc.h5")["x"][3, 1023]))
"""


def run(script, *arguments):
    done = subprocess.run([sys.executable, "-c", script, sys.argv[1], *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


FAILED = "Unable to synchronously create dataset (error during user callback)"
for before in ("netCDF4", "hdf5plugin netCDF4"):
    for codec in ("Blosc", "Blosc2", "Zstd", "LZ4", "Bitshuffle"):
        found = run(write, before, codec)
        print(f"import {before.replace(' ', ', ')}; write {codec}: {found}")
        fails = codec == "Blosc" and before == "netCDF4"
        assert found == (FAILED if fails else "written"), found
found = run(read)
print("import netCDF4; read what was written without it:", found)
assert found == "4095.0"
PY
