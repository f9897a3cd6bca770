"""Stores of zarr-python for the battery."""

import tempfile
import warnings
from pathlib import Path

import numcodecs
import numpy as np
import zarr
from sample import Sample, below

VALUES = np.arange(120, dtype="f4").reshape(12, 10)


def write(path, version):
    group = zarr.open_group(path, mode="w", zarr_format=version, attributes={"title": "x"})
    packed = zarr.codecs.GzipCodec() if version == 3 else numcodecs.Zlib(1)

    def create(name, dims, **how):
        more = {"dimension_names": dims} if version == 3 else {"attributes": {"_ARRAY_DIMENSIONS": dims}}
        return group.create_array(name, **more, **how)

    create("x", ["y", "x"], shape=(12, 10), chunks=(5, 4), dtype="f4", compressors=packed)[:] = VALUES
    create("below/plain", ["n"], shape=(7,), chunks=(3,), dtype=">i2", compressors=None)[:5] = 5
    create("point", [], shape=(), dtype="i8", compressors=None)[...] = 5
    if version == 3:
        how = {"shape": (20, 6), "shards": (8, 6), "chunks": (4, 2), "dtype": "i2", "compressors": packed}
        create("shards", ["p", "q"], **how)[:15] = 7
    zarr.consolidate_metadata(path)


def samples():
    """Consolidated stores of both versions, one with shards."""
    found = []
    for version in (2, 3):
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path = Path(folder) / "store"
            write(path, version)
            files = below(path, "store/")
            node = zarr.open_group(path, mode="r")
            arrays = {name: item[...] for name, item in node.members(max_depth=None) if isinstance(item, zarr.Array)}
        found.append(Sample(name=f"v{version}", files=files, main="store", arrays=arrays))
    return found
