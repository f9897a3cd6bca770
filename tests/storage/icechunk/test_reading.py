"""References out of Icechunk are those that went in."""

import json
import os

import netCDF4
import numpy as np
import pytest
import zarr

import chunkmap
from chunkmap.errors import NoSuchFile, SourceError, StorageError, Unsupported
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, ReferenceSet, Target
from chunkmap.storage.icechunk import reading
from chunkmap.storage.icechunk.repository import IS_FIRST

pytestmark = [
    pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3 specification"),
    pytest.mark.filterwarnings("ignore:of [0-9]+ of [0-9]+ files"),
]

lists_references = pytest.mark.skipif(IS_FIRST, reason="Icechunk 1 does not tell where virtual chunks are")


def example(folder, *, with_references=True):
    """Arrays with and without axes, missing chunks, ranges of several files, inline bytes; groups with attributes."""
    rng = np.random.default_rng(2)
    urls = [f"file://{folder}/{name}.nc" for name in ("a b", "c%d", "é")]
    metas = {
        "x": ArrayMeta(
            shape=(30, 20), chunk_shape=(4, 5), dtype=np.dtype("<f4"), dims=("t", "x"), attrs={"units": "K"}
        ),
        "g/scalar": ArrayMeta(shape=(), chunk_shape=(), dtype=np.dtype(">i4"), fill_value=np.int32(-1)),
        "g/h/empty": ArrayMeta(shape=(5,), chunk_shape=(2,), dtype=np.dtype("<M8[s]")),
    }
    arrays = {}
    for path, meta in metas.items():
        cells = np.argwhere(np.ones(meta.grid_shape))
        kept = cells[rng.random(len(cells)) < 0.9] if meta.ndim else cells
        kept = kept[:0] if path.endswith("empty") else kept
        sources = [
            urls[n] if with_references and n < 3 else rng.bytes(40) for n in rng.integers(0, 4, len(kept)).tolist()
        ]
        offsets = [0 if isinstance(source, bytes) else 1000 + n for n, source in enumerate(sources)]
        chunks = ChunkManifest.from_rows(meta.grid_shape, kept, sources, offsets, np.full(len(kept), 40))
        arrays[path] = ManifestArray(meta, chunks)
    return ReferenceSet(arrays, {"": {"title": "all"}, "g": {"note": [1, None]}, "g/h": {}})


@lists_references
@pytest.mark.parametrize("batch", [7, 1 << 18])
def test_references_come_back(tmp_path, repository, monkeypatch, batch):
    """The same arrays, chunks, groups and attributes, whatever is asked of Icechunk at once; also before a commit."""
    monkeypatch.setattr(reading, "_BATCH", batch)
    refs = example(tmp_path)
    session = repository.writable_session("main")
    chunkmap.to_icechunk(refs, session.store)
    assert chunkmap.load(session.store) == refs
    session.commit("all")
    assert chunkmap.load(repository) == refs
    assert chunkmap.load(repository.readonly_session("main")) == refs


def test_inline_bytes_come_back(tmp_path, repository):
    """Chunks that a repository holds itself are inline, with every version of Icechunk."""
    refs = example(tmp_path, with_references=False)
    chunkmap.to_icechunk(refs, repository)
    assert chunkmap.load(repository) == refs


@pytest.mark.skipif(not IS_FIRST, reason="Icechunk 2 tells")
def test_icechunk_1_is_refused_where_it_does_not_tell(tmp_path, repository):
    """And what to do is said."""
    chunkmap.to_icechunk(example(tmp_path), repository)
    with pytest.raises(Unsupported, match=r"Icechunk 1.* read with Icechunk 2"):
        chunkmap.load(repository)


def test_what_others_wrote_is_read(repository):
    """Arrays that zarr-python wrote into the repository: large chunks and small, and a fill value."""
    session = repository.writable_session("main")
    written = zarr.create_array(
        session.store, name="a/b", shape=(9, 300), chunks=(4, 300), dtype="i2", fill_value=7, dimension_names=("t", "x")
    )
    written[:5] = np.arange(1500).reshape(5, 300)
    session.commit("by zarr")
    refs = chunkmap.load(repository)
    assert refs.arrays["a/b"].chunks.is_inline.tolist() == [True, True]
    values = chunkmap.open_dataset(refs, group="a", mask_and_scale=False).b
    assert values.dims == ("t", "x")
    np.testing.assert_array_equal(values, written[:])


def test_too_many_bytes_of_its_own_are_refused(tmp_path, repository, monkeypatch):
    """References cannot point into the repository: the array is named."""
    monkeypatch.setattr(reading, "_MOST_OWN", 100)
    chunkmap.to_icechunk(example(tmp_path, with_references=False), repository)
    with pytest.raises(Unsupported, match=r": .* bytes of it are in the repository itself"):
        chunkmap.load(repository)


def test_where_there_is_no_repository(tmp_path):
    """It is said, and nothing comes to be by looking."""
    with pytest.raises(NoSuchFile, match="there is none"):
        chunkmap.load(tmp_path / "no.icechunk")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_document_is_an_error(repository):
    """A codec that is not known is refused with the name of its array."""
    session = repository.writable_session("main")
    turned = zarr.codecs.TransposeCodec(order=(1, 0, 2))
    zarr.create_array(session.store, name="turned", shape=(2, 3, 4), chunks=(2, 3, 4), dtype="i2", filters=[turned])
    with pytest.raises(Unsupported, match=r"turned: .*transpos"):
        chunkmap.load(session)


