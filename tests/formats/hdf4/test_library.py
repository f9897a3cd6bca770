"""What the C library writes and pyhdf does not: annotations, attributes, tables in other files."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

LIBRARY = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("library.py"))))
C, done = LIBRARY.LIBRARY, LIBRARY.done
DATA_LABEL, DATA_DESCRIPTION, FILE_LABEL, FILE_DESCRIPTION = range(4)
RIG, VDATA = 306, 1962


def one_array(path):
    """A file of one array; gives its reference number."""
    with LIBRARY.sd_file(path) as file:
        made = LIBRARY.create(file, "x", np.arange(3, dtype="i2"))
        number = done(C.SDidtoref(made))
        LIBRARY.put(made, np.arange(3, dtype="i2"))
    return number


def test_annotations(scanned, tmp_path):
    """Labels and descriptions that the library writes are attributes of the file and of its array."""
    path = tmp_path / "a.hdf"
    number = one_array(path)
    LIBRARY.annotate(path, [(FILE_LABEL, "one"), (FILE_LABEL, "two"), (FILE_DESCRIPTION, "long\nand wide")])
    LIBRARY.annotate(path, [(DATA_LABEL, "of x"), (DATA_DESCRIPTION, "more")], (LIBRARY.NDG, number))
    refs = scanned(path)
    assert refs.attrs == {"file_label": ["one", "two"], "file_description": "long\nand wide"}
    assert refs.arrays["x"].meta.attrs == {"label": "of x", "description": "more"}


def test_annotations_of_images_and_tables(scanned, tmp_path):
    """What is said of an image and of a table are attributes of the array and of the group."""
    path = tmp_path / "a.hdf"
    table(path)
    file = done(C.Hopen(str(path).encode(), LIBRARY.READ, 0))
    done(C.Vinitialize(file))
    number_of_table = done(C.VSfind(file, b"t"))
    done(C.Vfinish(file))
    done(C.Hclose(file))
    with LIBRARY.gr_file(path, LIBRARY.WRITE) as images:
        made = LIBRARY.create_image(images, "x", np.zeros((2, 3, 1), "u1"))
        LIBRARY.put_image(made, np.zeros((2, 3, 1), "u1"))
    with LIBRARY.gr_file(path, LIBRARY.READ) as images:
        made = done(C.GRselect(images, 0))
        number_of_image = done(C.GRidtoref(made))
        done(C.GRendaccess(made))
    LIBRARY.annotate(path, [(DATA_LABEL, "a picture")], (RIG, number_of_image))
    LIBRARY.annotate(path, [(DATA_DESCRIPTION, "a table")], (VDATA, number_of_table))
    refs = scanned(path)
    assert refs.arrays["x"].meta.attrs == {"label": "a picture"}
    assert refs.groups["t"]["description"] == "a table"


def test_attributes_of_unsigned_characters(scanned, tmp_path):
    """An attribute of unsigned characters has all of its numbers; the library gives the first alone."""
    path = tmp_path / "a.hdf"
    written = np.array([5, 6, 0, 255], "u1")
    with LIBRARY.sd_file(path) as file:
        done(C.SDsetattr(file, b"several", 3, 4, LIBRARY.pointer(written)))
        done(C.SDsetattr(file, b"one", 3, 1, LIBRARY.pointer(written[3:])))
    count, found = LIBRARY.ints(0), np.zeros(4, "u1")
    with LIBRARY.sd_file(path, LIBRARY.READ) as file:
        done(C.SDattrinfo(file, 0, LIBRARY.text(), LIBRARY.ints(0), count))
        done(C.SDreadattr(file, 0, LIBRARY.pointer(found)))
    assert (count[0], found.tolist()) == (1, [5, 0, 0, 0])
    assert scanned(path).attrs == {"several": written.tolist(), "one": 255}


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8"])
def test_attributes_of_every_type(scanned, tmp_path, dtype):
    """Numbers of every type are attributes, one as a number and several as a list."""
    path = tmp_path / "a.hdf"
    written = np.array([1, 100], dtype)
    with LIBRARY.sd_file(path) as file:
        for name, count in ((b"one", 1), (b"two", 2)):
            done(C.SDsetattr(file, name, LIBRARY.TYPES[dtype], count, LIBRARY.pointer(written)))
    assert scanned(path).attrs == {"one": 1, "two": [1, 100]}


def table(path, *, beside=None, records=5):
    """A table of numbers, in its file or in one beside."""
    values = np.array([(n, [n / 2, n / 4]) for n in range(records)], [("a", "i2"), ("b", "f4", 2)])
    file = done(C.Hopen(str(path).encode(), LIBRARY.CREATE, 0))
    done(C.Vinitialize(file))
    made = done(C.VSattach(file, -1, b"w"))
    done(C.VSsetname(made, b"t"))
    done(C.VSfdefine(made, b"a", LIBRARY.TYPES["i2"], 1))
    done(C.VSfdefine(made, b"b", LIBRARY.TYPES["f4"], 2))
    done(C.VSsetfields(made, b"a,b"))
    if beside is not None:
        done(C.VSsetexternalfile(made, beside.encode(), 4))
    assert C.VSwrite(made, LIBRARY.pointer(values), records, 0) == records
    done(C.VSdetach(made))
    done(C.Vfinish(file))
    done(C.Hclose(file))
    return values


@pytest.mark.parametrize("beside", [None, "beside.dat"])
def test_tables_in_a_file_beside(scanned, values, tmp_path, monkeypatch, beside):
    """The records of a table may lie in a file beside: its fields refer to that."""
    monkeypatch.chdir(tmp_path)
    written = table(tmp_path / "a.hdf", beside=beside)
    refs = scanned(tmp_path / "a.hdf")
    (url,) = refs.arrays["t/a"].chunks.urls
    assert url.endswith(beside or "a.hdf")
    for name in "ab":
        np.testing.assert_array_equal(values(refs, f"t/{name}"), written[name])


def test_an_image_has_attributes(scanned, tmp_path):
    """Attributes of an image are those of its array, and those of all images are those of the file."""
    path = tmp_path / "a.hdf"
    pixels = np.arange(6, dtype="u1").reshape(2, 3, 1)
    with LIBRARY.gr_file(path) as images:
        done(C.GRsetattr(images, b"title", LIBRARY.TYPES["S1"], 5, b"hello"))
        made = LIBRARY.create_image(images, "x", pixels)
        done(C.GRsetattr(made, b"units", LIBRARY.TYPES["S1"], 1, b"K"))
        LIBRARY.put_image(made, pixels)
    refs = scanned(path)
    assert refs.attrs == {"title": "hello"}
    assert refs.arrays["x"].meta.attrs == {"units": "K"}


def test_a_stream_that_was_begun_empty(scanned, values, tmp_path):
    """A compressed array that was closed after another was written goes on behind that, from an empty first block."""
    path, numbers = tmp_path / "a.hdf", np.arange(30, dtype="u2").reshape(5, 6)
    with LIBRARY.sd_file(path) as file:
        late = LIBRARY.create(file, "late", numbers)
        LIBRARY.nbit(late, 7, 8)
        done(C.SDwritedata(late, LIBRARY.ints(0, 0), None, LIBRARY.ints(5, 6), LIBRARY.pointer(numbers)))
        LIBRARY.put(LIBRARY.create(file, "between", numbers), numbers)
        done(C.SDendaccess(late))
    refs = scanned(path)
    for number, name in enumerate(("late", "between")):
        np.testing.assert_array_equal(values(refs, name), numbers)
        np.testing.assert_array_equal(LIBRARY.get(path, number, (5, 6), "u2"), numbers)
