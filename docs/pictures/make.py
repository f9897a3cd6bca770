"""Makes the pictures of docs/gallery.md, as the library draws them, from files that it writes: `python make.py`."""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import xarray as xr

import chunkmap
from chunkmap.frontends.html import reads_svg
from chunkmap.frontends.html.grid import grid_svg
from chunkmap.frontends.plotting import plot


def write_months() -> None:
    """Three months of maps, in chunks of a quarter each; the second one lacks its last week."""
    numbers = np.random.default_rng(0)
    for month, days in ((1, 31), (2, 22), (3, 31)):
        values = numbers.normal(280, 10, (days, 200, 400)).astype("f4")
        time = ("time", np.arange(days), {"units": f"days since 2024-{month:02}-01"})
        dataset = xr.Dataset({"temperature": (("time", "lat", "lon"), values)}, {"time": time})
        how = {"temperature": {"chunksizes": (1, 100, 200), "zlib": True}}
        dataset.to_netcdf(f"2024-{month:02}.nc", engine="h5netcdf", encoding=how)


def write_series() -> None:
    """The same kind of values in chunks that are series: all times of a small square."""
    values = np.random.default_rng(1).normal(280, 10, (366, 100, 200)).astype("f4")
    time = ("time", np.arange(366), {"units": "days since 2024-01-01"})
    dataset = xr.Dataset({"temperature": (("time", "lat", "lon"), values)}, {"time": time})
    dataset.to_netcdf("series.nc", engine="h5netcdf", encoding={"temperature": {"chunksizes": (366, 10, 10)}})


def main(folder: Path) -> None:
    """Draw into a folder."""
    folder = folder.resolve()
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        try:
            write_months()
            write_series()
            months = chunkmap.combine(
                [chunkmap.scan(f"2024-{month:02}.nc") for month in (1, 2, 3)], coo_map={"time": "cf:time"}
            )
            series = chunkmap.scan("series.nc")
            pictures = {
                "grid.svg": grid_svg(months.arrays["temperature"].manifest()),
                "maps.svg": reads_svg(plot(months, "temperature", files=2)),
                "series.svg": reads_svg(plot(series, "temperature", files=1)),
            }
        finally:
            os.chdir(before)
    for name, text in pictures.items():
        (folder / name).write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
