"""The cases of a million references at once: written, exported, and taken from a dictionary and back."""

import json
import shutil

import exporting
import numpy as np
from joining import COMPRESSOR, as_set, zarray
from outcomes import of_dictionary, of_directory

MILLION = 1_000_000


def prepare(folder):
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
        "flow/.zarray": zarray((1000, 1_000_000), (1, 1000), "<f4", COMPRESSOR),
        "flow/.zattrs": '{"_ARRAY_DIMENSIONS": ["time", "feature_id"]}',
    }
    for row, (url, starts, sizes) in enumerate(zip(urls, offsets.tolist(), lengths.tolist(), strict=True)):
        refs.update({f"flow/{row}.{n}": [url, starts[n], sizes[n]] for n in range(1000)})
    return {"version": 1, "refs": refs}


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
        compressor=COMPRESSOR,
        dims=("time", "feature_id"),
    )
    return ReferenceSet({"flow": ManifestArray(meta, manifest)})


def write_core(folder):
    """Write a million references of a reference set as Parquet."""
    import chunkmap

    refs, write = million_set(), chunkmap.write
    out = folder / "core.parq"
    write(as_set(0, 1, 4), str(out))  # what a verb needs is loaded when it is first called
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
    write(as_set(0, 1, 4), str(out))
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


def roundtrip_core(_folder):
    """A million references from a dictionary to a reference set, and back."""
    import chunkmap

    document = million_dictionary()
    return lambda: chunkmap.ReferenceSet.from_dict(document).to_dict(), lambda refs: {"result": of_dictionary(refs)}


CASES = {
    "write": (write_core, write_door, None),
    "icechunk": (
        lambda _: exporting.export_core(million_set()),
        None,
        lambda _: exporting.export_virtualizarr(*million_columns()),
    ),
    "write-json": (write_json_core, write_json_python, None),
    "write-ujson": (write_json_core, write_json_door, None),
    "roundtrip": (roundtrip_core, None, None),
}
TITLES = {
    "write": "write 1,000,000 references as Parquet",
    "icechunk": "write 1,000,000 references into Icechunk",
    "write-json": "write 1,000,000 references as JSON (other side: json.dump)",
    "write-ujson": "write 1,000,000 references as JSON (other side: ujson.dumps)",
    "roundtrip": "1,000,000 references: dictionary to set to dictionary",
}
BESIDE_OTHERS = ("write-json", "write-ujson")
"""Cases whose other side is a library of JSON."""
