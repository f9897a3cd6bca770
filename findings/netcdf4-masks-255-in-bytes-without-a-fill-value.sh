#!/usr/bin/env bash
# Bytes in netCDF without `_FillValue`: netCDF4-python masks every 255 (unsigned) and every -127 (signed) that was written.
#
# By the NetCDF Users' Guide (attribute conventions) a byte variable without `_FillValue` has all 256 values for valid.
# netCDF4-python masks the default fill value all the same, where every element was written too: the white of an image
# is missing. xarray on the same library, and h5netcdf, give the numbers. `fill_value=False` when the variable is made
# stops it, for the file then says that nothing is filled; `set_auto_mask(False)` does when it is read.
#
# Versions: Python >= 3.11, netCDF4 1.7.5.1.post1, h5netcdf 1.8.2, h5py 3.16.0, xarray 2026.9.0, numpy 2.4.6.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder/packages" "netCDF4==1.7.5.1.post1" "h5netcdf==1.8.2" "h5py==3.16.0" "xarray==2026.9.0" "numpy==2.4.6" >/dev/null 2>&1
PYTHONPATH="$folder/packages" python3 - "$folder/bytes.nc" <<'PY'
import sys

import netCDF4
import numpy as np
import xarray

path = sys.argv[1]
values = {"u1": [0, 255, 254], "i1": [-127, 1, -128]}
with netCDF4.Dataset(path, "w") as file:
    file.createDimension("x", 3)
    for dtype, numbers in values.items():
        file.createVariable(dtype, dtype, ("x",))[:] = np.array(numbers, dtype)
        file.createVariable(dtype + "_unfilled", dtype, ("x",), fill_value=False)[:] = np.array(numbers, dtype)
with netCDF4.Dataset(path) as file:
    assert all(not variable.ncattrs() for variable in file.variables.values())  # no _FillValue anywhere
    found = {name: variable[:].tolist() for name, variable in file.variables.items()}
print("netCDF4:", found)
for engine in ("netcdf4", "h5netcdf"):
    with xarray.open_dataset(path, engine=engine) as dataset:
        by_xarray = {name: dataset[name].values.tolist() for name in dataset.variables}
    print("xarray, " + engine + ":", by_xarray)
    assert all(by_xarray[name] == values[name[:2]] for name in by_xarray), by_xarray
assert found["u1"] == [0, None, 254] and found["i1"] == [None, 1, -128], "netCDF4 masks no bytes now"
assert found["u1_unfilled"] == values["u1"] and found["i1_unfilled"] == values["i1"], found
PY
