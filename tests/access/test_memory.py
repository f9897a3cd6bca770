"""What is held while an array is read: little more than the array, whatever its codecs, here and from a server."""

import tracemalloc

import h5py
import hdf5plugin
import numpy as np
import pytest

import chunkmap
from chunkmap.access import selection, streams

VALUES = np.cumsum(np.random.default_rng(0).normal(0, 1, (512, 4096)), axis=1).round(1).astype("f4")
"""8 MB in chunks of 16 kB."""

WAYS = {
    "deflate": {"compression": "gzip", "compression_opts": 1},
    "shuffle": {"compression": "gzip", "compression_opts": 1, "shuffle": True},
    "zstd": dict(hdf5plugin.Zstd(clevel=1)),
    "blosc": dict(hdf5plugin.Blosc(cname="lz4", clevel=1, shuffle=1)),
    "lz4": dict(hdf5plugin.LZ4()),
    "bitshuffle": dict(hdf5plugin.Bitshuffle(cname="lz4")),
    "lzf": {"compression": "lzf", "shuffle": True},
    "fletcher32": {"fletcher32": True},
    "nothing": {},
}


@pytest.fixture(autouse=True)
def short_streams(monkeypatch):
    """Streams are as much shorter than they are as the arrays."""
    monkeypatch.setattr(streams, "STREAM", 128 << 10)
    monkeypatch.setattr(selection, "STREAM", 128 << 10)


def written(path, values, **how):
    """A file with the array `x`, and one that is read before it."""
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=values, **how)
        file.create_dataset("warm", data=values[:8], **({**how, "chunks": (1, 4096)} if how else {}))
    return path


def opened(url):
    """The array, whose engine has read once."""
    variables = chunkmap.open_dataset(chunkmap.scan(url, inline_threshold=0)).variables
    variables["warm"].to_numpy()
    return variables["x"]


def most_held(variable):
    """What a variable reads as, and the most memory that was held meanwhile, as a part of the array."""
    tracemalloc.start()
    try:
        values = variable.to_numpy()
        return values, tracemalloc.get_traced_memory()[1] / values.nbytes
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", ["<f4", ">f4"])
@pytest.mark.parametrize("way", [*WAYS, None])
def test_little_is_held_beside_the_array(tmp_path, way, dtype):
    """Stored bytes are read some at a time, and decoded into the array, in the order of this machine's bytes; what is
    one piece is read into its place.
    """
    how = {} if way is None else {"chunks": (1, 4096), **WAYS[way]}
    values, most = most_held(opened(str(written(tmp_path / "a.h5", VALUES.astype(dtype), **how))))
    np.testing.assert_array_equal(values, VALUES)
    assert values.dtype.isnative
    assert most < 1.15


@pytest.mark.parametrize("how", [{"chunks": (1, 4096), **WAYS["deflate"]}, {"chunks": (1, 4096)}, {}])
def test_little_is_held_of_what_comes_from_a_server(tmp_path, range_server, how):
    """The same from a server, of an array that is large beside what its connections hold."""
    large = np.tile(VALUES, (6, 1))
    url = range_server.put("a.h5", written(tmp_path / "a.h5", large, **how).read_bytes())
    values, most = most_held(opened(url))
    np.testing.assert_array_equal(values, large)
    assert most < 1.15


def test_little_is_held_of_many_files(tmp_path):
    """A chunk in each of many files is no other case."""
    sets = []
    for number, row in enumerate(VALUES[:, :2048].reshape(-1, 8, 2048)):
        with h5py.File(tmp_path / f"{number}.h5", "w") as file:
            file.create_dataset("x", data=row, chunks=row.shape, compression="gzip", compression_opts=1)
            file.create_dataset("time", data=np.arange(8) + 8 * number).make_scale("time")
            file["x"].dims[0].attach_scale(file["time"])
        sets.append(chunkmap.scan(str(tmp_path / f"{number}.h5"), inline_threshold=0))
    refs = chunkmap.combine(sets, concat_dims=["time"])
    chunkmap.open_dataset(refs).variables["x"][:8].to_numpy()
    values, most = most_held(chunkmap.open_dataset(refs).variables["x"])
    np.testing.assert_array_equal(values, VALUES[:, :2048])
    assert most < 1.15
