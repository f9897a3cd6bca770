"""What is read out of Icechunk is what the native libraries read from the files."""

import itertools
import os
from pathlib import Path

import fsspec
import h5py
import hdf5plugin
import icechunk
import netCDF4
import numpy as np
import pytest
import xarray as xr
import zarr
from zarr.buffer.cpu import buffer_prototype

import chunkmap
from chunkmap.errors import StorageError, Unsupported
from chunkmap.io import open_source
from chunkmap.io.filesystem import locate
from chunkmap.model import WHOLE_FILE, ArrayMeta, ChunkManifest, ManifestArray, ReferenceSet, Target
from chunkmap.model.meta import same_attrs
from chunkmap.storage.icechunk import chunks, writing
from chunkmap.storage.icechunk import repository as writer
from chunkmap.storage.icechunk.repository import awaited, open_here

pytestmark = [
    pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3 specification"),
    pytest.mark.filterwarnings("ignore:The data type"),
]

KINDS = {"netcdf4": "h5netcdf", "netcdf3": "scipy"}


def write_netcdf4(path):
    """Filters, packing, fill values, missing chunks, text, edges of chunks, contiguous data, groups."""
    rng = np.random.default_rng(0)
    with netCDF4.Dataset(path, "w") as f:
        for name, size in (("time", None), ("x", 50), ("length", 4)):
            f.createDimension(name, size)
        f.title, f.numbers = "a title", np.array([1.5, 2.5])
        time = f.createVariable("time", "f8", ("time",), chunksizes=(4,))
        time.units, time[:] = "hours since 2001-01-01", np.arange(9)
        options = {
            "plain": {},
            "shuffled": {"zlib": True, "shuffle": True},
            "checked": {"zlib": True, "fletcher32": True},
            "zstd": {"compression": "zstd"},
            "szip": {"compression": "szip"},
            "bzip2": {"compression": "bzip2"},
            "blosc": {"compression": "blosc_lz4"},
        }
        for name, how in options.items():
            field = f.createVariable(name, "f4", ("time", "x"), chunksizes=(2, 30), **how)
            field[:] = rng.integers(0, 20, (9, 50))
        masked = f.createVariable("masked", "f4", ("time", "x"), chunksizes=(1, 50), zlib=True, fill_value=-9.0)
        masked[0:8:2] = rng.random((4, 50), np.float32)
        f.createVariable("zeros", "i4", ("time", "x"), chunksizes=(3, 50))[4] = 0
        packed = f.createVariable("packed", "i2", ("time", "x"), chunksizes=(9, 25), zlib=True, fill_value=-1)
        packed.scale_factor, packed.add_offset = 0.5, 10.0
        packed[:] = rng.integers(10, 90, (9, 50))
        f.createVariable("big", ">f8", ("x",), endian="big")[:] = rng.random(50)
        f.createVariable("names", str, ("x",))[:] = np.array([f"é{n}" * (n % 3) for n in range(50)], object)
        f.createVariable("characters", "S1", ("x", "length"))[:] = np.full((50, 4), b"c")
        f.createVariable("scalar", "i8")[:] = 7
        g = f.createGroup("g/h")
        g.note = "in a group"
        g.createVariable("w", "u1", ("x",), zlib=True)[:] = np.arange(50)


def write_netcdf3(path):
    """Record variables, whose records are interleaved, and fixed ones."""
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as f:
        f.createDimension("time", None)
        f.createDimension("x", 50)
        f.createVariable("time", "f8", ("time",))[:] = np.arange(6)
        f.createVariable("field", "f4", ("time", "x"))[:] = np.arange(300).reshape(6, 50)
        f.createVariable("count", "i2", ("time",))[:] = np.arange(6)
        f.createVariable("fixed", "f8", ("x",))[:] = np.arange(50)


def assert_same(store, path, engine, group=None):
    """A group of the store is what xarray reads of the file; text of any length has other types in Zarr v3."""
    options = {} if engine == "scipy" else {"group": group}
    with xr.open_dataset(path, engine=engine, **options) as native:
        stored = xr.open_zarr(store, group=group, consolidated=False, chunks=None)
        xr.testing.assert_identical(stored.load(), native.load())
        for name, variable in stored.variables.items():
            assert variable.dtype == native.variables[name].dtype or variable.dtype.kind in "TO"


