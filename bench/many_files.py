"""The cases of many files of this machine to one set at rest: as users call it, and by one process."""

import shutil

import numpy as np
from hdf5_files import STEPS, write_forecast
from outcomes import of_directory

FILES = 2000
TIMES = 512
"""Elements of the chunk that holds the times of a file."""

MANY = ("build-many", "build-one-worker")
"""Cases that take minutes a run behind kerchunk's names: they are only done when they are named."""


def files(folder):
    """2,000 files of a day each, written where they are needed first: copies, in which the times are others."""
    import h5py

    own = folder / "many"
    if not own.exists():
        new = folder / "many-new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        first = new / "0000.nc"
        write_forecast(first)
        with h5py.File(first) as file:
            place = file["time"].id.get_chunk_info(0).byte_offset
        for number in range(1, FILES):
            path = shutil.copy(first, first.with_name(f"{number:04}.nc"))
            with path.open("r+b") as file:
                file.seek(place)
                file.write(np.arange(number * STEPS, (number + 1) * STEPS, dtype="<i4").tobytes())
        new.rename(own)
    return sorted(map(str, own.iterdir()))


def build(workers):
    """Through the library's own verb, by so many processes."""

    def prepare_run(folder):
        import chunkmap

        paths, out = files(folder), folder / "many.parq"
        shutil.rmtree(out, ignore_errors=True)
        chunkmap.build(paths[:2], out, concat_dims=["time"], workers=1)
        shutil.rmtree(out)
        how = {"concat_dims": ["time"], "workers": workers}
        return lambda: chunkmap.build(paths, out, **how), lambda refs: {
            "chunks": refs.nchunks,
            "bytes": of_directory(out),
        }

    return prepare_run


def build_door(folder):
    """Through the names of kerchunk: scan, combine, write."""
    from kerchunk.combine import MultiZarrToZarr
    from kerchunk.df import refs_to_dataframe
    from kerchunk.hdf import SingleHdf5ToZarr

    def work(some):
        sets = [SingleHdf5ToZarr(path).translate() for path in some]
        how = {"concat_dims": ["time"], "identical_dims": ["lat", "lon"], "remote_protocol": "file"}
        refs_to_dataframe(MultiZarrToZarr(sets, **how).translate(), str(out))

    paths, out = files(folder), folder / "many-door.parq"
    for some in (paths[:2], ()):
        shutil.rmtree(out, ignore_errors=True)
        if some:
            work(some)
    return lambda: work(paths), lambda _: {"bytes": of_directory(out)}


CASES = {"build-many": (build(None), build_door, None), "build-one-worker": (build(1), None, None)}
TITLES = {
    "build-many": f"build {FILES:,} netCDF4 files x 20 variables to Parquet",
    "build-one-worker": f"build {FILES:,} netCDF4 files x 20 variables to Parquet (workers=1)",
}
