"""Shards of Zarr v3, flattened: compared with what zarr-python reads from them."""

import json
import shutil
from collections import Counter

import numpy as np
import pytest
import zarr
from fsspec.implementations.reference import ReferenceFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.storage import FsspecStore

import chunkmap
from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.errors import FormatError
from chunkmap.formats.zarr import Options, parse
from chunkmap.io import LocalFolder
from chunkmap.io.rounds.folders import Files, Pieces, answered

pytestmark = [
    pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3"),
    pytest.mark.filterwarnings("ignore:Combining a `sharding_indexed` codec"),
]

GZIP = {"name": "gzip", "configuration": {"level": 1}}


def numcodecs(name):
    """A checksum of numcodecs, as zarr-python has it."""
    return {"name": f"numcodecs.{name}", "configuration": {}}


def transpose(*order):
    """The codec that turns axes."""
    return {"name": "transpose", "configuration": {"order": list(order)}}


@pytest.mark.parametrize("location", ["start", "end"])
@pytest.mark.parametrize("index", ["crc32c", "none", "big", "adler32", "crc32", "fletcher32", "two", "turned"])
def test_every_way_to_write_an_index(tmp_path, stores, index, location):
    """At the start or the end, of either byte order, with any checksums, and with its axes turned."""
    codecs = {
        "crc32c": [stores.little, stores.crc32c],
        "none": [stores.little],
        "big": [stores.big, stores.crc32c],
        "two": [stores.little, numcodecs("crc32"), stores.crc32c],
        "turned": [transpose(2, 0, 1), stores.little, stores.crc32c],
    }.get(index, [stores.little, numcodecs(index)])
    stores.with_codecs(tmp_path, [stores.sharding((5, 4), [stores.little, GZIP], codecs, location)])
    refs = stores.check(tmp_path)
    meta = refs.arrays["a"].meta
    assert meta.chunk_shape == (5, 4)
    assert 0 < len(refs.arrays["a"].chunks) < refs.arrays["a"].chunks.size


@pytest.mark.parametrize("location", ["start", "end"])
@pytest.mark.parametrize(
    "case",
    [
        ([], (10, 12), (5, 6), (1, 2)),
        ([], (8, 8), (8, 8), (8, 4)),
        ([transpose(1, 0)], (10, 20), (5, 10), (5, 2)),
        ([numcodecs("bitround") | {"configuration": {"keepbits": 4}}], (10, 12), (5, 6), (5, 2)),
    ],
)
def test_shards_in_shards(tmp_path, stores, case, location):
    """Two levels of shards, whose axes may be turned, become one level of chunks, by one round of reads a level."""
    before, grid, inner, innermost = case
    nested = stores.sharding(innermost, [stores.little], location=location)
    stores.with_codecs(tmp_path, [*before, stores.sharding(inner, [nested], location=location)], grid=grid)
    stores.check(tmp_path)
    asked = []
    refs = stores.scan(tmp_path, asked=asked)
    assert [type(request) for request in asked] == [Files, Files, Pieces, Pieces]
    turned = innermost[::-1] if before and before[0]["name"] == "transpose" else innermost
    assert refs.arrays["a"].meta.chunk_shape == turned


class Counted(LocalFolder):
    """A folder that keeps what it is asked for: each call is one round over a network."""

    def __init__(self, path):
        super().__init__(path)
        self.rounds = []

    def listing(self, below=""):
        self.rounds.append(("listing", 1))
        return super().listing(below)

    def read_many(self, names, *, optional=False):
        self.rounds.append(("files", len(names)))
        return super().read_many(names, optional=optional)

    def read_into(self, names, ranges, into):
        self.rounds.append(({range_.length for range_ in ranges}, len(names)))
        super().read_into(names, ranges, into)


def two_arrays(root, shards, *, consolidated):
    """A group of two arrays, each of so many shards of 10 chunks."""
    group = zarr.open_group(root, mode="w", zarr_format=3)
    for name in ("x", "y"):
        array = group.create_array(name, shape=(shards * 20,), shards=(20,), chunks=(2,), dtype="i4", compressors=None)
        array[:] = np.arange(1, shards * 20 + 1)
    if consolidated:
        zarr.consolidate_metadata(root)


