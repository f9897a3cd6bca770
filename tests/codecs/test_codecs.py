"""The codecs that references name: their ids, configurations, and what they decode."""

import io
import json
import zipfile

import numcodecs
import numpy as np
import pytest

from chunkmap.codecs import register
from chunkmap.codecs.deflate import DeflateCodec
from chunkmap.codecs.fill_hdf_strings import FillStringsCodec
from chunkmap.codecs.record_member import RecordArrayMember
from chunkmap.errors import FormatError

IDS = np.array([b"a" * 16, b"b" * 15 + b"\0"], "S16")
RECORDS = np.array([(1, b"a" * 16), (2, b"b" * 15)], [("n", "<i4"), ("s", "S16")])
MAP = {"a" * 16: "hello", "b" * 15: "you"}


def member_bytes(method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("a.bin", b"abcd" * 100)
    return file.getvalue()


@pytest.mark.parametrize(
    ("codec", "name"),
    [
        (FillStringsCodec("|S16", MAP), "fill_hdf_strings"),
        (FillStringsCodec([["n", "<i4"], ["s", "S16"]]), "fill_hdf_strings"),
        (RecordArrayMember("n", [["n", "<i4"], ["s", "S16"]]), "record_member"),
        (DeflateCodec(), "deflate"),
    ],
)
def test_ids_and_configurations_are_a_wire_format(codec, name):
    """A codec's configuration goes through JSON and gives the same codec; ids are those of data already written."""
    register()
    config = json.loads(json.dumps(codec.get_config()))
    assert config["id"] == name
    assert numcodecs.get_codec(config).get_config() == codec.get_config()


def test_codecs_are_found_by_their_entry_points():
    """The project names each codec, under its id, to numcodecs."""
    import tomllib
    from importlib import import_module
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    points = project["project"]["entry-points"]["numcodecs.codecs"]
    for codec in (DeflateCodec, FillStringsCodec, RecordArrayMember):
        module, _, name = points[codec.codec_id].partition(":")
        assert getattr(import_module(module), name) is codec
    for point_name, point in project["project"]["entry-points"]["zarr.codecs"].items():
        module, _, name = point.partition(":")
        configuration = {"axis": 0} if point_name == "chunkmap.trim" else {}
        codec = getattr(import_module(module), name).from_dict({"name": point_name, "configuration": configuration})
        assert codec.to_dict()["name"] == point_name


@pytest.mark.parametrize(
    ("id_map", "expected"), [(None, [None, None]), ("", ["", ""]), ("x", ["x", "x"]), (MAP, ["hello", "you"])]
)
def test_references_become_strings(id_map, expected):
    """Each reference becomes its string, or the one constant; in records, the members of text do."""
    found = FillStringsCodec("|S16", id_map).decode(IDS.tobytes())
    assert found.dtype == object
    assert found.tolist() == expected
    for dtype in ([("n", "<i4"), ("s", "S16")], "[('n', '<i4'), ('s', 'S16')]", [["n", "<i4"], ["s", "S16"]]):
        records = FillStringsCodec(dtype, id_map).decode(RECORDS.tobytes())
        assert records["n"].tolist() == [1, 2]
        assert records["s"].tolist() == expected
    out = np.empty(2, object)
    assert FillStringsCodec("|S16", id_map).decode(IDS.tobytes(), out=out) is out
    assert out.tolist() == expected


def test_references_that_are_no_utf8():
    """A reference whose bytes are no UTF-8 is looked up as Latin-1."""
    raw = b"\xff\xc3" + b"a" * 14
    assert FillStringsCodec("|S16", {raw.decode("latin-1"): "q"}).decode(raw).tolist() == ["q"]


def test_unknown_reference_is_an_error():
    """A reference that the map does not have is an error that shows it."""
    with pytest.raises(ValueError, match="bbbb"):
        FillStringsCodec("|S16", {"a" * 16: "hello"}).decode(IDS.tobytes())


def test_member_of_records():
    """One member is read, contiguous; nested and array members too; an unknown one is refused at once."""
    dtype = np.dtype([("n", "<i4"), ("v", "<f8", (2,)), ("s", "S3")])
    records = np.array([(1, (2, 3), b"a"), (4, (5, 6), b"b")], dtype)
    spec = [["n", "<i4"], ["v", "<f8", [2]], ["s", "S3"]]
    np.testing.assert_array_equal(RecordArrayMember("v", spec).decode(records.tobytes()), [[2, 3], [5, 6]])
    assert RecordArrayMember("s", spec).decode(records.tobytes()).tolist() == [b"a", b"b"]
    out = np.empty(2, "<i4")
    RecordArrayMember("n", spec).decode(records.tobytes(), out=out)
    assert out.tolist() == [1, 4]
    with pytest.raises(ValueError, match="'z'"):
        RecordArrayMember("z", spec)


def test_deflated_member_is_inflated():
    """A deflated ZIP member is inflated, whatever follows it, and whether or not its sizes stand in its header."""
    assert bytes(DeflateCodec().decode(member_bytes())) == b"abcd" * 100
    file = io.BytesIO()

    class Stream(io.RawIOBase):
        def writable(self):
            return True

        def write(self, data):
            return file.write(data)

    with zipfile.ZipFile(Stream(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.bin", b"abcd" * 100)
    assert file.getvalue()[6] & 8
    assert bytes(DeflateCodec().decode(file.getvalue())) == b"abcd" * 100


def test_a_stored_member_is_given_as_it_is():
    """A member that is stored stands behind its header."""
    with zipfile.ZipFile(io.BytesIO(member_bytes(zipfile.ZIP_STORED))) as archive:
        stop = archive.start_dir
    assert bytes(DeflateCodec().decode(member_bytes(zipfile.ZIP_STORED)[:stop])) == b"abcd" * 100


def test_what_is_no_member_is_refused():
    """Bytes without a header, a stored member with more behind it, another method, a member cut short, and damage."""
    whole = member_bytes()
    damaged = whole[:35] + b"\xff" * 11 + whole[46:]
    other = whole[:14] + b"\0" + whole[15:]
    wrong = [b"", b"x" * 50, member_bytes(zipfile.ZIP_STORED), member_bytes(zipfile.ZIP_BZIP2), whole[:40], damaged]
    for data in (*wrong, other):
        with pytest.raises(FormatError):
            DeflateCodec().decode(data)


@pytest.mark.parametrize("codec", [FillStringsCodec("|S16"), RecordArrayMember("n", [["n", "<i4"]]), DeflateCodec()])
def test_nothing_is_encoded(codec):
    """These codecs only read."""
    with pytest.raises(NotImplementedError):
        codec.encode(b"")
