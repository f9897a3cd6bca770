#!/usr/bin/env bash
# A FITS table column of variable length with TSCALn/TZEROn: astropy applies the scale to the first row only.
#
# The standard (FITS 4.0, section 7.3.5) lets TSCALn and TZEROn of a column with P or Q descriptors stand for the elements
# of the arrays in the heap: value = TZERO + TSCAL x stored, in every row. astropy gives the first row scaled and all
# others as they are stored, in the type of the stored integers, without a warning.
#
# Versions: Python >= 3.11, astropy 7.1.0, numpy 2.2.6.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder/packages" "astropy==7.1.0" "numpy==2.2.6" >/dev/null 2>&1
PYTHONPATH="$folder/packages" python3 - "$folder/table.fits" <<'PY'
import sys
import warnings

import numpy as np
from astropy.io import fits

path = sys.argv[1]
rows = np.empty(3, object)
rows[:] = [np.array([1, 2], "i2"), np.array([3], "i2"), np.array([4, 5, 6], "i2")]
fits.BinTableHDU.from_columns([fits.Column("v", "PI()", array=rows)]).writeto(path)
with fits.open(path, mode="update") as file:  # the scale is declared beside what is stored
    file[1].header["TSCAL1"] = 10.0
    file[1].header["TZERO1"] = 100.0

with warnings.catch_warnings():
    warnings.simplefilter("error")
    with fits.open(path) as file:
        found = [np.asarray(value).tolist() for value in file[1].data["v"]]
stored = [[1, 2], [3], [4, 5, 6]]
scaled = [[100 + 10 * n for n in row] for row in stored]
print("by the standard:", scaled)
print("astropy:        ", found)
assert found != scaled, "astropy scales every row now"
assert found[0] == scaled[0] and found[1:] == stored[1:], found
PY
