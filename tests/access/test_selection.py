"""Selections of an array equal those of numpy, and cost what they touch."""

import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chunkmap.access import selection, streams
from chunkmap.access.fetching import Fetcher
from chunkmap.access.selection import ArrayReader
from chunkmap.access.values import read_array
from chunkmap.errors import FormatError
from chunkmap.io import LocalSource
from chunkmap.model import ArrayMeta, ChunkManifest, Edges, ManifestArray, ReferenceSet
from chunkmap.storage import open_set, write


def picks(n):
    """A number, a slice of any step, or numbers in any order, of an axis of n elements."""
    slices = st.builds(
        slice,
        st.none() | st.integers(-n - 1, n + 1),
        st.none() | st.integers(-n - 1, n + 1),
        st.sampled_from([None, 1, 2, 3, -1, -2]),
    )
    if not n:
        return slices
    numbers = st.integers(-n, n - 1)
    return numbers | slices | st.lists(numbers, max_size=8).map(lambda chosen: np.array(chosen, np.int64))


def stored(directory, shape, chunk_shape, held, *, order="C", compressor=None, fill=None, edges=()):
    """An array of rising numbers in a file, of which only some chunks are there, and its values."""
    import numcodecs

    meta = ArrayMeta(
        shape=shape,
        chunk_shape=chunk_shape,
        dtype=np.dtype("<i4"),
        order=order,
        fill_value=fill,
        compressor=compressor,
        edges=edges,
    )
    expected = np.full(shape, fill or 0, "<i4")
    offsets, pieces, stop = [], [], 0
    for number, coord in enumerate(held):
        own = meta.shape_of_chunk(coord)
        chunk = np.arange(np.prod(own, dtype=int), dtype="<i4").reshape(own) + 1000 * number
        starts = [
            c * n if lengths is None else sum(lengths[:c])
            for c, n, lengths in zip(coord, own, lengths_of(edges, shape), strict=True)
        ]
        place = tuple(slice(start, min(start + n, s)) for start, n, s in zip(starts, own, shape, strict=True))
        expected[place] = chunk[tuple(slice(0, p.stop - p.start) for p in place)]
        data = chunk.tobytes(order=order)
        pieces.append(data if compressor is None else bytes(numcodecs.get_codec(compressor).encode(data)))
        offsets.append(stop)
        stop += len(pieces[-1])
    (directory / "data").write_bytes(b"".join(pieces))
    urls = [str(directory / "data")] * len(held)
    chunks = ChunkManifest.from_rows(meta.grid_shape, held, urls, offsets, [len(p) for p in pieces])
    return ReferenceSet({"x": ManifestArray(meta, chunks)}), expected


def lengths_of(edges, shape):
    """The lengths of the chunks of each axis as a list; None where they are all of one."""
    return [None if own is None else own.lengths(np.arange(len(own))).tolist() for own in edges or [None] * len(shape)]


def crossing(values, key):
    """What numpy gives at the crossings of a key."""
    arrays = [np.atleast_1d(np.arange(n)[pick]) for pick, n in zip(key, values.shape, strict=True)]
    found = values[np.ix_(*arrays)]
    return found[tuple(0 if isinstance(pick, int) else slice(None) for pick in key)]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_selection_equals_that_of_numpy(tmp_path, data):
    """Numbers, slices and lists of every axis, over chunks that are there and that are not, in memory and at rest."""
    shape = tuple(data.draw(st.lists(st.integers(0, 7), max_size=3)))
    chunk_shape = tuple(data.draw(st.integers(1, 4)) for _ in shape)
    grid = [-(-n // c) for n, c in zip(shape, chunk_shape, strict=True)]
    held = [coord for coord in np.ndindex(*grid) if data.draw(st.booleans())]
    refs, expected = stored(tmp_path, shape, chunk_shape, held, order=data.draw(st.sampled_from("CF")), fill=-1)
    key = tuple(data.draw(picks(n)) for n in shape)
    if data.draw(st.booleans()):
        write(refs, tmp_path / "set.parq", record_size=data.draw(st.integers(1, 5)))
        refs = open_set(tmp_path / "set.parq")
    found = ArrayReader(refs, "x", Fetcher()).read(key)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, crossing(expected, key))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_selection_over_chunks_of_any_lengths(tmp_path, data):
    """The same where the chunks of some axes vary in length, and the last one may hang over the end."""
    lengths = data.draw(st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=4), min_size=1, max_size=3))
    even = [data.draw(st.booleans()) for _ in lengths]
    shape = tuple(sum(own) - data.draw(st.integers(0, own[-1] - 1)) for own in lengths)
    chunk_shape = tuple(max(own) for own in lengths)
    edges = tuple(None if is_even else Edges.of(own) for is_even, own in zip(even, lengths, strict=True))
    meta = ArrayMeta(shape=shape, chunk_shape=chunk_shape, dtype=np.dtype("i4"), edges=edges)
    held = [coord for coord in np.ndindex(*meta.grid_shape) if data.draw(st.booleans())]
    compressor = data.draw(st.sampled_from([None, {"id": "zlib", "level": 1}]))
    order = data.draw(st.sampled_from("CF"))
    refs, expected = stored(
        tmp_path, shape, chunk_shape, held, order=order, fill=-1, edges=edges, compressor=compressor
    )

    key = tuple(data.draw(picks(n)) for n in shape)
    np.testing.assert_array_equal(ArrayReader(refs, "x", Fetcher()).read(key), crossing(expected, key))
    np.testing.assert_array_equal(read_array(refs.arrays["x"], Fetcher()), expected)


