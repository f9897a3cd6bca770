"""Files of h5py and netCDF4 for the battery."""

import h5py
import netCDF4
import numpy as np
from sample import Sample, made

VALUES = np.arange(120, dtype="i4").reshape(12, 10)


def plain(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=VALUES, chunks=(5, 4), shuffle=True, compression="gzip").attrs["units"] = "m"
        file["group/flat"] = np.array([1.5, np.nan] * 200)
        file["group/scalar"] = np.float32(2.5)
        file.create_dataset("words", data=["one", "", "drei ü"], dtype=h5py.string_dtype())
        file["text"] = np.array([b"abc", b""])


def latest(path):
    with h5py.File(path, "w", libver="latest") as file:
        file.create_dataset("fixed", data=VALUES, chunks=(5, 4), fletcher32=True)
        file.create_dataset("grows", data=VALUES.astype(">f8"), chunks=(4, 10), maxshape=(None, 10))
        file.create_dataset("tree", data=VALUES, chunks=(6, 5), maxshape=(None, None), compression="gzip")


def netcdf4(path):
    with netCDF4.Dataset(path, "w") as dataset:
        for name, size in (("time", None), ("n", 5)):
            dataset.createDimension(name, size)
        time = dataset.createVariable("time", "f8", ("time",))
        time[:], time.units = np.arange(3), "days since 2000-01-01"
        dataset.createVariable("v", "i2", ("time", "n"), zlib=True, fill_value=-1)[:] = np.arange(15).reshape(3, 5)
        dataset.createGroup("below").createVariable("w", "f4", ("n",))[:] = 0.5


def read(data):
    import io

    found = {}
    with h5py.File(io.BytesIO(data)) as file:

        def keep(name, item):
            if isinstance(item, h5py.Dataset) and not item.attrs.get("NAME", b"").startswith(b"This is a netCDF"):
                is_text = h5py.check_string_dtype(item.dtype) is not None and item.dtype.kind == "O"
                found[name] = item.asstr()[...] if is_text else item[...]

        file.visititems(keep)
    return found


def samples():
    """Plain HDF5, the newest layouts, and NetCDF4."""
    files = {"plain": made(plain), "latest": made(latest), "netcdf4": made(netcdf4)}
    return [
        Sample(name=name, files={"a.h5": data}, main="a.h5", arrays=read(data), computed=("n",))
        for name, data in files.items()
    ]
