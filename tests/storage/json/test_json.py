"""JSON at rest: what the text is, how it is published, what is refused."""

import gzip
import json

import numpy as np
import orjson
import pyarrow as pa
import pytest

from chunkmap.errors import SourceError, StorageError, Unsupported
from chunkmap.io.filesystem import locate
from chunkmap.model import WHOLE_FILE, ArrayMeta, ChunkManifest, ManifestArray, ReferenceSet
from chunkmap.storage import load, write
from chunkmap.storage.json import reading as json_module
from chunkmap.storage.publishing import publish_file


@pytest.fixture
def refs():
    """An array with a range, a whole file, inline text and inline bytes; one without axes; a group."""
    meta = ArrayMeta(shape=(2, 3), chunk_shape=(1, 1), dtype=np.dtype("<f4"), attrs={"a": float("nan"), "b": "ü"})
    chunks = ChunkManifest.from_rows(
        (2, 3),
        [(0, 0), (0, 2), (1, 0), (1, 1)],
        ['s3://b/"a".nc', "b.nc", b"text", b"\xff\x00"],
        [5, 0, 0, 0],
        [7, WHOLE_FILE, 4, 2],
    )
    scalar = ArrayMeta(shape=(), chunk_shape=(), dtype=np.dtype("<i4"))
    return ReferenceSet(
        {
            'g/x"y': ManifestArray(meta, chunks),
            "s": ManifestArray(scalar, ChunkManifest.single("c.nc", 1, 4, 0)),
        },
        {"": {"title": "t"}, "g": {}},
    )


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_the_text_is_the_dictionary(tmp_path, refs, zarr_format):
    """The streamed text parses to the dictionary of version 1, and has no space to spare."""
    write(refs, tmp_path / "a.json", zarr_format=zarr_format)
    text, expected = (tmp_path / "a.json").read_bytes(), refs.to_dict(zarr_format=zarr_format)
    assert orjson.loads(text) == json.loads(text) == expected
    assert text == orjson.dumps(expected)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_blocks_join_without_a_seam(tmp_path, zarr_format):
    """An array of more chunks than one block prints as its dictionary does."""
    n = 70_000
    meta = ArrayMeta(shape=(n,), chunk_shape=(1,), dtype=np.dtype("u1"))
    chunks = ChunkManifest(
        (n,), (None, "a", "b"), np.arange(n, dtype="u4") % 2 + 1, np.arange(n, dtype="u8"), np.ones(n, "u8")
    )
    refs = ReferenceSet({"x": ManifestArray(meta, chunks)})
    write(refs, tmp_path / "a.json", zarr_format=zarr_format)
    assert orjson.loads((tmp_path / "a.json").read_bytes()) == refs.to_dict(zarr_format=zarr_format)
    assert load(tmp_path / "a.json") == refs


@pytest.mark.parametrize("ending", ["json", "json.gz", "json.zst"])
def test_equal_sets_give_equal_bytes(tmp_path, refs, ending):
    """Writing twice gives the same file, byte for byte."""
    write(refs, tmp_path / f"a.{ending}")
    write(load(tmp_path / f"a.{ending}"), tmp_path / f"b.{ending}")
    assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


def test_the_name_says_how_it_is_compressed(tmp_path, refs):
    """`.json.gz` is gzip and `.json.zst` is zstd, as other tools read them."""
    import numcodecs

    for ending in ("json", "json.gz", "json.zst"):
        write(refs, tmp_path / f"a.{ending}")
    plain = (tmp_path / "a.json").read_bytes()
    assert gzip.decompress((tmp_path / "a.json.gz").read_bytes()) == plain
    assert (tmp_path / "a.json.zst").read_bytes().startswith(b"\x28\xb5\x2f\xfd")
    assert load(tmp_path / "a.json.zst") == refs
    whole = numcodecs.Zstd().encode(plain)
    (tmp_path / "other.zst").write_bytes(whole)
    assert load(tmp_path / "other.zst") == refs


