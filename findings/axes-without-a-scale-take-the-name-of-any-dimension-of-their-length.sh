#!/usr/bin/env bash
# An HDF5 dataset to which no dimension scale is attached, beside a scale that happens to be as long.
#
# Axes without a scale are thought to be called phony_dim_0, phony_dim_1, ... in xarray. That is so only where no
# dimension of the group has their length: else they are given its name, so two things of 5 that have nothing to do with
# one another are joined, and five levels are selected by their time. If the dimension is unlimited, h5netcdf
# (phony_dims="sort") still does so, netCDF4 does not: the same file has other dimensions by each of the two engines.
#
# Versions: Python >= 3.11, xarray 2026.9.0, h5netcdf 1.8.2, h5py 3.16.0, netCDF4 1.7.4, numpy 2.4.6.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder/packages" "xarray==2026.9.0" \
    "h5netcdf==1.8.2" "h5py==3.16.0" "netCDF4==1.7.4" "numpy==2.4.6" >/dev/null 2>&1
PYTHONPATH="$folder/packages" python3 - "$folder" <<'PY'
import sys
from pathlib import Path

import h5py
import xarray as xr


def dims_of_level(path, maximum):
    """Of a dataset of 5 x 3 without scales, beside the coordinate `time` of 5, by both engines."""
    with h5py.File(path, "w") as file:
        time = file.create_dataset("time", data=[0.0, 1, 2, 3, 4], maxshape=(maximum,), chunks=(5,))
        time.make_scale("time")
        file.create_dataset("level", data=[[0.0] * 3] * 5)
    ways = {"h5netcdf": {"phony_dims": "sort"}, "netcdf4": {}}
    return {engine: xr.open_dataset(path, engine=engine, **options).level.dims for engine, options in ways.items()}


limited = dims_of_level(Path(sys.argv[1], "limited.h5"), 5)
unlimited = dims_of_level(Path(sys.argv[1], "unlimited.h5"), None)
print("time of 5:        ", limited)
print("time, unlimited:  ", unlimited)
assert limited == {"h5netcdf": ("time", "phony_dim_1"), "netcdf4": ("time", "phony_dim_1")}
assert unlimited == {"h5netcdf": ("time", "phony_dim_2"), "netcdf4": ("phony_dim_1", "phony_dim_2")}
PY
# Seen:
# time of 5:         {'h5netcdf': ('time', 'phony_dim_1'), 'netcdf4': ('time', 'phony_dim_1')}
# time, unlimited:   {'h5netcdf': ('time', 'phony_dim_2'), 'netcdf4': ('phony_dim_1', 'phony_dim_2')}
