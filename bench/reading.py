"""The cases of reading: what is measured is one whole read, through chunkmap, and through fsspec and zarr.

Kerchunk has no reader of its own: who opens its references reads through fsspec's ReferenceFileSystem and zarr.
VirtualiZarr's reader, its ManifestStore with zarr, is a third road where its parsers understand what is read.
"""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np

SHAPES = {"large": (4000, 65536), "small": (20_000, 2048), "near": (1000, 10_240), "far": (1000, 10_240)}
"""Chunks, and bytes in each."""

STRIDE = 200_000
"""Bytes from one chunk to the next, where they are far apart."""

LATENCY = 0.05


def prepare(folder):
    """Write the files that the cases of reading read."""
    (folder / "read").mkdir()
    random = np.random.default_rng(0)
    for name, (count, nbytes) in SHAPES.items():
        if name == "far":
            with (folder / "read" / name).open("wb") as file:
                file.truncate(STRIDE * count)
        else:
            random.integers(0, 2**31, count * nbytes // 4, dtype="<i4").tofile(folder / "read" / name)
    write_packed(folder / "read" / "packed.h5", random)


def write_packed(path, random):
    """1,000 chunks of 256 kB, shuffled and deflated to 40 % of that."""
    import h5py

    values = np.cumsum(random.normal(0, 1, (1000, 65536)), axis=1).round(1).astype("f4")
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=values, chunks=(1, 65536), compression="gzip", compression_opts=4, shuffle=True)


def references(case, url):
    """A dictionary of the references of a case, to a file here or on a server."""
    count, nbytes = SHAPES[case]
    return document(count, nbytes, STRIDE if case == "far" else nbytes, url)


