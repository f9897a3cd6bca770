"""Files of scipy and netCDF4 for the battery."""

import netCDF4
import numpy as np
from sample import Sample, made


def write(path, form):
    with netCDF4.Dataset(path, "w", format=form) as dataset:
        dataset.title = "records"
        for name, size in (("time", None), ("n", 5)):
            dataset.createDimension(name, size)
        dataset.createVariable("time", "f8", ("time",))[:] = np.arange(4)
        variable = dataset.createVariable("v", "i2", ("time", "n"), fill_value=-1)
        variable.units = "K"
        variable[:] = np.arange(20).reshape(4, 5)
        dataset.createVariable("fixed", "f4", ("n",))[:] = np.arange(5) / 2
        dataset.createVariable("word", "S1", ("n",))[:] = list("abcde")
        if form == "NETCDF3_64BIT_DATA":
            dataset.createVariable("large", "u8", ("n",))[:] = 2**63 + np.arange(5, dtype="u8")


def read(data):
    with netCDF4.Dataset("memory", memory=data) as dataset:
        dataset.set_auto_maskandscale(False)
        dataset.set_auto_chartostring(False)
        return {name: variable[...] for name, variable in dataset.variables.items()}


def samples():
    """Classic files of the three versions."""
    found = []
    for form in ("NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"):
        data = made(lambda path, form=form: write(path, form))
        found.append(Sample(name=form.lower(), files={"a.nc": data}, main="a.nc", arrays=read(data)))
    return found
