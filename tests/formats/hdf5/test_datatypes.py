"""Datatypes, layouts and dataspaces: the dtype and values that h5py gives, or a problem."""

import ctypes
from functools import partial

import h5py
import numpy as np
import pytest
import xarray as xr
import zarr
from zarr.storage import FsspecStore

from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.formats.scanning import scan_source
from chunkmap.io import LocalSource

scan = partial(scan_source, format="hdf5")

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


def _long_doubles(file, size, bits, order=h5py.h5t.ORDER_LE):
    """A dataset of long doubles of a layout, and the numbers in it, one of which 64 bits do not hold."""
    kind = h5py.h5t.IEEE_F64LE.copy()
    kind.set_size(size)
    kind.set_precision(bits)
    mantissa, norm = (64, h5py.h5t.NORM_NONE) if bits == 80 else (112, h5py.h5t.NORM_IMPLIED)
    kind.set_fields(bits - 1, mantissa, 15, 0, mantissa)
    kind.set_norm(norm)
    kind.set_ebias(16383)
    kind.set_order(order)
    values = np.array([0, -0.0, 1.5, -1 / 3, 1e-300, np.inf, -np.inf, np.nan], np.longdouble)
    values[3] = np.longdouble(-1) / 3
    dataset = h5py.h5d.create(file.id, b"v", kind, h5py.h5s.create_simple((len(values),)))
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, values)
    return values


@pytest.mark.parametrize(("size", "bits"), [(16, 80), (12, 80), (16, 128)])
@pytest.mark.parametrize("order", [h5py.h5t.ORDER_LE, h5py.h5t.ORDER_BE])
def test_long_doubles_on_request(tmp_path, values, size, bits, order):
    """They are the nearest numbers of 64 bits, with a problem, where one asks for them."""
    if order == h5py.h5t.ORDER_BE and bits == 80:
        pytest.skip("HDF5 has no such numbers")
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        written = _long_doubles(f, size, bits, order)
    refs = scan(LocalSource(path), long_doubles="float64")
    assert [problem.feature for problem in refs.problems] == ["long double"]
    found = values(refs, "v")
    np.testing.assert_array_equal(found, written.astype("f8"))
    assert np.signbit(found[1])


def test_long_doubles_in_records_on_request(tmp_path, values):
    """Records that have them, in records, in arrays and as complex numbers, are packed anew, unwritten chunks too."""
    record = np.dtype([("a", "i4"), ("l", "g"), ("in", [("m", "g", (2,)), ("k", "u1")])])
    rows = np.zeros(3, record)
    rows["a"], rows["l"], rows["in"]["m"], rows["in"]["k"] = [1, 2, 3], np.longdouble(1) / 3, [0.5, -1], 9
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        f.create_dataset("v", data=rows, chunks=(2,))
        f.create_dataset("unwritten", (2,), record)
        f["complex"] = np.array([1 + 2j], np.clongdouble)
    refs = scan(LocalSource(path), long_doubles="float64")
    assert [problem.feature for problem in refs.problems] == ["long double"] * 3
    found = values(refs, "v")
    assert found.dtype.names == ("a", "l", "in.m[0]", "in.m[1]", "in.k")
    assert found.tolist() == [(number, 1 / 3, 0.5, -1.0, 9) for number in (1, 2, 3)]
    assert values(refs, "unwritten").tolist() == [(0, 0.0, 0.0, 0.0, 0)] * 2
    assert values(refs, "complex").tolist() == [(1.0, 2.0)]
    assert scan(LocalSource(path)).arrays == {}


