"""The chunk grids of Zarr v3: to and from metadata, and as zarr itself writes and reads them."""

import json

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.core.metadata import ArrayV3Metadata
from zarr.storage import MemoryStore

from chunkmap.codecs.zarr.numcodecs_in_v3 import register_with_zarr
from chunkmap.errors import StorageError, Unsupported
from chunkmap.model import ArrayMeta, ChunkManifest, Edges, ManifestArray, ReferenceSet
from chunkmap.model.edits import subchunk_array
from chunkmap.model.trimming import with_trim
from chunkmap.model.zarr_v3 import array_document, array_from_document

register_with_zarr()
KNOWS_RECTILINEAR = zarr.config.get("array.rectilinear_chunks", None) is not None
only_where_zarr_knows = pytest.mark.skipif(not KNOWS_RECTILINEAR, reason="this zarr has no rectilinear grids")


def meta_of(*axes, shape=None, **more):
    """Metadata of an array whose axes are cut at lengths, or evenly; the last chunk may hang over the end."""
    edges = tuple(Edges.of(own) if isinstance(own, list) else None for own in axes)
    longest = tuple(max(own) if isinstance(own, list) else own for own in axes)
    full = tuple(sum(own) if isinstance(own, list) else own for own in axes)
    return ArrayMeta(shape=shape or full, chunk_shape=longest, dtype=np.dtype("<i2"), edges=edges, **more)


def document(meta):
    """The document of an array, as it comes back from JSON."""
    return json.loads(json.dumps(array_document(meta)))


@given(st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=9) | st.integers(1, 5), min_size=1, max_size=3))
def test_a_grid_is_read_as_it_was_written(axes):
    """Whatever the lengths: a grid in which none vary is a regular one."""
    meta = meta_of(*axes)
    found = array_from_document("x", document(meta))
    vary = [isinstance(own, list) and len(set(own)) > 1 for own in axes]
    assert found.shape == meta.shape
    assert found.grid_shape == meta.grid_shape
    for own, wanted, longest, does in zip(found.chunks, meta.chunks, meta.chunk_shape, vary, strict=True):
        assert own == (wanted if does else longest)


def test_runs_of_one_length_are_told_once():
    """The document of a long axis is short."""
    grid = document(meta_of([50, 50, 50, 1], 20))["chunk_grid"]
    assert grid == {
        "name": "rectilinear",
        "configuration": {"kind": "inline", "chunk_shapes": [[[50, 3], 1], [[20, 1]]]},
    }


def test_chunks_beyond_the_end_are_not_there():
    """A grid may go on beyond the end of the array, which was longer once."""
    given = document(meta_of([3, 2, 4, 4]))
    found = array_from_document("x", {**given, "shape": [6]})
    assert found.grid_shape == (3,)
    assert found.shape_of_chunk((2,)) == (4,)


@pytest.mark.parametrize(
    "shapes",
    [[[2, 2], 3], [[[2, 0]]], [[0, 5]], [[]], [[2.5, 3]], ["ab"], [[[3, 10**30]]], [[1, 1]]],
    ids=["axes", "count", "zero", "none", "no number", "text", "too many", "too short"],
)
def test_damaged_grids_are_refused(shapes):
    """What is no grid raises, with the name of the array."""
    given = document(meta_of([3, 2]))
    given["chunk_grid"]["configuration"]["chunk_shapes"] = shapes
    with pytest.raises(StorageError, match=r"x/zarr\.json"):
        array_from_document("x", given)


def test_a_few_bytes_do_not_ask_for_gigabytes():
    """A grid of more chunks of several lengths than memory should hold is refused before it is made."""
    given = document(meta_of([3, 2]))
    given["chunk_grid"]["configuration"]["chunk_shapes"] = [[[1, 10**11], 2]]
    with pytest.raises(Unsupported, match="100,000,000,001 chunks"):
        array_from_document("x", {**given, "shape": [10**11 + 2]})


def test_only_zarr_v3_has_such_grids():
    """What knows even chunks only says so, and names the array and what would help."""
    meta = meta_of([3, 2])
    array = ManifestArray(meta, ChunkManifest.empty(meta.grid_shape))
    with pytest.raises(Unsupported, match=r"group/x: .*zarr_format=3"):
        ReferenceSet({"group/x": array}).to_dict()
    with pytest.raises(ValueError, match="x: its chunks are of several lengths"):
        subchunk_array(array, (1,), "x")


@pytest.mark.parametrize(
    ("axes", "shape", "message"),
    [(([3, 2],), (6,), "do not cover"), (([3, 2],), (3,), "do not cover")],
    ids=["too short", "a chunk too many"],
)
def test_edges_cover_an_axis(axes, shape, message):
    """Metadata that contradict themselves are refused."""
    with pytest.raises(ValueError, match=message):
        meta_of(*axes, shape=shape)


@only_where_zarr_knows
@pytest.mark.parametrize("axes", [([50, 50, 50, 1], 20), ([3, 1, 2], [4, 5]), ([1, 1, 1, 2],)])
def test_zarr_reads_and_writes_the_same_grid(axes):
    """A document that zarr wrote is read, and one of ours is what zarr would write."""
    meta = meta_of(*axes)
    with zarr.config.set({"array.rectilinear_chunks": True}):
        ours = ArrayV3Metadata.from_dict(document(meta))
        store = {}
        shape = meta.shape
        chunks = [own if isinstance(own, list) else [own] for own in axes]
        zarr.create_array(MemoryStore(store), shape=shape, chunks=chunks, dtype="i2", zarr_format=3)
    written = json.loads(store["zarr.json"].to_bytes())
    assert array_from_document("x", written).chunks == meta.chunks
    assert ours.chunk_grid.chunk_shapes == tuple(tuple(own) if isinstance(own, list) else (own,) for own in axes)


@only_where_zarr_knows
@given(st.data())
def test_zarr_trims_chunks_that_hang_over(data):
    """Compressed chunks that are longer than their cells are read by zarr as far as they count."""
    lengths = data.draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    axis = data.draw(st.integers(0, 1))
    axes = (lengths, [3, 2]) if axis == 0 else ([3, 2], lengths)
    meta = with_trim(meta_of(*axes), axis)
    expected = np.arange(np.prod(meta.shape), dtype="<i2").reshape(meta.shape)
    store = MemoryStore()
    texts = {"zarr.json": json.dumps(array_document(meta)).encode()}
    for coord in np.ndindex(*meta.grid_shape):
        chunk = expected[meta.elements_of_chunk(coord)]
        over = [(0, data.draw(st.integers(0, 3)) if own == axis else 0) for own in range(2)]
        texts["c/" + "/".join(map(str, coord))] = np.pad(chunk, over, constant_values=-1).tobytes()
    prototype = zarr.core.buffer.default_buffer_prototype()
    store = MemoryStore({key: prototype.buffer.from_bytes(value) for key, value in texts.items()})
    with zarr.config.set({"array.rectilinear_chunks": True}):
        found = zarr.open_array(store, mode="r")[...]
    np.testing.assert_array_equal(found, expected)
