#!/usr/bin/env bash
# How an ENVI header scales its pixels: `reflectance scale factor` is known to spectral alone, `data gain values` and
# `data offset values` to GDAL alone; and spectral scales `data ignore value` along with the data.
#
# One file has, for each library, another meaning, and neither warns. GDAL: pixels / 10000 never happens, and scales and
# offsets stay 1 and 0. spectral: gains are listed among the metadata and not applied, and the ignored -9999 comes out of
# a file with a factor as -0.9999, which a test against the header's own ignore value does not find.
#
# Versions: Python >= 3.11, spectral 0.25, rasterio 1.4.4 (GDAL 3.10.3), numpy 2.4.6.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder/packages" "spectral==0.25" "rasterio==1.4.4" "numpy==2.4.6" >/dev/null 2>&1
PYTHONPATH="$folder/packages" python3 -W ignore - "$folder" <<'PY'
import sys
from pathlib import Path

import numpy as np
import rasterio
from spectral.io import envi

folder = Path(sys.argv[1])
header = """ENVI
samples = 2
lines = 1
bands = 1
header offset = 0
file type = ENVI Standard
data type = 2
interleave = bsq
byte order = 0
data ignore value = -9999
"""


def read(scale: str):
    """What spectral gives, what GDAL gives, and GDAL's scale, offset and nodata."""
    name = folder / f"{len(scale)}.img"
    name.write_bytes(np.array([100, -9999], "<i2").tobytes())
    name.with_suffix(".hdr").write_text(header + scale)
    by_spectral = envi.open(str(name.with_suffix(".hdr")), str(name)).read_band(0)[0].tolist()
    with rasterio.open(name) as file:
        return by_spectral, file.read(1)[0].tolist(), (file.scales[0], file.offsets[0], file.nodata)


factor = read("reflectance scale factor = 10000\n")
gain = read("data gain values = {0.5}\ndata offset values = {3}\n")
print("factor 10000:     spectral, GDAL, (scale, offset, nodata):", *factor)
print("gain 0.5, offset 3: spectral, GDAL, (scale, offset, nodata):", *gain)
assert np.allclose(factor[0], [0.01, -0.9999]), factor
assert factor[1:] == ([100, -9999], (1.0, 0.0, -9999.0)), "GDAL knows the reflectance scale factor now"
assert gain[0] == [100, -9999], "spectral applies gains now"
assert gain[1:] == ([100, -9999], (0.5, 3.0, -9999.0)), gain
PY