def test_a_writer_that_fails_leaves_the_old_set(tmp_path, refs):
    """An error in the middle of writing leaves the file that was there, and nothing beside it."""
    write(refs, tmp_path / "a.json")
    before = (tmp_path / "a.json").read_bytes()

    def pieces():
        yield b"{"
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        publish_file(locate(tmp_path / "a.json"), pieces())
    assert (tmp_path / "a.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_version_0_templates_and_documents_are_read(tmp_path):
    """A flat dictionary, plain templates, and documents given as JSON objects with NaN in them are all understood."""
    zarray = {"shape": [1], "chunks": [1], "dtype": "<f4", "zarr_format": 2, "fill_value": None, "order": "C"}
    flat = {"x/.zarray": {**zarray, "compressor": None, "filters": None}, "x/.zattrs": {"v": float("nan")}}
    (tmp_path / "v0.json").write_text(json.dumps({**flat, "x/0": ["s3://b/a", 0, 4]}))
    (tmp_path / "v1.json").write_text(
        json.dumps({"version": 1, "templates": {"u": "s3://b"}, "refs": {**flat, "x/0": ["{{u}}/a", 0, 4]}})
    )
    assert load(tmp_path / "v0.json") == load(tmp_path / "v1.json")
    assert load(tmp_path / "v0.json").arrays["x"].chunks[0].source == "s3://b/a"


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("", StorageError, "cannot be read"),
        ('{"version": 1, "refs": {"x/', StorageError, "cannot be read"),
        ("[1, 2]", StorageError, "expected a JSON object"),
        ('{"version": 3, "refs": {}}', StorageError, "version 3"),
        ('{"x/0": ["a", 0, 4]}', StorageError, "without an array"),
        ('{"version": 1, "refs": {}, "gen": [1]}', StorageError, "gen"),
        ('{"version": 1, "refs": {}, "templates": {"u": "{% if 1 %}"}}', Unsupported, "program"),
    ],
)
def test_what_is_no_set_is_refused_by_name(tmp_path, text, error, words):
    """An error says which file is wrong, and what is wrong with it."""
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(error, match=words) as caught:
        load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("ending", ["json.gz", "json.zst"])