@pytest.mark.parametrize("threshold", [0, 150])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_read_is_what_is_in_the_file(tmp_path, repository, kind, threshold):
    """Every codec, type and kind of missing data reads as in the file: by reference, or where it is inline."""
    path = str(tmp_path / "data.nc")
    {"netcdf4": write_netcdf4, "netcdf3": write_netcdf3}[kind](path)
    chunkmap.to_icechunk(chunkmap.scan(path, inline_threshold=threshold), repository)
    store = repository.readonly_session("main").store
    assert_same(store, path, KINDS[kind])
    if kind == "netcdf4":
        assert_same(store, path, "h5netcdf", "g/h")


def test_filters_of_plugins_read_as_h5py_reads_them(tmp_path, repository):
    """Codecs that only chunkmap brings to Zarr decode what h5py decodes."""
    values = np.arange(4000, dtype="<i4").reshape(40, 100) // 7
    filters = {"lz4": hdf5plugin.LZ4(), "bitshuffle": hdf5plugin.Bitshuffle(), "blosc": hdf5plugin.Blosc()}
    with h5py.File(tmp_path / "data.h5", "w") as f:
        for name, how in filters.items():
            f.create_dataset(name, data=values, chunks=(9, 100), **how)
        f.create_dataset("lzf", data=values, chunks=(9, 100), compression="lzf")
    chunkmap.to_icechunk(chunkmap.scan(tmp_path / "data.h5", inline_threshold=0), repository)
    group = zarr.open_group(repository.readonly_session("main").store, mode="r")
    for name in (*filters, "lzf"):
        np.testing.assert_array_equal(group[name][:], values)


def test_names_of_files_are_taken_literally(tmp_path, repository):
    """Characters that mean something in URLs are in the names of files, and those are what is read."""
    names = ["a b.bin", "a#b.bin", "a?b.bin", "a%41b.bin", "ü&'+=.bin"]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(bytes([number] * 4))
    urls = [str(tmp_path / name) for name in names]
    refs = numbered(urls, [0] * 5, [4] * 5, targets={url: Target(size=4, mtime=2e9) for url in urls})
    chunkmap.to_icechunk(refs, repository)
    stored = zarr.open_array(repository.readonly_session("main").store, path="x", mode="r")
    assert stored[:].tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4]


def numbered(sources, offsets, lengths, targets=None):
    """A set with one array `x` of bytes, four in a chunk."""
    meta = ArrayMeta(shape=(4 * len(sources),), chunk_shape=(4,), dtype=np.dtype("u1"))
    cells = [(n,) for n in range(len(sources))]
    chunks = ChunkManifest.from_rows(meta.grid_shape, cells, sources, offsets, lengths)
    return ReferenceSet({"x": ManifestArray(meta, chunks)}, targets=targets or {})


# ---------------------------------------------------------------------- checksums


