"""Attributes of every version and class, compact and dense, as JSON has them."""

from functools import partial

import h5py
import netCDF4
import numpy as np
import pytest

from chunkmap.formats.scanning import scan_source
from chunkmap.io import LocalSource

scan = partial(scan_source, format="hdf5")

VALUES = {
    "int": (np.int16(-3), -3),
    "big": (np.uint64(2**64 - 1), 2**64 - 1),
    "float": (np.float32(0.1), float(np.float32(0.1))),
    "big endian": (np.array([1.5, 2.5], ">f8"), [1.5, 2.5]),
    "one": (np.array([7]), 7),
    "matrix": (np.arange(6).reshape(2, 3), [[0, 1, 2], [3, 4, 5]]),
    "none": (np.array([], "f4"), []),
    "text": ("π≈3", "π≈3"),
    "empty text": ("", ""),
    "texts": (["x", "yy", ""], ["x", "yy", ""]),
    "fixed text": (np.bytes_(b"abc"), "abc"),
    "fixed texts": (np.array([b"ab", b"c"]), ["ab", "c"]),
    "bool": (np.True_, True),
    "bools": (np.array([True, False]), [True, False]),
    "enum": (np.array([1, 2], h5py.enum_dtype({"A": 1, "B": 2}, basetype="i2")), [1, 2]),
    "complex": (1 + 2j, [1.0, 2.0]),
    "compound": (np.array((1, 2.5, b"ab"), [("a", "i4"), ("b", "f8"), ("c", "S2")]), [1, 2.5, "ab"]),
    "null": (h5py.Empty("f4"), []),
    "null text": (h5py.Empty("S3"), ""),
}


@pytest.mark.parametrize("track_order", [False, True])
@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_values(tmp_path, version, track_order):
    """Each value is what h5py reads, in JSON's terms: compact in old files, dense in new ones."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver=version) as f:
        f.create_dataset("v", data=1, track_order=track_order)
        for name, (value, _) in VALUES.items():
            f["v"].attrs[name] = value
        f["v"].attrs.create("lists", [np.arange(3), np.arange(2)], shape=(2,), dtype=h5py.vlen_dtype("i4"))
        f["v"].attrs.create("arrays", np.arange(6).reshape(2, 3), shape=(2, 3), dtype=np.dtype((">i2", (3,))))
    refs = scan(LocalSource(path))
    assert refs.arrays["v"].meta.attrs == {name: value for name, (_, value) in VALUES.items()} | {
        "lists": [[0, 1, 2], [0, 1]],
        "arrays": [[0, 1, 2], [3, 4, 5]],
    }
    if track_order:
        assert list(refs.arrays["v"].meta.attrs) == [*VALUES, "lists", "arrays"]
    assert not refs.problems


@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_many_and_long_attributes(tmp_path, version):
    """Hundreds of attributes span heap blocks and B-tree levels; one too large for the heap lies beside it."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver=version) as f:
        g = f.create_group("g")
        for n in range(600):
            g.attrs[f"name {n}"] = f"value {n} " * (n % 30 + 1)
        want = dict(g.attrs)
        if version == "latest":
            g.attrs["huge"] = np.arange(20_000)
            want["huge"] = list(range(20_000))
    refs = scan(LocalSource(path))
    assert dict(refs.groups["g"]) == want


def test_shared_types_references_and_what_has_no_json(tmp_path):
    """A committed datatype is followed, references are paths; the rest is a problem with its name."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        f["kind"] = np.dtype("<i4")
        f["v"] = 1
        f["v"].attrs.create("shared", 5, dtype=f["kind"])
        f["v"].attrs["reference"] = f["v"].ref
        f["v"].attrs.create("region", f["v"].regionref[()], dtype=h5py.regionref_dtype)
        kind = np.dtype([("a", "i4"), ("s", h5py.string_dtype())])
        f["v"].attrs.create("texts", np.array([(1, "x")], kind), dtype=kind)
    refs = scan(LocalSource(path))
    assert refs.arrays["v"].meta.attrs == {"shared": 5, "reference": "/v", "region": "/v[...]"}
    assert [p.message.split("'")[1] for p in refs.problems] == ["texts"]
    assert all((p.path, p.feature) == ("v", "attribute") for p in refs.problems)


def test_text_that_is_not_utf8_is_latin_1(tmp_path):
    """Bytes of another encoding are taken for Latin-1, as those of NetCDF3 are."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        f.attrs["latin"] = np.bytes_(b"caf\xe9")
    assert scan(LocalSource(path)).attrs == {"latin": "caf\xe9"}


EMPTY_TYPES = ["f4", "S3", h5py.string_dtype(), h5py.ref_dtype, h5py.regionref_dtype, "V4", [("a", "i4")], "?"]


@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_null_dataspaces(tmp_path, version):
    """An attribute without any element is an empty list, or empty text; a dataset without any is an empty array."""
    path = tmp_path / "a.h5"
    machinery = ("DIMENSION_LIST", "_Netcdf4Coordinates", "_Netcdf4Dimid", "_FillValue")
    with h5py.File(path, "w", libver=version) as f:
        for number, kind in enumerate(EMPTY_TYPES):
            f[f"null{number}"] = h5py.Empty(np.dtype(kind))
            f[f"null{number}"].attrs["units"] = "m"
            f.attrs[f"null{number}"] = h5py.Empty(np.dtype(kind))
        f["v"] = np.arange(3)
        for name in machinery:
            f["null0"].attrs[name] = h5py.Empty("f4")
            f["v"].attrs[name] = h5py.Empty("f4")
    refs = scan(LocalSource(path))
    assert refs.attrs == {f"null{number}": "" if number in (1, 2) else [] for number in range(len(EMPTY_TYPES))}
    assert not refs.problems
    for number in range(len(EMPTY_TYPES)):
        array = refs.arrays[f"null{number}"]
        assert (array.meta.shape, array.meta.dims) == ((0,), (f"null{number}_null",))
        assert array.meta.attrs == {"units": "m"}
        assert len(array.chunks) == 0
    assert refs.arrays["null0"].meta.dtype == np.float32
    assert refs.arrays["v"].meta.attrs == {"_FillValue": []}


def test_attributes_that_lie_in_another_order_keep_their_own(tmp_path):
    """HDF5 puts an attribute wherever there is room for it: one made later may come first in the header."""
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as f:
        group = f.createGroup("g")
        group.setncatts({"a": 1.5, "b": 1.5, "c": "text", "d": 1.5})
        group.createDimension("x", 2)
        group.createVariable("v", "i4", ("x",))
    assert list(scan(LocalSource(path)).groups["g"]) == list("abcd")
