"""Arrays whose chunks are elsewhere: what fetches them, and what does not."""

import numpy as np
import pytest
from dask.base import tokenize

import chunkmap
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, ReferenceSet
from chunkmap.storage import open_set
from chunkmap.storage.parquet import chunks as at_rest


def a_set(first=0):
    """Two arrays of twenty chunks each."""
    meta = ArrayMeta(shape=(20,), chunk_shape=(1,), dtype=np.dtype("<i4"), dims=("x",))
    offsets = [first + 4 * n for n in range(20)]
    chunks = ChunkManifest.from_rows((20,), [(n,) for n in range(20)], ["a.nc"] * 20, offsets, [4] * 20)
    return ReferenceSet({"u": ManifestArray(meta, chunks), "v": ManifestArray(meta, chunks)})


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """Such a set at rest, opened, and the partitions of it that have been read since."""
    chunkmap.write(a_set(), tmp_path / "set.parq", record_size=5)
    refs = open_set(tmp_path / "set.parq")
    read, real = [], at_rest.decode_partitions
    monkeypatch.setattr(at_rest, "decode_partitions", lambda files: read.extend(f.where for f in files) or real(files))
    return refs, read


@pytest.mark.parametrize(
    "look",
    [
        repr,
        lambda refs: refs._repr_html_(),
        lambda refs: [array._repr_html_() for array in refs.arrays.values()],
        lambda refs: list(map(repr, refs.arrays.values())),
        lambda refs: (len(refs.arrays), "u" in refs.arrays, "w" in refs.arrays),
        lambda refs: refs.nchunks,
        lambda refs: [array.nbytes for array in refs.arrays.values()],
        lambda refs: [hasattr(array, "chunks") for array in refs.arrays.values()],
        tokenize,
        lambda refs: tokenize(refs.arrays["u"]),
    ],
)
def test_looking_at_a_stored_set_reads_nothing(stored, look):
    """What notebooks, dask and people do with a set in passing fetches no partition; only a call does."""
    refs, read = stored
    look(refs)
    assert not read
    refs.arrays["u"].manifest()
    assert len(read) == 4


def test_a_stored_set_knows_how_many_chunks_it_has(stored):
    """The number of chunks is that which was written down."""
    refs, _ = stored
    assert refs.nchunks == 40
    assert "40 chunks" in repr(refs)


def test_chunks_at_rest_are_no_attribute(stored):
    """Who takes the chunks of an array at rest for an attribute is told of the call."""
    with pytest.raises(AttributeError, match=r"\.manifest\(\) fetches them"):
        _ = stored[0].arrays["u"].chunks
    assert stored[0].loaded().arrays["u"].chunks == a_set().arrays["u"].chunks


def test_sets_at_rest_have_tokens_of_their_own(tmp_path):
    """To dask, the same set opened twice is one thing, and a set of other chunks another."""
    chunkmap.write(a_set(), tmp_path / "a.parq", record_size=5)
    chunkmap.write(a_set(first=1), tmp_path / "b.parq", record_size=5)
    a, again, b = (open_set(tmp_path / name).arrays["u"] for name in ("a.parq", "a.parq", "b.parq"))
    assert tokenize(a) == tokenize(again)
    assert tokenize(a) != tokenize(b)
