"""Small partitions that are decoded without Arrow, beside what Arrow makes of the same bytes."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chunkmap.errors import StorageError
from chunkmap.model import WHOLE_FILE, ChunkManifest
from chunkmap.storage.parquet import decoding
from chunkmap.storage.parquet.decoding import PartitionFile, decode_partitions
from chunkmap.storage.parquet.pages import pages_of
from chunkmap.storage.parquet.partition import encode_partition


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch):
    """Even one file is decoded so."""
    monkeypatch.setattr(decoding, "_FEW", 0)


URL = "s3://bucket/a/file/of/0001.nc"


def ranges(n, *, url=URL, step=1_000_003):
    """A manifest of n ranges of one file."""
    offset = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(step)
    return ChunkManifest.from_columns(
        (n,), np.arange(n), (None, url), (np.ones(n, np.uint32), offset, offset % np.uint64(9973) + np.uint64(1))
    )


def held(data):
    """A manifest of one chunk that is held inline."""
    return ChunkManifest.single(data, 0, len(data), 1)


def several(sources, offset, length):
    """A manifest of a chunk for each source."""
    return ChunkManifest.from_rows((len(sources),), [[n] for n in range(len(sources))], sources, offset, length)


def file_of(chunks, ncells=None):
    """The partition that a grid of one axis becomes."""
    ncells = chunks.size if ncells is None else ncells
    data = encode_partition(chunks, chunks.is_inline, slice(0, len(chunks)), range(ncells))
    return PartitionFile(data, ncells, "refs.0.parq")


def by_arrow(monkeypatch, files):
    """What comes of files that are all decoded by Arrow: a manifest, or what is said of the damage."""
    with monkeypatch.context() as patched:
        patched.setattr(decoding, "_FEW", len(files) + 1)
        return outcome(files)


def outcome(files):
    """What comes of files: a manifest, or what is said of the damage."""
    try:
        return decode_partitions(files)
    except StorageError as error:
        return str(error)


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 63, 64, 65, 1000, 8192, 16384])
def test_ranges_of_one_file_need_no_arrow(n, monkeypatch):
    """However many rows there are, their pages are known, and say what Arrow reads in them."""
    chunks = ranges(n)
    file = file_of(chunks)
    assert pages_of(file.data, n) is not None
    assert decode_partitions([file]) == chunks == by_arrow(monkeypatch, [file])


@pytest.mark.parametrize("data", [b"", b"a", b"base64:x", bytes(300), bytes(range(256)) * 400])
def test_what_is_held_inline_needs_no_arrow(data, monkeypatch):
    """The one chunk of a coordinate is given as it was written."""
    file = file_of(held(data))
    assert pages_of(file.data, 1) is not None
    assert decode_partitions([file]).inline_bytes(0) == data
    assert decode_partitions([file]) == by_arrow(monkeypatch, [file])


def test_neighbours_of_every_kind_stand_in_their_order(monkeypatch):
    """Files of both kinds, and others between them, come out as Arrow reads them, and a URL is held once."""
    kinds = [ranges(3), ranges(5, url="b.nc"), ranges(3), held(b"xy"), held(b""), several([URL, b"z"], [4, 0], [5, 1])]
    files = [file_of(chunks) for chunks in [*kinds, ranges(2), *kinds[::-1]]]
    found = decode_partitions(files)
    assert found == by_arrow(monkeypatch, files)
    assert sorted(set(found.urls)) == sorted({URL, "b.nc"})
    assert list(decode_partitions(files[:3]).urls) == [URL, "b.nc"]


def test_a_whole_file_is_one(monkeypatch):
    """Neither offset nor length is a whole file, as in every partition."""
    chunks = several([URL, URL], [0, 8], [WHOLE_FILE, 3])
    file = file_of(chunks)
    assert pages_of(file.data, 2) is not None
    assert decode_partitions([file]) == chunks == by_arrow(monkeypatch, [file])


@pytest.mark.parametrize(
    ("chunks", "ncells"),
    [
        (several(["a.nc", "b.nc"], [1, 2], [3, 4]), 2),
        (several(["a.nc", b"inline"], [1, 0], [3, 6]), 2),
        (several([b"one", b"two"], [0, 0], [3, 3]), 2),
        (ranges(20_000), 20_000),
        (held(bytes(1 << 19)), 1),
    ],
    ids=["two files", "inline among them", "two inline", "many rows", "many bytes"],
)
def test_others_are_for_arrow(chunks, ncells, monkeypatch):
    """What is not told to the last byte is not taken, and comes out as before."""
    file = file_of(chunks, ncells)
    assert pages_of(file.data, ncells) is None
    assert outcome([file]) == by_arrow(monkeypatch, [file])


def test_a_missing_chunk_among_them_is_missing(monkeypatch):
    """Only the rows say that a chunk is missing: the pages are as long as others."""
    files = [file_of(ranges(5)), file_of(ranges(3), 5), file_of(ranges(5))]
    found = decode_partitions(files)
    assert found.positions().tolist() == [*range(8), *range(10, 15)]
    assert found == by_arrow(monkeypatch, files)


def test_one_row_without_a_chunk_is_none(monkeypatch):
    """A row that is neither a range nor held inline looks like one that is held, and its page is shorter."""
    files = [file_of(held(b"xy")), file_of(ChunkManifest.empty((1,))), file_of(held(b""))]
    assert pages_of(files[1].data, 1).is_held
    found = decode_partitions(files)
    assert found.positions().tolist() == [0, 2]
    assert found == by_arrow(monkeypatch, files)


@pytest.mark.parametrize("how", [{"compression": "snappy"}, {"use_dictionary": True}, {"write_statistics": True}])
def test_what_other_writers_write_is_for_arrow(how, monkeypatch):
    """The same rows under other encodings."""
    columns = {"path": [URL] * 4, "offset": [4, 8, 12, 16], "size": [4] * 4, "raw": pa.nulls(4, pa.binary())}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, **how)
    file = PartitionFile(sink.getvalue().to_pybytes(), 4, "refs.0.parq")
    assert pages_of(file.data, 4) is None
    assert decode_partitions([file]) == by_arrow(monkeypatch, [file])


@pytest.mark.parametrize("chunks", [ranges(20), held(b"some bytes")], ids=["ranges", "inline"])
@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_damage_is_said_as_arrow_says_it(chunks, flip, monkeypatch):
    """Whatever byte is changed, there comes of it what comes of it by Arrow, beside a file that is whole."""
    whole = file_of(chunks)
    for position in range(len(whole.data)):
        data = bytearray(whole.data)
        data[position] ^= flip
        files = [whole, whole._replace(data=bytes(data), where="refs.1.parq")]
        assert same(outcome(files), by_arrow(monkeypatch, files)), position


@pytest.mark.parametrize("chunks", [ranges(20), held(b"some bytes")], ids=["ranges", "inline"])
def test_a_file_that_is_cut_short_is_said_as_arrow_says_it(chunks, monkeypatch):
    """At any length."""
    whole = file_of(chunks)
    for stop in range(len(whole.data)):
        files = [whole._replace(data=whole.data[:stop])]
        assert same(outcome(files), by_arrow(monkeypatch, files)), stop


def same(one, other):
    """Whether two outcomes are one: a set, or what is said."""
    return type(one) is type(other) and one == other
