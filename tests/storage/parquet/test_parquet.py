"""Parquet at rest: the layout that fsspec reads, its size, its publishing, and damage."""

import json
import shutil
import subprocess
import sys
import threading

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.reference import LazyReferenceMapper, ReferenceFileSystem

import chunkmap
from chunkmap.errors import SourceError, StorageError
from chunkmap.model import WHOLE_FILE, ArrayMeta, ChunkManifest, ManifestArray, ReferenceSet
from chunkmap.storage import load, open_set, write
from chunkmap.storage.parquet import chunks as at_rest
from chunkmap.storage.parquet.cache import PartitionCache


def array(n, *, rows=None, url="a.nc"):
    """An array of n chunks of one value of 4 bytes each, of which `rows` are there."""
    meta = ArrayMeta(shape=(n,), chunk_shape=(1,), dtype=np.dtype("<i4"), dims=("x",))
    rows = np.arange(n) if rows is None else np.asarray(rows, np.int64)
    ones = np.ones(len(rows), np.uint32)
    columns = (ones, rows.astype("u8") * 4, ones.astype("u8") * 4)
    return ManifestArray(meta, ChunkManifest.from_columns((n,), rows, (None, str(url)), columns))


@pytest.fixture
def stored(tmp_path):
    """A set of one array in five partitions, of which the third has no chunk."""
    refs = ReferenceSet({"x": array(50, rows=[*range(20), *range(30, 45)])})
    write(refs, tmp_path / "set.parq", record_size=10)
    return tmp_path / "set.parq"


def test_the_layout_is_the_one_of_fsspec(stored):
    """The directory has the metadata and a file for each partition, with the columns in fsspec's order."""
    metadata = json.loads((stored / ".zmetadata").read_text())
    assert metadata["record_size"] == 10
    assert set(metadata["metadata"]) == {".zgroup", ".zattrs", "x/.zarray", "x/.zattrs"}
    assert sorted(p.name for p in (stored / "x").iterdir()) == [f"refs.{k}.parq" for k in range(5)]
    table = pq.read_table(stored / "x" / "refs.4.parq")
    assert table.column_names == ["path", "offset", "size", "raw"]
    assert table.column("path").to_pylist() == ["a.nc"] * 5 + [None] * 5
    assert [str(table.schema.field(n).type) for n in ("offset", "size")] == ["int64", "int64"]


@pytest.mark.parametrize("engine", ["fastparquet", "pyarrow"])
def test_fsspec_reads_every_key_as_we_do(tmp_path, engine):
    """Ranges, whole files, inline bytes, empty ranges and missing chunks come out of fsspec as they went in."""
    meta = ArrayMeta(shape=(3, 4), chunk_shape=(1, 1), dtype=np.dtype("<i4"))
    chunks = ChunkManifest.from_rows(
        (3, 4),
        [(0, 0), (0, 1), (0, 2), (1, 0), (2, 1), (2, 2)],
        ["a.nc", "b.nc", b"\xff\x00", "a.nc", b"base64:x", b"ab"],
        [2**40, 0, 0, 0, 0, 0],
        [7, WHOLE_FILE, 2, 0, 8, 2],
    )
    scalar = ManifestArray(
        ArrayMeta(shape=(), chunk_shape=(), dtype=np.dtype("<i4")), ChunkManifest.single("c.nc", 3, 4, 0)
    )
    refs = ReferenceSet({"x": ManifestArray(meta, chunks), "s": scalar, "g/h/x": ManifestArray(meta, chunks)})
    write(refs, tmp_path / "set.parq", record_size=4)
    fs = ReferenceFileSystem(str(tmp_path / "set.parq"), remote_protocol="file", target_protocol="file", lazy=True)
    fs.references = LazyReferenceMapper(str(tmp_path / "set.parq"), fs=fsspec.filesystem("file"), engine=engine)
    for path in ("x", "g/h/x"):
        assert fs.references[f"{path}/0.0"] == ["a.nc", 2**40, 7]
        assert isinstance(fs.references[f"{path}/0.0"][1], (int, np.integer))
        assert fs.references[f"{path}/0.1"] == ["b.nc"]
        assert fs.cat_file(f"{path}/0.2") == b"\xff\x00"
        assert fs.cat_file(f"{path}/1.0") == b""
        assert fs.cat_file(f"{path}/2.1") == b"base64:x"
        if engine == "fastparquet":  # the other, with pandas 3, takes NaN for a URL, whoever wrote the set
            assert [key in fs.references for key in (f"{path}/0.3", f"{path}/1.1", f"{path}/2.3")] == [False] * 3
    assert fs.references["s/0"] == ["c.nc", 3, 4]