@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")
@pytest.mark.parametrize("shards", [1, 30])
@pytest.mark.parametrize("consolidated", [True, False])
def test_what_shards_cost_where_they_are_listed(tmp_path, shards, consolidated):
    """One listing, then two rounds however many shards there are: the documents and the indexes, each read once."""
    two_arrays(tmp_path, shards, consolidated=consolidated)
    folder = Counted(tmp_path)
    arrays = answered(folder, parse(folder, Options())).arrays
    assert sum(len(array.chunks) for array in arrays.values()) == 2 * shards * 10
    documents = [("files", 1)] if consolidated else [("files", 1), ("files", 2)]
    assert folder.rounds == [("listing", 1), *documents, ({10 * 16 + 4}, 2 * shards)]


@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")
def test_what_shards_cost_behind_a_server(tmp_path, range_server):
    """Where nothing is listed, each shard is asked once for its length and once for its index, side by side."""
    two_arrays(tmp_path, 30, consolidated=True)
    for file in tmp_path.rglob("*"):
        if file.is_file():
            range_server.put(f"s.zarr/{file.relative_to(tmp_path).as_posix()}", file.read_bytes())
    range_server.latency = 0.05
    refs = chunkmap.scan(range_server.url("s.zarr"), inline_threshold=0)
    assert sum(len(array.chunks) for array in refs.arrays.values()) == 600
    shards = Counter(path for path, *_ in range_server.gets if "/c/" in path) + Counter(range_server.heads)
    asked = [shards[f"/s.zarr/{name}/c/{n}"] for name in "xy" for n in range(30)]
    assert set(asked) == {2}
    assert [length for path, _, length in range_server.gets if path == "/s.zarr/x/c/7"][-1] == 164
    assert range_server.busiest > 5


@settings(max_examples=25)
@given(
    shape=st.lists(st.integers(0, 9), min_size=1, max_size=3),
    data=st.data(),
)
def test_any_shards_read_as_zarr_reads_them(tmp_path_factory, stores, shape, data):
    """Whatever the shape, the shards, the chunks in them and the order of their elements."""
    root = tmp_path_factory.mktemp("store")
    chunks = [data.draw(st.integers(1, 3)) for _ in shape]
    grid = [n * data.draw(st.integers(1, 3)) for n in chunks]
    codecs = data.draw(st.sampled_from([[stores.little], [stores.big, GZIP], [stores.little, stores.crc32c]]))
    if data.draw(st.booleans()):
        codecs = [transpose(*reversed(range(len(shape)))), *codecs]
    location = data.draw(st.sampled_from(["start", "end"]))
    stores.with_codecs(root, [stores.sharding(chunks, codecs, location=location)], shape=shape, grid=grid)
    stores.check(root)
    shutil.rmtree(root)


def test_shards_of_zeros_have_no_reference(tmp_path, stores):
    """A shard of fill values alone is no file, and a chunk of them is not in its shard."""
    group = zarr.open_group(tmp_path, mode="w", zarr_format=3)
    array = group.create_array("a", shape=(8,), shards=(4,), chunks=(2,), dtype="i2", fill_value=0)
    array[4:6] = 1
    chunks = stores.check(tmp_path).arrays["a"].chunks
    assert chunks.keys() == ["2"]
    assert list(chunks.urls) == [f"{tmp_path}/a/c/1"]


def test_chunks_of_a_shard_that_lie_outside_the_array(tmp_path, stores):
    """A shard that hangs over the end has entries for chunks that lie wholly outside: none is a reference."""
    stores.with_codecs(tmp_path, [stores.sharding((2,), [stores.little])], shape=(9,), grid=(8,))
    chunks = stores.check(tmp_path).arrays["a"].chunks
    assert chunks.grid_shape == (5,)
    assert chunks.positions().max() == 4


def rectilinear(tmp_path, stores, lengths, inner):
    """An array of shards of several lengths, each made by zarr-python alone; gives the store, and the values."""
    codecs = [stores.sharding((inner,), [stores.little])]
    parts = [
        stores.with_codecs(tmp_path / f"{number}", codecs, shape=(length,), grid=(length,))
        for number, length in enumerate(lengths)
    ]
    root = tmp_path / "0"
    for number in range(1, len(lengths)):
        shutil.copy(tmp_path / f"{number}/a/c/0", root / f"a/c/{number}")
    grid = {"name": "rectilinear", "configuration": {"kind": "inline", "chunk_shapes": [lengths]}}
    changed(root, lambda document: document.update(shape=[sum(lengths)], chunk_grid=grid))
    return root, np.concatenate(parts)


