"""Plain elements for the battery, with what is said of them."""

import numpy as np
from sample import Sample


def samples():
    """Behind a few bytes, in either order."""
    values = np.arange(200, dtype=">i2").reshape(10, 20)
    said = {"format": "raw", "dtype": ">i2", "offset": 3, "shape": (10, 20)}
    return [
        Sample(
            name=order,
            files={"a.bin": b"---" + values.tobytes(order)},
            main="a.bin",
            arrays={"data": values},
            options={**said, "order": order},
        )
        for order in "CF"
    ]
