"""References of every kind, in datasets and attributes, are the paths of what they refer to, or a problem."""

import ctypes
from functools import partial

import h5py
import numpy as np
import pytest

from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.formats.scanning import scan_source
from chunkmap.io import LocalSource

scan = partial(scan_source, format="hdf5")

ALL = h5py.h5s.ALL
POINTS = np.array([[1, 2], [0, 3]])


def regions(dataset):
    """Regions of 20 x 30 elements, and what numpy would select them with."""
    return {
        "[0:20, 0:30]": dataset.regionref[:, :],
        "[2:5, 4:9]": dataset.regionref[2:5, 4:9],
        "[3:4, 1:30:7]": dataset.regionref[3, 1::7],
        "[0:13:4, 6:17:5]": dataset.regionref[0:14:4, 6:19:5],
    }


@pytest.mark.parametrize("user_block", [0, 512])
@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_regions(tmp_path, version, user_block):
    """A region is the path of its dataset and the index that selects it; h5py selects the same elements."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver=version, userblock_size=user_block) as f:
        x = f.create_dataset("g/x", data=np.arange(600).reshape(20, 30))
        x.attrs["one"] = x.regionref[2:5, 4:9]
        x.attrs.create("several", list(regions(x).values()), dtype=h5py.regionref_dtype)
        d = f.create_dataset("refs", (5,), h5py.regionref_dtype, chunks=(2,))
        selected = regions(x)
        for number, reference in enumerate(selected.values()):
            d[number] = reference
        f["line"] = np.arange(20)
        f["in_line"] = np.array([f["line"].regionref[1:16:3]], h5py.regionref_dtype)
    refs = scan(LocalSource(path))
    assert not refs.problems
    found = read_array(refs.arrays["refs"], Fetcher()).tolist()
    assert found == [*(f"/g/x{index}" for index in selected), ""]
    assert read_array(refs.arrays["in_line"], Fetcher()).tolist() == ["/line[1:14:3]"]
    assert refs.arrays["g/x"].meta.attrs == {"one": "/g/x[2:5, 4:9]", "several": found[:4]}
    with h5py.File(path) as f:
        for reference, text in zip(f["refs"][:4], found, strict=False):
            index = eval(f"np.s_{text.removeprefix('/g/x')}")
            np.testing.assert_array_equal(f["g/x"][reference].ravel(), f["g/x"][index].ravel())
        assert f["line"][f["in_line"][0]].tolist() == f["line"][1:14:3].tolist()


def test_object_references_of_attributes(tmp_path):
    """One, several, and lists of them; a reference to nothing is empty, one to what no link leads to is a problem."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        v, gone = f.create_dataset("g/v", data=1), f.create_dataset("gone", data=1)
        f.attrs["one"] = v.ref
        f.attrs.create("table", np.array([[v.ref, f.ref], [None, v.ref]], h5py.ref_dtype))
        lists = np.empty(2, object)
        lists[:] = [np.array([v.ref, f["g"].ref], h5py.ref_dtype), np.array([v.ref], h5py.ref_dtype)]
        f["g"].attrs.create("lists", lists, dtype=h5py.vlen_dtype(h5py.ref_dtype))
        v.attrs["lost"] = gone.ref
        del f["gone"]
    refs = scan(LocalSource(path))
    assert refs.attrs == {"one": "/g/v", "table": [["/g/v", "/"], ["", "/g/v"]]}
    assert refs.groups["g"] == {"lists": [["/g/v", "/g"], ["/g/v"]]}
    assert [(p.path, p.feature) for p in refs.problems] == [("g/v", "attribute")]
    assert "no link" in refs.problems[0].message


