"""Reference sets as values."""

import numpy as np
import pytest

from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, Problem, ReferenceSet, Target


def one_array():
    meta = ArrayMeta(shape=(2,), chunk_shape=(1,), dtype=np.dtype("u1"))
    return ManifestArray(meta, ChunkManifest.from_rows((2,), [[0], [1]], ["a", "a"], [0, 1], [1, 1]))


def test_sets_are_equal_by_content():
    """Arrays, chunks, groups and attributes make a set; its name, targets and problems do not."""
    problem = Problem("x", "feature", "message", "u")
    a = ReferenceSet({"x": one_array()}, {"": {"n": float("nan")}}, (problem,), {"a": Target(size=2)}, "name")
    b = ReferenceSet({"x": one_array()}, {"": {"n": float("nan")}})
    assert a == b
    assert a != ReferenceSet({"x": one_array()})
    assert a != ReferenceSet({"y": one_array()}, a.groups)
    assert a != 1
    assert str(problem) == "u x: feature: message"
    assert repr(a) == "<ReferenceSet name 1 array, 2 chunks, 1 problem>"
    assert a.nchunks == 2
    assert np.isnan(a.attrs["n"])


def test_array_and_manifest_must_fit():
    """A manifest of another grid than the metadata's is refused; metadata may change where the grid stays."""
    array = one_array()
    with pytest.raises(ValueError, match="does not fit"):
        ManifestArray(array.meta, ChunkManifest.empty((3,)))
    assert array.with_meta(attrs={"a": 1}).meta.attrs == {"a": 1}
    with pytest.raises(ValueError, match="does not fit"):
        array.with_meta(shape=(3,))
