"""kerchunk's `auto_dask` on a Dask cluster of two processes: the same lines for either package.

    python bench/cluster.py DIRECTORY [FILES]

writes FILES small netCDF4 files when they are not there (with h5py alone, so that either environment can), and prints
one line of JSON: the seconds of `auto_dask`, what it found, and which package was asked.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np


def write(path, number):
    """One file: ten variables of eight steps, deflated, with the dimension scales that netCDF4 writes."""
    import h5py

    random = np.random.default_rng(number)
    with h5py.File(path, "w") as file:
        for name, values in (
            ("time", np.arange(number * 8, number * 8 + 8, dtype="i4")),
            ("lat", np.linspace(-90, 90, 36, dtype="f4")),
            ("lon", np.linspace(0, 355, 72, dtype="f4")),
        ):
            file.create_dataset(name, data=values).make_scale(name)
        file["time"].attrs["units"] = "hours since 2000-01-01"
        for variable in range(10):
            values = random.normal(280, 10, (8, 36, 72)).astype("f4")
            field = file.create_dataset(
                f"field{variable}", data=values, chunks=(1, 36, 72), compression="gzip", shuffle=True
            )
            for axis, name in enumerate(("time", "lat", "lon")):
                field.dims[axis].attach_scale(file[name])


def main():
    """Prepare, start the cluster, and time one call."""
    from distributed import Client, LocalCluster

    import kerchunk.combine
    import kerchunk.hdf

    folder, count = Path(sys.argv[1]), int((sys.argv[2:] or [200])[0])
    folder.mkdir(parents=True, exist_ok=True)
    urls = [str(folder / f"{number:04d}.nc") for number in range(count)]
    for number, url in enumerate(urls):
        if not Path(url).exists():
            write(url, number)
    how = {"concat_dims": ["time"], "identical_dims": ["lat", "lon"]}
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        Client(cluster),
    ):
        kerchunk.combine.auto_dask(urls[:8], kerchunk.hdf.SingleHdf5ToZarr, {}, how, 4)  # workers import what they need
        start = time.perf_counter()
        found = kerchunk.combine.auto_dask(urls, kerchunk.hdf.SingleHdf5ToZarr, {}, how, 8)
        seconds = time.perf_counter() - start
    print(json.dumps({"seconds": round(seconds, 2), "keys": len(found["refs"]), "package": kerchunk.__file__}))


if __name__ == "__main__":
    main()
