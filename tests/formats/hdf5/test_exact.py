"""What users found to be other than HDF5 reads it: texts, names, attributes, elements of odd kinds, short chunks."""

import zlib

import h5py
import hdf5plugin
import numpy as np
import pytest
from numcodecs.jenkins import jenkins_lookup3

import chunkmap
from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array


@pytest.fixture
def path(tmp_path):
    """Where the file is."""
    return tmp_path / "a.h5"


def everywhere(refs, path, name="x"):
    """The values of an array as scanned, and as stored in each form."""
    yield read_array(refs.arrays[name], Fetcher())
    for ending in ("json", "parq"):
        chunkmap.write(refs, path.with_suffix(f".{ending}"))
        yield read_array(chunkmap.load(path.with_suffix(f".{ending}")).arrays[name], Fetcher())


def features(refs):
    """Path and feature of each problem."""
    return {(problem.path, problem.feature) for problem in refs.problems}


def raw_dataset(file, name, values):
    """A dataset whose name is any bytes."""
    space = h5py.h5s.create_simple(values.shape)
    kind = h5py.h5t.py_create(values.dtype)
    h5py.h5d.create(file.id, name, kind, space).write(h5py.h5s.ALL, h5py.h5s.ALL, values)


def test_elements_that_are_arrays_of_arrays(path):
    """Their axes all become axes of the array, scanned and stored."""
    inner = h5py.h5t.array_create(h5py.h5t.array_create(h5py.h5t.STD_I32LE, (3,)), (2,))
    values = np.arange(24, dtype="<i4")
    with h5py.File(path, "w") as file:
        dataset = h5py.h5d.create(file.id, b"x", inner, h5py.h5s.create_simple((4,)))
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, values.view("V24"), inner)
    for found in everywhere(chunkmap.scan(path), path):
        np.testing.assert_array_equal(found, values.reshape(4, 2, 3))


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_text_that_is_no_utf_8_is_latin_1(path, libver):
    """Attributes, their names, texts of variable length, names of datasets, members and link targets."""
    latin = "caf\xe9".encode("latin-1")
    with h5py.File(path, "w", libver=libver) as file:
        raw_dataset(file, latin, np.zeros(2, "i4"))
        file.create_dataset("x", (2,), h5py.string_dtype("ascii"))[:] = [latin, b"plain"]
        file["x"].attrs["fixed"] = np.bytes_(latin)
        file["x"].attrs.create("free", latin, dtype=h5py.string_dtype("ascii"))
    refs = chunkmap.scan(path)
    assert set(refs.arrays) == {"caf\xe9", "x"}
    assert refs.arrays["x"].meta.attrs == {"fixed": "caf\xe9", "free": "caf\xe9"}
    for found in everywhere(refs, path):
        assert found.tolist() == ["caf\xe9", "plain"]


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_two_names_never_become_one(path, libver):
    """Names of other bytes stay two arrays; where both read alike, a problem names the one that is left out."""
    with h5py.File(path, "w", libver=libver) as file:
        for number, name in enumerate((b"(\xb0C)", b"(\xb1C)", "(\xb0C)".encode())):
            raw_dataset(file, name, np.full(2, number, "i4"))
    refs = chunkmap.scan(path)
    assert set(refs.arrays) == {"(\xb0C)", "(\xb1C)"}
    assert features(refs) == {("(\xb0C)", "object")}


def test_opaque_attributes_are_named(path):
    """Bytes that are no text have no JSON value, alone or in a record."""
    with h5py.File(path, "w") as file:
        file.attrs["binary"] = np.void(b"\x80\x03c\xff\x00")
        file.attrs["record"] = np.array([(1, b"\x80\x00")], [("n", "i4"), ("b", "V2")])
    refs = chunkmap.scan(path)
    assert refs.attrs == {}
    assert [problem.message.split("'")[1] for problem in refs.problems] == ["binary", "record"]


def test_names_and_classes_that_are_no_scales(path):
    """NAME and CLASS are hidden of dimension scales alone."""
    with h5py.File(path, "w") as file:
        file.attrs["NAME"] = "Station 7"
        file["x"] = [1]
        file["x"].attrs["CLASS"] = "IMAGE"
        file["scale"] = [1]
        file["scale"].make_scale("scale")
    refs = chunkmap.scan(path)
    assert refs.attrs == {"NAME": "Station 7"}
    assert refs.arrays["x"].meta.attrs == {"CLASS": "IMAGE"}
    assert refs.arrays["scale"].meta.attrs == {}


