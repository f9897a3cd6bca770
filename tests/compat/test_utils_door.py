"""The door `kerchunk.utils`."""

import copy
import io
import json
import zipfile

import fsspec
import numcodecs
import numpy as np
import pytest
import zarr
from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper

from kerchunk import utils


def zarray(shape, chunks, dtype="<i4", **more):
    entries = {"shape": shape, "chunks": chunks, "dtype": dtype, "compressor": None, "filters": None}
    return json.dumps(entries | {"fill_value": None, "order": "C", "zarr_format": 2} | more)


@pytest.fixture
def refs(tmp_path):
    """Two arrays in one file of 400 numbers."""
    path = tmp_path / "a.bin"
    path.write_bytes(np.arange(400, dtype="<i4").tobytes())
    return {
        ".zgroup": '{"zarr_format":2}',
        "d/.zarray": zarray([4, 100], [4, 100]),
        "d/.zattrs": '{"_ARRAY_DIMENSIONS":["y","x"]}',
        "d/0.0": [str(path), 0, 1600],
        "s/.zarray": zarray([4], [2]),
        "s/.zattrs": '{"_ARRAY_DIMENSIONS":["y"],"units":"m"}',
        "s/0": [str(path), 0, 8],
        "s/1": [str(path), 8, 8],
    }


def read(refs, name):
    return zarr.open_group(utils.refs_as_store(refs), mode="r", zarr_format=2)[name][...]


@pytest.fixture(autouse=True)
def _nothing_given_is_changed(refs):
    before = copy.deepcopy(refs)
    yield
    assert refs == before


def test_stores_over_references(refs):
    """References open as a Zarr store, over any way to the files, and nothing given is changed."""
    fs, options = fsspec.filesystem("file"), {"auto_mkdir": False}
    for store in (
        utils.refs_as_store(refs),
        utils.refs_as_store({"version": 1, "refs": refs}, remote_protocol="file", remote_options=options),
        utils.refs_as_store(refs, fs=fs),
        utils.fs_as_store(utils.refs_as_fs(refs)),
        utils.fs_as_store(utils.refs_as_fs(refs, asynchronous=False)),
    ):
        group = zarr.open_group(store, mode="r", zarr_format=2)
        np.testing.assert_array_equal(group["d"][...], np.arange(400).reshape(4, 100))
    assert options == {"auto_mkdir": False}
    assert "asynchronous" not in vars(fs)
    assert utils.refs_as_store(refs, True).read_only


def test_filesystem_of_the_other_mode_is_not_changed(tmp_path):
    """A filesystem that is not asynchronous is used through another instance of it."""
    (tmp_path / "x").mkdir()
    sync = AsyncFileSystemWrapper(fsspec.filesystem("file"), asynchronous=False)
    store = utils.fs_as_store(sync)
    assert store.fs.asynchronous
    assert not sync.asynchronous
    fs = fsspec.filesystem("http", asynchronous=False)
    assert utils.fs_as_store(fs).fs.asynchronous
    assert fs.asynchronous is False


def test_dict_to_store_keeps_the_dictionary():
    """The store writes into the dictionary, and takes plain bytes and text that are in it."""
    data = {".zgroup": b'{"zarr_format": 2}', "a/.zattrs": "{}"}
    group = zarr.open_group(utils.dict_to_store(data), zarr_format=2)
    group.create_array("x", shape=(2,), dtype="i4")
    assert "x/.zarray" in data
    assert utils.translate_refs_serializable(data)[".zgroup"] == b'{"zarr_format": 2}'


def test_class_factory_wraps_a_function():
    """The class calls the function with what it was made with, and says what it wraps."""

    def scan(url, storage_options=None, inline_threshold=None, **more):
        return url, storage_options, inline_threshold, more

    made = utils.class_factory(scan)("u", {"a": 1}, 5, skip=2)
    assert made.translate() == ("u", {"a": 1}, 5, {"skip": 2})
    assert str(made) == repr(made)
    assert str(made).startswith("<Single file to zarr processor using ")
    assert str(made).endswith("scan>")


def test_consolidate_makes_json(refs):
    """Bytes become text or base64; a set of version 1, or bare references, are both taken."""
    found = utils.consolidate({"a": b"text", "b": b"\xff\x00", "c": ["u", 0, 1], "d": {"e": 1}})
    assert found == {
        "version": 1,
        "refs": {"a": "text", "b": "base64:/wA=", "c": ["u", 0, 1], "d": {"e": 1}},
    }
    assert utils.consolidate({"version": 1, "refs": refs})["refs"] == refs


