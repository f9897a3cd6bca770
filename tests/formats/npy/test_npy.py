"""NumPy's files: what is read through references is what numpy loads."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import chunkmap
from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.errors import ChunkmapError, FormatError, TruncatedFile, Unsupported
from chunkmap.formats.scanning import scan_source
from chunkmap.io import BytesSource


def saved(array, version=None):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version)
    return file.getvalue()


def loaded(path, **options):
    refs = chunkmap.scan(path, inline_threshold=0, **options)
    (array,) = refs.arrays.values()
    return read_array(array, Fetcher())


dtypes = st.one_of(
    hnp.scalar_dtypes().filter(lambda t: t.kind not in "Mm" or np.datetime_data(t)[0] in "smhDn"),
    hnp.byte_string_dtypes(min_len=1, max_len=5),
    st.sampled_from([np.dtype([("a", "<i2"), ("b", ">f8")]), np.dtype(">U3"), np.dtype("V3")]),
)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_array_is_what_numpy_loads(tmp_path_factory, data):
    """Every type, shape, order and version of the format reads as numpy reads it."""
    dtype = data.draw(dtypes)
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
    raw = data.draw(
        st.binary(min_size=int(np.prod(shape)) * dtype.itemsize, max_size=int(np.prod(shape)) * dtype.itemsize)
    )
    raw = bytes(b & 1 for b in raw) if dtype.kind in "bU" else raw
    array = np.frombuffer(raw, dtype).reshape(shape) if raw else np.zeros(shape, dtype)
    array = np.asfortranarray(array) if data.draw(st.booleans()) else array
    path = tmp_path_factory.mktemp("npy") / "a.npy"
    path.write_bytes(saved(array, data.draw(st.sampled_from([(1, 0), (2, 0), (3, 0)]))))
    found = loaded(path, chunk_nbytes=data.draw(st.sampled_from([None, 16, 100])))
    expected = np.load(path)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    assert found.tobytes() == expected.tobytes()


def test_members_with_titles_are_read_by_their_names(tmp_path):
    """A title, which numpy lets a member have beside its name, is no member of its own."""
    array = np.array([(1, 2.5), (3, 4.5)], [(("how many", "n"), "<i2"), (("how much", "x"), "<f4")])
    np.save(tmp_path / "a.npy", array)
    found = loaded(tmp_path / "a.npy")
    assert found.dtype.names == ("n", "x")
    assert chunkmap.scan(tmp_path / "a.npy").arrays["data"].meta.nested is None
    assert found.tolist() == np.load(tmp_path / "a.npy").tolist()


@pytest.mark.parametrize("order", "<>")
def test_records_are_opened_by_xarray_in_any_byte_order(tmp_path, order):
    """xarray has them in the byte order of the machine, gaps between members as they are."""
    kinds = {"names": ["a", "b"], "formats": ["u1", f"{order}f8"], "offsets": [3, 8], "itemsize": 24}
    values = np.array([(1, 2.5), (3, 4.5)], np.dtype(kinds))
    np.save(tmp_path / "a.npy", values)
    found = chunkmap.open_dataset(tmp_path / "a.npy")["data"].values
    assert found.dtype.isnative
    for member in "ab":
        np.testing.assert_array_equal(found[member], values[member])


@pytest.mark.parametrize("order", "<>")
def test_records_and_arrays_in_records_are_shown_as_numpy_has_them(tmp_path, order):
    """They are laid flat for Zarr; the engine shows them as they were, from a scan and from a set at rest."""
    kinds = np.dtype([("a", f"{order}i2", (2, 3)), ("b", [("c", "u1"), ("d", f"{order}f8")])])
    values = np.frombuffer(bytes(range(2 * kinds.itemsize)), kinds)
    np.save(tmp_path / "a.npy", values)
    refs = chunkmap.scan(tmp_path / "a.npy")
    assert refs.arrays["data"].meta.dtype.names[-2:] == ("b.c", "b.d")
    chunkmap.write(refs, tmp_path / "a.json")
    for opened in (refs, tmp_path / "a.json"):
        found = chunkmap.open_dataset(opened)["data"].values
        assert found.dtype == kinds.newbyteorder("=")
        assert found.astype(kinds).tobytes() == values.tobytes()


def test_chunks_are_cut_along_the_slowest_axes(tmp_path):
    """With `chunk_nbytes` a chunk has at most so many bytes, in either order."""
    for order, chunks in (("C", (1, 20)), ("F", (10, 2))):
        np.save(tmp_path / "a.npy", np.array(np.arange(200.0).reshape(10, 20), order=order))
        array = chunkmap.scan(tmp_path / "a.npy", chunk_nbytes=160, name="v").arrays["v"]
        assert array.meta.chunk_shape == chunks
        assert set(array.chunks.length.tolist()) == {160}


def test_a_second_array_in_the_file_is_a_problem(tmp_path):
    """numpy.save may be called twice for a file: the first array is read, as numpy.load does, and the rest is named."""
    with (tmp_path / "a.npy").open("wb") as file:
        np.save(file, np.arange(3))
        np.save(file, np.arange(4))
    refs = chunkmap.scan(tmp_path / "a.npy")
    np.testing.assert_array_equal(read_array(refs.arrays["data"], Fetcher()), np.load(tmp_path / "a.npy"))
    (problem,) = refs.problems
    assert problem.feature == "bytes after the array"
    assert f"the {128 + 32} bytes from byte {128 + 24} " in problem.message


def test_objects_are_refused(tmp_path):
    """Python objects are pickles: they are refused by name, and nothing of them is read."""
    np.save(tmp_path / "a.npy", np.array([{}, 1], object), allow_pickle=True)
    with pytest.raises(Unsupported, match="pickled"):
        chunkmap.scan(tmp_path / "a.npy")


def test_long_integers_of_python_2(tmp_path):
    """Shapes with long integers, as Python 2 wrote them, are read."""
    header = b"{'descr': '<i4', 'fortran_order': False, 'shape': (3L,), }"
    header += b" " * (118 - len(header) - 1) + b"\n"
    path = tmp_path / "a.npy"
    path.write_bytes(
        b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + np.arange(3, dtype="<i4").tobytes()
    )
    assert loaded(path).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b"{'descr': '<i4', 'fortran_order': False, 'shape': (-3,)}", "expected a shape"),
        (b"{'descr': '<i4', 'fortran_order': 0, 'shape': (3,)}", "expected a shape"),
        (b"{'descr': 'nope', 'fortran_order': False, 'shape': (3,)}", "is no type"),
        (b"{'descr': ',', 'fortran_order': False, 'shape': (3,)}", "is no type"),
        (b"{'descr': '<i4', 'shape': (3,)}", "expected a header with"),
        (b"__import__('os')", "no dictionary"),
        (b"(" * 5000, "no dictionary"),
        (b"-" * 5000 + b"1", "no dictionary"),
    ],
)
def test_wrong_headers_are_refused(header, words):
    """A header that is no description of an array says what was found."""
    data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(100)
    with pytest.raises(FormatError, match=words):
        scan_source(BytesSource(data, "a.npy"))


def test_every_cut_is_an_error():
    """A file that ends anywhere before its last byte is refused."""
    data = saved(np.arange(10))
    for stop in range(1, len(data)):
        with pytest.raises(ChunkmapError):
            scan_source(BytesSource(data[:stop], "a.npy"), format="npy")
    with pytest.raises(TruncatedFile, match="cut short"):
        scan_source(BytesSource(data[:-1], "a.npy"))


def test_archives_are_what_numpy_loads(tmp_path):
    """Each member of a `.npz` is an array, and a range of the archive."""
    given = {
        "x": np.arange(6.0).reshape(2, 3),
        "f": np.asfortranarray(np.arange(12, dtype=">i2").reshape(3, 4)),
        "records": np.zeros(3, [("a", "<i2"), ("b", "S4")]),
        "group/deep/x": np.array(5),
        "empty": np.empty((0, 2)),
    }
    np.savez(tmp_path / "a.npz", **given)
    refs = chunkmap.scan(tmp_path / "a.npz", inline_threshold=0)
    with np.load(tmp_path / "a.npz") as expected:
        assert set(refs.arrays) == set(expected.files)
        for name in expected.files:
            found = read_array(refs.arrays[name], Fetcher())
            assert (found.dtype, found.shape) == (expected[name].dtype, expected[name].shape)
            assert found.tobytes() == expected[name].tobytes()
    assert refs.groups.keys() == {"", "group", "group/deep"}
    assert refs.targets.keys() == {str(tmp_path / "a.npz")}
    assert refs.arrays["f"].meta.dims == ("f_dim_0", "f_dim_1")
    assert not refs.problems


def test_members_without_a_range_are_problems(tmp_path):
    """What is compressed, pickled, no `.npy`, or below another array is named, and what to do; the rest is read."""
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("good.npy", saved(np.arange(3)))
        archive.writestr("good/below.npy", saved(np.arange(3)))
        archive.writestr("small.npy", saved(np.arange(3)), zipfile.ZIP_DEFLATED)
        archive.writestr("text.txt", b"words")
        np.save(tmp_path / "o.npy", np.array([{}], object), allow_pickle=True)
        archive.write(tmp_path / "o.npy", "objects.npy")
    refs = chunkmap.scan(tmp_path / "a.npz", format="npz")
    assert list(refs.arrays) == ["good"]
    said = {problem.path: problem.message for problem in refs.problems}
    assert "numpy.savez" in said["small"]
    assert "pickled" in said["objects"]
    assert "no .npy" in said["text.txt"]
    assert "below the array 'good'" in said["good/below"]
    with pytest.raises(FormatError, match="found none of these files"):
        chunkmap.scan(tmp_path / "a.npz")


def test_compressed_archives_are_refused(tmp_path):
    """Where no array has a reference, as after `savez_compressed`, the archive is refused with remedies that work."""
    np.savez_compressed(tmp_path / "a.npz", x=np.arange(1000))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(tmp_path / "a.npz", "in/a.npz")
    for url in (str(tmp_path / "a.npz"), f"zip://in/a.npz::{tmp_path / 'all.zip'}"):
        with pytest.raises(Unsupported, match=r"numpy\.savez, store it uncompressed") as raised:
            chunkmap.scan(url)
        member = raised.value.message.rpartition("scan it alone: ")[2].strip("'")
        with chunkmap.open_dataset(member) as found:
            assert found["data"].values.tolist() == list(range(1000))


def test_archives_in_archives(tmp_path):
    """A `.npz` inside of a stored ZIP is a range of a range."""
    np.savez(tmp_path / "a.npz", x=np.arange(100.0), y=np.arange(7))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(tmp_path / "a.npz", "in/a.npz")
    refs = chunkmap.scan(f"zip://in/a.npz::{tmp_path / 'all.zip'}", chunk_nbytes=80, inline_threshold=0)
    assert refs.arrays["x"].chunks.urls == (str(tmp_path / "all.zip"),)
    assert read_array(refs.arrays["x"], Fetcher()).tolist() == list(range(100))
    assert read_array(refs.arrays["y"], Fetcher()).tolist() == list(range(7))


def test_every_cut_of_an_archive_is_an_error(tmp_path):
    """An archive that ends early is refused, and so is one in which a header is longer than its member."""
    np.savez(tmp_path / "a.npz", x=np.arange(5))
    data = (tmp_path / "a.npz").read_bytes()
    for stop in range(1, len(data), 7):
        with pytest.raises(ChunkmapError):
            scan_source(BytesSource(data[:stop], "a.npz"), format="npz")
    at = data.index(b"(5,)")
    with pytest.raises(TruncatedFile, match="the array 'x'"):
        scan_source(BytesSource(data[:at] + b"(9,)" + data[at + 4 :], "a.npz"))


@pytest.mark.parametrize("dtype", ["g", "G", [("a", "<i4"), ("b", [("c", "g")])], [("a", "g", 2)]])
def test_long_doubles_are_refused_by_name(tmp_path, dtype):
    """No form of Zarr has them: they are left out when a file is scanned, not when it is read."""
    np.savez(tmp_path / "a.npz", x=np.arange(3), lost=np.zeros(2, dtype))
    refs = chunkmap.scan(tmp_path / "a.npz")
    assert set(refs.arrays) == {"x"}
    assert set(refs.left_out) == {"lost"}
    np.save(tmp_path / "a.npy", np.zeros(2, dtype))
    with pytest.raises(Unsupported, match="have no form in Zarr"):
        chunkmap.scan(tmp_path / "a.npy")


def test_an_archive_without_arrays_is_said_to_be_empty(tmp_path):
    """What `numpy.savez` writes of nothing is an archive of no format: it is said that it is empty."""
    np.savez(tmp_path / "a.npz")
    with pytest.raises(FormatError, match=r"a\.npz: it is empty: there is no file in it"):
        chunkmap.scan(tmp_path / "a.npz")
