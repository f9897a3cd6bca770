"""Files of the format `toy` for chunkmap's battery."""

import struct

import numpy as np
from sample import Sample


def samples() -> list[Sample]:
    """A file of a hundred values."""
    values = np.arange(100.0)
    data = b"TOY1" + struct.pack("<Q", len(values)) + values.tobytes()
    return [Sample(name="plain", files={"a.toy": data}, main="a.toy", arrays={"values": values})]