def test_encode_for_json_touches_documents_only():
    """Documents are made compact; data that happen to be JSON stay byte for byte."""
    store = {".zgroup": b'{"zarr_format":  2}', "x/0": b"1.50", "x/1": b"\xff", "x/2": ["u", 0, 1], "x/.zattrs": "{"}
    assert utils._encode_for_JSON(store) is store
    assert store == {
        ".zgroup": '{"zarr_format":2}',
        "x/0": "1.50",
        "x/1": "base64:/w==",
        "x/2": ["u", 0, 1],
        "x/.zattrs": "{",
    }


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (np.nan, "f4", "NaN"),
        (-np.inf, "f8", "-Infinity"),
        (np.array([3]), "i4", 3),
        (b"ab", "S2", "YWI="),
        (1 + 2j, "c16", (1.0, 2.0)),
        (np.datetime64("2000-01-01"), "M8[D]", 10957),
        (None, "f4", None),
        (True, "b1", True),
        ("a", "U1", "a"),
        ("a", "O", "a"),
        (1.5, "i4", 1),
    ],
)
def test_fill_values_as_zarr_has_them(value, dtype, expected):
    """Fill values have the form of Zarr's metadata; what is not one value is refused."""
    assert utils.encode_fill_value(value, np.dtype(dtype)) == expected
    with pytest.raises(TypeError):
        utils.encode_fill_value(np.arange(2), np.dtype("i4"))


def test_templateize():
    """A long common beginning becomes a template; a short one, and no text at all, do not."""
    strings = ["s3://bucket/path/a.nc", "s3://bucket/path/b.nc"]
    templates, texts = utils.templateize(strings)
    assert templates == {"u": "s3://bucket/path/"}
    assert [t.format(**templates) for t in texts] == strings
    assert utils.templateize(["abc/x", "abc/y"]) == ({}, ["abc/x", "abc/y"])
    assert utils.templateize(["abc/x", "abc/y"], 4, "v") == ({"v": "abc/"}, ["{v}x", "{v}y"])
    assert utils.templateize([]) == ({}, [])
    assert utils.templateize(["a" * 12] * 2) == ({"u": "a" * 12}, ["{u}", "{u}"])


def test_rename_target(refs, tmp_path):
    """Whole URLs are renamed, templates filled in, and everything else stays."""
    url = str(tmp_path / "a.bin")
    found = utils.rename_target({"version": 1, "refs": {**refs, "w": [url]}}, {url: "s3://b/a.bin"})
    assert found["refs"]["d/0.0"] == ["s3://b/a.bin", 0, 1600]
    assert found["refs"]["w"] == ["s3://b/a.bin"]
    assert found["refs"]["d/.zarray"] == refs["d/.zarray"]
    templated = {"version": 1, "templates": {"u": "x/"}, "refs": {"a": ["{{u}}y", 0, 1], "b": "t"}}
    assert utils.rename_target(templated, {"x/y": "z"})["refs"] == {"a": ["z", 0, 1], "b": "t"}


def test_rename_target_files(tmp_path):
    """A file of references is written anew, or over, in the bytes that kerchunk writes."""
    path, out = tmp_path / "a.json", tmp_path / "b.json"
    path.write_text(json.dumps({"version": 1, "refs": {"a": ["x/y.nc", 0, 1], "b": "té"}}))
    utils.rename_target_files(str(path), {"x/y.nc": "é/z.nc"}, str(out))
    expected = rb'{"version":1,"refs":{"a":["\u00e9\/z.nc",0,1],"b":"t\u00e9"}}'
    assert out.read_bytes() == expected
    utils.rename_target_files(str(path), {"x/y.nc": "é/z.nc"})
    assert path.read_bytes() == expected


def test_do_inline(refs, tmp_path):
    """Chunks below the threshold and referenced documents become bytes, read in few requests."""
    (tmp_path / "doc").write_text("{}")
    given = {**refs, "s/.zattrs": [str(tmp_path / "doc")]}
    found = utils.do_inline({"version": 1, "refs": given}, 10)
    assert found["s/0"] == np.arange(2, dtype="<i4").tobytes()
    assert found["s/.zattrs"] == b"{}"
    assert found["d/0.0"] == refs["d/0.0"]


def test_do_inline_with_a_protocol(range_server):
    """A protocol given for references without one is used, with its options, and near chunks are one request."""
    url = range_server.put("a.bin", bytes(range(100)))
    bare = url.removeprefix("http://")
    found = utils.do_inline(
        {"x/0": [bare, 5, 2], "x/1": [bare, 9, 1]}, 10, remote_options={"block_size": 10}, remote_protocol="http"
    )
    assert found == {"x/0": bytes([5, 6]), "x/1": bytes([9])}
    assert len(range_server.gets) == 1


def test_inline_array(refs):
    """Small arrays, and those named, are held as one chunk each with their attributes; the rest stays."""
    for found in (utils.inline_array(refs, 20), utils.inline_array(refs, 0, names=["s"])):
        assert json.loads(found["s/.zarray"])["chunks"] == [4]
        assert isinstance(found["s/0"], str)
        assert "s/1" not in found
        assert found["s/.zattrs"] == refs["s/.zattrs"]
        assert found["d/0.0"] == refs["d/0.0"]
        np.testing.assert_array_equal(read(found, "s"), np.arange(4))
    assert utils.inline_array(refs, 0) == refs


