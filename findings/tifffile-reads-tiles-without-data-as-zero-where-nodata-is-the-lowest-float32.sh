#!/usr/bin/env bash
# A float32 GeoTIFF whose nodata is the lowest float32, -3.4028234663852886e+38: tifffile drops it, and reads tiles that
# are not stored as 0.
#
# The tag GDAL_NODATA is written by GDAL itself. tifffile asks numpy.min_scalar_type whether float32 holds the number; for
# what lies beyond 3.4e38, which the greatest and the lowest float32 do, numpy answers float64. tifffile logs "not castable
# to float32" as a warning and goes on with nodata 0: tiles left out by SPARSE_OK are zeros, which are plausible values.
# With -9999 it fills with the nodata, as GDAL does with both.
#
# Versions: Python >= 3.11, tifffile 2026.3.3 (2026.11.8 does the same), rasterio 1.4.4 (GDAL 3.10.3), numpy 2.4.6.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder/packages" "tifffile==2026.3.3" "rasterio==1.4.4" "numpy==2.4.6" >/dev/null 2>&1
PYTHONPATH="$folder/packages" python3 -W ignore - "$folder/sparse.tif" <<'PY'
import logging
import sys

import numpy as np
import rasterio
import tifffile
from rasterio.windows import Window

logging.disable(logging.CRITICAL)  # it does say so, as a logged warning
path = sys.argv[1]
lowest = float(np.finfo("f4").min)
assert np.min_scalar_type(lowest) == np.float64, "numpy finds that float32 holds its own lowest number now"
found = {}
for nodata in (-9999.0, lowest):
    layout = {"tiled": True, "blockxsize": 16, "blockysize": 16, "SPARSE_OK": True}
    with rasterio.open(
        path, "w", driver="GTiff", width=32, height=16, count=1, dtype="float32", nodata=nodata, **layout
    ) as file:
        file.write(np.full((1, 16, 16), 7, "f4"), window=Window(0, 0, 16, 16))  # the second tile is never written
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        assert page.databytecounts == (1024, 0), page.databytecounts
        print("tag:", page.tags["GDAL_NODATA"].value, " tifffile's nodata:", page.nodata)
    with rasterio.open(path) as file:
        found[nodata] = file.read(1)[0, [0, 16]].tolist(), tifffile.imread(path)[0, [0, 16]].tolist()
    print("GDAL, tifffile:", *found[nodata])
assert found[-9999.0] == ([7.0, -9999.0], [7.0, -9999.0]), found
assert found[lowest] == ([7.0, lowest], [7.0, 0.0]), "tifffile takes this nodata now"
PY