def test_a_file_that_changed_is_not_read(tmp_path, repository):
    """Time of change, as of the scan: what is there later is refused, though it is just as long."""
    file = tmp_path / "data.bin"
    file.write_bytes(bytes(8))
    changed = file.stat().st_mtime
    refs = numbered([str(file)], [0], [4], targets={str(file): Target(size=8, mtime=changed)})
    chunkmap.to_icechunk(refs, repository)
    stored = zarr.open_array(repository.readonly_session("main").store, path="x", mode="r")
    assert stored[:].tolist() == [0, 0, 0, 0]
    os.utime(file, (changed + 2, changed + 2))
    with pytest.raises(icechunk.IcechunkError, match="checksum"):
        stored[:]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_etags_decide_in_s3(make_repository, monkeypatch):
    """An object that was replaced within the second is refused by its etag; one that was not is read."""
    from moto.server import ThreadedMotoServer

    for name, value in (
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        endpoint = "http://{}:{}".format(*server.get_host_and_port())
        files = fsspec.filesystem("s3", endpoint_url=endpoint, use_listings_cache=False, skip_instance_cache=True)
        files.mkdir("etags")
        files.pipe("etags/a #1.bin", bytes(range(8)))
        url = "s3://etags/a #1.bin"
        with open_source(url, storage_options={"endpoint_url": endpoint}) as source:
            targets = {url: source.target()}
        store = icechunk.s3_store(
            region="us-east-1", endpoint_url=endpoint, allow_http=True, force_path_style=True, s3_compatible=True
        )
        credentials = icechunk.s3_static_credentials(access_key_id="x", secret_access_key="x")
        access = icechunk.containers_credentials({"s3://etags/": credentials})["s3://etags/"]
        repository = make_repository({"s3://etags/": (store, access)})
        chunkmap.to_icechunk(numbered([url], [2], [4], targets=targets), repository)
        stored = zarr.open_array(repository.readonly_session("main").store, path="x", mode="r")
        assert stored[:].tolist() == [2, 3, 4, 5]
        files.pipe("etags/a #1.bin", bytes(8))
        with pytest.raises(icechunk.IcechunkError, match="checksum"):
            stored[:]
    finally:
        server.stop()


def test_a_file_of_which_nothing_is_known_is_said(tmp_path, repository):
    """Without etag or time of change there is no checksum, and a warning says of how many files."""
    (tmp_path / "data.bin").write_bytes(bytes(8))
    with pytest.warns(UserWarning, match="1 of 1 files neither etag nor time of change is known"):
        chunkmap.to_icechunk(numbered([str(tmp_path / "data.bin")], [0], [4]), repository)


# ---------------------------------------------------------------------- what is refused


@pytest.mark.filterwarnings("ignore:of 1 of 1 files")
@pytest.mark.parametrize(
    ("url", "length", "said"),
    [
        ("{}/a.bin", 0, "x: chunk 0 has no bytes"),
        ("{}/a.bin", WHOLE_FILE, "x: chunk 0 is a whole file of a size not known"),
        ("memory://a.bin", 4, "Icechunk does not read memory://"),
        ("tar://a.bin::{}/a.tar", 4, "no members of archives"),
        ("https://host/a?version=2", 4, "drops what follows the path"),
        ("s3://bucket/a.bin", 4, r"VirtualChunkContainer\('s3://bucket/', icechunk.s3_store\(region=...\)\)"),
        ("/elsewhere/a.bin", 4, r"VirtualChunkContainer\('file:///elsewhere/'"),
    ],
)
def test_what_icechunk_cannot_read_is_refused_before_anything_is_written(tmp_path, repository, url, length, said):
    """Each is an error that says what to do, and the store stays as it was."""
    session = repository.writable_session("main")
    with pytest.raises(StorageError, match=said):
        chunkmap.to_icechunk(numbered([url.format(tmp_path)], [0], [length]), session.store)
    assert not session.has_uncommitted_changes


def test_whole_files_get_their_ranges(tmp_path, repository):
    """A whole file whose size was scanned is a range of so many bytes."""
    file = str(tmp_path / "a.bin")
    (tmp_path / "a.bin").write_bytes(bytes([1, 2, 3, 4]))
    targets = {file: Target(size=4, mtime=2e9)}
    chunkmap.to_icechunk(numbered([file], [0], [WHOLE_FILE], targets), repository)
    assert zarr.open_array(repository.readonly_session("main").store, path="x", mode="r")[:].tolist() == [1, 2, 3, 4]


def test_a_read_only_session_is_refused(repository):
    """The message says what to pass."""
    with pytest.raises(StorageError, match="writable_session"):
        chunkmap.to_icechunk(numbered([b"abcd"], [0], [4]), repository.readonly_session("main"))


def test_numbers_that_json_does_not_have(repository):
    """A `missing_value` of NaN is there for chunkmap alone, other numbers that are not finite are text for the others;
    inside of objects they are refused."""
    chunks = numbered([b"abcdabcd"], [0], [8]).arrays["x"].chunks
    meta = ArrayMeta(shape=(2,), chunk_shape=(2,), dtype=np.dtype("<f4"), attrs={"missing_value": np.nan, "units": "K"})
    array = ManifestArray(meta, chunks)
    chunkmap.to_icechunk(ReferenceSet({"x": array}), repository)
    assert same_attrs(chunkmap.load(repository).arrays["x"].meta.attrs, meta.attrs)
    store = repository.readonly_session("main").store
    assert dict(zarr.open_array(store, path="x", mode="r").attrs) == {"units": "K"}
    ranged = ReferenceSet({"x": array.with_meta(attrs={"range": [0.0, np.inf]})}, {"": {"nan": np.nan}})
    chunkmap.to_icechunk(ranged, repository, overwrite=True)
    assert chunkmap.load(repository) == ranged
    store = repository.readonly_session("main").store
    assert dict(zarr.open_array(store, path="x", mode="r").attrs) == {"range": [0.0, "Infinity"]}
    assert dict(zarr.open_group(store, mode="r").attrs) == {"nan": "NaN"}
    for arrays, value in itertools.product(({}, {"x": array}), ({"b": np.nan}, [{"b": np.nan}])):
        with pytest.raises(StorageError, match="g: the value of 'a' is NaN"):
            chunkmap.to_icechunk(ReferenceSet(arrays, {"": {}, "g": {"a": value}}), repository, overwrite=True)


def test_nothing_is_written_below_an_array(repository):
    """An array is no group; one that is where the group shall be is replaced only when that is said."""
    chunkmap.to_icechunk(numbered([b"abcd"], [0], [4]), repository)
    with pytest.raises(StorageError, match="x/y: expected a group of the Icechunk store"):
        chunkmap.to_icechunk(numbered([b"abcd"], [0], [4]), repository, group="x/y")
    with pytest.raises(StorageError, match="not empty"):
        chunkmap.to_icechunk(numbered([b"abcd"], [0], [4]), repository, group="x")
    alone = ReferenceSet({"": numbered([b"abcd"], [0], [4]).arrays["x"]}, {})
    for _ in range(2):
        chunkmap.to_icechunk(alone, repository, overwrite=True)
    assert chunkmap.load(repository) == alone


def test_what_zarr_3_has_no_words_for_is_refused(repository):
    """The array is named."""
    meta = ArrayMeta(shape=(1,), chunk_shape=(1,), dtype=np.dtype(object), filters=({"id": "msgpack2"},))
    refs = ReferenceSet({"odd": ManifestArray(meta, ChunkManifest.empty((1,)))})
    with pytest.raises(Unsupported, match=r"odd: .*msgpack2"):
        chunkmap.to_icechunk(refs, repository)


# ---------------------------------------------------------------------- transactions


def test_a_session_is_left_to_its_owner(repository):
    """What is written to a session or its store is not committed; to a repository it is."""
    session = repository.writable_session("main")
    chunkmap.to_icechunk(numbered([b"abcd"], [0], [4]), session.store, group="g/h")
    assert session.has_uncommitted_changes
    assert len(list(repository.ancestry(branch="main"))) == 1
    session.commit("mine")
    assert zarr.open_array(repository.readonly_session("main").store, path="g/h/x", mode="r")[:].tolist() == [
        97,
        98,
        99,
        100,
    ]
    chunkmap.to_icechunk(numbered([b"efgh"], [0], [4]), repository, group="g/other")
    assert len(list(repository.ancestry(branch="main"))) == 3
    assert set(zarr.open_group(repository.readonly_session("main").store, path="g", mode="r")) == {"h", "other"}


def test_what_is_there_is_replaced_only_when_that_is_said(repository):
    """A group that is not empty is refused; with overwrite, nothing of it is left, and others stay."""
    chunkmap.to_icechunk(numbered([b"abcd"], [0], [4]), repository, group="g")
    chunkmap.to_icechunk(numbered([b"abcd"], [0], [4]), repository, group="other")
    renamed = ReferenceSet({"y": numbered([b"wxyz"], [0], [4]).arrays["x"]})
    with pytest.raises(StorageError, match="not empty"):
        chunkmap.to_icechunk(renamed, repository, group="g")
    chunkmap.to_icechunk(renamed, repository, group="g", overwrite=True)
    root = zarr.open_group(repository.readonly_session("main").store, mode="r")
    assert list(root["g"]) == ["y"]
    assert list(root["other"]) == ["x"]


def test_large_sets_are_committed_in_parts_that_nobody_sees(make_repository, monkeypatch):
    """More chunks than one commit takes go to a branch, and `main` has all of them or none."""
    by_four = icechunk.ManifestSplitDimCondition.Any()
    splitting = icechunk.ManifestSplittingConfig.from_dict({icechunk.ManifestSplitCondition.AnyArray(): {by_four: 4}})
    repository = make_repository(manifest=icechunk.ManifestConfig(splitting=splitting))
    monkeypatch.setattr(writer, "MOST_CHUNKS", 4)
    monkeypatch.setattr(chunks, "_ROWS", 3)
    data = bytes(range(40))
    refs = numbered([data] * 10, list(range(0, 40, 4)), [4] * 10)
    with pytest.raises(StorageError, match="pass the Repository"):
        chunkmap.to_icechunk(refs, repository.writable_session("main"))
    chunkmap.to_icechunk(refs, repository)
    assert bytes(zarr.open_array(repository.readonly_session("main").store, path="x", mode="r")[:]) == data
    assert repository.list_branches() == {"main"}
    assert len(list(repository.ancestry(branch="main"))) == 4


def test_an_array_too_large_for_one_manifest_is_refused(repository, monkeypatch):
    """The message says what to configure."""
    monkeypatch.setattr(writer, "MOST_CHUNKS", 4)
    with pytest.raises(StorageError, match="configure how the repository splits"):
        chunkmap.to_icechunk(numbered([bytes(20)] * 5, range(0, 20, 4), [4] * 5), repository)
    assert repository.list_branches() == {"main"}


def test_documents_are_short_while_references_are_set(tmp_path, repository, monkeypatch):
    """Icechunk 1 reads the document of an array for each reference: what is said of the files is written after them."""
    documents = []

    def looked_at(written, path, *rest):
        documents.append(awaited(written.store.get, f"{path}/zarr.json", buffer_prototype).to_bytes())
        chunks.write_chunks(written, path, *rest)

    monkeypatch.setattr(writing, "write_chunks", looked_at)
    urls = [str(tmp_path / f"{n}.bin") for n in range(3)]
    targets = {url: Target(size=100, mtime=2e9) for url in urls}
    chunkmap.to_icechunk(numbered(urls, [0, 0, 0], [4, 4, 4], targets), repository)
    store = repository.readonly_session("main").store
    (before,), after = documents, awaited(store.get, "x/zarr.json", buffer_prototype).to_bytes()
    assert b'"files"' not in before
    assert b'"files"' in after


@pytest.mark.parametrize("few", [1, 1000])
def test_rows_of_many_files_go_where_they_belong(tmp_path, repository, monkeypatch, few):
    """Files that fill blocks, files that are scattered, and missing chunks: by blocks and as a list alike."""
    monkeypatch.setattr(chunks, "_FEW", few)
    rng = np.random.default_rng(1)
    cells = np.argwhere(rng.random((12, 11)) < 0.8)
    files = np.where(cells[:, 0] < 6, cells[:, 0] // 3, 2 + rng.integers(0, 3, len(cells)))
    urls = [str(tmp_path / f"{n}.bin") for n in range(5)]
    for number, url in enumerate(urls):
        Path(url).write_bytes(bytes((number * 50 + n) % 251 for n in range(200)))
    offsets = rng.integers(0, 199, len(cells))
    meta = ArrayMeta(shape=(12, 11), chunk_shape=(1, 1), dtype=np.dtype("u1"), fill_value=255)
    manifest = ChunkManifest.from_rows(meta.grid_shape, cells, [urls[n] for n in files], offsets, np.ones(len(cells)))
    targets = {url: Target(size=200, mtime=2e9 + n) for n, url in enumerate(urls)}
    refs = ReferenceSet({"x": ManifestArray(meta, manifest)}, targets=targets)
    chunkmap.to_icechunk(refs, repository)
    expected = np.full((12, 11), 255, np.uint8)
    expected[tuple(cells.T)] = (files * 50 + offsets) % 251
    stored = zarr.open_array(repository.readonly_session("main").store, path="x", mode="r")
    np.testing.assert_array_equal(stored[:], expected)


def test_a_path_is_a_repository_that_is_made_or_replaced(tmp_path):
    """`write` makes a repository with a container for the files, commits, and replaces what is there the next time."""
    path = str(tmp_path / "data.nc")
    write_netcdf3(path)
    refs = chunkmap.scan(path)
    chunkmap.write(refs, tmp_path / "data.icechunk")
    chunkmap.write(refs, tmp_path / "data.icechunk")
    repository = open_here(locate(tmp_path / "data.icechunk"))
    assert len(list(repository.ancestry(branch="main"))) == 3
    assert_same(repository.readonly_session("main").store, path, "scipy")


def test_a_file_in_whose_bytes_no_chunk_lies(tmp_path):
    """All values are held inline, and an array without elements names the file: there is nothing to check."""
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        file.createDimension("time", None)
        file.createDimension("x", 3)
        file.createVariable("time", "f8", ("time",))
        file.createVariable("v", "i2", ("x",))[:] = [1, 2, 3]
    refs = chunkmap.scan(str(tmp_path / "a.nc"))
    assert not any(array.chunks.compact().urls for array in refs.arrays.values())
    assert any(array.chunks.urls for array in refs.arrays.values())
    chunkmap.write(refs, tmp_path / "a.icechunk")
    session = icechunk.Repository.open(icechunk.local_filesystem_storage(str(tmp_path / "a.icechunk")))
    with xr.open_zarr(session.readonly_session("main").store, consolidated=False) as found:
        assert (found.v.values.tolist(), found.time.shape) == ([1, 2, 3], (0,))


def test_other_files_are_not_overwritten(tmp_path):
    """A directory that is no repository is refused; so is a place elsewhere."""
    (tmp_path / "data.icechunk").mkdir()
    (tmp_path / "data.icechunk" / "mine").write_text("kept")
    with pytest.raises(StorageError, match="found something else"):
        chunkmap.write(numbered([b"abcd"], [0], [4]), tmp_path / "data.icechunk")
    with pytest.raises(StorageError, match="only a repository on this machine"):
        chunkmap.write(numbered([b"abcd"], [0], [4]), "memory://data.icechunk")