def test_shards_of_several_lengths(tmp_path, stores):
    """Where the chunks in them divide each shard they are a regular grid, else a problem."""
    root, expected = rectilinear(tmp_path / "even", stores, [40, 60], 10)
    array = stores.scan(root).arrays["a"]
    assert array.meta.edges == ()
    assert array.meta.chunk_shape == (10,)
    np.testing.assert_array_equal(read_array(array, Fetcher()), expected)
    root, _ = rectilinear(tmp_path / "uneven", stores, [40, 60], 20)
    changed(root, lambda document: document["chunk_grid"]["configuration"].update(chunk_shapes=[[50, 50]]))
    (problem,) = stores.scan(root).problems
    assert "are not divided by chunks of 20" in problem.message


def damaged(tmp_path, stores, change, codecs=None):
    """Scan a shard of which some bytes are others."""
    codecs = [stores.sharding((5,), [stores.little], index_codecs=codecs or [stores.little])]
    stores.with_codecs(tmp_path, codecs, shape=(10,), grid=(10,))
    path = tmp_path / "a/c/0"
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)
    with pytest.raises(FormatError) as caught:
        stores.scan(tmp_path)
    assert "a/c/0" in str(caught.value)
    return str(caught.value)


def test_damaged_indexes_are_refused(tmp_path, stores):
    """A wrong checksum, a chunk beyond its shard, half an absent chunk, and a file without room for an index."""

    def beyond(data):
        data[-16:-8] = np.array([10**6], "<u8").tobytes()

    def half(data):
        data[-8:] = b"\xff" * 8

    def cut(data):
        del data[20:]

    def flip(data):
        data[-5] ^= 1

    assert "1000000" in damaged(tmp_path / "beyond", stores, beyond)
    assert "bytes at byte" in damaged(tmp_path / "half", stores, half)
    assert "20 bytes" in damaged(tmp_path / "cut", stores, cut)
    assert "checksum" in damaged(tmp_path / "flip", stores, flip, [stores.little, stores.crc32c])
    assert "checksum" in damaged(tmp_path / "crc32", stores, flip, [stores.little, numcodecs("crc32")])


def changed(root, change):
    """Change the document of the array."""
    path = root / "a/zarr.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d["codecs"].append(GZIP), "compressed as a whole, by 'gzip'"),
        (lambda d: d["codecs"].insert(0, {"name": "numcodecs.delta", "configuration": {}}), "'numcodecs.delta'"),
        (lambda d: d["codecs"][0]["configuration"]["index_codecs"].append(GZIP), "'gzip'"),
        (lambda d: d["codecs"][0]["configuration"].update(chunk_shape=[3]), "not divided by chunks of 3"),
    ],
)
def test_shards_that_cannot_be_opened_are_problems(tmp_path, stores, change, says):
    """What keeps chunks from being ranges of files is said by name, and the array is left out."""
    stores.with_codecs(tmp_path, [stores.sharding((5,), [stores.little])], shape=(10,), grid=(10,))
    changed(tmp_path, change)
    refs = stores.scan(tmp_path)
    assert not refs.arrays
    (problem,) = refs.problems
    assert problem.path == "a"
    assert says in problem.message


def test_a_thousand_indexes_are_columns(tmp_path, stores):
    """References into many shards are one table, with a URL a shard."""
    group = zarr.open_group(tmp_path, mode="w", zarr_format=3)
    array = group.create_array("a", shape=(500,), shards=(10,), chunks=(2,), dtype="u1", compressors=None)
    array[:] = np.arange(500) % 251 + 1
    chunks = stores.check(tmp_path).arrays["a"].chunks
    assert (len(chunks), len(chunks.urls)) == (250, 50)


