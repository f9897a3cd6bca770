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
    """A month of one variable of a reanalysis."""
    first = np.datetime64("2020-01-01", "ns") + np.timedelta64(number * days, "D")
    values = np.random.default_rng(number).normal(size=(days, 6, 8)).astype("f4")
    dataset = xr.Dataset(
        {name: (("time", "lat", "lon"), values, {"units": "Pa", "short": name[0]})},
        {
            "time": first + np.arange(days).astype("m8[D]"),
            "lat": ("lat", np.linspace(-75, 75, 6, dtype="f4"), {"units": "degrees_north"}),
            "lon": ("lon", np.linspace(0, 315, 8, dtype="f4"), {"units": "degrees_east"}),
        },
        {"institution": "Institute", "title": "reanalysis"},
    )
    for each in dataset.variables.values():
        each.encoding["_FillValue"] = None
    dataset["time"].encoding.update(units="days since 2020-01-01", dtype="int32")
    dataset[name].encoding.update(zlib=True, shuffle=True, chunksizes=(1, 3, 4))
    return dataset
