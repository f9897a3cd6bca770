"""The cases of HDF5 on this machine: 100 files, many variables, many datasets, a million chunks under each index."""

import gc
import shutil
import zlib

import numpy as np
from outcomes import of_dictionary, of_set

FILES = 100
VARIABLES = 20
STEPS = 24
MILLION = 1_000_000

INDEXES = {
    "btree1": (("earliest", "v108"), (None,), 1),
    "fixed": ("v110", None, 1),
    "extensible": ("v110", (None,), 1),
    "btree2": ("v110", (None, None), 2),
}
"""Chunk indexes: versions of HDF5, maximum shape and rank that lead to each."""


def prepare(folder):
    """Write the files."""
    (folder / "scan").mkdir(parents=True)
    first = folder / "scan" / "000.nc"
    write_forecast(first)
    for number in range(1, FILES):
        shutil.copy(first, first.with_name(f"{number:03}.nc"))
    for index in INDEXES:
        write_million(folder / f"million_{index}.h5", index)
    write_variables(folder / "variables.h5")
    write_datasets(folder / "datasets.h5")


def write_forecast(path):
    """One netCDF4 file: 20 variables of 24 steps, one chunk a step, deflated, with the usual attributes."""
    import netCDF4

    random = np.random.default_rng(0)
    with netCDF4.Dataset(path, "w") as dataset:
        dataset.title = "forecast"
        for name, size in (("time", None), ("lat", 20), ("lon", 30)):
            dataset.createDimension(name, size)
        hours = dataset.createVariable("time", "i4", ("time",), chunksizes=(512,))
        hours.units = "hours since 2024-01-01"
        hours[:] = np.arange(STEPS)
        for name, size in (("lat", 20), ("lon", 30)):
            axis = dataset.createVariable(name, "f4", (name,))
            axis.units = "degrees"
            axis[:] = np.linspace(0, 60, size)
        for number in range(VARIABLES):
            variable = dataset.createVariable(
                f"field{number:02}",
                "f4",
                ("time", "lat", "lon"),
                chunksizes=(1, 20, 30),
                zlib=True,
                shuffle=True,
                fill_value=-9999.0,
            )
            variable.setncatts(
                {
                    "units": "K",
                    "long_name": f"field number {number}",
                    "standard_name": "air_temperature",
                    "cell_methods": "time: mean",
                    "coordinates": "lat lon",
                    "grid_mapping": "crs",
                    "missing_value": np.float32(-9999.0),
                    "valid_range": np.array([150.0, 350.0], "f4"),
                }
            )
            variable[:] = random.normal(280, 10, (STEPS, 20, 30))