def test_fsspec_finds_the_protocol_by_itself(tmp_path):
    """Partitions without a chunk do not stop fsspec from guessing the protocol of the targets."""
    (tmp_path / "a.nc").write_bytes(np.arange(50, dtype="<i4").tobytes())
    empty = array(30, rows=[])
    refs = ReferenceSet({"e": empty, "x": array(50, rows=range(20, 50), url=tmp_path / "a.nc"), "f": empty})
    write(refs, tmp_path / "set.parq", record_size=10)
    fs = ReferenceFileSystem(str(tmp_path / "set.parq"))
    assert fs.cat_file("x/21") == np.int32(21).tobytes()


def test_zarr_and_xarray_read_it_through_fsspec(tmp_path):
    """The road that everybody has: fsspec, zarr and xarray give the values, with zeros where chunks are missing."""
    import xarray as xr
    import zarr
    from zarr.storage import FsspecStore

    (tmp_path / "a.nc").write_bytes(np.arange(50, dtype="<i4").tobytes())
    rows = [*range(20), *range(30, 45)]
    write(ReferenceSet({"x": array(50, rows=rows, url=tmp_path / "a.nc")}), tmp_path / "set.parq", record_size=10)
    expected = np.zeros(50, "<i4")
    expected[rows] = rows
    fs = ReferenceFileSystem(str(tmp_path / "set.parq"), remote_protocol="file", asynchronous=True, lazy=True)
    store = FsspecStore(fs, read_only=True, path="")
    assert np.array_equal(zarr.open_group(store, mode="r", zarr_format=2)["x"][:], expected)
    dataset = xr.open_zarr(store, zarr_format=2, consolidated=False, chunks=None)
    assert dataset["x"].dims == ("x",)
    assert np.array_equal(dataset["x"].values, expected)


def test_many_partitions_without_a_chunk_cost_nothing(tmp_path):
    """An array of a billion cells of which ten are there is a few files, and is read back."""
    meta = ArrayMeta(shape=(10**9,), chunk_shape=(1,), dtype=np.dtype("<i4"))
    index = np.arange(10) * 10**8
    columns = (np.ones(10, "u4"), index.astype("u8"), np.ones(10, "u8"))
    refs = ReferenceSet({"x": ManifestArray(meta, ChunkManifest.from_columns((10**9,), index, (None, "a"), columns))})
    write(refs, tmp_path / "set.parq")
    assert len(list((tmp_path / "set.parq" / "x").iterdir())) == 110
    assert load(tmp_path / "set.parq") == refs


def test_equal_sets_give_equal_bytes(tmp_path):
    """The order of the table of sources does not show: every file is the same, byte for byte."""
    meta = ArrayMeta(shape=(4,), chunk_shape=(1,), dtype=np.dtype("<i4"))
    eight = np.full(4, 8, "u8")
    one = ChunkManifest((4,), (None, "a", "b"), np.array([1, 2, 1, 2], "u4"), eight, eight)
    two = ChunkManifest((4,), (None, "z", "b", "a"), np.array([3, 2, 3, 2], "u4"), eight, eight)
    for name, chunks in (("one", one), ("two", two)):
        write(ReferenceSet({"x": ManifestArray(meta, chunks)}), tmp_path / f"{name}.parq", record_size=3)
    files = [p.relative_to(tmp_path / "one.parq") for p in (tmp_path / "one.parq").rglob("*") if p.is_file()]
    assert len(files) == 4
    for name in files:
        assert (tmp_path / "one.parq" / name).read_bytes() == (tmp_path / "two.parq" / name).read_bytes()