class Revised:
    """References of HDF5 1.12, which h5py does not write."""

    size = 64  # bytes in memory

    def __init__(self, library, count):
        self.library, self.memory = library, (ctypes.c_uint8 * (self.size * count))()
        self.kind = ctypes.c_int64.in_dll(library, "H5T_STD_REF_g").value
        identifier, text, pointer = ctypes.c_int64, ctypes.c_char_p, ctypes.c_void_p
        library.H5Rcreate_object.argtypes = (identifier, text, identifier, pointer)
        library.H5Rcreate_region.argtypes = (identifier, text, identifier, identifier, pointer)
        library.H5Rcreate_attr.argtypes = (identifier, text, text, identifier, pointer)
        library.H5Dcreate2.argtypes = (identifier, text, *[identifier] * 5)
        library.H5Acreate2.argtypes = (identifier, text, *[identifier] * 4)
        library.H5Dcreate2.restype = library.H5Acreate2.restype = identifier
        library.H5Dwrite.argtypes = (*[identifier] * 5, pointer)
        library.H5Awrite.argtypes = (identifier, identifier, pointer)
        library.H5Dclose.argtypes = library.H5Aclose.argtypes = (identifier,)

    def place(self, number):
        return ctypes.addressof(self.memory) + self.size * number

    def write(self, file, name, first, count):
        """As a dataset, and as an attribute of the root group."""
        space, at = h5py.h5s.create_simple((count,)), self.place(first)
        d = self.library.H5Dcreate2(file.id.id, name, self.kind, space.id, 0, 0, 0)
        assert self.library.H5Dwrite(d, self.kind, 0, 0, 0, at) >= 0
        a = self.library.H5Acreate2(file.id.id, name, self.kind, space.id, 0, 0)
        assert self.library.H5Awrite(a, self.kind, at) >= 0
        assert self.library.H5Dclose(d) >= 0
        assert self.library.H5Aclose(a) >= 0


@pytest.mark.parametrize("user_block", [0, 512])
def test_references_of_hdf5_1_12(tmp_path, libhdf5, user_block):
    """Each element says itself what it refers to: objects and regions; attributes and other files are problems."""
    path, revised = tmp_path / "a.h5", Revised(libhdf5, 7)
    with h5py.File(path, "w", libver="latest", userblock_size=user_block) as f, h5py.File(tmp_path / "b.h5", "w") as b:
        f["g/x"], b["y"] = np.arange(20).reshape(4, 5), 1
        f["g/x"].attrs["units"] = "m"
        region, points = h5py.h5s.create_simple((4, 5)), h5py.h5s.create_simple((4, 5))
        region.select_hyperslab((1, 2), (2, 1), None, (1, 3))
        points.select_elements(POINTS)
        library = revised.library
        assert library.H5Rcreate_object(f.id.id, b"/g/x", 0, revised.place(0)) >= 0
        assert library.H5Rcreate_region(f.id.id, b"/g/x", region.id, 0, revised.place(1)) >= 0
        assert library.H5Rcreate_object(f.id.id, b"/g", 0, revised.place(3)) >= 0
        assert library.H5Rcreate_attr(f.id.id, b"/g/x", b"units", 0, revised.place(4)) >= 0
        assert library.H5Rcreate_object(b.id.id, b"/y", 0, revised.place(5)) >= 0
        assert library.H5Rcreate_region(f.id.id, b"/g/x", points.id, 0, revised.place(6)) >= 0
        for name, first, count in ((b"good", 0, 4), (b"attribute", 4, 1), (b"file", 5, 1), (b"points", 6, 1)):
            revised.write(f, name, first, count)
    refs = scan(LocalSource(path))
    assert read_array(refs.arrays["good"], Fetcher()).tolist() == ["/g/x", "/g/x[1:3, 2:5]", "", "/g"]
    columns = POINTS.T.tolist()
    assert refs.attrs == {"good": ["/g/x", "/g/x[1:3, 2:5]", "", "/g"], "points": f"/g/x{columns}"}
    found = {p.path: p.feature for p in refs.problems if p.path}
    assert found == {
        "attribute": "attribute reference",
        "file": "reference to another file",
    }
    assert sorted(p.message.split("'")[1] for p in refs.problems if not p.path) == ["attribute", "file"]
