"""The cases: what is measured, once through the library and once through the names of kerchunk.

    python bench/cases.py CASE ROAD DIRECTORY

runs one case once and prints one line of JSON. A road is `core`, the library's own verbs, or `door`, the names of
kerchunk: which package `import kerchunk` finds, ours or theirs, is the business of the environment that runs this
file. Nothing but the work is timed: imports and the making of inputs come before.
"""

import base64
import gc
import json
import resource
import shutil
import subprocess
import sys
import time
import urllib.request
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import documents
import exporting
import fits_files
import grib_files
import images
import joining
import numpy as np
import reading
import stores
from latency_server import serving

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

FAR = {"far_granule": "granule.h5", "far_spread": "by_variable.h5", "far_month": "month.nc", "far_chunks": "btree1.h5"}
"""Cases of one file on a server, and the file."""

ROADS = ("core", "door", "virtualizarr", "h5py", "hidefix", "astropy")


# ---------------------------------------------------------------- inputs


def prepare(folder):
    """Write the files that the cases read; nothing happens when they are there already."""
    import remote_files

    done = folder / "prepared"
    if done.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "scan").mkdir(parents=True)
    first = folder / "scan" / "000.nc"
    write_forecast(first)
    for number in range(1, FILES):
        shutil.copy(first, first.with_name(f"{number:03}.nc"))
    for index in INDEXES:
        write_million(folder / f"million_{index}.h5", index)
    write_variables(folder / "variables.h5")
    write_datasets(folder / "datasets.h5")
    (folder / "far").mkdir()
    remote_files.write_file(folder / "far" / "granule.h5")
    remote_files.write_file(folder / "far" / "day.h5")
    reading.prepare(folder)
    stores.prepare(folder)
    write_million_references(folder)
    done.touch()


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


def write_million_references(folder):
    """The million references at rest: as JSON, and as Parquet with chunks that can be read."""
    import chunkmap

    refs = million_set()
    chunkmap.write(refs, str(folder / "million.json"))
    data = folder / "zeros"
    with data.open("wb") as file:
        file.truncate(1 << 27)
    zeros = refs.arrays["flow"].chunks.map_urls(lambda _: str(data))
    meta = chunkmap.ArrayMeta(
        shape=zeros.grid_shape, chunk_shape=(1, 1), dtype=np.dtype("<i4"), dims=("time", "feature")
    )
    columns = (zeros.source, zeros.offset, np.full(len(zeros), 4, np.uint64))
    chunks = chunkmap.ChunkManifest.from_columns(zeros.grid_shape, zeros.positions(), zeros.sources, columns)
    small = chunkmap.ReferenceSet({"flow": chunkmap.ManifestArray(meta, chunks)})
    chunkmap.write(small, str(folder / "million.parq"))


def zarray(shape, chunks, dtype="<f4"):
    """The document of one array."""
    return json.dumps(
        {
            "shape": shape,
            "chunks": chunks,
            "dtype": dtype,
            "compressor": {"id": "zlib", "level": 4} if dtype == "<f4" else None,
            "filters": None,
            "fill_value": None,
            "order": "C",
            "zarr_format": 2,
        }
    )


def part(number):
    """What a scan of one file of 5,000 chunks gives, as a dictionary: 50 steps of 100 tiles, and their time."""
    url = f"file:///archive/reanalysis/2024/pressure-levels/temperature/part-{number:05}.nc"
    lengths = np.random.default_rng(number).integers(20_000, 60_000, 5000).tolist()
    offsets = (np.cumsum([4096, *lengths[:-1]])).tolist()
    hours = np.arange(50 * number, 50 * number + 50, dtype="<i4")
    refs = {
        ".zgroup": '{"zarr_format": 2}',
        ".zattrs": "{}",
        "time/.zarray": zarray([50], [50], "<i4"),
        "time/.zattrs": '{"_ARRAY_DIMENSIONS": ["time"], "units": "hours since 2024-01-01"}',
        "time/0": "base64:" + base64.b64encode(hours.tobytes()).decode(),
        "t/.zarray": zarray([50, 1000, 1000], [1, 100, 100]),
        "t/.zattrs": '{"_ARRAY_DIMENSIONS": ["time", "lat", "lon"], "units": "K"}',
    }
    keys = (f"t/{i}.{j}.{k}" for i in range(50) for j in range(10) for k in range(10))
    refs.update(zip(keys, map(list, zip([url] * 5000, offsets, lengths, strict=True)), strict=True))
    return {"version": 1, "refs": refs}


