"""Files of the standard and of the proleptic Gregorian calendar follow one another, where both count alike."""

import netCDF4
import numpy as np
import pytest
import xarray as xr

import chunkmap
from chunkmap.errors import CombineError

SINCE = "days since 2000-01-01"


def write(path, calendar, units=SINCE, start=0):
    """Two days, with bounds, in a calendar."""
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("time", 2)
        file.createDimension("two", 2)
        times = file.createVariable("time", "i4", ("time",))
        times.units, times.bounds = units, "bounds"
        if calendar is not None:
            times.calendar = calendar
        times[:] = [start, start + 1]
        file.createVariable("bounds", "f8", ("time", "two"))[:] = [[start, start + 1], [start + 1, start + 2]]
        file.createVariable("v", "f4", ("time",))[:] = [start, start + 1]
    return str(path)


@pytest.mark.parametrize("other", [None, "standard", "gregorian", "proleptic_gregorian"])
@pytest.mark.parametrize("coo_map", [None, {"time": "cf:time"}])
@pytest.mark.parametrize("units", [SINCE, "hours since 2000-01-01"])
def test_calendars_that_count_alike_are_joined(tmp_path, other, coo_map, units):
    """Dates, bounds and values are those that xarray joins; the calendar is the first one's."""
    if units != SINCE and coo_map is None:
        pytest.skip("numbers of other units are not compared as numbers")
    paths = [write(tmp_path / "a.nc", "proleptic_gregorian"), write(tmp_path / "b.nc", other, units, 240)]
    joined = chunkmap.combine([chunkmap.scan(path) for path in paths], concat_dims=["time"], coo_map=coo_map)
    parts = [xr.load_dataset(path, engine="h5netcdf") for path in paths]
    with xr.open_dataset(joined, engine="chunkmap") as found:
        expected = xr.concat(parts, "time", data_vars="all")
        assert np.array_equal(found.time.values, expected.time.values)
        assert np.array_equal(found.v.values, expected.v.values)
        assert found.time.encoding["calendar"] == "proleptic_gregorian"


@pytest.mark.parametrize(
    ("calendar", "units", "start"),
    [
        ("standard", "days since 0001-01-01", 730_000),
        ("standard", "days since 1600-01-01", -7000),
        ("noleap", "days since 2000-01-01", 100),
        ("julian", "days since 2000-01-01", 100),
    ],
)
def test_calendars_that_do_not_are_refused(tmp_path, calendar, units, start):
    """Days before the reform, counting that begins before it, and other calendars are other dates."""
    paths = [write(tmp_path / "a.nc", "proleptic_gregorian", units, start + 10)]
    paths.append(write(tmp_path / "b.nc", calendar, units, start))
    for coo_map in (None, {"time": "cf:time"}):
        with pytest.raises(CombineError, match="calendar"):
            chunkmap.combine([chunkmap.scan(path) for path in paths], concat_dims=["time"], coo_map=coo_map)