def test_realistic_references_are_small(tmp_path):
    """A hundred thousand references with random lengths and long URLs take at most 6.6 bytes each."""
    rng = np.random.default_rng(0)
    n = 100_000
    length = np.clip(rng.normal(800_000, 150_000, n), 1000, None).astype("u8")
    offset = (np.cumsum(length.reshape(100, 1000), 1) - length.reshape(100, 1000) + 20_000).reshape(-1)
    urls = tuple(f"s3://a-bucket-with-a-long-name/model_output/1979/{i:08d}00.CHRTOUT_DOMAIN1.nc" for i in range(100))
    meta = ArrayMeta(shape=(n,), chunk_shape=(1,), dtype=np.dtype("<f4"))
    source = np.repeat(np.arange(1, 101, dtype="u4"), 1000)
    refs = ReferenceSet({"x": ManifestArray(meta, ChunkManifest((n,), (None, *urls), source, offset, length))})
    write(refs, tmp_path / "set.parq")
    assert (tmp_path / "set.parq" / "x" / "refs.0.parq").stat().st_size / n <= 6.6


# ---------------------------------------------------------------------- publishing


def test_a_set_is_replaced_whole(stored):
    """Files of the old set are gone, and nothing is left beside the new one."""
    write(ReferenceSet({"y": array(5)}), stored)
    assert sorted(p.name for p in stored.iterdir()) == [".chunkmap.json", ".zmetadata", "y"]
    assert [p.name for p in stored.parent.iterdir()] == ["set.parq"]


def test_without_an_exchange_of_names_two_renames_do(stored, monkeypatch):
    """Where the system cannot exchange two names, the old set makes way and the new one takes its place."""
    from chunkmap.storage import place

    monkeypatch.setattr(place.sys, "platform", "darwin")
    write(ReferenceSet({"y": array(5)}), stored)
    assert list(load(stored).arrays) == ["y"]
    assert [p.name for p in stored.parent.iterdir()] == ["set.parq"]


def test_a_writer_that_fails_in_the_middle_leaves_the_old_set(stored, monkeypatch):
    """An error between two partitions leaves the old set as it was, and nothing beside it."""
    before = load(stored)
    from chunkmap.storage.parquet import writing

    real, calls = writing.encode_partition, []

    def failing(*args):
        calls.append(args)
        if len(calls) == 3:
            raise OSError("no space left on device")
        return real(*args)

    monkeypatch.setattr(writing, "encode_partition", failing)
    with pytest.raises(OSError, match="no space"):
        write(ReferenceSet({"x": array(50)}), stored, record_size=10)
    assert load(stored) == before
    assert [p.name for p in stored.parent.iterdir()] == ["set.parq"]


def test_a_killed_writer_leaves_the_old_set(stored):
    """A process that dies while it writes leaves the old set whole."""
    before = load(stored)
    code = f"""
import os
from chunkmap.storage import load, write
from chunkmap.storage.parquet import writing
real = writing.encode_partition
def dying(*args):
    if args[3].start >= 20: os._exit(9)
    return real(*args)
writing.encode_partition = dying
write(load({str(stored)!r}), {str(stored)!r}, record_size=10)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert load(stored) == before


def test_readers_see_one_set_or_the_other(tmp_path):
    """While a set is replaced again and again, whoever opens it finds a whole one."""
    path = tmp_path / "set.parq"
    sets = [ReferenceSet({"x": array(20, url=name)}) for name in ("a.nc", "b.nc")]
    write(sets[0], path, record_size=5)
    stop = threading.Event()

    def replace():
        for n in range(40):
            write(sets[n % 2], path, record_size=5)
        stop.set()

    thread = threading.Thread(target=replace)
    thread.start()
    seen = 0
    while not stop.is_set():
        try:
            urls = set(load(path).arrays["x"].chunks.urls)
        except StorageError:
            continue  # opened before, read after: noticed, not mixed
        assert urls in ({"a.nc"}, {"b.nc"})
        seen += 1
    thread.join()
    assert seen


def test_what_is_no_set_is_not_replaced(tmp_path):
    """A directory with other files in it, or a file, is left alone."""
    (tmp_path / "data.parq").mkdir()
    (tmp_path / "data.parq" / "precious.txt").write_text("keep")
    (tmp_path / "file.parq").write_text("keep")
    for name in ("data.parq", "file.parq"):
        with pytest.raises(StorageError, match="not replaced"):
            write(ReferenceSet(), tmp_path / name)
    assert (tmp_path / "data.parq" / "precious.txt").read_text() == "keep"


def test_a_reader_of_an_object_store_never_sees_half(monkeypatch):
    """In a store without renames, whoever opens the set between two changes finds the old one or the new one."""
    url = "memory://half/set.parq"
    write(ReferenceSet({"x": array(5)}), url)
    fs = fsspec.filesystem("memory")
    seen = []

    def watched(name):
        real = getattr(type(fs), name)

        def call(self, *args, **kwargs):
            seen.append(list(load(url).arrays))
            return real(self, *args, **kwargs)

        monkeypatch.setattr(type(fs), name, call)

    for name in ("pipe_file", "cp_file", "rm_file"):
        watched(name)
    write(ReferenceSet({"x": array(5), "y": array(5)}), url)
    assert seen == sorted(seen)
    assert set(map(tuple, seen)) == {("x",), ("x", "y")}
    monkeypatch.undo()
    fs.rm("/half", recursive=True)


def flip(path):
    """Change one byte in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


