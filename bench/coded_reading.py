"""Reading chunks that are decoded: by each codec beside h5py and hdf5plugin; text and records beside fsspec with zarr.

h5py decodes with HDF5's own filters, or with those that hdf5plugin brings: the same libraries in C, one chunk after the
other.
"""

import json
from pathlib import Path

import numpy as np
from reading import through_fsspec

CHUNKS, ELEMENTS = 400, 65_536
"""Chunks of the numbers, and elements of 4 bytes in each."""

ROWS = 2_000_000
"""Texts or records, in chunks of 10,000."""

CODECS = ("zstd", "lz4", "blosc", "bitshuffle", "lzf")


def how(codec):
    """The arguments of h5py for a codec."""
    import hdf5plugin

    return {
        "zstd": dict(hdf5plugin.Zstd(clevel=3)),
        "lz4": dict(hdf5plugin.LZ4()),
        "blosc": dict(hdf5plugin.Blosc(cname="zstd", clevel=3, shuffle=hdf5plugin.Blosc.SHUFFLE)),
        "bitshuffle": dict(hdf5plugin.Blosc(cname="lz4", clevel=5, shuffle=hdf5plugin.Blosc.BITSHUFFLE)),
        "lzf": {"compression": "lzf", "shuffle": True},
    }[codec]


def prepare(folder):
    """Write the files; those that are there stay."""
    import h5py

    (folder / "coded").mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    values = np.cumsum(random.normal(0, 1, (CHUNKS, ELEMENTS)), axis=1).round(1).astype("f4")
    for codec in CODECS:
        write(h5py, folder / "coded" / f"{codec}.h5", values, (1, ELEMENTS), **how(codec))
    text = np.char.add(b"station ", random.integers(0, 10**6, ROWS).astype("S8"))
    write(h5py, folder / "coded" / "text.h5", text, (10_000,), compression="gzip", compression_opts=4)
    records = np.zeros(ROWS, [("time", "<i8"), ("station", "S8"), ("height", "<f4"), ("flags", "<u2")])
    records["time"] = np.arange(ROWS)
    records["height"] = random.normal(0, 1, ROWS).round(2)
    write(h5py, folder / "coded" / "records.h5", records, (10_000,), compression="gzip", compression_opts=4)
    keep_references(folder / "coded" / "records.h5")


def keep_references(path):
    """The references of a file as JSON beside it, for a type of which kerchunk makes none."""
    import chunkmap

    if not path.with_suffix(".json").exists():
        chunkmap.write(chunkmap.scan(str(path), inline_threshold=0), path.with_suffix(".json"))


def write(h5py, path, values, chunks, **more):
    """One dataset in a file of its own."""
    if not path.exists():
        with h5py.File(path, "w") as file:
            file.create_dataset("x", data=values, chunks=chunks, **more)


def core(name):
    """Through chunkmap's engine."""

    def prepared(folder):
        import chunkmap

        refs = chunkmap.scan(warm(folder, name))
        variable = chunkmap.open_dataset(refs, decode_cf=False).variables["x"]
        return variable[...].to_numpy, of_bytes

    return prepared


def native(name):
    """The file, read by h5py itself."""

    def prepared(folder):
        import h5py
        import hdf5plugin  # noqa: F401 - brings the filters

        file = h5py.File(warm(folder, name))
        return lambda: file["x"][...], of_bytes

    return prepared


def by_fsspec(name):
    """The references that kerchunk's names make, through fsspec and zarr."""

    def prepared(folder):
        from kerchunk.hdf import SingleHdf5ToZarr

        work, _ = through_fsspec(SingleHdf5ToZarr(warm(folder, name), inline_threshold=0).translate(), "file")
        return work, of_bytes

    return prepared


def of_ours_by_fsspec(name):
    """The references that are kept beside a file, through fsspec and zarr."""

    def prepared(folder):
        path = Path(warm(folder, name)).with_suffix(".json")
        work, _ = through_fsspec(json.loads(path.read_text()), "file")
        return work, of_bytes

    return prepared


def warm(folder, name):
    """The path of a file that the system has in memory from now on."""
    path = folder / "coded" / f"{name}.h5"
    path.read_bytes()
    return str(path)


def of_bytes(values):
    """A sum of all bytes, which tells whether the same was read."""
    return {"result": int(np.ascontiguousarray(values).view("u1").sum(dtype="u8"))}


CASES = {f"read-{codec}": (core(codec), native(codec)) for codec in CODECS}
CASES["read-text"] = (core("text"), by_fsspec("text"))
CASES["read-records"] = (core("records"), of_ours_by_fsspec("records"))
TITLES = {f"read-{codec}": f"read {CHUNKS} chunks x 256 kB, {codec} (other side: h5py, hdf5plugin)" for codec in CODECS}
TITLES["read-text"] = "read 2,000,000 texts of 16 bytes, deflated (other side: fsspec, zarr)"
TITLES["read-records"] = "read 2,000,000 records of 22 bytes, deflated (other side: fsspec, zarr)"
BESIDE_OTHERS = tuple(CASES)
"""Cases whose other side is another library than kerchunk: all of them."""