def test_a_compressed_file_that_was_cut_is_refused(tmp_path, refs, ending):
    """Half of a compressed file is an error, not half a set."""
    path = tmp_path / f"a.{ending}"
    write(refs, path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(StorageError, match="cannot be read"):
        load(path)


def test_a_compressed_file_that_was_changed_is_refused(tmp_path, refs):
    """Bytes in the middle that do not inflate, and text that nests without end, are errors of the set."""
    path = tmp_path / "a.json.gz"
    write(refs, path)
    data = bytearray(path.read_bytes())
    data[12:16] = b"\xff" * 4
    path.write_bytes(data)
    with pytest.raises(StorageError, match="cannot be read"):
        load(path)
    path.write_bytes(gzip.compress(b'{"refs": {"a": NaN, "b": ' + b"[" * 100_000))
    with pytest.raises(StorageError, match="cannot be read"):
        load(path)


def test_documents_that_nest_without_end_are_refused(tmp_path):
    """Depth ends in an error of the set, in a dictionary and in every file of a stored one."""
    deep = "[" * 100_000
    with pytest.raises(StorageError, match=r"\.zattrs: expected a JSON document"):
        load({".zgroup": '{"zarr_format": 2}', ".zattrs": deep})
    write(ReferenceSet({}), tmp_path / "set.parq")
    for name in (".chunkmap.json", ".zmetadata"):
        (tmp_path / "set.parq" / name).write_text(deep)
        with pytest.raises(StorageError, match=name):
            load(tmp_path / "set.parq")


def test_blocks_of_many_chunks_are_printed_in_their_order(tmp_path):
    """A set of more chunks than are printed at once is the JSON of its dictionary, odd ones among them included."""
    count = 150_000
    meta = ArrayMeta(shape=(count,), chunk_shape=(1,), dtype=np.dtype("<i4"))
    source, offset = np.ones(count, np.uint32), np.arange(count, dtype=np.uint64)
    length = np.full(count, 4, np.uint64)
    source[70_000], offset[70_000], length[70_001], offset[70_001] = 2, 0, WHOLE_FILE, 0
    chunks = ChunkManifest.from_columns((count,), np.arange(count), (None, "a.nc", b"four"), (source, offset, length))
    refs = ReferenceSet({"x": ManifestArray(meta, chunks)})
    write(refs, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_bytes() == orjson.dumps(refs.to_dict())


def test_a_file_that_is_not_there_is_a_source_error(tmp_path):
    """Nothing to read is told from something damaged."""
    with pytest.raises(SourceError, match="no such file"):
        load(tmp_path / "none.json")


def test_names_that_cannot_be_stored_are_refused(tmp_path, refs):
    """An unknown ending, a path that climbs out, and an array that is a group as well are refused."""
    array = refs.arrays["s"]
    with pytest.raises(StorageError, match=r"\.json"):
        write(refs, tmp_path / "a.txt")
    for name in ("../x", "a//b", "/a"):
        for target in ("a.json", "a.parq"):
            with pytest.raises(StorageError, match="cannot be the name"):
                write(ReferenceSet({name: array}), tmp_path / target)
    with pytest.raises(StorageError, match="an array and a group"):
        write(ReferenceSet({"g": array, "g/x": array}), tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


def test_an_array_at_the_root_is_json_only(tmp_path, refs):
    """A set that is one array without a name is stored as JSON; as Parquet it has no place, and is refused."""
    root = ReferenceSet({"": refs.arrays['g/x"y']}, {})
    write(root, tmp_path / "a.json")
    assert load(tmp_path / "a.json") == root
    assert orjson.loads((tmp_path / "a.json").read_bytes()) == root.to_dict()
    with pytest.raises(StorageError, match="at the root"):
        write(root, tmp_path / "a.parq")


def written(tmp_path, document, **how):
    """A set that another tool wrote."""
    path = tmp_path / "set.json"
    path.write_text(json.dumps(document, **how))
    return path


@pytest.mark.parametrize("part", [1, 7, 64, 300])
@pytest.mark.parametrize("how", [{}, {"separators": (",", ":")}, {"indent": 1}])
@pytest.mark.parametrize("name", ["set.json", "set.json.gz", "set.json.zst"])
def test_a_set_read_in_parts_is_the_set(tmp_path, monkeypatch, part, how, name):
    """Wherever the text is cut: after arrays, inside texts that look like the end of one, with metadata last."""
    monkeypatch.setattr(json_module, "_PART", part)
    zarray = {"shape": [800], "chunks": [4], "dtype": "|S4", "zarr_format": 2}
    odd = ['],"', '\\],"', "]],", '["a", 1, 2],"b"']
    refs = {f"x/{n}": odd[n % 4] if n % 3 == 0 else [f'a],"{n % 2}.nc', n, 4] for n in range(200)}
    nested = {f"y/{n}/0": ["b.nc", n, 1] for n in range(3)}
    document = {"x/.zattrs": {"note": ['],"', [["a"], "b"]]}, **refs, **nested, "x/.zarray": zarray}
    document |= {"y/.zarray": {"shape": [3, 1], "chunks": [1, 1], "dtype": "|u1", "dimension_separator": "/"}}
    text = json.dumps({"version": 1, "refs": document}, **how).encode()
    squeeze = {"json": bytes, "gz": gzip.compress, "zst": zstandard}[name.rpartition(".")[2]]
    (tmp_path / name).write_bytes(squeeze(text))
    asked = []
    real = json_module._gathered
    monkeypatch.setattr(json_module, "_gathered", lambda *a: asked.append(real(*a)) or asked[-1])
    assert load(tmp_path / name) == ReferenceSet.from_dict(document)
    assert asked.count(True) > 2  # it was read in parts


def zstandard(text):
    """Zstandard as a stream writes it."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(text)
    return sink.getvalue().to_pybytes()


def test_what_cannot_be_read_in_parts_is_read_whole(tmp_path, monkeypatch):
    """Templates and `gen` that stand after the references, and NaN, are understood all the same."""
    monkeypatch.setattr(json_module, "_PART", 16)
    refs = {
        "x/.zarray": {"shape": [4], "chunks": [2], "dtype": "<f4", "fill_value": float("nan")},
        "x/0": ["{{u}}", 0, 8],
    }
    gen = [{"key": "x/1", "url": "{{u}}", "offset": "8", "length": "8", "dimensions": {}}]
    path = written(tmp_path, {"version": 1, "refs": refs, "templates": {"u": "a.nc"}, "gen": gen})
    chunks = load(path).arrays["x"].chunks
    assert [tuple(row) for row in chunks.rows()] == [("a.nc", 0, 8), ("a.nc", 8, 8)]


def test_reading_takes_memory_for_the_columns_alone(tmp_path, monkeypatch):
    """Of 200,000 references in 16 MB of text, less than the text is ever held."""
    import tracemalloc

    stem = "s3://bucket/a-path/that-is-long/as-paths-are"
    chunks = {f"x/{n}": [f"{stem}/{n // 1000}.nc", n * 100, 100] for n in range(200_000)}
    zarray = {"shape": [200_000], "chunks": [1], "dtype": "|u1"}
    path = written(tmp_path, {"version": 1, "refs": {"x/.zarray": zarray, **chunks}})
    del chunks
    monkeypatch.setattr(json_module, "_PART", 1 << 18)
    tracemalloc.start()
    refs = load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refs.nchunks == 200_000
    assert peak < path.stat().st_size