def document(count, nbytes, stride, url):
    """References to so many chunks of so many bytes, each so far from the one before."""
    zarray = {
        "shape": [count, nbytes // 4],
        "chunks": [1, nbytes // 4],
        "dtype": "<i4",
        "compressor": None,
        "filters": None,
        "fill_value": None,
        "order": "C",
        "zarr_format": 2,
    }
    refs = {
        ".zgroup": '{"zarr_format": 2}',
        "x/.zarray": json.dumps(zarray),
        "x/.zattrs": '{"_ARRAY_DIMENSIONS": ["chunk", "element"]}',
    }
    refs.update({f"x/{n}.0": [url, n * stride, nbytes] for n in range(count)})
    return {"version": 1, "refs": refs}


def packed_references(folder):
    """The references of the packed file, made by whichever of the two is here."""
    from kerchunk.hdf import SingleHdf5ToZarr

    return SingleHdf5ToZarr(str(folder / "read" / "packed.h5"), inline_threshold=0).translate()


def of_values(values):
    """A sum that tells whether the same was read."""
    return {"result": int(np.ascontiguousarray(values).view("u4").sum(dtype="u8"))}


def through_chunkmap(document):
    """One array, read through chunkmap's engine."""
    import chunkmap

    variable = chunkmap.open_dataset(document, decode_times=False).variables["x"]
    return variable[...].to_numpy, of_values


def through_fsspec(document, protocol):
    """One array, read through fsspec and zarr."""
    import fsspec
    import zarr
    from zarr.storage import FsspecStore

    options = {"remote_options": {"asynchronous": True}} if protocol == "http" else {}
    fs = fsspec.filesystem("reference", fo=document, remote_protocol=protocol, asynchronous=True, **options)
    group = zarr.open_group(FsspecStore(fs, read_only=True, path=""), mode="r", zarr_format=2, use_consolidated=False)
    return lambda: group["x"][...], of_values


def through_virtualizarr(document, base):
    """One array, read through VirtualiZarr's store and zarr; `document` may be a file to scan."""
    import zarr
    from obspec_utils.registry import ObjectStoreRegistry
    from obstore.store import HTTPStore, LocalStore
    from virtualizarr.parsers import HDFParser, KerchunkJSONParser

    stores = {"file://": LocalStore()}
    if base is not None:
        stores[base] = HTTPStore.from_url(base, client_options={"allow_http": True})
    registry = ObjectStoreRegistry(stores)
    if isinstance(document, Path):
        store = HDFParser()(document.resolve().as_uri(), registry)
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "refs.json")
            path.write_text(json.dumps(document))
            store = KerchunkJSONParser()(path.as_uri(), registry)
    group = zarr.open_group(store, mode="r", zarr_format=3)
    return lambda: group["x"][...], of_values


def local(case, *, cold=False):
    """The roads over a file of this machine; with `cold` it has to come from the disk."""

    def path(folder):
        found = folder / "read" / ("packed.h5" if case == "packed" else case)
        with found.open("rb") as file:
            while not cold and file.read(1 << 20):
                pass  # from now on the system has it in memory
            if cold:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return found

    def document(folder):
        found = path(folder)
        return packed_references(folder) if case == "packed" else references(case, str(found))

    def for_virtualizarr(folder):
        found = path(folder)
        return found if case == "packed" else references(case, found.resolve().as_uri())

    return (
        lambda folder: through_chunkmap(document(folder)),
        lambda folder: through_fsspec(document(folder), "file"),
        lambda folder: through_virtualizarr(for_virtualizarr(folder), None),
    )


def remote(case):
    """The roads over a file of a server that answers 50 ms late."""

    def served(folder):
        words = [sys.executable, str(Path(__file__).with_name("server.py")), str(folder / "read"), str(LATENCY)]
        server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/{case}"
        return server, url, references(case, url)

    def run(road):
        def prepared(folder):
            server, url, document = served(folder)
            work, describe = road(document, url.rpartition("/")[0])

            def described(values):
                server.kill()
                return describe(values)

            return work, described

        return prepared

    return (
        run(lambda document, _: through_chunkmap(document)),
        run(lambda document, _: through_fsspec(document, "http")),
        run(through_virtualizarr),
    )


def through_h5py(folder):
    """The packed file, read by h5py itself."""
    import h5py

    file = h5py.File(folder / "read" / "packed.h5")
    return lambda: file["x"][...], of_values


def import_what_xarray_does():
    """Its engines, and dask where that is installed: both are imported when a dataset is first used."""
    from xarray.backends import list_engines

    list_engines()
    with suppress(ImportError):
        import dask.array  # noqa: F401


def first_chunk_core(folder):
    """Open a million references that are at rest as Parquet, and read one chunk, through chunkmap."""
    import_what_xarray_does()
    import xarray

    import chunkmap.frontends.xarray_engine  # noqa: F401 - imports come before the clock

    def work():
        dataset = xarray.open_dataset(folder / "million.parq", engine="chunkmap")
        return dataset["flow"].variable[500, 500:501].to_numpy()

    return work, lambda values: {"result": values.tolist()}


def first_chunk_door(folder):
    """The same through fsspec's reader of Parquet and zarr."""
    import fastparquet  # noqa: F401 - imports come before the clock
    import pandas as pd  # noqa: F401
    import xarray
    import zarr.storage  # noqa: F401

    import_what_xarray_does()
    options = {"fo": str(folder / "million.parq"), "remote_protocol": "file"}

    def work():
        dataset = xarray.open_dataset(
            "reference://", engine="zarr", backend_kwargs={"consolidated": False, "storage_options": options}
        )
        return dataset["flow"].variable[500, 500:501].to_numpy()

    return work, lambda values: {"result": values.tolist()}


def load_core(folder):
    """Load a million references from 100 MB of JSON."""
    from chunkmap import load

    load({"version": 1, "refs": {}})
    return lambda: load(folder / "million.json"), lambda refs: {"result": refs.nchunks}


def load_door(folder):
    """The same with fsspec's reader."""
    import fsspec
    from fsspec.implementations.reference import ReferenceFileSystem

    fsspec.filesystem("file")
    path = str(folder / "million.json")
    return lambda: ReferenceFileSystem(fo=path, remote_protocol="file"), lambda fs: {
        "result": sum(isinstance(value, list) for value in fs.references.values())
    }


CASES = {
    "read-large": local("large"),
    "read-cold": local("large", cold=True),
    "read-small": local("small"),
    "read-packed": local("packed"),
    "read-h5py": (local("packed")[0], through_h5py),
    "read-near": remote("near"),
    "read-far": remote("far"),
    "open": (first_chunk_core, first_chunk_door),
    "load": (load_core, load_door),
}
TITLES = {
    "read-large": "read 4,000 chunks x 64 kB (other side: fsspec, zarr)",
    "read-cold": "read 4,000 chunks x 64 kB from the disk (other side: fsspec, zarr)",
    "read-small": "read 20,000 chunks x 2 kB (other side: fsspec, zarr)",
    "read-packed": "read 1,000 chunks x 256 kB, deflated (other side: fsspec, zarr)",
    "read-h5py": "read 1,000 chunks x 256 kB, deflated (other side: h5py)",
    "read-near": "read 1,000 neighbours x 10 kB, 50 ms away (other side: fsspec, zarr)",
    "read-far": "read 1,000 scattered chunks x 10 kB, 50 ms away (other side: fsspec, zarr)",
    "open": "open 1,000,000 references in Parquet, read a chunk (other side: fsspec, zarr)",
    "load": "load 1,000,000 references from JSON (other side: fsspec)",
}
BESIDE_OTHERS = tuple(CASES)
"""Cases whose other side is another library than kerchunk: all of them."""
