"""Archives of numpy for the battery."""

import io

import numpy as np
from sample import Sample


def samples():
    """Arrays side by side, in either order, one of them a scalar."""
    arrays = {
        "c": np.arange(200, dtype="<i4").reshape(10, 20),
        "fortran": np.asfortranarray(np.arange(200, dtype=">f8").reshape(10, 20)),
        "one": np.array(2.5),
    }
    held = io.BytesIO()
    np.savez(held, **arrays)
    return [Sample(name="stored", files={"a.npz": held.getvalue()}, main="a.npz", arrays=arrays)]
