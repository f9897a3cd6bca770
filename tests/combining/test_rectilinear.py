"""Inputs whose chunks fall on no regular grid keep their lengths in a rectilinear one, when Zarr v3 is asked for."""

from __future__ import annotations

import itertools

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import chunkmap
from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array, read_arrays
from chunkmap.combining import Recipe, combine_sets, diagnose_sets
from chunkmap.model import Edges

RECIPE = {"concat_dims": ["time"], "load_below": 0, "zarr_format": 3}


def read(arrays):
    """The values of arrays, from their files."""
    return read_arrays(arrays, Fetcher())


def combined(sets, **recipe):
    """Sets to one."""
    return combine_sets(sets, Recipe(**{**RECIPE, **recipe}), read)


def values(refs, path="d"):
    """All values of an array of a set."""
    return read_array(refs.arrays[path], Fetcher())


def month(path, start, field, chunks, *, corner=(0, 0), step=1, **how):
    """A file of a stretch of a series, by h5py: times from `start` on, and a field in chunks of its own."""
    with h5py.File(path, "w") as file:
        data = file.create_dataset("d", data=field, chunks=chunks, maxshape=chunks and (None,) * field.ndim, **how)
        coordinates = {
            "time": start + step * np.arange(field.shape[0]),
            "y": corner[0] + np.arange(field.shape[1]),
            "x": corner[1] + np.arange(field.shape[2]),
        }
        for axis, (dim, numbers) in enumerate(coordinates.items()):
            scale = file.create_dataset(dim, data=numbers)
            scale.make_scale(dim)
            data.dims[axis].attach_scale(scale)
    return chunkmap.scan(str(path), inline_threshold=0)


def numbers(*shape):
    """A field of numbers that are all different."""
    return np.arange(np.prod(shape), dtype="f4").reshape(shape)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_lengths_and_chunks_are_those_of_the_files(tmp_path, data):
    """Files of any length in chunks of any length, hanging over or not, compressed or not, in any order and bracketing,
    read as the files laid end to end."""
    lengths = data.draw(st.lists(st.integers(1, 7), min_size=1, max_size=4), label="lengths")
    across = (data.draw(st.integers(1, 3), label="y"), data.draw(st.integers(1, 4), label="x"))
    how = data.draw(
        st.sampled_from([{}, {"compression": "gzip"}, {"shuffle": True, "compression": "gzip", "fletcher32": True}]),
        label="how",
    )
    edges = np.cumsum([0, *lengths]).tolist()
    whole = numbers(edges[-1], 3, 4)
    sets = []
    for start, stop in itertools.pairwise(edges):
        chunk = data.draw(st.integers(1, 9), label="chunk")
        sets.append(month(tmp_path / f"{start}.h5", start, whole[start:stop], (chunk, *across), **how))
    sets = [sets[n] for n in data.draw(st.permutations(range(len(sets))), label="order")]

    refs = combined(sets)
    np.testing.assert_array_equal(values(refs), whole)

    half = data.draw(st.integers(0, len(sets)), label="half")
    if 0 < half < len(sets):
        recipe = Recipe(**RECIPE)
        parts = [combined(sets[:half]), combined(sets[half:])]
        again = combine_sets(parts, recipe.again(), read, combined=2)
        np.testing.assert_array_equal(values(again), whole)


def test_months_of_one_chunk_each(tmp_path):
    """Months of 31, 28 and 31 days, a chunk each: the chunks of the result are the months, and nothing is cut."""
    whole = numbers(90, 2, 3)
    sets = [
        month(tmp_path / f"{n}.h5", start, whole[start:stop], (stop - start, 2, 3), compression="gzip")
        for n, (start, stop) in enumerate([(0, 31), (31, 59), (59, 90)])
    ]

    with pytest.raises(chunkmap.CombineError, match=r"rectilinear grid of Zarr v3 \(zarr_format=3\)"):
        combined(sets, zarr_format=2)
    refs = combined(sets)

    meta = refs.arrays["d"].meta
    assert (Edges.of([31, 28, 31]), 2, 3) == meta.chunks
    assert meta.codecs == sets[0].arrays["d"].meta.codecs
    np.testing.assert_array_equal(values(refs), whole)
    np.testing.assert_array_equal(values(combined(sets, load_below=10**6)), whole)
    assert not combined(sets, load_below=10**6).arrays["d"].meta.edges, "what is small is held inline"


