"""Datatypes, layouts and dataspaces: the dtype and values that h5py gives, or a problem."""

import h5py
import numpy as np
import pytest
import zarr
from zarr.storage import FsspecStore

from chunkmap.formats.hdf5 import scan
from chunkmap.io import LocalSource

NUMBERS = [
    *(
        [
            "i1",
            "u1",
            "<i2",
            ">i2",
            "<u4",
            ">u4",
            "<i8",
            ">u8",
            "<f2",
            ">f2",
            "<f4",
            ">f4",
            "<f8",
            ">f8",
            "<c8",
            ">c8",
            "<c16",
            "S5",
            "?",
        ]
    ),
    "V7",
]
PACKED = np.dtype([("a", "<i4"), ("b", ">f8"), ("c", "S3"), ("d", "?")])


@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_plain_types(tmp_path, check_values, version):
    """Every type that numpy has is that type, in the byte order of the file."""
    path = tmp_path / "a.h5"
    rng = np.random.default_rng(0)
    with h5py.File(path, "w", libver=version) as f:
        for number, name in enumerate(NUMBERS):
            dtype = np.dtype(name)
            data = np.frombuffer(rng.integers(1, 2, 6 * dtype.itemsize, dtype="u1").tobytes(), dtype)
            f.create_dataset(f"v{number}", data=data, dtype=dtype)
        f.create_dataset("packed", data=np.zeros(4, PACKED), chunks=(2,), compression=1)
        f["enum"] = np.array([1, 2], h5py.enum_dtype({"A": 1, "B": 2}, basetype="<i2"))
        f["datetime"] = np.array([1, 2], "<M8[s]").astype(h5py.opaque_dtype(np.dtype("<M8[s]")))
        f["named"] = np.dtype("<f8")
        f.create_dataset("of_named_type", data=np.arange(4.0), dtype=f["named"])
    refs = check_values(path)
    assert not refs.problems
    assert refs.arrays["packed"].meta.dtype == PACKED
    assert "named" not in refs.arrays


@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_strings_of_variable_length_are_embedded(tmp_path, check_values, version):
    """Text from the global heap stands in the references, chunk by chunk; what was never written is empty."""
    path = tmp_path / "a.h5"
    texts = ["a", "bb", "", "π≈3", "x" * 9000] * 3
    with h5py.File(path, "w", libver=version) as f:
        kind = h5py.string_dtype()
        f.create_dataset("v", data=texts, dtype=kind)
        f["one"] = "hello"
        d = f.create_dataset("chunked", (15,), kind, chunks=(4,), compression="gzip", maxshape=(None,))
        d[:6] = texts[:6]
        f.create_dataset("none", (3,), kind)
    refs = check_values(path)
    assert {a.meta.dtype.kind for a in refs.arrays.values()} == {"O"}
    assert refs.arrays["v"].meta.codecs == ({"id": "vlen-utf8"},)
    assert scan(LocalSource(path), vlen_encode="leave").arrays["v"].meta.dtype == np.dtype("S16")
    with pytest.raises(ValueError, match="vlen_encode"):
        scan(LocalSource(path), vlen_encode="other")


def test_structures_with_gaps_keep_every_member(tmp_path, values):
    """Gaps between members become members, so that each has its place."""
    path = tmp_path / "a.h5"
    dtype = np.dtype({"names": ["a", "b"], "formats": ["<i2", "<f8"], "offsets": [0, 8], "itemsize": 24})
    with h5py.File(path, "w") as f:
        f["v"] = np.array([(1, 2.5), (3, 4.5)], dtype)
    got = values(scan(LocalSource(path)), "v")
    assert got.dtype.names == ("a", "_padding_2", "b", "_padding_16")
    assert got["a"].tolist() == [1, 3]
    assert got["b"].tolist() == [2.5, 4.5]


def test_nested_structures_are_laid_flat(tmp_path, values):
    """Zarr opens no structure in a structure, and no array in one: their members stand side by side."""
    path = tmp_path / "a.h5"
    dtype = np.dtype([("a", "<i4", (2, 2)), ("b", [("x", "<u2"), ("y", "S3", (2,))])])
    data = np.array([((1, 2), (3, 4)), ((5, 6), (7, 8))], "i4")
    with h5py.File(path, "w") as f:
        f["v"] = np.array([(data[0], (9, [b"p", b"q"])), (data[1], (10, [b"r", b"s"]))], dtype)
    refs = scan(LocalSource(path))
    got = values(refs, "v")
    assert got.dtype.names == ("a[0,0]", "a[0,1]", "a[1,0]", "a[1,1]", "b.x", "b.y[0]", "b.y[1]")
    assert got["a[1,0]"].tolist() == [3, 7]
    assert got["b.x"].tolist() == [9, 10]
    assert got["b.y[1]"].tolist() == [b"q", b"s"]
    store = FsspecStore.from_url("reference://", storage_options={"fo": refs.to_dict()}, read_only=True)
    opened = zarr.open_array(store, path="v", mode="r", zarr_format=2)
    assert opened[:].tolist() == got.tolist()


