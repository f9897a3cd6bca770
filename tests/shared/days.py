"""Files of a day each, which combine along time."""

import h5py
import numpy as np


def write_days(count):
    """Write so many files of one day into the current directory, `d0.nc` and on; gives their names."""
    names = [f"d{day}.nc" for day in range(count)]
    for day, name in enumerate(names):
        with h5py.File(name, "w") as file:
            file["time"] = np.array([float(day)])
            file["time"].make_scale("time")
            file.create_dataset("tos", data=np.arange(300.0)[None] + day, chunks=(1, 100))
            file["tos"].dims[0].attach_scale(file["time"])
    return names