@pytest.mark.parametrize("how", [{}, {"compression": "gzip"}], ids=["plain", "compressed"])
def test_a_short_file_in_the_middle(tmp_path, how):
    """Its last chunk is stored whole: a shorter range of it counts, or it is cut when it is decoded."""
    whole = numbers(25, 2, 3)
    bounds = [(0, 10), (10, 17), (17, 25)]
    sets = [month(tmp_path / f"{a}.h5", a, whole[a:b], (5, 2, 3), **how) for a, b in bounds]

    refs = combined(sets)

    array = refs.arrays["d"]
    assert (Edges.of([5, 5, 5, 2, 5, 5]), 2, 3) == array.meta.chunks, "the last one may hang over the end"
    codecs = [codec["id"] for codec in array.meta.codecs]
    if how:
        assert "chunkmap.trim" in codecs
    else:
        assert codecs == []
        assert [5 * 24, 5 * 24, 5 * 24, 2 * 24, 5 * 24, 5 * 24] == array.chunks.length.tolist()
    np.testing.assert_array_equal(values(refs), whole)


def test_the_same_chunks_need_no_edges(tmp_path):
    """What falls on a regular grid has one, whatever version of Zarr is asked for."""
    whole = numbers(20, 2, 3)
    sets = [month(tmp_path / f"{a}.h5", a, whole[a : a + 10], (5, 2, 3)) for a in (0, 10)]
    assert combined(sets) == combined(sets, zarr_format=2)
    assert combined(sets).arrays["d"].meta.edges == ()


def test_tiles_of_several_sizes(tmp_path):
    """Two dimensions at once: each has edges of its own, and a tile that is not there is missing."""
    whole = numbers(7, 5, 3)
    cut = {"time": [(0, 3), (3, 7)], "y": [(0, 2), (2, 5)]}
    sets = [
        month(tmp_path / f"{a}{c}.h5", a, whole[a:b, c:d], (b - a, d - c, 3), corner=(c, 0), compression="gzip")
        for a, b in cut["time"]
        for c, d in cut["y"]
    ]

    refs = combined(sets[:3], concat_dims=["time", "y"])

    assert (Edges.of([3, 4]), Edges.of([2, 3]), 3) == refs.arrays["d"].meta.chunks
    expected = whole.copy()
    expected[3:, 2:] = np.nan
    np.testing.assert_array_equal(values(refs), expected)


def test_gaps_are_cells_of_their_own(tmp_path):
    """Where an array has nothing, cells are no longer than the longest chunk, and read as missing."""
    whole = numbers(20, 1, 1)
    bounds = [(0, 3), (3, 14), (14, 20)]
    sets = [month(tmp_path / f"{a}.h5", a, whole[a:b], (b - a, 1, 1)) for a, b in bounds]
    less = {path: array for path, array in sets[1].arrays.items() if path != "d"}
    sets[1] = type(sets[1])(less, sets[1].groups, name=sets[1].name)

    refs = combined(sets)

    assert (Edges.of([3, 6, 5, 6]), 1, 1) == refs.arrays["d"].meta.chunks
    expected = whole.copy()
    expected[3:14] = np.nan
    np.testing.assert_array_equal(values(refs), expected)


def test_what_has_no_such_grid_is_refused(tmp_path):
    """Chunks that cross, that hold places which are apart, or that are unlike across, and what cannot be cut twice."""
    whole = numbers(12, 4, 4)
    crossing = [
        month(tmp_path / "a.h5", 0, whole[:6, :2], (6, 2, 4), compression="gzip"),
        month(tmp_path / "b.h5", 0, whole[:6, 2:], (4, 2, 4), corner=(2, 0), compression="gzip"),
        month(tmp_path / "c.h5", 6, whole[6:], (6, 4, 4), compression="gzip"),
    ]
    apart = [month(tmp_path / f"d{n}.h5", n, whole[:3], (3, 4, 4), step=2) for n in range(2)]
    unlike = [month(tmp_path / f"e{n}.h5", 6 * n, whole[:6], (6, 4, 4 - n), compression="gzip") for n in range(2)]
    twice = [
        month(tmp_path / f"f{a}{c}.h5", a, whole[a:b, c:d], (3, 3, 4), corner=(c, 0), compression="gzip")
        for a, b in ((0, 4), (4, 12))
        for c, d in ((0, 2), (2, 4))
    ]
    for sets, message in (
        (crossing[:2], "chunk begins or ends within one of"),
        (apart, "places along time that are apart"),
        (unlike, "chunks along x are 4 in"),
        (twice, "cannot be cut"),
    ):
        dims = ["time", "y"] if sets in (crossing[:2], twice) else ["time"]
        with pytest.raises(chunkmap.CombineError, match="no rectilinear grid of them: .*" + message):
            combined(sets, concat_dims=dims)