DAMAGE = {
    "deleted": lambda path: path.unlink(),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-7]),
    "emptied": lambda path: path.write_bytes(b""),
    "flipped": flip,
    "swapped": lambda path: shutil.copy(path.with_name("refs.0.parq"), path),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_partition_is_an_error(stored, how):
    """A partition that is lost, cut, changed or exchanged raises StorageError naming it; the others are read."""
    DAMAGE[how](stored / "x" / "refs.1.parq")
    with pytest.raises(StorageError, match=r"x/refs\.1\.parq"):
        load(stored)
    lazy = open_set(stored).arrays["x"]
    with pytest.raises(StorageError, match=r"x/refs\.1\.parq"):
        lazy.locate(11)
    assert lazy.locate(3) is not None


@pytest.mark.parametrize("without", ["offset", "size"])
def test_half_a_range_is_an_error(stored, without):
    """In a set of another tool, a range that has no beginning, or no length, is not read from the file's beginning."""
    (stored / ".chunkmap.json").unlink()
    path = stored / "x" / "refs.1.parq"
    table = pq.read_table(path)
    at, values = table.column_names.index(without), table.column(without).to_pylist()
    pq.write_table(table.set_column(at, without, pa.array([*values[:3], None, *values[4:]], pa.int64())), path)
    with pytest.raises(StorageError, match=r"x/refs\.1\.parq.*row 3 has an offset or a size, and not both"):
        load(stored)
    for name in ("offset", "size"):  # neither of them is the whole file
        at = table.column_names.index(name)
        table = table.set_column(at, name, pa.array([None] * len(table), pa.int64()))
    pq.write_table(table, path)
    assert load(stored).arrays["x"].manifest().row(11) == ("a.nc", 0, WHOLE_FILE)


def test_a_directory_of_partitions_that_is_gone_is_an_error(stored):
    """All partitions of an array lost at once are noticed as well."""
    shutil.rmtree(stored / "x")
    with pytest.raises(StorageError, match="no such file"):
        load(stored)


def test_a_column_that_holds_something_else_is_an_error(stored):
    """Where no checksum tells, a sound Parquet file with a column of another kind is refused."""
    (stored / ".chunkmap.json").unlink()
    path = stored / "x" / "refs.0.parq"
    table = pq.read_table(path)
    for name, kind in (("raw", [True]), ("raw", [{"a": 1}]), ("offset", ["x"]), ("size", [-1]), ("path", [[1]])):
        pq.write_table(
            table.drop_columns(name if name in table.column_names else []).append_column(name, [kind * 10]), path
        )
        with pytest.raises(StorageError, match=r"refs\.0\.parq"):
            load(stored)


