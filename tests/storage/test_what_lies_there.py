"""What lies at a URL is told once, from its name or its content; sets are read like any other file."""

import json
import zipfile

import fsspec
import numpy as np
import pytest
import zarr

import chunkmap
from chunkmap.errors import FormatError, NoSuchFile, StorageError
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, ReferenceSet
from chunkmap.storage import JSON, PARQUET, find_set, load, open_set, write
from chunkmap.storage.parquet import chunks as at_rest


@pytest.fixture
def refs():
    """A set of one array of thirty chunks."""
    meta = ArrayMeta(shape=(30,), chunk_shape=(1,), dtype=np.dtype("<i4"), dims=("x",))
    columns = ["a.nc"] * 30, [4 * n for n in range(30)], [4] * 30
    return ReferenceSet({"x": ManifestArray(meta, ChunkManifest.from_rows((30,), [(n,) for n in range(30)], *columns))})


def _serve(server, directory, name):
    for path in directory.rglob("*"):
        if path.is_file():
            server.put(f"{name}/{path.relative_to(directory)}", path.read_bytes())
    return server.url(name)


@pytest.mark.parametrize("name", ["set.json", "set.json.gz", "bare"])
def test_a_file_is_loaded_from_a_busy_server(tmp_path, refs, range_server, name):
    """A set over HTTP is loaded although the server says 503 and drops a connection first."""
    write(refs, tmp_path / ("set.json" if name == "bare" else name))
    url = range_server.put(name, next(tmp_path.iterdir()).read_bytes())
    range_server.failures[f"/{name}"] = [503, 0]
    assert load(url) == refs


def test_a_file_whose_name_says_nothing_is_fetched_once(tmp_path, refs, range_server):
    """The bytes by which a set is told to be one are not fetched again to load it."""
    write(refs, tmp_path / "set.json")
    data = (tmp_path / "set.json").read_bytes()
    assert load(range_server.put("bare", data)) == refs
    assert [length for _, _, length in range_server.gets] == [len(data)]


@pytest.mark.parametrize("name", ["set.parq", "bare"])
def test_a_directory_is_loaded_from_a_busy_server(tmp_path, refs, range_server, name):
    """A Parquet set over HTTP is loaded although the server is busy, whether its name says what it is or not."""
    write(refs, tmp_path / "set.parq", record_size=10)
    url = _serve(range_server, tmp_path / "set.parq", name)
    for file in (".zmetadata", "x/refs.1.parq"):
        range_server.failures[f"/{name}/{file}"] = [503]
    assert load(url) == refs


def test_a_set_without_sidecar_is_read_where_nothing_is_listed(tmp_path, refs, range_server):
    """Of a set that another tool wrote, every partition is found over HTTP: each is asked for."""
    write(refs, tmp_path / "set.parq", record_size=10)
    (tmp_path / "set.parq" / ".chunkmap.json").unlink()
    assert load(_serve(range_server, tmp_path / "set.parq", "set.parq")) == refs


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("name", ["store", "store.parq"])
def test_a_zarr_store_is_told_from_a_set(tmp_path, zarr_format, name):
    """A Zarr store is named as one, and the error says what to do with it, whatever the store is called."""
    zarr.open_group(tmp_path / name, mode="w", zarr_format=zarr_format).create_array("x", shape=(4,), dtype="i4")
    if zarr_format == 2:
        zarr.consolidate_metadata(str(tmp_path / name), zarr_format=2)
    with pytest.raises(StorageError, match=r"found a Zarr store.*chunkmap\.scan"):
        load(tmp_path / name)
    if name == "store":
        assert find_set(tmp_path / name).store is None


def test_a_zarr_store_is_not_replaced_by_a_set(tmp_path, refs):
    """Writing Parquet where a Zarr store is, consolidated or not, is refused, and the store stays."""
    group = zarr.open_group(tmp_path / "store.parq", mode="w", zarr_format=2)
    group.create_array("x", shape=(4,), dtype="i4")[:] = [1, 2, 3, 4]
    zarr.consolidate_metadata(str(tmp_path / "store.parq"), zarr_format=2)
    with pytest.raises(StorageError, match="not replaced"):
        write(refs, tmp_path / "store.parq")
    assert zarr.open_group(tmp_path / "store.parq", mode="r")["x"][:].tolist() == [1, 2, 3, 4]


