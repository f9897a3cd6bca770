"""Edits of reference sets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkmap.errors import Unsupported
from chunkmap.model import WHOLE_FILE, ArrayMeta, ChunkManifest, ManifestArray, Problem, ReferenceSet, Target
from chunkmap.model.edits import (
    dereference,
    drop,
    inline,
    rename_urls,
    select,
    split_shape,
    subchunk,
    subchunk_array,
)


def array(url="a.nc", count=3, nbytes=4, **more):
    """An uncompressed array of one chunk a row."""
    meta = ArrayMeta(**({"shape": (count, nbytes), "chunk_shape": (1, nbytes), "dtype": np.dtype("u1")} | more))
    offsets = np.arange(count) * nbytes
    coords = [[n, 0] for n in range(count)]
    return ManifestArray(
        meta, ChunkManifest.from_rows(meta.grid_shape, coords, [url] * count, offsets, [nbytes] * count)
    )


@pytest.fixture
def refs():
    return ReferenceSet(
        {"a": array(), "g/b": array("b.nc"), "g/h/c": array("c.nc")},
        {"": {"t": 1}, "g": {"u": 2}, "g/h": {}, "k": {}},
        (Problem("g/x", "feature", "message"), Problem("y", "feature", "message")),
        {"a.nc": Target(size=12), "b.nc": Target(size=12)},
        "name",
    )


def test_urls_are_renamed_by_mapping_or_function(refs):
    """Names change in chunks and targets, back again gives the set, and the given set stays as it was."""
    renamed = rename_urls(refs, {"a.nc": "s3://x/a.nc"})
    assert renamed.arrays["a"].chunks.urls == ("s3://x/a.nc",)
    assert renamed.arrays["g/b"].chunks.urls == ("b.nc",)
    assert set(renamed.targets) == {"s3://x/a.nc", "b.nc"}
    assert rename_urls(renamed, lambda url: url.removeprefix("s3://x/")) == refs
    assert refs.arrays["a"].chunks.urls == ("a.nc",)


def test_dropping_and_selecting(refs):
    """A group goes, or stays, with all that it holds; groups above what stays are kept; unknown paths are refused."""
    assert set(drop(refs, ["g"]).arrays) == {"a"}
    assert set(drop(refs, ["g"]).groups) == {"", "k"}
    assert [p.path for p in drop(refs, ["g"]).problems] == ["y"]
    assert set(drop(refs, ["g/h/c"]).arrays) == {"a", "g/b"}
    assert set(select(refs, ["g/h"]).arrays) == {"g/h/c"}
    assert dict(select(refs, ["g/h"]).groups) == {"": {"t": 1}, "g": {"u": 2}, "g/h": {}}
    assert set(select(refs, ["a", "g/b"]).arrays) == {"a", "g/b"}
    for edit in (drop, select):
        with pytest.raises(KeyError, match="it has a, g/b"):
            edit(refs, ["g/"])
        with pytest.raises(KeyError, match="'h'"):
            edit(refs, ["h"])


def test_members_become_ranges_of_archives(refs):
    """Chunks of a member move into its archive, and so does what is known of the file."""
    moved = dereference(refs, {"a.nc": ("o.tar", 512, 12)}, {"o.tar": Target(size=2048)})
    assert moved.arrays["a"].chunks[1, 0] == ("o.tar", 516, 4)
    assert set(moved.targets) == {"o.tar", "b.nc"}


def test_inlining_fetches_once_what_is_small(refs):
    """Chunks below the threshold of all arrays are fetched at once and held; the rest, and whole files, stay."""
    calls = []

    def fetch(chunks, rows):
        calls.append(len(rows))
        return [f"{chunks.row(r).source}{chunks.row(r).offset}".encode() for r in rows]

    whole = ManifestArray(refs.arrays["a"].meta, ChunkManifest.from_rows((3, 1), [[0, 0]], ["w"], [0], [WHOLE_FILE]))
    more = ReferenceSet({**refs.arrays, "big": array(nbytes=50), "whole": whole}, refs.groups)
    found = inline(more, fetch, threshold=5)
    assert calls == [9]
    assert found.arrays["g/b"].chunks.inline_bytes(2) == b"b.nc8"
    assert found.arrays["big"] is more.arrays["big"]
    assert found.arrays["whole"] is more.arrays["whole"]
    assert inline(found, fetch, threshold=5) is found
    assert calls == [9]
    only = inline(more, fetch, threshold=100, paths=["big"])
    assert only.arrays["big"].chunks.is_inline.all()
    assert not only.arrays["a"].chunks.is_inline.any()


@given(st.data())
def test_cut_chunks_hold_the_same_elements(data):
    """Chunks cut in any allowed way, in C or F order, with chunks missing or hanging over the end, read the same."""
    order = data.draw(st.sampled_from("CF"))
    chunk = tuple(data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=3)))
    shape = tuple(data.draw(st.integers(1, 2 * c)) for c in chunk)
    meta = ArrayMeta(shape=shape, chunk_shape=chunk, dtype=np.dtype("<u2"), order=order)
    grid = meta.grid_shape
    file = np.arange(int(np.prod(grid)) * int(np.prod(chunk)), dtype="<u2").tobytes()
    cells = [c for c in np.ndindex(*grid) if data.draw(st.booleans())]
    offsets = np.arange(len(cells)) * meta.chunk_nbytes
    before = ManifestArray(
        meta, ChunkManifest.from_rows(grid, cells, ["f"] * len(cells), offsets, [meta.chunk_nbytes] * len(cells))
    )
    new, cut = list(chunk), True
    for axis in range(len(chunk)) if order == "C" else reversed(range(len(chunk))):
        if cut:
            new[axis] = data.draw(st.sampled_from([n for n in range(1, chunk[axis] + 1) if chunk[axis] % n == 0]))
        cut = cut and new[axis] == 1
    after = subchunk_array(before, new)
    assert after.meta.chunk_shape == tuple(new)
    np.testing.assert_array_equal(read(after, file), read(before, file))


def read(array, file):
    """The elements of an uncompressed array; -1 where there is no chunk."""
    meta = array.meta
    padded = np.full([g * c for g, c in zip(meta.grid_shape, meta.chunk_shape, strict=True)], -1)
    for cell, (_, offset, length) in zip(zip(*array.chunks.coords(), strict=True), array.chunks.rows(), strict=True):
        block = np.frombuffer(file[offset : offset + length], meta.dtype).reshape(meta.chunk_shape, order=meta.order)
        padded[tuple(slice(i * c, (i + 1) * c) for i, c in zip(cell, meta.chunk_shape, strict=True))] = block
    return padded[tuple(map(slice, meta.shape))]


def test_inline_chunks_are_cut_in_memory():
    """A chunk held inline is cut like a range of a file."""
    meta = ArrayMeta(shape=(4,), chunk_shape=(4,), dtype=np.dtype("u1"))
    cut = subchunk_array(ManifestArray(meta, ChunkManifest.single(b"abcd", 0, 4, 1)), (2,))
    assert [cut.chunks.inline_bytes(n) for n in range(2)] == [b"ab", b"cd"]


def test_whole_files_are_cut_by_the_length_they_must_have():
    """A chunk that is a whole file has the chunk's length."""
    meta = ArrayMeta(shape=(4,), chunk_shape=(4,), dtype=np.dtype("u1"))
    cut = subchunk_array(ManifestArray(meta, ChunkManifest.single("a", 0, WHOLE_FILE, 1)), (2,))
    assert list(cut.chunks.rows()) == [("a", 0, 2), ("a", 2, 2)]