def test_only_the_chunks_that_are_touched_are_read(tmp_path, monkeypatch):
    """A selection is one vectored read of the chunks it crosses."""
    refs, expected = stored(tmp_path, (10, 10), (2, 2), list(np.ndindex(5, 5)))
    asked = []
    real = LocalSource.read_many
    monkeypatch.setattr(LocalSource, "read_many", lambda self, ranges: asked.append(len(ranges)) or real(self, ranges))
    found = ArrayReader(refs, "x", Fetcher()).read((slice(1, 3), np.array([9, 0])))
    assert found.tolist() == expected[1:3][:, [9, 0]].tolist()
    assert asked == [4]


def test_large_selections_are_read_in_rounds(tmp_path, monkeypatch):
    """What is held at once is bounded: a large selection is fetched a part at a time."""
    monkeypatch.setattr(selection, "_BATCH", 3 * 16)
    monkeypatch.setattr(selection, "_FEW", 100)  # not all at once, which needs no bound
    refs, expected = stored(tmp_path, (40,), (4,), list(np.ndindex(10)))
    asked = []
    real = LocalSource.read_many
    monkeypatch.setattr(LocalSource, "read_many", lambda self, ranges: asked.append(len(ranges)) or real(self, ranges))
    assert ArrayReader(refs, "x", Fetcher()).read((slice(None),)).tolist() == expected.tolist()
    assert asked == [3, 3, 3, 1]


def test_chunks_are_decoded_on_threads(tmp_path, monkeypatch):
    """Compressed chunks decode to the same values on several threads, and their errors come out."""
    monkeypatch.setattr(selection, "_WORTH_THREADS", 1)
    refs, expected = stored(tmp_path, (40,), (4,), list(np.ndindex(10)), compressor={"id": "zlib", "level": 1})
    assert ArrayReader(refs, "x", Fetcher()).read((slice(None),)).tolist() == expected.tolist()
    data = bytearray((tmp_path / "data").read_bytes())
    data[5] ^= 0xFF
    (tmp_path / "data").write_bytes(data)
    with pytest.raises(FormatError, match="data at byte 0"):
        ArrayReader(refs, "x", Fetcher()).read((slice(None),))


def test_an_index_outside_is_refused(tmp_path):
    """A number beyond the end of an axis is an error, as in numpy."""
    refs, _ = stored(tmp_path, (4,), (2,), [(0,), (1,)])
    for pick in (4, -5, np.array([0, 9])):
        with pytest.raises(IndexError, match="outside an axis of 4"):
            ArrayReader(refs, "x", Fetcher()).read((pick,))


def test_much_of_a_server_is_decoded_stream_by_stream(range_server, monkeypatch):
    """Chunks of a file on a server are fetched in the order of the file, each byte once; it is opened once."""
    monkeypatch.setattr(selection, "STREAM", 100)
    monkeypatch.setattr(streams, "STREAM", 100)
    values = np.random.default_rng(0).integers(0, 9, (32, 32), np.uint8)
    coords = [(n % 4, n // 4) for n in range(16)]
    pieces = [zlib.compress(values[8 * y : 8 * y + 8, 8 * x : 8 * x + 8].tobytes()) for y, x in coords]
    stops = np.cumsum([len(piece) for piece in pieces])
    url = range_server.put("data", b"".join(pieces))
    meta = ArrayMeta(shape=(32, 32), chunk_shape=(8, 8), dtype=np.dtype("u1"), compressor={"id": "zlib"})
    chunks = ChunkManifest.from_rows((4, 4), coords, [url] * 16, stops - list(map(len, pieces)), list(map(len, pieces)))
    reader = ArrayReader(ReferenceSet({"x": ManifestArray(meta, chunks)}), "x", Fetcher())
    np.testing.assert_array_equal(reader.read((slice(None), slice(None))), values)
    assert len(range_server.heads) == 1
    assert len(range_server.gets) > 1
    assert sum(length for _, _, length in range_server.gets) == stops[-1]
