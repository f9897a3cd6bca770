"""Images of GDAL's making for the battery, under headers of ENVI and of ESRI."""

import tempfile
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin
from sample import Sample

HOW = {"width": 40, "height": 30, "count": 3, "dtype": "int16", "transform": from_origin(1, 2, 0.5, 0.25)}


def samples():
    """Bands in each order, and values as they stand in the file."""
    values = np.arange(3600, dtype="i2").reshape(3, 30, 40)
    found = []
    for name, driver, suffix, axes in (
        ("bsq", "ENVI", ".img", (0, 1, 2)),
        ("bil", "ENVI", ".img", (1, 0, 2)),
        ("bip", "ENVI", ".img", (1, 2, 0)),
        ("esri", "EHdr", ".bil", (1, 0, 2)),
    ):
        more = {"interleave": name} if driver == "ENVI" else {}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"a{suffix}"
            with rasterio.open(path, "w", driver=driver, **HOW, **more) as file:
                file.write(values)
            files = {file.name: file.read_bytes() for file in Path(folder).iterdir()}
        computed = ("x", "y", "spatial_ref", "band_names")
        arrays = {"image": values.transpose(axes)}
        how = {"main": "a.hdr", "computed": computed, "open_ended": ("a.hdr",)}
        found.append(Sample(name=name, files=files, arrays=arrays, **how))
    return found
