"""Zarr stores: a directory of a million chunks, beside a bare walk that takes every file's size; and shards."""

import json
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

ROWS, COLUMNS = 1000, 1000
SHARDS, INNER = 1000, 1000


def write_chunks(path):
    """An array of Zarr v2 in directories of a thousand chunks each, of 4 bytes."""
    array = path / "x"
    array.mkdir(parents=True)
    (path / ".zgroup").write_text('{"zarr_format": 2}')
    document = {"zarr_format": 2, "shape": [ROWS, COLUMNS], "chunks": [1, 1], "dtype": "<f4", "fill_value": 0}
    document |= {"order": "C", "compressor": None, "filters": None, "dimension_separator": "/"}
    (array / ".zarray").write_text(json.dumps(document))
    for row in range(ROWS):
        (array / str(row)).mkdir()
        for column in range(COLUMNS):
            (array / str(row) / str(column)).write_bytes(b"\0\0\x80?")


def write_shards(path):
    """An array of Zarr v3 in a thousand shards of a thousand chunks."""
    import zarr

    group = zarr.open_group(path, mode="w", zarr_format=3)
    how = {"shape": (SHARDS, INNER * 2), "shards": (1, INNER * 2), "chunks": (1, 2), "compressors": None}
    array = group.create_array("x", dtype="u1", fill_value=0, **how)
    array[0] = 1
    first = path / "x" / "c" / "0" / "0"
    for number in range(1, SHARDS):
        shard = path / "x" / "c" / str(number) / "0"
        shard.parent.mkdir()
        shard.hardlink_to(first)


def prepare(folder):
    """Write the stores."""
    write_chunks(folder / "chunks.zarr")
    write_shards(folder / "shards.zarr")


def tiny(folder):
    """A store of one chunk, which is scanned before the clock starts; written where it is needed first."""
    root = folder / "tiny.zarr"
    if not root.exists():
        (root / "x").mkdir(parents=True)
        (root / ".zgroup").write_text('{"zarr_format": 2}')
        document = {"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "<f4", "fill_value": 0, "order": "C"}
        (root / "x" / ".zarray").write_text(json.dumps({**document, "compressor": None, "filters": None}))
        (root / "x" / "0").write_bytes(b"\0\0\x80?")
    return str(root)


def walk(folder):
    """Every file's size, several directories at once: what a scan of a directory cannot do without."""
    root = folder / "chunks.zarr" / "x"

    def sizes(directory):
        with os.scandir(directory) as entries:
            return np.array([entry.stat().st_size for entry in entries])

    def work():
        with ThreadPoolExecutor(8) as pool:
            return sum(map(len, pool.map(sizes, [entry.path for entry in os.scandir(root) if entry.is_dir()])))

    return work, lambda count: {"chunks": count}


def scan(name):
    """A scan through the library."""

    def prepared(folder):
        import chunkmap

        chunkmap.scan(tiny(folder))
        return lambda: chunkmap.scan(folder / name, inline_threshold=0), lambda refs: {"chunks": refs.nchunks}

    return prepared


def single_zarr(folder):
    """The same through the names of kerchunk."""
    from kerchunk.zarr import single_zarr

    def count(document):
        return {"chunks": sum(key.startswith("x/") and "/." not in key for key in document["refs"])}

    single_zarr(tiny(folder))
    return lambda: single_zarr(str(folder / "chunks.zarr"), inline_threshold=0), count


CASES = {
    "zarr_walk": (walk, None, None),
    "zarr_million": (scan("chunks.zarr"), single_zarr, None),
    "zarr_shards": (scan("shards.zarr"), None, None),
}
TITLES = {
    "zarr_walk": "take the size of every file of a Zarr v2 directory of a million chunks: a bare walk of 8 threads",
    "zarr_million": "scan that directory",
    "zarr_shards": "scan 1,000 shards of 1,000 chunks each",
}
