#!/usr/bin/env bash
# Big-endian integers with `_Unsigned = "true"` and `_FillValue`: xarray masks none of them, netCDF4-python does.
#
# The NetCDF best practices let NetCDF3 and NetCDF4 store unsigned numbers in signed ones, marked by `_Unsigned`. Where
# the variable is stored in the other byte order than the machine's, xarray compares the fill value after taking it for
# an unsigned number of the machine's order, and what is missing comes out as data. Little-endian variables are right.
#
# Versions: Python >= 3.11, netCDF4 1.7.5.1.post1, h5netcdf 1.8.2, h5py 3.16.0, xarray 2026.9.0, numpy 2.4.6.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder/packages" "netCDF4==1.7.5.1.post1" "h5netcdf==1.8.2" "h5py==3.16.0" "xarray==2026.9.0" "numpy==2.4.6" >/dev/null 2>&1
PYTHONPATH="$folder/packages" python3 - "$folder/unsigned.nc" <<'PY'
import sys

import netCDF4
import numpy as np
import xarray

path = sys.argv[1]
with netCDF4.Dataset(path, "w") as file:
    file.createDimension("x", 3)
    for name, order in (("little", "<"), ("big", ">")):
        code = order + "i2"
        fill = np.array(7, code)[()]
        variable = file.createVariable(name, code, ("x",), endian=name, fill_value=fill)
        variable.set_auto_maskandscale(False)
        variable.setncattr("_Unsigned", "true")
        variable[:] = np.array([1, 7, -2], code)
with netCDF4.Dataset(path) as file:
    found = {name: file[name][:].tolist() for name in ("little", "big")}
print("netCDF4:", found)
assert found == {"little": [1, None, 65534], "big": [1, None, 65534]}, found
for engine in ("netcdf4", "h5netcdf"):
    with xarray.open_dataset(path, engine=engine) as dataset:
        by_xarray = {name: dataset[name].values.tolist() for name in ("little", "big")}
    print("xarray, " + engine + ":", by_xarray)
    assert np.isnan(by_xarray["little"][1]), by_xarray
    assert by_xarray["big"] == [1, 7, 65534], "xarray masks them now"
PY
