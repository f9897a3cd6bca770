"""Consolidated metadata of nested groups, as zarr reads them."""

from __future__ import annotations

import numpy as np
import zarr

from chunkmap.access.store import ReferenceStore
from chunkmap.combining.placing import inline_array
from chunkmap.model import ReferenceSet


def test_groups_whose_arrays_are_given_in_turns():
    """No array of a nested group is lost, in whatever order a set has its arrays."""
    paths = ["a/x", "b/x", "a/low/x", "b/low/x", "y", "a/low/y", "b/y", "a/y", "b/low/y"]
    refs = ReferenceSet({path: inline_array(np.array([float(n)]), ("n",), {}) for n, path in enumerate(paths)})

    group = zarr.open_group(ReferenceStore(refs), mode="r", zarr_format=2, use_consolidated=True)

    for number, path in enumerate(paths):
        folder, _, name = path.rpartition("/")
        assert name in set((group[folder] if folder else group).array_keys()), path
        assert group[path][0] == number
