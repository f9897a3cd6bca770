"""What differs between inputs and changes no value, and what is said twice."""

from dataclasses import replace

import numpy as np
import pytest

from chunkmap import combine
from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.errors import CombineError
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, ReferenceSet


def array(values, dims, **more):
    """An array that holds its values inline, in one chunk."""
    values = np.asarray(values)
    meta = ArrayMeta(shape=values.shape, chunk_shape=values.shape, dtype=values.dtype, dims=dims, **more)
    return ManifestArray(meta, ChunkManifest.single(values.tobytes(), 0, values.nbytes, values.ndim))


def step(start, *, name="a", bounds=None, **more):
    """Two times of one variable, and the bounds of the times."""
    time = np.arange(start, start + 2.0)
    found = {"time": array(time, ("time",)), name: array(np.float32([start, start + 1]), ("time",), **more)}
    if bounds is not None:
        found["time_bnds"] = array(np.stack([time - bounds, time + bounds], 1), ("time", "bnds"))
    return ReferenceSet(found)


def read(refs, name):
    return read_array(refs.arrays[name], Fetcher()).tolist()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"fill_value": np.float32("nan")}),
        ({}, {"attrs": {"missing_value": float("nan")}}),
        ({}, {"attrs": {"_FillValue": [float("nan")]}}),
        ({}, {"attrs": {"scale_factor": 1, "add_offset": 0.0}}),
        ({"attrs": {"units": "degrees_north"}}, {"attrs": {"units": "degree_north"}}),
        ({"attrs": {"units": "degreesE"}}, {"attrs": {"units": "degree_east"}}),
    ],
)
def test_what_changes_no_value_is_combined(one, other):
    """NaN that masks nothing else, packing that changes nothing, spellings of degrees: in either order."""
    for first, second in ((one, other), (other, one)):
        found = combine([step(0, **first), step(2, **second)], concat_dims="time")
        assert read(found, "a") == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "other",
    [
        {"fill_value": np.float32(-9)},
        {"attrs": {"missing_value": -9.0}},
        {"attrs": {"scale_factor": 2}},
        {"attrs": {"add_offset": 1}},
        {"attrs": {"units": "degrees_north"}},
    ],
)
def test_what_changes_values_is_refused(other):
    """Beside none, another fill value, packing or unit is other data."""
    with pytest.raises(CombineError):
        combine([step(0), step(2, **other)], concat_dims="time")


def test_missing_chunks_are_zero_or_nan():
    """Where chunks are missing, NaN for a fill value and none are other data."""
    nan = step(2, fill_value=np.float32("nan"))
    nan.arrays["a"] = replace(nan.arrays["a"], chunks=ChunkManifest.empty((1,)))
    with pytest.raises(CombineError, match="fill_value"):
        combine([step(0), nan], concat_dims="time")


def test_what_is_said_twice_and_is_the_same_hides_nothing():
    """Variables in files of their own repeat the bounds of their times: these are taken once."""
    sets = [step(start, name=name, bounds=0.5) for name in ("tas", "pr") for start in (0, 2)]
    found = combine(sets, concat_dims="time")
    assert read(found, "tas") == read(found, "pr") == [0, 1, 2, 3]
    assert read(found, "time_bnds") == [[t - 0.5, t + 0.5] for t in range(4)]


def test_what_is_said_twice_and_differs_is_refused():
    """Bounds of the same times that differ would hide one another."""
    sets = [step(start, name=name, bounds=b) for name, b in (("tas", 0.5), ("pr", 0.25)) for start in (0, 2)]
    with pytest.raises(CombineError, match=r"time_bnds.*both hold time"):
        combine(sets, concat_dims="time")
