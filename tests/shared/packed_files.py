"""Files that differ in how they store their values, each of which follows the one before it in time."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import netCDF4
import numpy as np
import xarray as xr

ACROSS = 3


class Kind(NamedTuple):
    """How one file stores its values."""

    dtype: str = "i2"
    endian: str = "little"
    compression: dict[str, Any] = {"compression": "zlib", "complevel": 4}  # noqa: RUF012 - never changed
    fill: Any = None
    attrs: dict[str, Any] = {}  # noqa: RUF012 - never changed
    chunk: int = 2
    chunks: int = 2
    is_old: bool = False
    """Whether it is NetCDF3."""

    def write(self, path: Path, first: int, units: str = "K", seed: int = 0) -> int:
        """Write a file with values of `v` from a time on; gives the time after the last."""
        count, dtype = self.chunk * self.chunks, np.dtype(self.dtype)
        rng = np.random.default_rng(seed)
        style = "NETCDF3_64BIT_OFFSET" if self.is_old else "NETCDF4"
        with netCDF4.Dataset(path, "w", format=style) as file:
            file.createDimension("time", None)
            file.createDimension("x", ACROSS)
            time = file.createVariable("time", "i4", ("time",))
            time.units = "days since 2000-01-01"
            time[:] = np.arange(first, first + count)
            how = {} if self.is_old else {"chunksizes": (self.chunk, ACROSS), "endian": self.endian, **self.compression}
            v = file.createVariable("v", dtype, ("time", "x"), fill_value=self.fill, **how)
            v.set_auto_maskandscale(False)
            v.setncatts({"units": units, **self.attrs})
            if dtype.kind == "f":
                values = rng.normal(size=(count, ACROSS)).astype(dtype)
            else:
                limits = np.iinfo(dtype)
                values = rng.integers(limits.min, limits.max, (count, ACROSS), dtype, endpoint=True)
            for number, missing in enumerate([self.fill, self.attrs.get("missing_value")]):
                if missing is not None:
                    values[number % count, 0] = missing
            v[:] = values
        return first + count


def written(folder: Path, kinds: list[Kind], **how: Any) -> list[str]:
    """The files of some kinds, one after the other in time."""
    names, first = [], 0
    for number, kind in enumerate(kinds):
        names.append(str(folder / f"{number}.nc"))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "endian-ness of dtype and endian kwarg do not match")
            first = kind.write(folder / f"{number}.nc", first, seed=number, **how)
    return names


def joined(names: list[str]) -> xr.Dataset:
    """What xarray makes of the files."""
    parts = []
    for name in names:
        with xr.open_dataset(name, engine="netcdf4") as part:
            parts.append(part.load())
    return xr.concat(parts, "time", data_vars="all", combine_attrs="override")


def assert_same(found: xr.DataArray, expected: xr.DataArray) -> None:
    """The same values, bit for bit, in the same type."""
    assert found.dtype == expected.dtype
    assert found.values.tobytes() == expected.values.tobytes()


def partly_written(folder: Path, files: Sequence[tuple[float, int]]) -> list[str]:
    """Files of four numbers each, in chunks of two: what each is scaled by, and up to where it was written."""
    names = []
    for number, (scale, written_to) in enumerate(files):
        names.append(str(folder / f"{number}.nc"))
        with h5py.File(names[-1], "w") as file:
            time = file.create_dataset("time", data=np.arange(4) + 4 * number)
            time.make_scale("time")
            v = file.create_dataset("v", (4,), "i2", chunks=(2,))
            v.dims[0].attach_scale(time)
            v.attrs["scale_factor"] = scale
            v[:written_to] = 1
    return names