def test_array_types_are_axes(tmp_path, values):
    """A dataset of small arrays has their axes too, as h5py reads it."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        f.create_dataset("v", (4,), np.dtype(("<i4", (2, 3))))[...] = np.arange(24).reshape(4, 2, 3)
    refs = scan(LocalSource(path), inline_threshold=0)
    np.testing.assert_array_equal(values(refs, "v"), np.arange(24).reshape(4, 2, 3))
    assert refs.arrays["v"].meta.dims == ("phony_dim_0", "v_element_0", "v_element_1")


REFUSED = {
    "sequence of variable length": lambda f: f.create_dataset("v", (2,), h5py.vlen_dtype("i4")),
    "reference": lambda f: f.create_dataset("v", (2,), h5py.ref_dtype),
    "time": lambda f: h5py.h5d.create(f.id, b"v", h5py.h5t.UNIX_D32LE, h5py.h5s.create_simple((2,))),
    "null dataspace": lambda f: f.create_dataset("v", data=h5py.Empty("f4")),
    "external storage": lambda f: f.create_dataset("v", (10,), "f4", external=[("raw.bin", 0, 40)]),
}


@pytest.mark.parametrize("feature", REFUSED)
def test_what_zarr_cannot_hold_is_a_problem(tmp_path, monkeypatch, feature):
    """The dataset is left out and named, its neighbours are not."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        REFUSED[feature](f)
        f["other"] = 1
    refs = scan(LocalSource(path))
    assert [(p.path, p.feature) for p in refs.problems] == [("v", feature)]
    assert list(refs.arrays) == ["other"]


def test_odd_numbers_and_virtual_datasets_are_problems(tmp_path):
    """Numbers of unusual width, and data that is elsewhere, are never read as something else."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="latest") as f:
        layout = h5py.VirtualLayout((4, 10), "f4")
        layout[0] = h5py.VirtualSource("b.h5", "v", shape=(10,))
        f.create_virtual_dataset("virtual", layout)
        bits = h5py.h5t.STD_I32LE.copy()
        bits.set_precision(12)
        h5py.h5d.create(f.id, b"twelve_bits", bits, h5py.h5s.create_simple((2,)))
        brain = h5py.h5t.IEEE_F32LE.copy()
        brain.set_fields(31, 20, 11, 0, 20)
        h5py.h5d.create(f.id, b"other_float", brain, h5py.h5s.create_simple((2,)))
        f.create_dataset("long_double", data=np.zeros(2, np.longdouble))
        f.create_dataset("member", (2,), np.dtype([("a", "<i4"), ("s", h5py.string_dtype())]))
    refs = scan(LocalSource(path))
    assert not refs.arrays
    assert {p.path for p in refs.problems} == {"virtual", "twelve_bits", "other_float", "long_double", "member"}


def test_compact_data_is_always_inline(tmp_path, check_values):
    """Data in the object header has no range of its own worth naming, whatever the threshold."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        for n in (10, 7000):
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plist.set_layout(h5py.h5d.COMPACT)
            space = h5py.h5s.create_simple((n,))
            d = h5py.Dataset(h5py.h5d.create(f.id, f"v{n}".encode(), h5py.h5t.STD_I64LE, space, plist))
            d[...] = np.arange(n)
    refs = check_values(path, inline_threshold=0)
    assert all(a.chunks.is_inline.all() and len(a.chunks) == 1 for a in refs.arrays.values())


@pytest.mark.parametrize("user_block", [0, 512])
def test_contiguous_scalar_empty_and_unwritten(tmp_path, check_values, user_block):
    """Shapes without elements, without axes, and without data."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", userblock_size=user_block) as f:
        f["contiguous"] = np.arange(1000.0)
        f["scalar"] = 3.5
        f.create_dataset("unwritten", (10,), "f4")
        f.create_dataset("unwritten_filled", (10,), "f4", fillvalue=2.5)
        f.create_dataset("empty", (0, 5), "i2")
        f.create_dataset("empty_chunked", (0, 5), "i2", chunks=(2, 5), maxshape=(None, 5))
    refs = check_values(path)
    assert not refs.problems
    assert len(refs.arrays["unwritten"].chunks) == 0
    assert refs.arrays["contiguous"].chunks.urls == (str(path),)


def test_the_threshold_decides_what_is_inline(tmp_path, check_values):
    """Chunks of fewer stored bytes than the threshold are inline; 0 is none."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        f["v"] = np.arange(100, dtype="u1")
    assert check_values(path, inline_threshold=101).arrays["v"].chunks.is_inline.all()
    assert not check_values(path, inline_threshold=100).arrays["v"].chunks.is_inline.any()
    assert not check_values(path, inline_threshold=0).arrays["v"].chunks.is_inline.any()


def test_strings_padded_with_spaces_are_reported(tmp_path):
    """HDF5 readers cut trailing spaces off; where they stay, that is said."""
    path = tmp_path / "a.h5"
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(4)
    kind.set_strpad(h5py.h5t.STR_SPACEPAD)
    with h5py.File(path, "w") as f:
        d = h5py.Dataset(h5py.h5d.create(f.id, b"v", kind, h5py.h5s.create_simple((2,))))
        d[...] = np.array([b"ab", b"c"])
    refs = scan(LocalSource(path))
    assert [(p.path, p.feature) for p in refs.problems] == [("v", "string padded with spaces")]
    assert "v" in refs.arrays