def test_sets_are_told_by_their_content(tmp_path, refs):
    """Without a suffix, JSON is told by how it begins and Parquet by what its directory holds."""
    write(refs, tmp_path / "set.json")
    write(refs, tmp_path / "set.parq")
    (tmp_path / "set.json").rename(tmp_path / "one")
    (tmp_path / "set.parq").rename(tmp_path / "two")
    (tmp_path / "three").write_bytes(b"\x89HDF")
    stores = [find_set(tmp_path / name).store for name in ("one", "two", "three")]
    assert stores == [JSON, PARQUET, None]
    assert load(tmp_path / "one") == load(tmp_path / "two") == refs
    with pytest.raises(NoSuchFile):
        find_set(tmp_path / "four")


def test_sets_are_read_from_archives(tmp_path, refs):
    """A set in a ZIP archive is loaded as one beside it would be."""
    write(refs, tmp_path / "set.json")
    write(refs, tmp_path / "set.parq")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in sorted(tmp_path.rglob("*")):
            if path.is_file() and path.suffix != ".zip":
                archive.write(path, path.relative_to(tmp_path))
    assert load(f"zip://set.json::{tmp_path / 'a.zip'}") == refs
    assert load(f"zip://set.parq::{tmp_path / 'a.zip'}") == refs


def test_printing_a_stored_set_reads_nothing(tmp_path, refs, monkeypatch):
    """The text of a set at rest says how many chunks it has, and decodes no partition for it."""
    write(refs, tmp_path / "set.parq", record_size=1)
    decoded = []
    real = at_rest.decode_partitions
    monkeypatch.setattr(at_rest, "decode_partitions", lambda files: decoded.extend(files) or real(files))
    stored = open_set(tmp_path / "set.parq")
    assert "1 array, 30 chunks" in repr(stored)
    assert not decoded
    assert stored == refs
    assert len(decoded) == 30


@pytest.mark.parametrize("name", ["out.parq", "out.json"])
def test_printing_what_build_gave_reads_nothing(tmp_path, refs, monkeypatch, name):
    """What `combine` and `build` give back is printed without reading what they wrote."""
    stored = chunkmap.combine([refs], out=tmp_path / name, concat_dims=["t"], coo_map={"t": "INDEX"})
    monkeypatch.setattr(at_rest, "decode_partitions", None)
    (tmp_path / "out.json").write_text(json.dumps("not a set"))
    assert "2 arrays, 31 chunks" in repr(stored)


def test_a_folder_of_another_format_is_told_by_its_files(tmp_path, range_server):
    """What is to be scanned is told by the files that formats have, those of other packages too, here and far away."""
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy/toy.json").write_text("{}")
    range_server.put("toy/toy.json", b"{}")
    for url in (tmp_path / "toy", range_server.url("toy")):
        assert find_set(url, to_scan=("toy.json", ".zgroup")).store is None
    assert find_set(tmp_path / "toy").store is PARQUET
    with pytest.raises(NoSuchFile):
        find_set(range_server.url("toy"))


def test_archives_are_opened_as_they_are_scanned(tmp_path):
    """An archive that is named as a folder is no set: of arrays it is one set, and empty it says so."""
    np.savez(tmp_path / "a.npz", x=np.arange(3))
    np.savez(tmp_path / "none.npz")
    assert chunkmap.open_dataset(f"zip://::{tmp_path}/a.npz").x.values.tolist() == [0, 1, 2]
    with pytest.raises(FormatError, match="it is empty"):
        chunkmap.open_dataset(f"zip://::{tmp_path}/none.npz")


def test_a_directory_of_files_is_no_set(tmp_path, refs):
    """Who opens one is told what it is, and by which verb the files in it become a set."""
    for name in ("b.nc", "a.nc", ".hidden"):
        (tmp_path / "files" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "files" / name).write_bytes(b"CDF\1")
    remedy = rf"a directory of 2 files: a\.nc is one\. .*chunkmap\.build\('{tmp_path}/files/\*\.nc'"
    for open_it in (load, chunkmap.open_store, chunkmap.open_dataset):
        with pytest.raises(NoSuchFile, match=remedy):
            open_it(tmp_path / "files")
    fsspec.filesystem("memory").pipe("/far/files/a.nc", b"CDF\1")
    with pytest.raises(NoSuchFile, match=r"chunkmap\.build\('memory://far/files/\*\.nc'"):
        load("memory://far/files")
    with pytest.raises(NoSuchFile, match=r"there is no \.zmetadata$"):
        load("memory://far/files.parq")
    write(refs, tmp_path / "set.parq")
    (tmp_path / "set.parq/.zmetadata").unlink()
    with pytest.raises(NoSuchFile, match=r"there is no \.zmetadata$"):  # a set that was damaged
        load(tmp_path / "set.parq")
