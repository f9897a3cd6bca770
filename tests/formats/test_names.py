"""Names that a file may give its arrays, and Zarr has no place for."""

import h5py
import numpy as np
import pytest

import chunkmap


def test_a_name_that_is_a_way_in_a_tree_is_left_out(tmp_path):
    """HDF5 may call a dataset `..`, which zarr takes for another path: it becomes a problem, and the rest opens."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        space = h5py.h5s.create_simple((3,))
        for name in (b"..", b"...", b"whole"):
            h5py.h5d.create(file.id, name, h5py.h5t.NATIVE_INT32, space)
        file["whole"][:] = [1, 2, 3]
    refs = chunkmap.scan(tmp_path / "a.h5")
    assert [problem.path for problem in refs.problems] == [".."]
    with pytest.warns(UserWarning, match=r"1 array is left out. '\.\.': "):
        opened = chunkmap.open_dataset(refs)
    with opened as ds:
        assert set(ds.variables) == {"...", "whole"}
        np.testing.assert_array_equal(ds["whole"], [1, 2, 3])


@pytest.mark.parametrize("name", ["..", "a//b", ".zarray", "a\\b"])
def test_a_name_that_one_gives_is_looked_at(tmp_path, name):
    """A name that Zarr has no place for is refused where it is given."""
    (tmp_path / "a.bin").write_bytes(bytes(8))
    with pytest.raises(ValueError, match="expected one that an array of Zarr may have"):
        chunkmap.scan(tmp_path / "a.bin", format="raw", name=name)