def test_a_diagnosis_says_what_would_cure(tmp_path):
    """`zarr_format=3` is named where it helps, and what it comes to where it is asked for."""
    whole = numbers(25, 2, 3)
    sets = [month(tmp_path / f"{a}.h5", a, whole[a:b], (5, 2, 3), compression="gzip") for a, b in [(0, 7), (7, 25)]]

    without = diagnose_sets(sets, Recipe(**{**RECIPE, "zarr_format": 2}), read)
    asked = diagnose_sets(sets, Recipe(**RECIPE), read)

    assert not without.fits
    assert "zarr_format=3" in str(without)
    assert asked.fits
    assert [("rectilinear", "d")] == [(f.check, f.path) for f in asked.findings]
    assert "cut when they are decoded" in str(asked)
    assert "chunks of 2 to 5 x 2 x 3" in asked.plan.summary()
    assert asked.to_dict()["result"]["arrays"]["d"]["chunks"] == ["2 to 5", 2, 3]


def test_a_chunk_that_is_not_stored_whole_is_not_shortened(tmp_path):
    """A range that does not hold what it should is refused, not cut to what it might hold."""
    whole = numbers(25, 2, 3)
    sets = [month(tmp_path / f"{a}.h5", a, whole[a:b], (5, 2, 3)) for a, b in [(0, 7), (7, 25)]]
    array = sets[0].arrays["d"]
    damaged = type(array)(array.meta, array.chunks.take(np.array([0, 1])))
    damaged.chunks.length.flags.writeable = True
    damaged.chunks.length[1] -= 4
    sets[0] = type(sets[0])({**sets[0].arrays, "d": damaged}, sets[0].groups, name=sets[0].name)

    with pytest.raises(chunkmap.CombineError, match="expected a chunk of 120 bytes, found one of 116"):
        combined(sets)


def test_eras_are_told_apart_by_what_edges_do_not_cure(tmp_path):
    """With Zarr v3, other lengths of chunks make no era; another codec does."""
    whole = numbers(20, 2, 3)
    zipped = {"compression": "gzip"}
    sets = [
        month(tmp_path / "0.h5", 0, whole[:7], (7, 2, 3), **zipped),
        month(tmp_path / "1.h5", 7, whole[7:12], (5, 2, 3), **zipped),
        month(tmp_path / "2.h5", 12, whole[12:], (5, 2, 3)),
    ]

    refs = combined(sets, eras=True)

    assert {"", "era_0", "era_1"} == set(refs.groups)
    np.testing.assert_array_equal(values(refs, "era_0/d"), whole[:12])
    np.testing.assert_array_equal(values(refs, "era_1/d"), whole[12:])
    assert "era_2" in combined(sets, eras=True, zarr_format=2).groups


def hangs(lengths, chunks):
    """Whether a chunk goes on where the next file begins."""
    return any(n % chunk for n, chunk in list(zip(lengths, chunks, strict=True))[:-1])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_tiles_are_those_of_the_files(tmp_path, data):
    """Tiles of any size, in chunks of any size for each row and column of them, some of them missing."""
    sizes = st.lists(st.integers(1, 5), min_size=1, max_size=3)
    lengths = [data.draw(sizes, label=dim) for dim in "ty"]
    chunks = [[data.draw(st.integers(1, 6), label="chunk") for _ in own] for own in lengths]
    assume(not all(hangs(n, chunk) for n, chunk in zip(lengths, chunks, strict=True)))  # those are refused
    how = data.draw(st.sampled_from([{}, {"compression": "gzip"}]), label="how")
    edges = [np.cumsum([0, *own]).tolist() for own in lengths]
    whole = numbers(edges[0][-1], edges[1][-1], 2)
    sets, expected = [], np.full_like(whole, np.nan)
    for row, column in itertools.product(*(range(len(own)) for own in lengths)):
        if row and column and data.draw(st.booleans(), label="missing"):
            continue
        start, corner = edges[0][row], edges[1][column]
        tile = (slice(start, edges[0][row + 1]), slice(corner, edges[1][column + 1]))
        expected[tile] = whole[tile]
        own = (chunks[0][row], chunks[1][column], 2)
        sets.append(month(tmp_path / f"{start}_{corner}.h5", start, whole[tile], own, corner=(corner, 0), **how))

    np.testing.assert_array_equal(values(combined(sets, concat_dims=["time", "y"])), expected)