def test_attributes_of_named_types_are_named(path):
    """A named type that has any is a problem, one without is none."""
    with h5py.File(path, "w") as file:
        file["t"] = np.dtype("i4")
        file["t"].attrs["meaning"] = "counts"
        file["bare"] = np.dtype("i4")
    (problem,) = chunkmap.scan(path).problems
    assert problem.path == "t"
    assert "'meaning'" in problem.message


def text(size, padding):
    """A type of text."""
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(size)
    if size != h5py.h5t.VARIABLE:
        kind.set_strpad(padding)
    return kind


@pytest.mark.parametrize("with_free", [True, False])
def test_text_in_records_ends_where_hdf5_ends_it(path, with_free):
    """At its NUL, or before its spaces; also beside text of variable length, and in attributes."""
    members = [("nul", 8, h5py.h5t.STR_NULLTERM), ("spaces", 8, h5py.h5t.STR_SPACEPAD)]
    record = h5py.h5t.create(h5py.h5t.COMPOUND, 32 if with_free else 16)
    for place, (name, size, padding) in enumerate(members):
        record.insert(name.encode(), 8 * place, text(size, padding))
    if with_free:
        record.insert(b"free", 16, text(h5py.h5t.VARIABLE, 0))
    stored = np.void(b"ab\0JUNK!" + b"hi      ")
    with h5py.File(path, "w") as file:
        h5py.h5d.create(file.id, b"x", record, h5py.h5s.create_simple((1,)))
        fields = [("nul", "S8"), ("spaces", "S8")]
        row = (b"abcJUNK!", b"hi")
        if with_free:
            file["x"][:] = np.array([(*row, b"text")], [*fields, ("free", h5py.string_dtype())])
        else:
            file["x"][:] = np.array([row], fields)
            attribute = h5py.h5a.create(file["x"].id, b"a", record, h5py.h5s.create_simple((1,)))
            attribute.write(np.frombuffer(stored, "V16"), record)
    path.write_bytes(path.read_bytes().replace(b"abcJUNK\0", b"ab\0JUNK\0"))
    refs = chunkmap.scan(path)
    for found in everywhere(refs, path):
        assert found.tolist() == [(b"ab", b"hi", *([b"text"] if with_free else []))]
    assert refs.arrays["x"].meta.attrs == ({} if with_free else {"a": ["ab", "hi"]})


@pytest.mark.parametrize("shape", [(8, 8), (3, 8, 8), (4, 8, 8)])
def test_components_of_jpeg_ls_lie_one_after_another(path, shape):
    """A chunk of several components reads as HDF5 reads it."""
    values = np.arange(np.prod(shape)).reshape(shape).astype("u1")
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=values, chunks=shape, compression=hdf5plugin.FciDecomp())
    for found in everywhere(chunkmap.scan(path), path):
        np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("free", [False, True])
def test_members_that_are_alike_when_laid_flat(path, free):
    """The later one has a number, and no other dataset of the file is lost."""
    kind = [("n", [("x", "f4")]), ("n.x", "f4"), *([("text", h5py.string_dtype())] if free else [])]
    with h5py.File(path, "w") as file:
        file["x"] = np.array([((1,), 2, *([b"a"] if free else []))], kind)
        file["good"] = [1]
    refs = chunkmap.scan(path)
    assert set(refs.arrays) == {"x", "good"}
    for found in everywhere(refs, path):
        assert found.dtype.names[:2] == ("n.x", "n.x_1")
        assert found.tolist()[0][:2] == (1, 2)


def test_a_file_that_is_open_for_writing_is_refused(path):
    """Its superblock says so; HDF5 does not open it either."""
    with h5py.File(path, "w", libver="latest") as file:
        file["x"] = [1, 2]
    raw = bytearray(path.read_bytes())
    raw[11] = 1
    raw[44:48] = jenkins_lookup3(bytes(raw[:44])).to_bytes(4, "little")
    path.write_bytes(raw)
    with pytest.raises(OSError, match="already open for write"):
        h5py.File(path)
    with pytest.raises(chunkmap.Unsupported, match="open for writing"):
        chunkmap.scan(path)