def test_every_flipped_byte_without_a_sidecar_is_an_error_or_a_set(stored):
    """Without checksums no damage does more than raise StorageError, or give a set of the same shape."""
    (stored / ".chunkmap.json").unlink()
    path = stored / "x" / "refs.0.parq"
    data = path.read_bytes()
    for position in range(0, len(data), 5):
        path.write_bytes(data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :])
        try:
            assert load(stored).arrays["x"].chunks.grid_shape == (50,)
        except StorageError as error:
            assert "refs.0.parq" in str(error)  # noqa: PT017 - either is right


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".zmetadata", "{"),
        (".zmetadata", '{"metadata": {}}'),
        (".zmetadata", '{"metadata": {}, "record_size": 0}'),
        (".zmetadata", '{"metadata": {"x/.zarray": {"shape": 1, "chunks": [1], "dtype": "<i2"}}, "record_size": 5}'),
        (".zmetadata", "[]"),
        (".chunkmap.json", "{"),
        (".chunkmap.json", '{"layout": 99}'),
        (".chunkmap.json", '{"layout": 1, "chunkmap": "1", "partitions": {"x": {"a": 1}}}'),
    ],
)
def test_damaged_metadata_are_an_error(stored, name, text):
    """What cannot be metadata, or a sidecar, raises StorageError naming the file."""
    (stored / name).write_text(text)
    with pytest.raises(StorageError, match=name):
        open_set(stored)


def test_a_path_that_climbs_out_of_the_set_is_refused(stored):
    """Metadata that name an array outside the root are not followed."""
    text = (stored / ".zmetadata").read_text().replace("x/.z", "../x/.z")
    (stored / ".zmetadata").write_text(text)
    with pytest.raises(StorageError, match="cannot be the name"):
        open_set(stored)


def test_what_the_layout_cannot_hold_is_refused(tmp_path):
    """The rest of a file of unknown length, and numbers above 63 bits, are refused before anything is written."""
    meta = ArrayMeta(shape=(1,), chunk_shape=(1,), dtype=np.dtype("<i4"))
    for offset, length in ((5, WHOLE_FILE), (0, 2**63), (2**63, 1)):
        refs = ReferenceSet({"x": ManifestArray(meta, ChunkManifest.single("a", offset, length, 1))})
        with pytest.raises(StorageError, match="x/0"):
            write(refs, tmp_path / "set.parq")
    assert list(tmp_path.iterdir()) == []


def test_nothing_there_is_a_source_error(tmp_path):
    """A set that does not exist is told from a damaged one."""
    with pytest.raises(SourceError, match=r"\.zmetadata"):
        load(tmp_path / "none.parq")


# ---------------------------------------------------------------------- sets of other tools


@pytest.mark.filterwarnings("ignore")
def test_a_set_written_by_fsspec_is_read(tmp_path):
    """A set of fsspec's own writer, without a sidecar or files for empty partitions, is read, with a Problem."""
    root = str(tmp_path / "theirs.parq")
    mapper = LazyReferenceMapper.create(root, record_size=10)
    refs = ReferenceSet({"x": array(50, rows=[*range(20), 35])})
    for key, value in refs.to_dict()["refs"].items():
        mapper[key] = value.encode() if isinstance(value, str) else value
    mapper.flush()
    assert sorted(p.name for p in (tmp_path / "theirs.parq" / "x").iterdir()) == [f"refs.{k}.parq" for k in (0, 1, 3)]
    back = load(root)
    assert back == refs
    assert [problem.feature for problem in back.problems] == ["partition without a file"]
    assert open_set(root).arrays["x"].locate(25) is None


# ---------------------------------------------------------------------- laziness


def test_only_touched_partitions_are_read(stored, monkeypatch):
    """A chunk costs the one partition it is in, once; a missing chunk in an empty partition costs nothing."""
    read = []
    real = at_rest.decode_partitions
    monkeypatch.setattr(at_rest, "decode_partitions", lambda files: read.extend(f.where for f in files) or real(files))
    lazy = open_set(stored).arrays["x"]
    assert read == []
    for position in (11, 12, 13, 25, 19):
        lazy.locate(position)
    assert [where.rpartition("/")[2] for where in read] == ["refs.1.parq"]


def test_partitions_that_are_kept_are_bounded():
    """The cache lets go of what was not used for longest, by bytes."""
    one = ChunkManifest.single("a.nc", 0, 4, ndim=1)
    cache, read = PartitionCache(2 * (one.nbytes + one.sources.nbytes)), []
    for number in (0, 1, 0, 2, 0, 1):
        cache.get("x", number, lambda number=number: read.append(number) or one)
    assert read == [0, 1, 2, 1]