def million_columns():
    """A million references as columns: 1,000 URLs of 74 characters, 1,000 chunks in each, of real-looking sizes."""
    stem = "s3://noaa-nwm-retrospective-3-0-pds/CONUS/netcdf/CHRTOUT/1979/"
    urls = [f"{stem}19790201{n:04}" for n in range(1000)]
    assert {len(url) for url in urls} == {74}
    lengths = np.random.default_rng(0).integers(5_000, 90_000, (1000, 1000))
    offsets = np.cumsum(lengths, axis=1) - lengths + 30_000
    return urls, offsets, lengths


def million_dictionary():
    """The same as a dictionary of version 1."""
    urls, offsets, lengths = million_columns()
    refs = {
        ".zgroup": '{"zarr_format": 2}',
        "flow/.zarray": zarray([1000, 1_000_000], [1, 1000]),
        "flow/.zattrs": '{"_ARRAY_DIMENSIONS": ["time", "feature_id"]}',
    }
    for row, (url, starts, sizes) in enumerate(zip(urls, offsets.tolist(), lengths.tolist(), strict=True)):
        refs.update({f"flow/{row}.{n}": [url, starts[n], sizes[n]] for n in range(1000)})
    return {"version": 1, "refs": refs}


# ---------------------------------------------------------------- what came out, so that equal work is compared


def of_set(refs):
    """Number of ranges in files, and the sums of their offsets and lengths."""
    chunks = [array.chunks for array in refs.arrays.values()]
    far = [~manifest.is_inline for manifest in chunks]
    return [
        sum(int(rows.sum()) for rows in far),
        sum(int(manifest.offset[rows].sum()) for manifest, rows in zip(chunks, far, strict=True)),
        sum(int(manifest.length[rows].sum()) for manifest, rows in zip(chunks, far, strict=True)),
    ]


def of_dictionary(document):
    """The same of a dictionary."""
    ranges = [value for value in document.get("refs", document).values() if isinstance(value, (list, tuple))]
    return [len(ranges), sum(r[1] for r in ranges), sum(r[2] for r in ranges)]


def of_directory(path):
    """Bytes on disk."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


# ---------------------------------------------------------------- cases: each gives the work, and what to say of it


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


def combine_core(_folder):
    """Combine 100 reference sets of 5,000 chunks."""
    import chunkmap

    sets, combine = [chunkmap.ReferenceSet.from_dict(part(number)) for number in range(100)], chunkmap.combine
    return lambda: combine(sets, concat_dims=["time"]), lambda refs: {"result": of_set(refs)}


def combine_door(_folder):
    """Combine 100 dictionaries of 5,000 chunks."""
    from kerchunk.combine import MultiZarrToZarr

    sets = [part(number) for number in range(100)]
    return lambda: MultiZarrToZarr(sets, concat_dims=["time"], remote_protocol="file").translate(), lambda refs: {
        "result": of_dictionary(refs)
    }


def write_core(folder):
    """Write a million references of a reference set as Parquet."""
    import chunkmap

    refs, write = million_set(), chunkmap.write
    out = folder / "core.parq"
    shutil.rmtree(out, ignore_errors=True)
    return lambda: write(refs, str(out)), lambda _: {"bytes": of_directory(out)}


def write_door(folder):
    """Write a million references of a dictionary as Parquet."""
    from kerchunk.df import refs_to_dataframe

    refs = million_dictionary()
    out = folder / "door.parq"
    shutil.rmtree(out, ignore_errors=True)
    return lambda: refs_to_dataframe(refs, str(out)), lambda _: {"bytes": of_directory(out)}


def write_json_core(folder):
    """Write a million references of a reference set as JSON."""
    import chunkmap

    refs, write = million_set(), chunkmap.write
    out = folder / "core.json"
    out.unlink(missing_ok=True)
    return lambda: write(refs, str(out)), lambda _: {"bytes": out.stat().st_size}


def write_json_door(folder):
    """Write a million references of a dictionary as JSON, as kerchunk's manual does."""
    import ujson

    refs = million_dictionary()
    out = folder / "door.json"
    out.unlink(missing_ok=True)
    return lambda: out.write_bytes(ujson.dumps(refs).encode()), lambda _: {"bytes": out.stat().st_size}


def write_json_python(folder):
    """The same with Python's own library."""
    refs = million_dictionary()
    out = folder / "door.json"
    out.unlink(missing_ok=True)

    def work():
        with out.open("w") as file:
            json.dump(refs, file)

    return work, lambda _: {"bytes": out.stat().st_size}


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


def far(work, name="day.h5"):
    """A case whose work is given the address of the server, which has the file of this name."""

    def prepare_run(folder):
        import remote_files

        remote_files.write_file(folder / "far" / name)
        server = serving(folder / "far")
        base = server.__enter__()
        run = work(base)

        def describe(outcome):
            with urllib.request.urlopen(f"{base}/stats") as answer:
                asked = json.load(answer)
            server.__exit__(None, None, None)
            return {"bytes": asked["bytes"], "requests": asked["requests"], **run.describe(outcome)}

        with urllib.request.urlopen(f"{base}/stats"):
            return run.work, describe

    return prepare_run


