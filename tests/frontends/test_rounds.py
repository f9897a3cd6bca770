"""What reading through a set costs: requests over a network, partitions read by a worker."""

import pickle
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from chunkmap.access.fetching import Fetcher
from chunkmap.access.selection import ArrayReader
from chunkmap.frontends.opening import open_references, open_store
from chunkmap.frontends.xarray_engine import open_dataset
from chunkmap.io import LocalFolder
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, ReferenceSet, Target
from chunkmap.storage import open_set, write

COUNT = 200


def rows(url, stride):
    """An array of 200 chunks of 1,000 numbers, so many bytes from one to the next."""
    meta = ArrayMeta(shape=(COUNT, 1000), chunk_shape=(1, 1000), dtype=np.dtype("<i4"), dims=("time", "n"))
    offsets = [stride * n for n in range(COUNT)]
    cells = [(n, 0) for n in range(COUNT)]
    chunks = ChunkManifest.from_rows((COUNT, 1), cells, [url] * COUNT, offsets, [4000] * COUNT)
    return ReferenceSet({"x": ManifestArray(meta, chunks)})


@pytest.fixture
def values():
    """200 rows of 1,000 numbers."""
    return np.arange(COUNT * 1000, dtype="<i4").reshape(COUNT, 1000)


def test_neighbours_are_few_requests(range_server, values):
    """200 chunks one after another are one look at the file and one request, whatever selects them."""
    opened = open_dataset(rows(range_server.put("a", values.tobytes()), 4000))["x"]
    np.testing.assert_array_equal(opened.values, values)
    assert len(range_server.gets) + len(range_server.heads) <= 3
    range_server.forget()
    again = open_dataset(rows(range_server.url("a"), 4000))["x"]
    np.testing.assert_array_equal(again.isel(n=[3, 1, 3], time=slice(0, None, 2)).values, values[::2, [3, 1, 3]])
    assert len(range_server.gets) + len(range_server.heads) <= 3


def test_scattered_chunks_are_asked_for_at_once(range_server, values):
    """200 chunks far apart are 200 requests, but not one after another."""
    stride = 100_000
    data = bytearray(stride * COUNT)
    for n, row in enumerate(values):
        data[n * stride : n * stride + 4000] = row.tobytes()
    opened = open_dataset(rows(range_server.put("a", bytes(data)), stride))["x"]
    range_server.latency = 0.05
    np.testing.assert_array_equal(opened.values, values)
    assert range_server.busiest > 3
    assert COUNT <= len(range_server.gets) + len(range_server.heads) <= COUNT + 2


def test_a_worker_reads_the_partitions_that_it_needs(tmp_path, values, monkeypatch):
    """A task that was sent to a worker reads the metadata, and one partition of the twenty: that of its chunk."""
    (tmp_path / "a").write_bytes(values.tobytes())
    write(rows(str(tmp_path / "a"), 4000), tmp_path / "set.parq", record_size=10)
    dataset = open_dataset(tmp_path / "set.parq", chunks={})
    assert dataset["x"].chunks == ((1,) * COUNT, (1000,))
    sent = pickle.dumps(dataset["x"].isel(time=slice(42, 45)))
    read = []
    real = LocalFolder.read_many
    monkeypatch.setattr(LocalFolder, "read_many", lambda self, names, **o: read.extend(names) or real(self, names, **o))
    part = pickle.loads(sent)
    np.testing.assert_array_equal(part.compute(scheduler="threads").values, values[42:45])
    assert [name for name in read if name.endswith(".parq")] == ["x/refs.4.parq"]


def test_a_set_at_rest_opens_with_its_metadata_alone(range_server, tmp_path):
    """Opening a set on a server asks for its metadata and sidecar; its table of files is read when one is opened."""
    url = range_server.put("a", bytes(4000 * COUNT))
    target = {url: Target(size=4000 * COUNT)}
    write(replace(rows(url, 4000), targets=target), tmp_path / "set.parq", record_size=50)
    for path in (tmp_path / "set.parq").rglob("*"):
        if path.is_file():
            range_server.put(str(path.relative_to(tmp_path)), path.read_bytes())
    refs, fetcher = open_references(range_server.url("set.parq"), check="etag")
    asked = {path for path, _, _ in range_server.gets} | set(range_server.heads)
    assert {path.rpartition("/")[2] for path in asked} == {".zmetadata", ".chunkmap.json"}
    assert repr(refs).endswith("1 array, 200 chunks, 0 problems>")
    range_server.forget()
    reader = ArrayReader(refs, "x", fetcher)
    assert not reader.read((slice(60, 62), slice(None))).any()
    asked = {path.rpartition("/")[2] for path, _, _ in range_server.gets}
    assert asked == {"refs.1.parq", ".chunkmap-targets.parq", "a"}


def test_a_reader_travels_without_the_rest_of_the_set(tmp_path, values):
    """What is sent to a worker holds the array that it reads, and no other."""
    (tmp_path / "a").write_bytes(values.tobytes())
    refs = rows(str(tmp_path / "a"), 4000)
    refs = replace(refs, arrays={**refs.arrays, "y": refs.arrays["x"].with_meta(attrs={"note": "z" * 10_000})})
    reader = pickle.loads(sent := pickle.dumps(ArrayReader(refs, "x", Fetcher())))
    assert len(sent) < 10_000
    np.testing.assert_array_equal(reader.read((slice(3, 5), slice(None))), values[3:5])


def test_a_store_of_a_hundred_million_opens_at_once(tmp_path):
    """What opening takes does not depend on the number of cells: 10**8 of them would need far more memory."""
    (tmp_path / "a").write_bytes(bytes(8000))
    meta = ArrayMeta(shape=(10**8, 1000), chunk_shape=(1, 1000), dtype=np.dtype("<i4"), dims=("time", "n"))
    cells = [(n, 0) for n in (5, 50_000_000)]
    chunks = ChunkManifest.from_rows((10**8, 1), cells, [str(tmp_path / "a")] * 2, [0, 4000], [4000] * 2)
    write(ReferenceSet({"x": ManifestArray(meta, chunks)}), tmp_path / "set.parq")
    open_store(tmp_path / "set.parq")
    tracemalloc.start()
    opened = open_dataset(tmp_path / "set.parq")["x"]
    assert opened[50_000_000, :3].values.tolist() == [0, 0, 0]
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 20_000_000
    assert open_set(tmp_path / "set.parq").arrays["x"].locate(6) is None
