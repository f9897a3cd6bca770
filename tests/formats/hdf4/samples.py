"""Files of pyhdf for the battery."""

import numpy as np
from pyhdf.SD import SD, SDC
from sample import Sample, made

VALUES = np.arange(120, dtype="i2").reshape(12, 10)


def write(path):
    file = SD(str(path), SDC.WRITE | SDC.CREATE)
    file.title = "arrays"
    plain = file.create("plain", SDC.INT16, (12, 10))
    plain[:] = VALUES
    plain.units = "K"
    deflated = file.create("deflated", SDC.FLOAT32, (12, 10))
    deflated.setcompress(SDC.COMP_DEFLATE, 5)
    deflated[:] = (VALUES / 2).astype("f4")
    grows = file.create("grows", SDC.INT32, (SDC.UNLIMITED, 4))
    grows[0:3] = np.arange(12, dtype="i4").reshape(3, 4)
    for data in (plain, deflated, grows):
        data.endaccess()
    file.end()


def read(path):
    file = SD(path)
    found = {name: np.asarray(file.select(name).get()) for name in file.datasets()}
    file.end()
    return found


def samples():
    """Arrays in one piece, compressed, and one that grew."""
    found = {}

    def both(path):
        write(path)
        found.update(read(str(path)))

    data = made(both, ".hdf")
    return [Sample(name="arrays", files={"a.hdf": data}, main="a.hdf", arrays=found)]
