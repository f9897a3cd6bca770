"""Files as they lie on servers: the shapes whose metadata is near together, far apart, or in between.

    python bench/remote_files.py DIRECTORY

writes all of them in full size. Each function takes its sizes as arguments, so that tests write small files of the
same shape. What the chunks hold is noise: only where things lie matters.
"""

import sys
from pathlib import Path

import h5py
import numpy as np

NOISE = np.random.default_rng(0).bytes(1 << 20)

BEAMS = ("gt1l", "gt1r", "gt2l", "gt2r", "gt3l", "gt3r")

CHUNK = 6_000
"""Values in a chunk of a granule: 24,000 bytes."""


def write_granule(path, *, order="round robin", variables=360, chunks=84, values=CHUNK, **how):
    """A granule of a satellite: groups of beams, in them variables along one axis, with units and descriptions.

    `order` is "round robin" (all datasets are made, then the first chunk of each is written, then the second ...) or
    "by variable" (each dataset is made and written before the next one). `how` goes to `h5py.File`.
    """
    with h5py.File(path, "w", **how) as file:
        file.attrs["title"] = "granule"
        names = [f"{BEAMS[number % 6]}/part{number % 5}/field{number:03}" for number in range(variables)]
        if order == "by variable":
            for name in names:
                write_chunks([make_variable(file, name, chunks, values)], chunks, values)
        else:
            write_chunks([make_variable(file, name, chunks, values) for name in names], chunks, values)


def make_variable(file, name, chunks, values):
    """One deflated variable with the attributes that real ones have."""
    variable = file.create_dataset(
        name, (chunks * values,), "f4", chunks=(values,), maxshape=(None,), compression="gzip", shuffle=True
    )
    variable.attrs["units"] = "meters"
    variable.attrs["long_name"] = f"{name.rpartition('/')[2]} of the ground track"
    variable.attrs["description"] = "The value of this field, interpolated to the centre of each segment. " * 2
    variable.attrs["valid_range"] = np.array([-1e4, 1e4], "f4")
    variable.attrs["coordinates"] = "delta_time latitude longitude"
    return variable


def write_chunks(variables, chunks, values):
    """Chunk by chunk, and in each round every variable: bytes as they are stored."""
    for number in range(chunks):
        for variable in variables:
            start = number * 4096 % (1 << 19)
            variable.id.write_direct_chunk((number * values,), NOISE[start : start + 4 * values])


def write_month(path, *, variables=12, steps=744, chunks=240, edge=24):
    """A month of hourly fields as netCDF4 writes it: an unlimited time, the metadata where netCDF puts it."""
    import netCDF4

    with netCDF4.Dataset(path, "w") as dataset:
        for name, size in (("time", None), ("lat", edge * 4), ("lon", edge * 4)):
            dataset.createDimension(name, size)
        hours = dataset.createVariable("time", "f8", ("time",), chunksizes=(1024,))
        hours.units = "hours since 2024-01-01"
        fields = []
        for number in range(variables):
            fields.append(
                dataset.createVariable(
                    f"field{number:02}", "i2", ("time", "lat", "lon"), chunksizes=(50, edge, edge), fill_value=-9999
                )
            )
            fields[-1].setncatts(
                {
                    "units": "K",
                    "long_name": f"field number {number}",
                    "standard_name": "air_temperature",
                    "scale_factor": 0.01,
                }
            )
        hours[:] = np.arange(steps)
        rows = -(-chunks // 16) * 50
        block = np.frombuffer(NOISE, "i2", edge * edge * 16).reshape(1, edge * 4, edge * 4)
        for start in range(0, rows, 50):
            for field in fields:
                field[start : start + 50] = np.broadcast_to(block, (50, edge * 4, edge * 4))


def write_chunked(path, *, chunks=20_000, values=2_500, **how):
    """One dataset of many chunks, nothing else."""
    with h5py.File(path, "w", **how) as file:
        variable = file.create_dataset("x", (chunks * values,), "f4", chunks=(values,), maxshape=(None,))
        variable.attrs["units"] = "meters"
        write_chunks([variable], chunks, values)


def write_day(path, *, variables=20, steps=24, values=1_040):
    """A small file of a day: 2 MB."""
    write_granule(path, variables=variables, chunks=steps, values=values)


PAGED = {"fs_strategy": "page", "fs_page_size": 8 << 20}

FILES = {
    "granule.h5": write_granule,
    "by_variable.h5": lambda path: write_granule(path, order="by variable"),
    "v110.h5": lambda path: write_granule(path, libver=("v110", "v110")),
    "paged.h5": lambda path: write_granule(path, **PAGED),
    "month.nc": write_month,
    "btree1.h5": write_chunked,
    "day.h5": write_day,
}
"""Names of files, and what writes them in full size."""


def write_file(path):
    """Write one of them, if it is not there yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    if not path.exists():
        FILES[path.name](part)
        part.rename(path)


if __name__ == "__main__":
    for name in FILES:
        write_file(Path(sys.argv[1]) / name)