def write_million(path, index):
    """One HDF5 dataset of a million small chunks, under one of the four large chunk indexes."""
    import h5py

    version, maxshape, rank = INDEXES[index]
    chunks, shape = ((16,), (16 * MILLION,)) if rank == 1 else ((1, 16), (1000, 16_000))
    with h5py.File(path, "w", libver=version) as file:
        data = file.create_dataset("x", shape, "i4", chunks=chunks, maxshape=maxshape, compression="gzip")
        stored = zlib.compress(bytes(range(64)), 1)
        for number in range(MILLION):
            place = (16 * number,) if rank == 1 else (number // 1000, 16 * (number % 1000))
            data.id.write_direct_chunk(place, stored)


def write_variables(path):
    """300 variables of 4 chunks, each with 20 attributes: texts, numbers and arrays."""
    import h5py

    values = np.random.default_rng(0).random((40, 50), "f4")
    with h5py.File(path, "w") as file:
        for number in range(300):
            variable = file.create_dataset(
                f"field{number:03}", data=values, chunks=(10, 50), compression="gzip", shuffle=True
            )
            for count in range(20):
                kinds = (f"text {count} of field {number}", np.float32(count), np.arange(3) + count, number)
                variable.attrs[f"attribute{count:02}"] = kinds[count % 4]


def write_datasets(path):
    """2,000 datasets of 2 chunks in 20 groups."""
    import h5py

    values = np.random.default_rng(0).random((2, 500))
    with h5py.File(path, "w") as file:
        for number in range(2000):
            data = file.create_dataset(f"group{number % 20:02}/data{number:04}", data=values, chunks=(1, 500))
            data.attrs["units"] = "m"
            data.attrs["number"] = number


def scan_core(folder):
    """Scan 100 files to reference sets."""
    import chunkmap

    paths = sorted(map(str, (folder / "scan").iterdir()))
    chunkmap.scan(paths[0])
    return lambda: [chunkmap.scan(path) for path in paths], lambda sets: {
        "result": np.sum([of_set(refs) for refs in sets], axis=0).tolist()
    }


def scan_door(folder):
    """Scan 100 files to dictionaries."""
    from kerchunk.hdf import SingleHdf5ToZarr

    def scan(path):
        scanner = SingleHdf5ToZarr(path)
        refs = scanner.translate()
        scanner.close()
        return refs

    paths = sorted(map(str, (folder / "scan").iterdir()))
    scan(paths[0])
    return lambda: [scan(path) for path in paths], lambda sets: {
        "result": np.sum([of_dictionary(refs) for refs in sets], axis=0).tolist()
    }


def scan_virtualizarr(folder):
    """Scan 100 files to VirtualiZarr's own manifests."""
    parse = virtualizarr_parser()
    urls = [path.resolve().as_uri() for path in sorted((folder / "scan").iterdir())]
    parse(urls[0])
    return lambda: [parse(url) for url in urls], lambda _: {}


def virtualizarr_parser(base=None):
    """From a URL to a ManifestStore; `base` is the server that far files are on."""
    from obspec_utils.registry import ObjectStoreRegistry
    from obstore.store import HTTPStore, LocalStore
    from virtualizarr.parsers import HDFParser

    stores = {"file://": LocalStore()}
    if base is not None:
        stores[base] = HTTPStore.from_url(base, client_options={"allow_http": True})
    parser, registry = HDFParser(), ObjectStoreRegistry(stores)
    return lambda url: parser(url=url, registry=registry)


def one_file_core(name, **options):
    """Scan one file to a reference set."""

    def prepare_run(folder):
        import chunkmap

        chunkmap.scan(folder / "scan" / "000.nc")
        path = str(folder / name)
        return lambda: chunkmap.scan(path, **options), lambda refs: {"result": of_set(refs)}

    return prepare_run


def one_file_door(name, **options):
    """Scan one file to a dictionary."""

    def prepare_run(folder):
        from kerchunk.hdf import SingleHdf5ToZarr

        SingleHdf5ToZarr(str(folder / "scan" / "000.nc")).translate()
        gc.disable()  # kerchunk 0.2.10 may hang when garbage is collected while it walks a file
        path = str(folder / name)
        return lambda: SingleHdf5ToZarr(path, **options).translate(), lambda refs: {"result": of_dictionary(refs)}

    return prepare_run


def one_file_virtualizarr(name):
    """Scan one file to VirtualiZarr's own manifests."""

    def prepare_run(folder):
        parse = virtualizarr_parser()
        parse((folder / "scan" / "000.nc").resolve().as_uri())
        url = (folder / name).resolve().as_uri()
        return lambda: parse(url), lambda _: {}

    return prepare_run


def one_file_h5py(name):
    """Walk over the chunks of the dataset of a file with HDF5's own iterator, and keep nothing."""

    def prepare_run(folder):
        import h5py

        with h5py.File(folder / "scan" / "000.nc") as file:
            file["field00"].id.chunk_iter(lambda _: None)

        def work():
            with h5py.File(folder / name) as file:
                file["x"].id.chunk_iter(lambda _: None)

        return work, lambda _: {}

    return prepare_run


def one_file_hidefix(name):
    """Index the chunks of a file with hidefix, which reads no attributes."""

    def prepare_run(folder):
        import hidefix

        hidefix.Index(str(folder / "scan" / "000.nc"))
        path = str(folder / name)
        return lambda: hidefix.Index(path), lambda _: {}

    return prepare_run


CASES = {
    "scan": (scan_core, scan_door, scan_virtualizarr),
    "variables": (one_file_core("variables.h5"), one_file_door("variables.h5"), one_file_virtualizarr("variables.h5")),
    "datasets": (one_file_core("datasets.h5"), one_file_door("datasets.h5"), one_file_virtualizarr("datasets.h5")),
    **{
        f"million_{index}": (
            one_file_core(f"million_{index}.h5", inline_threshold=0),
            one_file_door(f"million_{index}.h5", inline_threshold=0),
            one_file_virtualizarr(f"million_{index}.h5"),
            one_file_h5py(f"million_{index}.h5"),
            one_file_hidefix(f"million_{index}.h5"),
        )
        for index in INDEXES
    },
}
TITLES = {
    "scan": "scan 100 netCDF4 files x 20 variables x 24 chunks",
    "variables": "scan one HDF5 file, 300 variables x 20 attributes",
    "datasets": "scan one HDF5 file, 2,000 datasets",
    **{f"million_{index}": f"scan one HDF5 dataset of 1,000,000 chunks ({index})" for index in INDEXES},
}