@pytest.mark.parametrize("shape", [(6,), (6, 3)])
def test_last_chunks_that_are_stored_short(path, shape):
    """What its writer left out lies outside the dataset: it reads as HDF5 reads it, from every form."""
    values = np.arange(np.prod(shape), dtype="<i4").reshape(shape)
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("x", shape, "<i4", chunks=(4, *shape[1:]), compression="gzip")
        for start in (0, 4):
            part = zlib.compress(values[start : start + 4].tobytes())
            dataset.id.write_direct_chunk((start, *(0 for _ in shape[1:])), part)
    for found in everywhere(chunkmap.scan(path), path):
        np.testing.assert_array_equal(found, values)


def test_a_chunk_that_is_short_elsewhere_is_refused(path):
    """Only the last chunk may be short."""
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("x", (6,), "<i4", chunks=(4,), compression="gzip")
        dataset.id.write_direct_chunk((0,), zlib.compress(bytes(8)))
    with pytest.raises(chunkmap.FormatError, match="expected a chunk of 4 values"):
        read_array(chunkmap.scan(path).arrays["x"], Fetcher())


@pytest.mark.parametrize("name", ["a\\b", ".zmetadata", "g/.zarray", "zarr.json/x"])
def test_names_that_no_set_can_hold_are_named(path, name):
    """They are left out with a problem, and the others can be stored in every form."""
    with h5py.File(path, "w") as file:
        file["x"] = [1]
        file[name] = [2]
    refs = chunkmap.scan(path)
    assert list(refs.arrays) == ["x"]
    assert (name, "name") in features(refs)
    for found in everywhere(refs, path):
        assert found.tolist() == [1]


def test_other_names_of_a_dataset_are_named(path):
    """A problem names each hard and soft link to a dataset that is under another name."""
    with h5py.File(path, "w") as file:
        file["x"] = [1]
        file["y"] = file["x"]
        file["z"] = h5py.SoftLink("/x")
    assert features(chunkmap.scan(path)) == {("y", "link"), ("z", "link")}
    assert set(chunkmap.scan(path, linked_datasets=True).arrays) == {"x", "y", "z"}


def test_a_damaged_object_costs_no_other(path):
    """It is left out with a problem; a strict scan makes it an error, and so is damage to the root."""
    with h5py.File(path, "w", libver="latest") as file:
        file["good"] = [1, 2]
        file["g/bad"] = np.arange(5)
        file["g/bad"].attrs["a"] = 1
    raw = path.read_bytes()
    with h5py.File(path) as file:
        at = h5py.h5o.get_info(file["g/bad"].id).addr
    path.write_bytes(raw[:at] + b"XXXX" + raw[at + 4 :])
    refs = chunkmap.scan(path)
    assert list(refs.arrays) == ["good"]
    assert {problem.path for problem in refs.problems} == {"g/bad"}
    with pytest.raises(chunkmap.FormatError, match="expected an object header"):
        chunkmap.scan(path, strict=True)
    root = raw.index(b"OHDR")
    path.write_bytes(raw[:root] + b"XXXX" + raw[root + 4 :])
    with pytest.raises(chunkmap.FormatError, match="expected an object header"):
        chunkmap.scan(path)


def test_links_that_users_define_are_named(path):
    """A link of a class that HDF5 leaves to its users leads nowhere here: a problem names it, and the rest is there."""
    with h5py.File(path, "w", track_order=True) as file:
        file["x"] = [1]
        file["link"] = h5py.SoftLink("/x")
    raw = bytearray(path.read_bytes())
    at = raw.index(b"link\x02\x00/x") - 10  # link message: version 1, flags, class
    assert raw[at - 2 : at + 1] == b"\x01\x0c\x01"
    start = raw.rindex(b"OHDR", 0, at)
    ends = range(at + 10, start + 2000)
    end = next(e for e in ends if jenkins_lookup3(bytes(raw[start:e])) == int.from_bytes(raw[e : e + 4], "little"))
    raw[at] = 187
    raw[end : end + 4] = jenkins_lookup3(bytes(raw[start:end])).to_bytes(4, "little")
    path.write_bytes(raw)
    with h5py.File(path) as file:
        assert file.id.links.get_info(b"link").type == 187
    refs = chunkmap.scan(path)
    assert {problem.path for problem in refs.problems} == {"link"}
    for found in everywhere(refs, path):
        assert found.tolist() == [1]