@pytest.mark.parametrize(
    ("more", "new", "error", "match"),
    [
        ({"compressor": {"id": "zlib"}}, (1, 2), Unsupported, "encoded"),
        ({"filters": ({"id": "shuffle"},)}, (1, 2), Unsupported, "encoded"),
        ({}, (1, 3), ValueError, "do not divide"),
        ({}, (1,), ValueError, "do not divide"),
        ({}, (1, 0), ValueError, "do not divide"),
        ({"dtype": np.dtype("u2")}, (1, 2), ValueError, "expected chunks of 8 bytes"),
    ],
)
def test_what_cannot_be_cut_is_refused(more, new, error, match):
    """Encoded chunks, chunks of the wrong length, and shapes that do not divide are refused."""
    with pytest.raises(error, match=match):
        subchunk(ReferenceSet({"a": array(**more)}), "a", new)


def test_chunks_that_are_no_ranges_are_refused():
    """A faster axis may not be cut before the slower ones are down to one element."""
    meta = ArrayMeta(shape=(4, 4), chunk_shape=(4, 4), dtype=np.dtype("u1"))
    whole = ManifestArray(meta, ChunkManifest.single("a", 0, 16, 2))
    with pytest.raises(ValueError, match="order is C"):
        subchunk_array(whole, (2, 2))
    assert subchunk_array(whole, (4, 4)) is whole


@given(st.lists(st.integers(1, 40), max_size=4), st.integers(1, 8), st.integers(1, 500))
def test_split_shapes_divide_and_fit(shape, itemsize, nbytes):
    """Every chunk is whole, contiguous, and no longer than asked, unless one element is."""
    chunk = split_shape(shape, itemsize, nbytes)
    assert all(n % c == 0 for n, c in zip(shape, chunk, strict=True))
    assert int(np.prod(chunk)) * itemsize <= max(nbytes, itemsize)
    meta = ArrayMeta(shape=tuple(shape), chunk_shape=tuple(shape), dtype=np.dtype(f"V{itemsize}"))
    whole = ManifestArray(meta, ChunkManifest.single("a", 0, meta.nbytes, len(shape)))
    assert subchunk_array(whole, chunk).chunks.size * int(np.prod(chunk)) == meta.size