@lists_references
def test_a_repository_opens_by_its_path(tmp_path):
    """By its name, and by what is in its directory; the engine reads the files themselves, with what they are now."""
    path = tmp_path / "data.nc"
    with netCDF4.Dataset(path, "w") as f:
        f.createDimension("x", 1000)
        f.createVariable("v", "f4", ("x",), zlib=True)[:] = np.arange(1000)
    refs = chunkmap.scan(path)
    for name in ("data.icechunk", "repository"):
        chunkmap.write(refs, tmp_path / "data.icechunk")
        if name == "repository":
            (tmp_path / "data.icechunk").rename(tmp_path / name)
        with chunkmap.open_dataset(tmp_path / name) as dataset:
            np.testing.assert_array_equal(dataset.v, np.arange(1000))
        assert chunkmap.verify(tmp_path / name, decode="all")


@lists_references
def test_what_icechunk_opened_is_not_trusted(tmp_path, repository):
    """A repository may be from anywhere: it may name no file of this machine unless that is said."""
    (tmp_path / "a.bin").write_bytes(bytes(40))
    meta = ArrayMeta(shape=(10,), chunk_shape=(10,), dtype=np.dtype("<i4"), dims=("x",))
    refs = ReferenceSet({"v": ManifestArray(meta, ChunkManifest.single(str(tmp_path / "a.bin"), 0, 40, 1))})
    chunkmap.to_icechunk(refs, repository)
    with pytest.raises(SourceError, match="pass allow="):
        chunkmap.open_dataset(repository).load()
    assert chunkmap.open_dataset(repository, allow=[str(tmp_path)]).v.values.tolist() == [0] * 10


def test_chunks_that_are_gone_are_an_error(tmp_path, make_repository):
    """What the repository cannot read is not taken for missing."""
    file = tmp_path / "a.bin"
    file.write_bytes(bytes(40))
    refs = ReferenceSet(
        {"t": ManifestArray(ArrayMeta(shape=(5,), chunk_shape=(5,), dtype=np.dtype("<f8"), dims=("t",)),
                            ChunkManifest.single(str(file), 0, 40, 1))},
        targets={str(file): Target(size=40, mtime=2e9)},
    )  # fmt: skip
    repository = make_repository()
    chunkmap.to_icechunk(refs, repository)
    file.unlink()
    with pytest.raises(StorageError, match="t/c/0: Icechunk cannot read it"):
        chunkmap.to_icechunk(refs, repository, append_dim="t")


def _month(path, number):
    """A NetCDF file of a month."""
    with netCDF4.Dataset(path, "w") as dataset:
        dataset.createDimension("time", None)
        dataset.createVariable("time", "i4", "time", chunksizes=(1,))[:] = [number]
        dataset.createDimension("x", 200)
        dataset.createVariable("v", "f8", ("time", "x"), chunksizes=(1, 200))[:] = np.full((1, 200), number)
    return str(path)


@lists_references
def test_an_older_file_in_place_of_a_newer_one_is_seen(tmp_path):
    """Icechunk reads it; `verify` says that it changed, and `check="etag"` does not read it. Appending keeps that."""
    paths = [_month(tmp_path / f"{number}.nc", number) for number in range(3)]
    how = {"concat_dims": ["time"], "load_below": 1}
    where = tmp_path / "cube.icechunk"
    chunkmap.build(paths[:2], where, **how, inline_threshold=0)
    chunkmap.append(where, paths[2:], **how, inline_threshold=0)
    assert chunkmap.load(where).targets.keys() == {f"file://{path}" for path in paths}
    assert chunkmap.verify(where)

    other = _month(tmp_path / "other.nc", 7)
    os.utime(other, (0, 0))
    os.replace(other, paths[0])  # noqa: PTH105

    report = chunkmap.verify(where)
    assert [finding.where for finding in report.failures] == [f"file://{paths[0]}"]
    assert "changed since it was scanned" in str(report)
    with chunkmap.open_dataset(where, check="etag") as dataset, pytest.raises(SourceError, match="changed since"):
        dataset["v"].load()


@pytest.mark.parametrize("text", ["?", "", "eJyLVjBUMFIwVjCJBQAPFwLW", 1])
def test_what_is_said_of_files_may_be_damaged(repository, text):
    """Text that is no table of files is an error of chunkmap."""
    session = repository.writable_session("main")
    meta = {"shape": [1], "data_type": "int8", "fill_value": 0, "zarr_format": 3, "node_type": "array"}
    grid = {"name": "regular", "configuration": {"chunk_shape": [1]}}
    keys = {"name": "default", "configuration": {"separator": "/"}}
    codecs = [{"name": "bytes"}]
    said = {"chunkmap": {"must_understand": False, "files": text}}
    document = {**meta, "chunk_grid": grid, "chunk_key_encoding": keys, "codecs": codecs, "attributes": {}, **said}
    zarr.open_group(session.store, mode="w")
    _set(session.store, "x/zarr.json", json.dumps(document).encode())
    with pytest.raises(StorageError, match="does not parse"):
        chunkmap.load(session.store)


def _set(store, key, data):
    from zarr.core.buffer.cpu import Buffer
    from zarr.core.sync import sync

    sync(store.set(key, Buffer.from_bytes(data)))
