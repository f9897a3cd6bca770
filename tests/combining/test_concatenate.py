"""Joining by order alone, and merging different arrays."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from bridge import to_dataset, to_refs

from chunkmap.combining import concatenate, merge
from chunkmap.errors import CombineError
from chunkmap.model import ReferenceSet


def array(values, chunk, **attrs):
    dataset = xr.Dataset({"a": ("n", np.asarray(values, "f4"), attrs)})
    return to_refs(dataset, a={"chunks": (chunk,)}).arrays["a"]


def test_end_to_end():
    """Arrays follow one another, the last one ending where it may."""
    joined = concatenate([array(range(4), 2), array(range(4, 7), 2)])

    assert list(range(7)) == to_dataset(ReferenceSet({"a": joined}))["a"].values.tolist()


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (array(range(3), 3), "Incompatible array chunks"),
        (to_refs(xr.Dataset({"a": (("n", "m"), np.zeros((2, 2)))}), a={"chunks": (2, 2)}).arrays["a"], "Incompatible"),
    ],
)
def test_what_differs_is_refused(other, words):
    """Chunks or axes that differ do not stand in one array."""
    with pytest.raises(CombineError, match=words):
        concatenate([array(range(2), 2), other])


def test_only_the_last_may_end_within_a_chunk():
    """An array that ends within a chunk may only be the last."""
    with pytest.raises(CombineError, match="Array at index 0 has irregular chunking at its boundary"):
        concatenate([array(range(3), 2), array(range(2), 2)])


def test_an_axis_that_is_not_there():
    """The axis must be one of the array's."""
    with pytest.raises(CombineError, match="axis 2"):
        concatenate([array(range(2), 2)], axis=2)


def test_merging_different_arrays():
    """Sets of different arrays become one set of all of them."""
    a = to_refs(xr.Dataset({"a": ("x", [1.0, 2.0])}, {"x": [0, 1]}))
    b = to_refs(xr.Dataset({"b": ("x", [3.0, 4.0])}, {"x": [0, 1]}))

    found = to_dataset(merge([a, b]))

    assert {"a", "b", "x"} == set(found.variables)


def test_merging_arrays_that_clash():
    """One name for two arrays is refused."""
    a, b = (to_refs(xr.Dataset({"a": ("x", np.zeros(n))})) for n in (2, 3))

    with pytest.raises(CombineError, match="a: is not the same array"):
        merge([a, b])