class Run(NamedTuple):
    """The work of a far case, and what to say of its outcome."""

    work: Callable
    describe: Callable


def one_far_file(name):
    """The roads of one file on a server; it is written when it is not there yet."""

    def core(base):
        import chunkmap

        chunkmap.scan(f"{base}/day.h5")
        return Run(lambda: chunkmap.scan(f"{base}/{name}"), lambda refs: {"result": of_set(refs)})

    def door(base):
        from kerchunk.hdf import SingleHdf5ToZarr

        SingleHdf5ToZarr(f"{base}/day.h5").translate()
        gc.disable()
        return Run(lambda: SingleHdf5ToZarr(f"{base}/{name}").translate(), lambda refs: {"result": of_dictionary(refs)})

    def virtualizarr(base):
        parse = virtualizarr_parser(base)
        parse(f"{base}/day.h5")
        return Run(lambda: parse(f"{base}/{name}"), lambda _: {})

    return [far(road, name) for road in (core, door, virtualizarr)]


def far_days_core(base):
    """100 files of 2 MB to reference sets."""
    import chunkmap

    chunkmap.scan(f"{base}/day.h5")
    urls = [f"{base}/day.h5?{number}" for number in range(FILES)]
    return Run(lambda: chunkmap.scan_many(urls), lambda sets: {"result": len(sets)})


def roundtrip_core(_folder):
    """A million references from a dictionary to a reference set, and back."""
    import chunkmap

    document = million_dictionary()
    return lambda: chunkmap.ReferenceSet.from_dict(document).to_dict(), lambda refs: {"result": of_dictionary(refs)}


def import_core(_folder):
    """Start Python and import the verbs."""
    return importing("from chunkmap import scan, combine")


def import_door(_folder):
    """Start Python and import what scans HDF5 and what combines."""
    return importing("import kerchunk.hdf, kerchunk.combine")


def importing(code):
    """Run a line in a bare Python; this process has numpy loaded already."""
    return lambda: subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True), lambda _: {
        "memory": peak(resource.RUSAGE_CHILDREN)
    }


def million_set():
    """The million references as a reference set."""
    from chunkmap import ReferenceSet
    from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray

    urls, offsets, lengths = million_columns()
    source = np.repeat(np.arange(1, 1001, dtype=np.uint32), 1000)
    columns = (source, offsets.ravel().astype(np.uint64), lengths.ravel().astype(np.uint64))
    manifest = ChunkManifest.from_columns((1000, 1000), np.arange(MILLION), (None, *urls), columns)
    meta = ArrayMeta(
        shape=(1000, 1_000_000),
        chunk_shape=(1, 1000),
        dtype=np.dtype("<f4"),
        compressor={"id": "zlib", "level": 4},
        dims=("time", "feature_id"),
    )
    return ReferenceSet({"flow": ManifestArray(meta, manifest)})


CASES = {
    "import": (import_core, import_door, None),
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
    **{case: one_far_file(name) for case, name in FAR.items()},
    "far_days": (far(far_days_core), None, None),
    "combine": (combine_core, combine_door, None),
    **joining.CASES,
    **fits_files.CASES,
    **grib_files.CASES,
    "write": (write_core, write_door, None),
    "icechunk": (
        lambda _: exporting.export_core(million_set()),
        None,
        lambda _: exporting.export_virtualizarr(*million_columns()),
    ),
    "write-json": (write_json_core, write_json_python, None),
    "write-ujson": (write_json_core, write_json_door, None),
    "roundtrip": (roundtrip_core, None, None),
    **reading.CASES,
    **images.CASES,
    **stores.CASES,
    **documents.CASES,
}
"""What each road does in a case; None where it has no such thing."""

WITHOUT_DOOR = {*reading.CASES, *images.BESIDE_OTHERS, "write-json", "write-ujson"}
"""Cases in which the names of kerchunk do nothing: other libraries do."""


def peak(whose=resource.RUSAGE_SELF):
    """The most memory that this process, or a child of it, has held, in MB."""
    return resource.getrusage(whose).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def main(case, road, folder):
    """Run one case once, and print what was measured."""
    work, describe = CASES[case][ROADS.index(road)](Path(folder))
    gc.collect()
    before = peak()
    start = time.perf_counter()
    outcome = work()
    seconds = time.perf_counter() - start
    memory = peak() - before
    print(json.dumps({"seconds": seconds, "memory": memory, **describe(outcome)}))


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare(Path(sys.argv[2]))
        images.prepare(Path(sys.argv[2]))
    else:
        main(*sys.argv[1:])