def test_inline_array_decodes(tmp_path):
    """Compressed, missing and overhanging chunks, groups, scalars and strings are read right before they are held."""
    codec = numcodecs.Zlib(1)
    data = codec.encode(np.array([1, 2, 3], "<i2"))
    (tmp_path / "z").write_bytes(data)
    strings = np.array(["a", "bcd"], object)
    given = {
        ".zgroup": '{"zarr_format":2}',
        "g/.zgroup": '{"zarr_format":2}',
        "g/x/.zarray": zarray([5], [3], "<i2", compressor={"id": "zlib", "level": 1}, fill_value=7),
        "g/x/0": [str(tmp_path / "z"), 0, len(data)],
        "n/.zarray": zarray([], []),
        "n/0": "base64:BQAAAA==",
        "t/.zarray": zarray([2], [1], "|O", filters=[{"id": "vlen-utf8"}]),
        "t/0": bytes(numcodecs.VLenUTF8().encode(strings[:1])),
        "t/1": bytes(numcodecs.VLenUTF8().encode(strings[1:])),
    }
    found = utils.inline_array(given, 100, names=["g.x"])
    np.testing.assert_array_equal(read(found, "g/x"), [1, 2, 3, 7, 7])
    assert read(found, "n") == 5
    assert read(found, "t").tolist() == ["a", "bcd"]


@pytest.mark.parametrize(
    ("factor", "chunks"), [(1, [4, 100]), (2, [2, 100]), (4, [1, 100]), (20, [1, 20]), (400, [1, 1])]
)
def test_subchunk_cuts_exactly(refs, factor, chunks):
    """Chunks are cut into `factor` pieces along the slowest axes, and read the same."""
    for given in (refs, {"version": 1, "refs": refs}):
        found = utils.subchunk(given, "d", factor)
        assert json.loads(found["d/.zarray"])["chunks"] == chunks
        assert sum(key.startswith("d/") for key in found) == factor + 2
        np.testing.assert_array_equal(read(found, "d"), np.arange(400).reshape(4, 100))


def test_subchunk_refuses(refs):
    """Compressed or filtered arrays, inline data, and factors that are none, are refused in kerchunk's words."""
    for codecs in ({"compressor": {"id": "zlib", "level": 1}}, {"filters": [{"id": "zlib", "level": 1}]}):
        with pytest.raises(ValueError, match="Can only subchunk an uncompressed array"):
            utils.subchunk({**refs, "d/.zarray": zarray([4, 100], [4, 100], **codecs)}, "d", 2)
    for factor in (3, 0, -2, 1000):
        with pytest.raises(ValueError, match="Must subchunk by exact integer factor"):
            utils.subchunk(refs, "d", factor)
    with pytest.raises(ValueError, match="Refusing to sub-chunk inlined data"):
        utils.subchunk({**refs, "d/0.0": "base64:AAAA"}, "d", 2)


def archive_of(data, method):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("m.bin", data)
    return file.getvalue()


def test_dereference_archives(tmp_path):
    """Members become ranges of their archive; other references and text stay."""
    path = tmp_path / "a.zip"
    path.write_bytes(archive_of(bytes(range(100)), zipfile.ZIP_STORED))
    url = f"zip://m.bin::{path}"
    given = {"a": [url], "b": [url, 5, 6], "c": ["x", 0, 1], "d": "text"}
    found = utils.dereference_archives({"version": 1, "refs": given})
    content = path.read_bytes()
    for key, expected in (("a", bytes(range(100))), ("b", bytes(range(5, 11)))):
        outer, offset, length = found[key]
        assert outer == str(path)
        assert content[offset : offset + length] == expected
    assert found["c"] == ["x", 0, 1]
    assert found["d"] == "text"


def test_dereference_deflated_members(tmp_path):
    """A deflated member becomes a range that the codec `deflate` decodes, with a warning; a part of one is refused."""
    path = tmp_path / "a.zip"
    path.write_bytes(archive_of(bytes(1000), zipfile.ZIP_DEFLATED))
    url = f"zip://m.bin::{path}"
    with pytest.warns(UserWarning, match="must use DeflateCodec"):
        outer, offset, length = utils.dereference_archives({"a": [url]})["a"]
    stored = path.read_bytes()[offset : offset + length]
    assert outer == str(path)
    assert bytes(numcodecs.get_codec({"id": "deflate"}).decode(stored)) == bytes(1000)
    with pytest.warns(UserWarning, match="DeflateCodec"), pytest.raises(ValueError, match="compressed"):
        utils.dereference_archives({"a": [url, 0, 10]})
