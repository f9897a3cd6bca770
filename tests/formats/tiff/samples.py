"""Files of tifffile for the battery."""

import io

import numpy as np
import tifffile
from sample import Sample

GREY = np.arange(50 * 40, dtype="u2").reshape(50, 40)
COLOUR = np.arange(32 * 48 * 3, dtype="u1").reshape(32, 48, 3)


def written(data, **how):
    held = io.BytesIO()
    tifffile.imwrite(held, data, metadata=None, **how)
    held.seek(0)
    return held.getvalue(), tifffile.imread(held)


def samples():
    """Strips, the last of which is short; tiles with a predictor, big-endian; colours in BigTIFF; pages."""
    cases = {
        "strips": written(GREY, rowsperstrip=16, compression="zlib"),
        "tiles": written(GREY, tile=(16, 16), compression="zlib", predictor=True, byteorder=">"),
        "colours": written(COLOUR, photometric="rgb", bigtiff=True),
        "pages": written(np.stack([GREY, GREY + 1]).astype("f4"), photometric="minisblack"),
    }
    return [
        Sample(name=name, files={"a.tif": data}, main="a.tif", arrays={"image": values}, computed=("band", "page"))
        for name, (data, values) in cases.items()
    ]
