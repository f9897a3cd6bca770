"""Chunks of which only the beginning along one axis counts."""

import pickle

import numpy as np
import pytest

from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.errors import FormatError
from chunkmap.model import ArrayMeta, ChunkManifest, DeferredArray, Edges, ManifestArray
from chunkmap.model.trimming import can_be_shortened, shortened, trim, trim_axis, trimmed_as, untrimmed, with_trim


def array(values, chunk_shape, **more):
    """An uncompressed array held inline, each chunk stored whole."""
    meta = ArrayMeta(shape=values.shape, chunk_shape=chunk_shape, dtype=values.dtype, **more)
    blob, starts = b"", []
    for coord in np.ndindex(*meta.grid_shape):
        chunk = np.zeros(chunk_shape, values.dtype)
        part = values[meta.elements_of_chunk(coord)]
        chunk[tuple(map(slice, part.shape))] = part
        starts.append(len(blob))
        blob += chunk.tobytes()
    count = len(starts)
    lengths = np.full(count, meta.chunk_nbytes, np.uint64)
    columns = (np.ones(count, np.uint32), np.array(starts, np.uint64), lengths)
    return ManifestArray(meta, ChunkManifest(meta.grid_shape, (None, blob), *columns))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_beginning_along_an_axis_is_kept(axis):
    """Whatever the length of the stored chunk, which its number of elements says."""
    values = np.arange(60).reshape(3, 4, 5)
    shape = [3, 4, 5]
    shape[axis] = 2
    expected = values[(slice(None),) * axis + (slice(2),)]
    np.testing.assert_array_equal(trim(values.ravel(), shape, axis), expected)
    np.testing.assert_array_equal(trim(values.ravel(), values.shape, axis), values)


@pytest.mark.parametrize("count", [7, 3])
def test_chunks_that_do_not_fit_are_refused(count):
    """No whole number of rows, or too few."""
    with pytest.raises(ValueError, match="or longer along axis 0"):
        trim(np.arange(count), (2, 2), 0)
    meta = with_trim(ArrayMeta(shape=(2, 2), chunk_shape=(2, 2), dtype=np.dtype("u1")), 0)
    short = ManifestArray(meta, ChunkManifest.single(bytes(count), 0, count, 2))
    with pytest.raises(FormatError, match="inline chunk 0"):
        read_array(short, Fetcher())


def test_the_codec_is_put_on_and_taken_off():
    """It stands before all others, once."""
    meta = ArrayMeta(shape=(4,), chunk_shape=(2,), dtype=np.dtype("u1"), filters=({"id": "delta"},))
    trimmed = with_trim(with_trim(meta, 0), 0)
    assert [config["id"] for config in trimmed.codecs] == ["chunkmap.trim", "delta"]
    assert (trim_axis(meta), trim_axis(trimmed)) == (None, 0)
    assert untrimmed(trimmed) == meta == untrimmed(meta)
    assert trimmed_as(meta, [meta, trimmed]) == trimmed
    assert trimmed_as(meta, [meta]) == meta


def test_the_last_chunks_are_referred_to_as_far_as_they_count():
    """Of arrays at hand and of arrays elsewhere, which can be pickled."""
    values = np.arange(42, dtype="<i2").reshape(7, 6)
    whole = array(values, (3, 4))
    meta = ArrayMeta(shape=(7, 6), chunk_shape=(3, 4), dtype=values.dtype, edges=(Edges.of([3, 3, 1]), None))
    elsewhere = pickle.loads(pickle.dumps(shortened(DeferredArray(whole.meta, whole.chunks), 0, 1)))

    for found in (shortened(whole, 0, 1), elsewhere):
        assert found.manifest().length.tolist() == [24, 24, 24, 24, 8, 8]
        assert found.most_chunks == 6
        assert found.between(4, 6).length.tolist() == [8, 8]
        np.testing.assert_array_equal(read_array(ManifestArray(meta, found.manifest()), Fetcher()), values)


def test_only_the_slowest_axis_of_plain_bytes_can_be_shortened():
    """The beginning of a chunk is the beginning of its bytes there, and nowhere else."""
    meta = ArrayMeta(shape=(4, 4), chunk_shape=(1, 2), dtype=np.dtype("u1"))
    assert [can_be_shortened(meta, axis) for axis in (0, 1)] == [True, True]
    tall = array(np.zeros((4, 4), "u1"), (2, 2)).meta
    assert [can_be_shortened(tall, axis) for axis in (0, 1)] == [True, False]
    fortran = array(np.zeros((4, 4), "u1"), (2, 2), order="F").meta
    assert [can_be_shortened(fortran, axis) for axis in (0, 1)] == [False, True]
    packed = array(np.zeros((4, 4), "u1"), (2, 2), compressor={"id": "zlib"}).meta
    assert not can_be_shortened(packed, 0)
