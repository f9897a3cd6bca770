"""Values that lie elsewhere in the file: text and sequences of variable length, references, records with text."""

from functools import partial

import h5py
import numpy as np
import pytest

from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.formats.scanning import scan_source
from chunkmap.io import LocalSource

scan = partial(scan_source, format="hdf5")

RECORD = np.dtype([("n", "<i4"), ("s", h5py.string_dtype()), ("f", "S4")])
RECORDS = np.array([(1, "one", b"x"), (2, "zwölf", b"yy"), (3, "", b"")], RECORD)


def read(path, name, **options):
    refs = scan(LocalSource(path), **options)
    assert not refs.problems
    return read_array(refs.arrays[name], Fetcher())


@pytest.mark.parametrize("layout", [{}, {"chunks": (2,)}, {"chunks": (2,), "compression": "gzip"}])
@pytest.mark.parametrize("dtype", ["<i4", ">f8", "u1"])
def test_sequences_of_variable_length(tmp_path, dtype, layout):
    """Each element is an array, also where nothing was written."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        d = f.create_dataset("v", (7,), h5py.vlen_dtype(np.dtype(dtype)), **layout)
        for n in (0, 1, 3):
            d[n] = np.arange(n + 1).astype(dtype)
    found = read(path, "v")
    assert [element.tolist() for element in found] == [[0], [0, 1], [], [0, 1, 2, 3], [], [], []]
    assert all(element.dtype == dtype for element in found)


def test_text_can_be_given_up_or_left(tmp_path):
    """`null` gives empty text and sequences, `leave` the references into the heap."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        f.create_dataset("v", data=["a", "bcd"], dtype=h5py.string_dtype())
        f.create_dataset("seq", (2,), h5py.vlen_dtype("i4"))[0] = [1, 2]
        f["records"] = RECORDS
    assert read(path, "v").tolist() == ["a", "bcd"]
    assert read(path, "v", vlen_encode="null").tolist() == ["", ""]
    assert [len(e) for e in read(path, "seq", vlen_encode="null")] == [0, 0]
    assert read(path, "records", vlen_encode="null")["s"].tolist() == [b"", b"", b""]
    assert read(path, "v", vlen_encode="leave").dtype == "S16"
    assert read(path, "records", vlen_encode="leave").dtype == [("n", "<i4"), ("s", "S16"), ("f", "S4")]


@pytest.mark.parametrize("layout", [{}, {"chunks": (2,)}, {"chunks": (2,), "compression": "gzip"}])
def test_records_with_text(tmp_path, layout):
    """The text of records is as long as the longest, in UTF-8; nested members are laid flat."""
    path = tmp_path / "a.h5"
    nested = np.dtype([("a", "<f4"), ("r", RECORD)])
    with h5py.File(path, "w") as f:
        f.create_dataset("v", data=RECORDS, **layout)
        f.create_dataset("sparse", (5,), RECORD, chunks=(2,))[2:4] = RECORDS[:2]
        f.create_dataset("nested", data=np.array([(0.5, RECORDS[1])], nested))
    found = read(path, "v")
    assert found["n"].tolist() == [1, 2, 3]
    assert found["s"].tolist() == [b"one", "zwölf".encode(), b""]
    assert found["f"].tolist() == [b"x", b"yy", b""]
    assert read(path, "sparse").tolist()[0] == (0, b"", b"")
    assert read(path, "sparse")["s"].tolist() == [b"", b"", b"one", "zwölf".encode(), b""]
    assert read(path, "nested").dtype.names == ("a", "r.n", "r.s", "r.f")


def test_object_references_are_paths(tmp_path):
    """A reference is the path of what it refers to; one to nothing is empty."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        f["g/v"] = 1
        d = f.create_dataset("refs", (4,), h5py.ref_dtype, chunks=(2,))
        d[0], d[1] = f["g/v"].ref, f["g"].ref
    assert read(path, "refs").tolist() == ["/g/v", "/g", "", ""]
