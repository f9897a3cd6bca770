"""Files of models and satellites, as they lie in public buckets."""

from __future__ import annotations

import io

import numpy as np
import xarray as xr


def netcdf4(dataset, **encoding):
    """The bytes of a dataset in NetCDF4."""
    file = io.BytesIO()
    dataset.to_netcdf(file, engine="h5netcdf", encoding=encoding)
    return file.getvalue()


def month(number, name="air", days=3):
    """A month of one variable of a reanalysis: chunks of 4 KiB, which no threshold of the notebooks holds inline."""
    first = np.datetime64("2020-01-01", "ns") + np.timedelta64(number * days, "D")
    values = np.random.default_rng(number).normal(size=(days, 60, 80)).astype("f4")
    dataset = xr.Dataset(
        {name: (("time", "lat", "lon"), values, {"units": "Pa", "short": name[0]})},
        {
            "time": first + np.arange(days).astype("m8[D]"),
            "lat": ("lat", np.linspace(-88.5, 88.5, 60, dtype="f4"), {"units": "degrees_north"}),
            "lon": ("lon", np.linspace(0, 355.5, 80, dtype="f4"), {"units": "degrees_east"}),
        },
        {"institution": "Institute", "title": "reanalysis"},
    )
    for each in dataset.variables.values():
        each.encoding["_FillValue"] = None
    dataset["time"].encoding.update(units="days since 2020-01-01", dtype="int32")
    dataset[name].encoding.update(zlib=True, shuffle=True, chunksizes=(1, 30, 40))
    return dataset
