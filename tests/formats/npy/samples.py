"""Files of numpy for the battery."""

import io

import numpy as np
from sample import Sample

ALIGNED = np.dtype([("a", "u1"), ("b", "<f8"), ("c", [("d", "u1"), ("e", "<i2", (2,))])], align=True)
"""With gaps, and a record and an array in it."""


def samples():
    """Either order, and structures."""
    arrays = {
        "c": np.arange(200, dtype="<i4").reshape(10, 20),
        "fortran": np.asfortranarray(np.arange(200, dtype=">f8").reshape(10, 20)),
        "structured": np.array([(1, 0.5), (2, np.nan)], [("a", "<i2"), ("b", "<f8")]),
        "aligned": np.array([(n, n / 2, (n, [n, -n])) for n in range(50)], ALIGNED),
    }
    found = []
    for name, array in arrays.items():
        held = io.BytesIO()
        np.save(held, array)
        found.append(Sample(name=name, files={"a.npy": held.getvalue()}, main="a.npy", arrays={"data": array}))
    return found
