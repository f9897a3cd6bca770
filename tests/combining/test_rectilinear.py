"""Inputs whose chunks fall on no regular grid keep their lengths in a rectilinear one, when Zarr v3 is asked for."""

from __future__ import annotations

import itertools

import h5py
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chunkmap
from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array, read_arrays
from chunkmap.combining import Recipe, combine_sets

RECIPE = {"concat_dims": ["time"], "load_below": 0, "zarr_format": 3}


def combined(sets, **recipe):
    """Sets to one, read from their files."""
    return combine_sets(sets, Recipe(**{**RECIPE, **recipe}), lambda arrays: read_arrays(arrays, Fetcher()))


def values(refs, path="d"):
    """All values of an array of a set."""
    return read_array(refs.arrays[path], Fetcher())


def month(path, start, field, chunks, *, name="d", grows=True, **how):
    """A file of a stretch of a series, by h5py: times from `start` on, and a field in chunks of its own."""
    with h5py.File(path, "w") as file:
        time = file.create_dataset("time", data=np.arange(start, start + len(field)))
        time.make_scale("time")
        most = (None, *field.shape[1:]) if grows else field.shape
        data = file.create_dataset(name, data=field, chunks=chunks, maxshape=most if chunks else None, **how)
        data.dims[0].attach_scale(time)
        for axis, dim in enumerate("yx"[: field.ndim - 1], 1):
            scale = file.create_dataset(dim, data=np.arange(field.shape[axis]))
            scale.make_scale(dim)
            data.dims[axis].attach_scale(scale)
    return chunkmap.scan(str(path), inline_threshold=0)


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
    whole = np.arange(edges[-1] * 12, dtype="f4").reshape(edges[-1], 3, 4)
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
        again = combine_sets(parts, recipe.again(), lambda arrays: read_arrays(arrays, Fetcher()), combined=2)
        np.testing.assert_array_equal(values(again), whole)