def test_threads_share_one_reading(stored, monkeypatch):
    """Many threads that ask for one partition at once have it read once."""
    from concurrent.futures import ThreadPoolExecutor

    read = []
    real = at_rest.decode_partitions
    monkeypatch.setattr(at_rest, "decode_partitions", lambda files: read.extend(f.where for f in files) or real(files))
    lazy = open_set(stored).arrays["x"]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: lazy.locate(n % 10), range(200)))
    assert len(read) == 1
    assert all(found)


def test_a_reader_pickles(stored):
    """A set at rest travels without its chunks and without what was read of it."""
    import pickle

    lazy = open_set(stored)
    before = pickle.dumps(lazy)
    lazy.arrays["x"].locate(11)
    assert pickle.dumps(lazy) == before
    assert pickle.loads(before) == load(stored)


def test_opening_ten_million_references_takes_little_memory(tmp_path):
    """Opening a set of 10**7 references and finding one chunk needs a few MB over the libraries themselves."""
    n = 10**7
    meta = ArrayMeta(shape=(n,), chunk_shape=(1,), dtype=np.dtype("<i4"))
    urls = tuple(f"s3://bucket/some/rather/long/name/of/a/file/{i:06d}.nc" for i in range(10_000))
    source = np.repeat(np.arange(1, 10_001, dtype="u4"), 1000)
    chunks = ChunkManifest((n,), (None, *urls), source, np.arange(n, dtype="u8"), np.full(n, 4, "u8"))
    write(ReferenceSet({"x": ManifestArray(meta, chunks)}), tmp_path / "set.parq")
    code = f"""
import resource
from chunkmap.storage import open_set
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
refs = open_set({str(tmp_path / "set.parq")!r})
chunks, row = refs.arrays["x"].locate(5_000_500)
assert chunks.row(row).offset == 5_000_500
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert float(done.stdout) < 60


@pytest.mark.parametrize("error", [PermissionError("denied"), type("Answer", (Exception,), {"status": 403})()])
def test_a_store_that_may_not_be_listed_needs_no_sidecar(error, monkeypatch):
    """A server that answers 403 for what is not there hides no sidecar; of anything else it is an error."""
    url = "memory://unlisted/set.parq"
    write(ReferenceSet({"x": array(5)}), url)
    fs = fsspec.filesystem("memory")
    fs.rm_file("/unlisted/set.parq/.chunkmap.json")
    real = type(fs).cat_file

    def denying(self, path, *span, **kwargs):
        if not fs.exists(path):
            raise error
        return real(self, path, *span, **kwargs)

    monkeypatch.setattr(type(fs), "cat_file", denying)
    assert load(url) == ReferenceSet({"x": array(5)})
    with pytest.raises(SourceError, match=r"cannot be read|may not be read"):
        load("memory://unlisted/other.parq")


def test_an_array_that_cannot_be_read_is_said_when_the_set_is_opened(tmp_path):
    """A set of another tool with a fill value that is none: the others open, with a warning that names the array."""
    entries = {"shape": [2], "chunks": [2], "compressor": None, "order": "C", "zarr_format": 2}
    metadata = {
        ".zgroup": {"zarr_format": 2},
        "v/.zarray": {**entries, "dtype": "|O", "filters": [{"id": "vlen-utf8"}], "fill_value": [1]},
        "w/.zarray": {**entries, "dtype": "<i2", "filters": None, "fill_value": None},
        "w/.zattrs": {"_ARRAY_DIMENSIONS": ["x"]},
    }
    (tmp_path / "a.parq").mkdir()
    (tmp_path / "a.parq" / ".zmetadata").write_text(json.dumps({"metadata": metadata, "record_size": 10}))
    with pytest.warns(UserWarning, match=r"1 array is left out\. 'v': .* fill_value is \[1\]"):
        opened = chunkmap.open_dataset(tmp_path / "a.parq")
    assert opened.w.values.tolist() == [0, 0]
    assert [problem.path for problem in open_set(tmp_path / "a.parq").problems][:1] == ["v"]
