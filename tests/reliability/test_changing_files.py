"""Files of this machine that are cut short or written over while they are open."""

import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
import xarray as xr

import chunkmap
from chunkmap.access.fetching import Fetcher
from chunkmap.errors import SourceError, TruncatedFile
from chunkmap.io import LocalSource, open_source
from chunkmap.io.rounds import Gather, Span
from chunkmap.io.rounds.answers import _BLOCK, _MOST_BLOCKS, InMemory
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, ReferenceSet

CHILD = """
import os, sys, numpy as np, chunkmap
for path in sys.argv[1:]:
    dataset = chunkmap.open_dataset(path)
    values = dataset["v"][0].values
    if "cut" in path:
        os.truncate(path, 8192)
    else:
        with open(path, "wb") as file:
            file.write(b"over")
    for key in (30, slice(None), np.array([3, 17])):
        try:
            dataset["v"][key].values
        except chunkmap.errors.ChunkmapError as error:
            print(type(error).__name__)
"""


def test_a_file_that_is_cut_short_is_an_error(tmp_path):
    """A reader of a local file that is truncated, or copied over in place, gets an error; its process lives on."""
    paths = []
    for compression in ("gzip", None):
        for how in ("cut", "over"):
            paths.append(tmp_path / f"{how}-{compression}.h5")
            with h5py.File(paths[-1], "w") as file:
                data = np.random.default_rng(0).random((40, 100, 100))
                file.create_dataset("v", data=data, chunks=(1, 100, 100), compression=compression)
    found = subprocess.run([sys.executable, "-c", CHILD, *paths], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout.split()) == (0, ["TruncatedFile"] * 12), found.stderr


def test_a_scan_of_a_file_that_is_cut_short_is_an_error(tmp_path):
    """What a scan asks of a mapped file that has become shorter is an error and not a view of pages that are gone."""
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(100_000))
    mapped = InMemory(open_source(path))
    os.truncate(path, 5000)
    for request in (Span(90_000, 8, 8), Gather(np.array([10, 90_000]), 8)):
        with pytest.raises(TruncatedFile):
            mapped.serve(request)


def test_what_a_scan_asks_of_any_place_is_what_is_there(tmp_path):
    """Spans within a block, across two, across many and at the end are the file's bytes, however many blocks there are;
    of a file that was cut short, what was read stays and what was not is an error.
    """
    path = tmp_path / "a.bin"
    data = np.random.default_rng(0).bytes((_MOST_BLOCKS + 3) * _BLOCK + 17)
    path.write_bytes(data)
    read = InMemory(open_source(path))
    starts = [*range(0, len(data), _BLOCK), *range(_BLOCK - 7, len(data), 40 * _BLOCK), 5, len(data) - 3]
    for start in starts:
        for want in (3, 100, 3 * _BLOCK):
            assert read.serve(Span(start, 3, want)) == data[start : start + want]
    unread = InMemory(open_source(path))
    os.truncate(path, 10 * _BLOCK)
    assert read.serve(Span(len(data) - 3, 3, 3)) == data[-3:]
    with pytest.raises(TruncatedFile):
        unread.serve(Span(20 * _BLOCK, 8, 8))


def test_a_file_that_is_written_into_while_it_is_scanned_is_an_error(tmp_path):
    """A local file that has another time of change at the end of a scan than at its beginning is refused."""
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(1000))
    os.utime(path, (1e9, 1e9))
    source = open_source(path)
    source.confirm()
    path.write_bytes(bytes(1000))
    with pytest.raises(SourceError, match="changed while it was read"):
        source.confirm()


@pytest.fixture
def record_file(tmp_path):
    """A file of uncompressed chunks of 8 kB, other bytes between them; gives its path and a set."""
    path = tmp_path / "a.bin"
    np.arange(40 * 4 * 1024, dtype="<f8").tofile(path)
    meta = ArrayMeta(shape=(40, 1024), chunk_shape=(1, 1024), dtype=np.dtype("<f8"), dims=("t", "x"))
    offsets = [32768 * n for n in range(40)]
    chunks = ChunkManifest.from_rows((40, 1), [(n, 0) for n in range(40)], [str(path)] * 40, offsets, [8192] * 40)
    return path, ReferenceSet({"v": ManifestArray(meta, chunks)}, targets={str(path): open_source(path).target()})


def test_chunks_far_apart_of_a_file_that_is_cut_short_are_an_error(record_file, monkeypatch):
    """Chunks with much else between them are read, not looked at through a map, so that a file that is cut short in the
    midst of it is an error.
    """
    path, refs = record_file
    dataset, real, reads = chunkmap.open_dataset(refs), LocalSource.read_into, []

    def cut(source, offset, out):
        real(source, offset, out)
        reads.append(len(out))
        os.truncate(path, 100_000)

    monkeypatch.setattr(LocalSource, "_map", None)
    assert dataset["v"][:, 0].values.tolist() == [4096.0 * n for n in range(40)]
    monkeypatch.setattr(LocalSource, "read_into", cut)
    with pytest.raises(TruncatedFile):
        _ = dataset["v"].values
    assert set(reads) == {8192}


@pytest.mark.parametrize("check", [None, "etag"])
@pytest.mark.parametrize("rows", [slice(1, 4), slice(None)])
def test_a_file_that_is_copied_over_in_place_is_an_error(record_file, rows, check):
    """A long-lived reader of a local file hears that another of the same length was written into it."""
    path, refs = record_file
    dataset = chunkmap.open_dataset(refs, check=check)
    store = xr.open_zarr(chunkmap.open_store(refs, check=check), consolidated=False)
    values = dataset["v"][rows].values
    assert np.array_equal(values, store["v"][rows].values)
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
    os.utime(path, (2e9, 2e9))
    for one in (dataset, store):
        with pytest.raises(SourceError, match="the file changed while it was read"):
            _ = one["v"][rows].values


def test_a_file_that_is_replaced_after_a_reader_let_it_go_is_an_error(record_file, tmp_path, monkeypatch):
    """A reader that opens a file again, because too many were open, hears that it is another one now."""
    monkeypatch.setattr("chunkmap.access.fetching._OPEN", 1)
    path, refs = record_file
    (tmp_path / "b.bin").write_bytes(bytes(100))
    other, fetcher = ChunkManifest.single(str(tmp_path / "b.bin"), 0, 9, ndim=1), Fetcher()
    chunks = refs.arrays["v"].manifest()
    for some in (chunks, other, chunks, other):
        fetcher.fetch(some, np.array([0]))
    (tmp_path / "new").write_bytes(bytes(path.stat().st_size))
    os.utime(tmp_path / "new", (2e9, 2e9))
    (tmp_path / "new").replace(path)
    for _ in range(2):
        with pytest.raises(SourceError, match="changed while it was read: expected that it was changed at"):
            fetcher.fetch(chunks, np.array([1]))
