"""What a read would touch is what it does touch."""

from dataclasses import replace

import fsspec
import h5py
import numpy as np
import pytest

import chunkmap
from chunkmap.access.fetching import Fetcher
from chunkmap.access.selection import ArrayReader
from chunkmap.access.touching import lengths_of, spoken, touch
from chunkmap.frontends.plotting import reads_of
from chunkmap.io.remote import RemoteSource
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, ReferenceSet, Target


@pytest.fixture
def far():
    """A file in fsspec's memory, which has to be fetched from, of an array in 60 chunks that lie apart."""
    values = np.random.default_rng(0).normal(size=(15, 200, 300)).astype("f4")
    with fsspec.open("memory://touching/a.nc", "wb") as file, h5py.File(file, "w") as made:
        made.create_dataset("t", data=values, chunks=(5, 100, 100))
    yield chunkmap.scan("memory://touching/a.nc"), values
    fsspec.filesystem("memory").rm("/touching", recursive=True)


def test_a_read_makes_the_requests_that_were_foretold(far, monkeypatch):
    """Every read that is shown: the requests, the bytes and the chunks are those that reading it takes."""
    refs, values = far
    array, asked = refs.arrays["t"], []
    real = RemoteSource._fetch
    monkeypatch.setattr(RemoteSource, "_fetch", lambda self, ranges: asked.append(list(ranges)) or real(self, ranges))
    fetcher = Fetcher()
    chunks = array.manifest()
    for name, key in reads_of(array.meta, refs).items():
        told = touch(array.meta, chunks, key, lengths_of(chunks, refs.targets))
        asked.clear()
        found = ArrayReader(refs, "t", fetcher).read(key)
        ranges = [one for some in asked for one in some]
        np.testing.assert_array_equal(found, values[key])
        assert (told.requests, told.read) == (len(ranges), sum(one.length for one in ranges)), name
        assert told.wanted == found.nbytes


def test_the_reads_that_are_shown():
    """Time is found by its units, by its name, or is the first of many axes; other reads are at the middle."""
    names = lambda refs, shape, dims: {  # noqa: E731
        name: spoken(key) for name, key in reads_of(meta(shape, dims), refs).items()
    }
    empty = ReferenceSet({}, {})
    assert names(empty, (9,), ("time",)) == {"everything": "[:]"}
    assert names(empty, (), ()) == {"everything": "[]"}
    assert names(empty, (9, 4, 6, 8), ("time", "z", "y", "x")) == {
        "one time": "[4, :, :, :]",
        "a map": "[4, 2, :, :]",
        "a series": "[:, 2, 3, 4]",
        "everything": "[:, :, :, :]",
    }
    assert names(empty, (4, 6), ("y", "x")) == {"a row": "[2, :]", "a column": "[:, 3]", "everything": "[:, :]"}
    assert names(empty, (4, 6), ("station", "time"))["a series"] == "[2, :]"
    assert names(empty, (4, 6, 8), None)["one step, a map"] == "[2, :, :]"
    units = {"units": "days since 2000-01-01"}
    dated = ManifestArray(replace(meta((6,), ("when",)), attrs=units), ChunkManifest.empty((6,)))
    refs = ReferenceSet({"when": dated}, {})
    assert names(refs, (4, 6), ("y", "when"))["a series"] == "[2, :]"


def meta(shape, dims):
    return ArrayMeta(shape=shape, chunk_shape=(1,) * len(shape), dtype=np.dtype("f4"), dims=dims)


def test_what_is_no_range_of_a_file_is_not_requested():
    """Inline and missing chunks cost no request; a whole file is as long as it is known to be, else nothing."""
    columns = (np.array([1, 2, 3], "u4"), np.array([0, 0, 0], "u8"), np.array([4, 2**64 - 1, 2**64 - 1], "u8"))
    chunks = ChunkManifest.from_columns((5,), np.array([0, 2, 3]), (None, b"held", "a", "b"), columns)
    length = lengths_of(chunks, {"a": Target(size=100)})
    found = touch(meta((5,), ("x",)), chunks, (slice(None),), length)
    assert (found.requests, found.files, found.read, len(found.rows)) == (2, 2, 100, 2)
