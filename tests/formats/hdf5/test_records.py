"""Records, arrays and regions whose parts lie elsewhere in the file are read as h5py reads them."""

import ctypes

import h5py
import numpy as np
import pytest
import xarray as xr
import zarr

from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.formats.scanning import scan
from chunkmap.frontends.opening import open_store

TEXT = h5py.string_dtype()


def written(tmp_path, fill, **options):
    """The set of a file, and its values by path; nothing is left out of it."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", **options) as file:
        file["data"] = np.arange(20).reshape(4, 5)
        fill(file)
    refs = scan(str(path))
    assert not refs.problems
    return refs, {name: read_array(array, Fetcher()) for name, array in refs.arrays.items()}


@pytest.mark.parametrize("options", [{}, {"chunks": (2,)}, {"chunks": (2,), "compression": "gzip"}])
@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_records_with_everything_in_them(tmp_path, options, version):
    """Numbers, arrays, text, sequences and references stand side by side, each as h5py reads it."""
    plain = [("n", "<i4"), ("axes", ">f4", (2, 2)), ("fixed", "S3"), ("text", TEXT), ("data", h5py.ref_dtype)]
    more = [("sequence", h5py.vlen_dtype("<i2")), ("inner", [("a", "u1"), ("text", TEXT)])]
    dtype = np.dtype([*plain, *more])
    records = np.zeros(5, dtype)
    for row in range(5):
        sequence = np.arange(row, dtype="i2")
        inner = (row, "π" * row)
        records[row] = (row, [[row, 2], [3, 4]], b"abc"[:row], "é" * row, None, sequence, inner)

    def fill(file):
        records["data"] = file["data"].ref
        file.create_dataset("v", data=records[:4], maxshape=(None,) if options else None, **options)
        if options:
            file["v"].resize((5,))
            file["v"][4] = records[4]

    count = 5 if options else 4
    _, values = written(tmp_path, fill, libver=version)
    found = values["v"]
    assert found["n"].tolist() == list(range(count))
    assert found["axes[0,0]"].tolist() == list(map(float, range(count)))
    assert found["axes[1,0]"].tolist() == [3.0] * count
    assert found["fixed"].tolist() == [b"abc"[:row] for row in range(count)]
    assert found["text"].tolist() == [("é" * row).encode() for row in range(count)]
    assert found["data"].tolist() == [b"/data"] * count
    assert found["sequence.length"].tolist() == list(range(count))
    for at in range(count - 1):
        assert found[f"sequence[{at}]"].tolist() == [at if at < row else 0 for row in range(count)]
    assert found["inner.a"].tolist() == list(range(count))
    assert found["inner.text"].tolist() == [("π" * row).encode() for row in range(count)]


def test_records_that_were_never_written(tmp_path):
    """They have the fill value of the file, or nothing in them."""
    dtype = np.dtype([("n", "<i4"), ("text", TEXT), ("data", h5py.ref_dtype), ("s", h5py.vlen_dtype("f8"))])
    _, values = written(tmp_path, lambda file: file.create_dataset("v", (3,), dtype))
    assert values["v"].tolist() == [(0, b"", b"", 0)] * 3


@pytest.mark.parametrize(("length", "chunk"), [(6, 2), (200_000, 2000)])
def test_records_that_were_never_written_are_nothing_to_zarr(tmp_path, length, chunk):
    """zarr takes a null for the number 0 in each member, the text b"0", and fails where there are gaps between them."""
    text = np.dtype([("n", "<i2"), ("s", "S4"), ("u", h5py.string_dtype("utf-8", 3))])
    gaps = np.dtype([("n", "u1"), ("x", "<f8")], align=True)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("contiguous", (3,), text)
        file.create_dataset("scalar", (), gaps)
        file.create_dataset("gaps", (length,), gaps, chunks=(chunk,), fletcher32=True)[:1] = np.ones(1, gaps)
        file.create_dataset("chunked", (length,), text, chunks=(chunk,))[:1] = (1, b"ab", b"c")
    store = open_store(scan(str(tmp_path / "a.h5")))
    with h5py.File(tmp_path / "a.h5") as file:
        for name, dataset in file.items():
            found, expected = zarr.open_array(store, path=name, mode="r")[...], dataset[()]
            for member in expected.dtype.names:
                np.testing.assert_array_equal(found[member], expected[member], name)
    with xr.open_dataset(store, engine="chunkmap", decode_cf=False) as opened:
        assert not any(opened[name].attrs for name in opened)
    if length == 6:  # of few no fill value says it, which xarray could not decode
        with xr.open_zarr(store, consolidated=False) as opened:
            assert opened.chunked.values["s"].tolist() == [b"ab", *[b""] * 5]


def write_array_of_texts(file, texts):
    """A dataset whose elements are arrays of text of variable length, which h5py itself writes only as C does."""
    held = [ctypes.create_string_buffer(text.encode()) for row in texts for text in row]
    addresses = np.array([ctypes.addressof(text) for text in held], np.uint64).reshape(len(texts), -1)
    text = h5py.h5t.C_S1.copy()
    text.set_size(h5py.h5t.VARIABLE)
    kind = h5py.h5t.array_create(text, (len(texts[0]),))
    dataset = h5py.h5d.create(file.id, b"texts", kind, h5py.h5s.create_simple((len(texts),)))
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, addresses, mtype=kind)


def test_elements_that_are_arrays_of_what_lies_elsewhere(tmp_path):
    """Arrays of text, of sequences and of references have axes of their own."""
    texts = [["a", "bc", ""], ["", "π", "x" * 100]]

    def fill(file):
        write_array_of_texts(file, texts)
        for name, base in (("refs", h5py.ref_dtype), ("sequences", h5py.vlen_dtype("i4"))):
            kind = h5py.h5t.array_create(h5py.h5t.py_create(base, logical=True), (2,))
            h5py.h5d.create(file.id, name.encode(), kind, h5py.h5s.create_simple((3,)))

    refs, values = written(tmp_path, fill)
    assert values["texts"].tolist() == texts
    assert refs.arrays["texts"].meta.dims[1:] == ("texts_element_0",)
    assert values["refs"].tolist() == [["", ""]] * 3
    assert [[element.tolist() for element in row] for row in values["sequences"]] == [[[], []]] * 3


@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_regions_that_no_slices_select(tmp_path, version):
    """Points are lists of coordinates and several blocks stand side by side, as numpy would select them."""

    def fill(file):
        data = file["data"]
        regions = file.create_dataset("regions", (3,), dtype=h5py.regionref_dtype)
        space = data.id.get_space()
        space.select_elements(np.array([[2, 3], [0, 1]]))
        regions[0] = h5py.h5r.create(data.id, b".", h5py.h5r.DATASET_REGION, space)
        space.select_hyperslab((0, 0), (2, 2))
        space.select_hyperslab((2, 3), (1, 2), op=h5py.h5s.SELECT_OR)
        regions[1] = h5py.h5r.create(data.id, b".", h5py.h5r.DATASET_REGION, space)
        space.select_hyperslab((0, 0), (2, 1), (2, 1), (1, 2))
        space.select_hyperslab((0, 0), (1, 2), (1, 3), (1, 2))
        regions[2] = h5py.h5r.create(data.id, b".", h5py.h5r.DATASET_REGION, space)

    _, values = written(tmp_path, fill, libver=version)
    assert values["regions"].tolist() == [
        "/data[[2, 0], [3, 1]]",
        "/data[0:2, 0:2] | [2:3, 3:5]",
        "/data[0:1, 0:2] | [0:1, 3:5]",
    ]
    data = np.arange(20).reshape(4, 5)
    with h5py.File(tmp_path / "a.h5") as file:
        assert sorted(file["data"][file["regions"][0]]) == sorted(data[[2, 0], [3, 1]])


def test_sequences_too_long_for_a_record(tmp_path):
    """They are left out by name."""
    dtype = np.dtype([("n", "i4"), ("s", h5py.vlen_dtype("i4"))])
    records = np.zeros(1, dtype)
    records["s"][0] = np.zeros(1001, "i4")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["v"] = records
    (problem,) = scan(str(tmp_path / "a.h5")).problems
    assert "its member 's' has sequences of up to 1001 elements" in problem.message


PARTS = {
    "text": (TEXT, [["a", "bé"], ["c"], []]),
    "fixed text": (np.dtype("S3"), [[b"abc", b"d"], [], [b"e"]]),
    "references": (h5py.ref_dtype, [["/data", "/"], ["/data"], []]),
    "records": (np.dtype([("n", "<i4"), ("x", "<f4")]), [[(1, 0.5), (2, 1.5)], [], [(3, 2.5)]]),
}


@pytest.mark.parametrize("kind", PARTS)
def test_sequences_of_what_is_no_number(tmp_path, kind):
    """They are records of their length and their elements, which are as h5py reads them."""
    base, sequences = PARTS[kind]

    def fill(file):
        dataset = file.create_dataset("v", (len(sequences),), h5py.vlen_dtype(base))
        for place, sequence in enumerate(sequences):
            stored = [file[path].ref for path in sequence] if kind == "references" else sequence
            dataset[place] = np.array(stored, base)

    _, values = written(tmp_path, fill)
    found = values["v"]
    assert found["length"].tolist() == [len(sequence) for sequence in sequences]
    for place, sequence in enumerate(sequences):
        for at, element in enumerate(sequence):
            if kind == "records":
                assert (found[f"[{at}].n"][place], found[f"[{at}].x"][place]) == element
            else:
                wanted = element if isinstance(element, bytes) else element.encode()
                assert found[f"[{at}]"][place] == wanted


def test_sequences_of_sequences(tmp_path):
    """Sequences in sequences, in a record too, are laid out down to their numbers."""
    inner = h5py.vlen_dtype("<i4")
    dtype = np.dtype([("n", "<i2"), ("deep", h5py.vlen_dtype(inner))])

    def fill(file):
        kind = h5py.h5t.py_create(dtype, logical=True)
        dataset = h5py.h5d.create(file.id, b"v", kind, h5py.h5s.create_simple((2,)))
        numbers = [np.array([1, 2], "<i4"), np.array([3], "<i4")]
        held = [_heap(part) for part in numbers]
        table = np.array(held, SEQUENCE)
        raw = np.zeros(2, [("n", "<i2"), ("deep", SEQUENCE)])
        raw["n"], raw["deep"][0] = [7, 8], _heap(table)
        write = ctypes.CDLL(h5py.h5d.__file__, mode=ctypes.RTLD_GLOBAL)
        memory = h5py.h5t.create(h5py.h5t.COMPOUND, raw.itemsize)
        memory.insert(b"n", 0, h5py.h5t.STD_I16LE)
        memory.insert(b"deep", 2, h5py.h5t.vlen_create(h5py.h5t.vlen_create(h5py.h5t.STD_I32LE)))
        write.H5Dwrite.argtypes = [ctypes.c_int64] * 5 + [ctypes.c_void_p]
        assert write.H5Dwrite(dataset.id, memory.id, 0, 0, 0, raw.ctypes.data) == 0

    _, values = written(tmp_path, fill)
    found = values["v"]
    assert found["deep.length"].tolist() == [2, 0]
    assert found["deep[0].length"].tolist() == [2, 0]
    assert (found["deep[0][0]"][0], found["deep[0][1]"][0], found["deep[1][0]"][0]) == (1, 2, 3)
    assert found["n"].tolist() == [7, 8]


SEQUENCE = np.dtype([("length", "<u8"), ("address", "<u8")])
"""A sequence in memory, as the HDF5 library has it."""


def _heap(array):
    return len(array), array.ctypes.data


def test_sequences_of_too_many_members(tmp_path):
    """Sequences of records that would become more members than a record may have are left out by name."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("v", (1,), h5py.vlen_dtype(np.dtype([("a", "i4"), ("b", "i4")])))
        dataset[0] = np.zeros(600, [("a", "i4"), ("b", "i4")])
    (problem,) = scan(str(tmp_path / "a.h5")).problems
    assert "more than 1000 members" in problem.message
