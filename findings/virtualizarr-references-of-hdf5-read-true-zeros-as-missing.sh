#!/usr/bin/env bash
# An HDF5 dataset for which no fill value was ever set: through VirtualiZarr's references its zeros are missing values.
#
# HDF5 gives every dataset a fill value, zero where nobody set one, which says what elements read as that were never
# written; it marks no element as missing, and h5py, netCDF4 and h5netcdf give zeros as zeros. VirtualiZarr writes it as
# `fill_value` of Zarr v2 in the references that `to_kerchunk` makes, and there xarray takes it for what netCDF calls
# `_FillValue`: every zero that was measured becomes NaN, and integers become float64. Nothing warns.
#
# Versions: Python >= 3.11, virtualizarr 2.5.1, obspec-utils 0.9.0, obstore 0.12.1, zarr 3.1.6, xarray 2026.9.0,
# fsspec 2026.9.0, h5py 3.16.0, numpy 2.4.6.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder/packages" "virtualizarr==2.5.1" \
    "obspec-utils==0.9.0" "obstore==0.12.1" "zarr==3.1.6" "xarray==2026.9.0" "fsspec==2026.9.0" "h5py==3.16.0" \
    "numpy==2.4.6" ujson >/dev/null 2>&1
PYTHONPATH="$folder/packages" python3 - "$folder/rain.h5" <<'PY'
import json
import sys

import fsspec
import h5py
import numpy as np
import virtualizarr
import xarray as xr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from virtualizarr.parsers import HDFParser
from zarr.storage import FsspecStore

path = sys.argv[1]
with h5py.File(path, "w") as file:
    file.create_dataset("rain", data=[0.0, 1.5, 0.0, 2.5], chunks=(2,))
    file.create_dataset("count", data=np.array([0, 1, 0, 2], "i4"))
with h5py.File(path) as file:
    native = {name: file[name][:] for name in file}

registry = ObjectStoreRegistry({"file://": LocalStore()})
virtual = virtualizarr.open_virtual_dataset(f"file://{path}", registry=registry, parser=HDFParser())
refs = virtual.vz.to_kerchunk(format="dict")
fills = {name: json.loads(refs["refs"][f"{name}/.zarray"])["fill_value"] for name in native}
store = FsspecStore(fsspec.filesystem("reference", fo=refs, asynchronous=True), read_only=True, path="")
dataset = xr.open_zarr(store, consolidated=False, zarr_format=2)

for name, values in native.items():
    found = dataset[name].values
    print(f"{name}: h5py {values} {values.dtype}, fill_value {fills[name]}, through the references {found} {found.dtype}")
    assert fills[name] == 0, "VirtualiZarr writes another fill value now"
    assert found.dtype == "f8" and np.array_equal(np.isnan(found), values == 0), found
PY
# Seen:
# count: h5py [0 1 0 2] int32, fill_value 0, through the references [nan  1. nan  2.] float64
# rain: h5py [0.  1.5 0.  2.5] float64, fill_value 0.0, through the references [nan 1.5 nan 2.5] float64