@pytest.mark.parametrize(("index", "fill", "versions"), [("start", 7, (3,)), ("end", 0, (2, 3))])
def test_whole_shards(tmp_path, index, fill, versions):
    """Shards that are kept whole are one reference each, and read as zarr-python reads them, in either version."""
    values = np.arange(160, dtype=">i4").reshape(16, 10)
    array = zarr.create_array(
        tmp_path / "a.zarr",
        shape=(20, 10),
        shards={"shape": (8, 10), "index_location": index},
        chunks=(4, 5),
        dtype=">i4",
        fill_value=fill,
        compressors=zarr.codecs.GzipCodec(level=1),
        attributes={"_ARRAY_DIMENSIONS": ["y", "x"]},
        zarr_format=3,
    )
    array[:16] = values
    array[:4, :5] = fill
    expected = array[:]
    refs = chunkmap.scan(tmp_path / "a.zarr", shards="whole", inline_threshold=0)
    (found,) = refs.arrays.values()
    assert found.meta.chunk_shape == (8, 10)
    assert len(found.chunks) == 2
    np.testing.assert_array_equal(read_array(found, Fetcher()), expected)
    for version in versions:
        chunkmap.write(refs, tmp_path / "a.json", zarr_format=version)
        again = chunkmap.load(str(tmp_path / "a.json"))
        np.testing.assert_array_equal(read_array(again.arrays[""], Fetcher()), expected)
        opened = zarr.open_array(chunkmap.open_store(str(tmp_path / "a.json")), mode="r")
        np.testing.assert_array_equal(opened[:], expected)
        np.testing.assert_array_equal(opened[9:11, 3:7], expected[9:11, 3:7])


@pytest.mark.parametrize("threshold", [0, 10_000])
@pytest.mark.parametrize("index", ["start", "end"])
def test_whole_shards_in_other_readers(tmp_path, repository, index, threshold):
    """fsspec and Icechunk find the index of a shard within its reference, in a file or inline."""
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=3)
    shards = {"shape": (8, 10), "index_location": index}
    made = group.create_array("x", shape=(20, 10), shards=shards, chunks=(4, 5), dtype="<i4", fill_value=7)
    made[:16] = np.arange(160).reshape(16, 10)
    refs = chunkmap.scan(tmp_path / "a.zarr", shards="whole", inline_threshold=threshold)
    assert refs.arrays["x"].chunks.is_inline.all() == bool(threshold)
    chunkmap.write(refs, tmp_path / "a.json", zarr_format=3)
    files = ReferenceFileSystem(str(tmp_path / "a.json"), asynchronous=True)
    chunkmap.to_icechunk(refs, repository)
    for store in (FsspecStore(files, read_only=True, path=""), repository.readonly_session("main").store):
        np.testing.assert_array_equal(zarr.open_array(store, path="x", mode="r")[...], made[...])


def test_whole_shards_are_compared(tmp_path):
    """`verify` compares shards that are kept whole with what zarr-python reads from the store."""
    group = zarr.open_group(tmp_path / "a", mode="w", zarr_format=3)
    group.create_array("x", shape=(8,), shards=(4,), chunks=(2,), dtype="i2")[:] = np.arange(8) + 1
    chunkmap.write(chunkmap.scan(tmp_path / "a", shards="whole", inline_threshold=0), tmp_path / "a.json")
    report = chunkmap.verify(tmp_path / "a.json", decode="all", compare=True)
    assert not report.notes
    assert report.counts["chunks equal to the original"] == 2


def test_whole_shards_that_are_not_read(tmp_path):
    """Shards of text, and those that are transposed before, are problems; another word is refused."""
    group = zarr.open_group(tmp_path, mode="w", zarr_format=3)
    group.create_array("text", shape=(8,), shards=(4,), chunks=(2,), dtype=str)
    group.create_array(
        "turned",
        shape=(8, 4),
        shards=(4, 4),
        chunks=(2, 2),
        dtype="i2",
        filters=[zarr.codecs.TransposeCodec(order=(1, 0))],
    )
    group.create_array("x", shape=(8,), shards=(4,), chunks=(2,), dtype="i2")
    document = json.loads((tmp_path / "turned/zarr.json").read_text())
    inner = document["codecs"][0]["configuration"]
    document["codecs"] = [inner["codecs"].pop(0), document["codecs"][0]]
    (tmp_path / "turned/zarr.json").write_text(json.dumps(document))
    refs = chunkmap.scan(tmp_path, shards="whole")
    assert {problem.path for problem in refs.problems} == {"text", "turned"}
    assert refs.arrays["x"].meta.chunk_shape == (4,)
    with pytest.raises(ValueError, match="shards is 'closed'"):
        chunkmap.scan(tmp_path, shards="closed")