REFUSED = {
    "long double (80 bits in 16 bytes)": lambda f: _long_doubles(f, 16, 80),
    "time": lambda f: h5py.h5d.create(f.id, b"v", h5py.h5t.UNIX_D32LE, h5py.h5s.create_simple((2,))),
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
    assert "other" in refs.arrays
    assert "v" not in refs.arrays


FLOATS = {
    "bfloat16": (2, 15, 7, 8, 0, 7, 127),
    "8 bits, exponent of 4": (1, 7, 3, 4, 0, 3, 7),
    "8 bits, exponent of 5": (1, 7, 2, 5, 0, 2, 15),
    "24 bits in 3 bytes": (3, 23, 16, 7, 0, 16, 63),
    "24 bits in 4 bytes": (4, 23, 16, 7, 0, 16, 63),
    "moved": (4, 30, 20, 10, 2, 18, 511),
    "another bias": (4, 31, 23, 8, 0, 23, 100),
}


def float_type(name, base=h5py.h5t.IEEE_F64LE):
    """A type of HDF5 for floating-point numbers."""
    size, *fields, bias = FLOATS[name]
    kind = base.copy()
    kind.set_fields(*fields)
    kind.set_ebias(bias)
    kind.set_precision(8 * size)
    kind.set_size(size)
    return kind


@pytest.mark.parametrize("base", [h5py.h5t.IEEE_F64LE, h5py.h5t.IEEE_F64BE], ids=["little", "big"])
@pytest.mark.parametrize("name", FLOATS)
def test_floats_of_other_layouts(tmp_path, check_values, name, base):
    """Any bits are read as h5py reads them: the smallest numbers, infinities, what is none; fill values, attributes."""
    path, size = tmp_path / "a.h5", FLOATS[name][0]
    kind = float_type(name, base)
    data = np.random.default_rng(0).integers(0, 256, (1000, size), "u1")
    data[:256, -1 if base is h5py.h5t.IEEE_F64LE else 0] = np.arange(256)
    create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    create.set_chunk((300,))
    create.set_deflate(1)
    with h5py.File(path, "w") as f:
        for plist, stored in ((create, b"chunked"), (None, b"contiguous")):
            d = h5py.h5d.create(f.id, stored, kind, h5py.h5s.create_simple((1000,)), plist)
            d.write(h5py.h5s.ALL, h5py.h5s.ALL, data.view(f"V{size}")[:, 0], kind)
        create.set_fill_value(np.array(1.5))
        h5py.h5d.create(f.id, b"unwritten", kind, h5py.h5s.create_simple((500,)), create)
        numbers = np.array([1.5, -0.25, 0])
        h5py.h5a.create(f.id, b"a", kind, h5py.h5s.create_simple((3,))).write(numbers)
        h5py.h5a.create(f["contiguous"].id, b"_FillValue", kind, h5py.h5s.create_simple((1,))).write(numbers[:1].copy())
    refs = check_values(path, inline_threshold=0)
    assert not refs.problems
    assert refs.attrs == {"a": [1.5, -0.25, 0]}
    assert refs.arrays["contiguous"].meta.fill_value == 1.5


def test_numbers_that_cannot_be_represented_are_problems(tmp_path, libhdf5):
    """Long doubles, VAX floats, times, and odd floats in records: as datasets and attributes they are named."""
    path, library = tmp_path / "a.h5", libhdf5
    library.H5Tcopy.restype = library.H5Dcreate2.restype = ctypes.c_int64
    library.H5Tcopy.argtypes = library.H5Dclose.argtypes = (ctypes.c_int64,)
    library.H5Tset_norm.argtypes = (ctypes.c_int64, ctypes.c_int)
    library.H5Dcreate2.argtypes = (ctypes.c_int64, ctypes.c_char_p, *[ctypes.c_int64] * 5)
    space, record = h5py.h5s.create_simple((2,)), h5py.h5t.create(h5py.h5t.COMPOUND, 2)
    record.insert(b"x", 0, float_type("bfloat16"))
    whole = library.H5Tcopy(h5py.h5t.IEEE_F32LE.id)
    assert library.H5Tset_norm(whole, 1) >= 0  # the most significant bit of the mantissa is always set, and stored
    kinds = {
        b"vax": ctypes.c_int64.in_dll(library, "H5T_VAX_F64_g").value,
        b"whole": whole,
        b"time": h5py.h5t.UNIX_D64BE.id,
        b"record": record.id,
        b"long": h5py.h5t.NATIVE_LDOUBLE.id,
    }
    if hasattr(library, "H5Tcomplex_create"):
        library.H5Tcomplex_create.argtypes, library.H5Tcomplex_create.restype = (ctypes.c_int64,), ctypes.c_int64
        parts = float_type("moved")
        kinds[b"complex"] = library.H5Tcomplex_create(parts.id)
    with h5py.File(path, "w", libver="latest") as f:
        for name, kind in kinds.items():
            assert library.H5Dclose(library.H5Dcreate2(f.id.id, name, kind, space.id, 0, 0, 0)) >= 0
        f.attrs["long"] = np.longdouble(1)
        h5py.h5a.create(f.id, b"time", h5py.h5t.UNIX_D32LE, space)
    refs = scan(LocalSource(path))
    assert not refs.arrays
    assert not refs.attrs
    features = {p.path: p.feature for p in refs.problems if p.path}
    assert features.pop("complex", "complex number of 8 bytes") == "complex number of 8 bytes"
    assert features == {
        "vax": "VAX floating-point number",
        "whole": "floating-point number without an implied bit",
        "time": "time",
        "record": "compound with 'x': number in 2 bytes that numpy stores otherwise",
        "long": "long double (80 bits in 16 bytes)",
    }
    assert sorted(p.message.split("'")[1] for p in refs.problems if not p.path) == ["long", "time"]


INTEGERS = [h5py.h5t.STD_I16LE, h5py.h5t.STD_I16BE, h5py.h5t.STD_U32LE, h5py.h5t.STD_I64BE, h5py.h5t.STD_U8LE]


@pytest.mark.parametrize("kind", INTEGERS, ids=[i.dtype.str for i in INTEGERS])
@pytest.mark.parametrize("stored", ["contiguous", "chunked", "nbit"])
def test_integers_that_do_not_fill_their_bytes(tmp_path, check_values, kind, stored):
    """They are cut out of their bytes, with their sign; so is their fill value."""
    bits = kind.copy()
    bits.set_precision(8 * kind.get_size() * 3 // 4 - 1)
    bits.set_offset(2)
    data = np.random.default_rng(0).integers(0, 16, (7, 9)).astype(kind.dtype)
    if kind.dtype.kind == "i":
        data -= 8
    create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    create.set_fill_value(np.array(5, kind.dtype))
    if stored != "contiguous":
        create.set_chunk((3, 4))
    if stored == "nbit":
        create.set_filter(5, 0, ())
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        space = h5py.h5s.create_simple(data.shape)
        h5py.h5d.create(f.id, b"v", bits, space, create).write(h5py.h5s.ALL, h5py.h5s.ALL, data)
        h5py.h5d.create(f.id, b"unwritten", bits, space, create)
        h5py.h5a.create(f.id, b"a", bits, h5py.h5s.create_simple((9,))).write(data[0].copy())
    refs = check_values(path, inline_threshold=0)
    assert not refs.problems
    assert refs.attrs["a"] == data[0].tolist()


def test_nbit_of_records(tmp_path):
    """The filter stores the members without what is between them; they are read at their place again."""
    record = h5py.h5t.create(h5py.h5t.COMPOUND, 16)
    record.insert(b"a", 0, h5py.h5t.STD_I16LE)
    record.insert(b"b", 2, h5py.h5t.IEEE_F64BE)
    record.insert(b"c", 10, h5py.h5t.array_create(h5py.h5t.STD_U8LE, (3,)))
    dtype = np.dtype({"names": ["a", "b"], "formats": ["<i2", ">f8"], "offsets": [0, 2], "itemsize": 16})
    data = np.array([(n, n / 2) for n in range(10)], dtype)
    create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    create.set_chunk((4,))
    create.set_filter(5, 0, ())
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        d = h5py.h5d.create(f.id, b"v", record, h5py.h5s.create_simple((10,)), create)
        d.write(h5py.h5s.ALL, h5py.h5s.ALL, data)
    got = read_array(scan(LocalSource(path), inline_threshold=0).arrays["v"], Fetcher())
    assert got["a"].tolist() == data["a"].tolist()
    assert got["b"].tolist() == data["b"].tolist()


def test_enumerations_say_what_their_numbers_mean(tmp_path, check_values):
    """The names of an enumeration become the flag attributes of the CF conventions, unless the file has its own."""
    path = tmp_path / "a.h5"
    kind = h5py.enum_dtype({"land": 0, "open sea": 1, "ice": 40}, "u1")
    with h5py.File(path, "w") as f:
        f.create_dataset("v", data=np.array([0, 40, 1], "u1"), dtype=kind)
        f.create_dataset("w", data=np.array([1], "u1"), dtype=kind).attrs["flag_meanings"] = "own"
    refs = check_values(path)
    attrs = refs.arrays["v"].meta.attrs
    flags = dict(zip(attrs["flag_meanings"].split(), attrs["flag_values"], strict=True))
    assert flags == {"land": 0, "open_sea": 1, "ice": 40}
    assert refs.arrays["w"].meta.attrs["flag_meanings"] == "own"


@pytest.mark.parametrize("kind", ["COMPLEX_IEEE_F32LE", "COMPLEX_IEEE_F64BE"])
def test_complex_numbers_of_hdf5_2(tmp_path, check_values, kind):
    """The native class of complex numbers is the same as a compound of `r` and `i`."""
    if not hasattr(h5py.h5t, kind):
        pytest.skip("this HDF5 has no complex numbers")
    path = tmp_path / "a.h5"
    kind = getattr(h5py.h5t, kind)
    data = np.array([1 + 2j, -3.5j], kind.dtype)
    with h5py.File(path, "w", libver="latest") as f:
        d = h5py.h5d.create(f.id, b"v", kind, h5py.h5s.create_simple((2,)))
        d.write(h5py.h5s.ALL, h5py.h5s.ALL, data, kind)
    assert not check_values(path).problems


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


@pytest.mark.parametrize("rows", [2, 100_000])
@pytest.mark.parametrize("padding", ["STR_SPACEPAD", "STR_NULLTERM", "STR_NULLPAD"])
def test_text_ends_where_hdf5_ends_it(tmp_path, check_values, padding, rows):
    """Spaces at the end, and whatever follows a NUL, are cut as HDF5 cuts them: also where the data are many."""
    path = tmp_path / "a.h5"
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(6)
    kind.set_strpad(getattr(h5py.h5t, padding))
    raw = [b"ab \0x ", b" b    "] if padding != "STR_NULLTERM" else [b"ab\0xyz", b"hello\0"]
    create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    create.set_chunk((min(rows, 1000),))
    create.set_deflate(1)
    with h5py.File(path, "w") as f:
        d = h5py.h5d.create(f.id, b"v", kind, h5py.h5s.create_simple((rows,)), create)
        d.write(h5py.h5s.ALL, h5py.h5s.ALL, np.resize(np.array(raw, "V6"), rows), kind)
        f["clean"] = np.array([b"abc", b"def"])
        record = h5py.h5t.create(h5py.h5t.COMPOUND, 8)
        record.insert(b"n", 0, h5py.h5t.STD_I16LE)
        record.insert(b"s", 2, kind)
        d = h5py.h5d.create(f.id, b"record", record, h5py.h5s.create_simple((2,)))
        d.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array([b"\1\0" + r for r in raw], "V8"), record)
    refs = check_values(path)
    assert not refs.problems
    has_codec = any(codec["id"] == "hdf5_text" for codec in refs.arrays["v"].meta.codecs)
    assert has_codec == (padding != "STR_NULLPAD")
    assert not refs.arrays["clean"].meta.codecs


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize != 16, reason="this machine has no long doubles of 80 bits")
def test_long_doubles_in_attributes_on_request(tmp_path):
    """One, several and the fill value are rounded to 64 bits, with a problem each; else, and in records, left out."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        f.attrs["one"] = np.longdouble(1) / 3
        f.attrs["record"] = np.zeros(1, [("a", np.longdouble)])
        v = f.create_dataset("v", data=np.arange(3, dtype=np.longdouble))
        v.attrs["several"] = np.array([1, np.inf], np.longdouble)
        v.attrs["_FillValue"] = np.longdouble(1)
    assert not scan(LocalSource(path)).groups[""]
    refs = scan(LocalSource(path), long_doubles="float64")
    said = {(p.path, p.message.partition(",")[0]) for p in refs.problems if p.feature == "long double"}
    assert {("", "attribute 'one'"), ("v", "attribute 'several'"), ("v", "attribute '_FillValue'")} <= said
    assert any("attribute 'record' is left out" in p.message for p in refs.problems)
    assert refs.groups[""] == {"one": 1 / 3}
    with xr.open_dataset(refs, engine="chunkmap") as found:
        assert found["v"].attrs["several"].tolist() == [1, np.inf]
        np.testing.assert_array_equal(found["v"], [0, np.nan, 2])
