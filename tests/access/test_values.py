"""Array values through references equal what zarr wrote, and what zarr reads through our store."""

import asyncio
import pickle

import fsspec
import numcodecs
import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import default_buffer_prototype

from chunkmap.access import values as values_module
from chunkmap.access.fetching import Fetcher
from chunkmap.access.store import ReferenceStore
from chunkmap.access.values import read_array, read_arrays
from chunkmap.errors import FormatError, SourceError, StorageError, TruncatedFile, Unsupported
from chunkmap.model import WHOLE_FILE, ArrayMeta, ChunkManifest, ManifestArray, ReferenceSet
from chunkmap.storage import load, open_set, write

pytestmark = pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")


def refer(root):
    """References to every chunk of a Zarr v2 directory, each a whole file."""
    refs = {}
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        key = path.relative_to(root).as_posix()
        refs[key] = path.read_text() if "/.z" in f"/{key}" else [str(path), 0, path.stat().st_size]
    refs.pop(".zmetadata", None)
    return ReferenceSet.from_dict(refs)


def through_zarr(refs):
    """The arrays of a set as zarr-python reads them through our store."""
    group = zarr.open_group(ReferenceStore(refs), mode="r", zarr_format=2)
    return {path: group[path][...] for path in refs.arrays}


CASES = {
    "edge chunks": {"data": np.arange(35, dtype="<f4").reshape(5, 7), "chunks": (2, 3)},
    "F order": {"data": np.arange(35, dtype="<f8").reshape(5, 7), "chunks": (2, 3), "order": "F"},
    "big-endian": {"data": np.arange(10, dtype=">i2"), "chunks": (4,)},
    "no axes": {"data": np.array(5, "<i8"), "chunks": ()},
    "filters": {
        "data": np.arange(100, dtype="<i4"),
        "chunks": (30,),
        "filters": [numcodecs.Shuffle(4), numcodecs.Delta("<i4")][::-1],
        "compressors": numcodecs.Zlib(5),
    },
    "blosc": {"data": np.arange(1000, dtype="<i4"), "chunks": (300,), "compressors": numcodecs.Blosc()},
    "text": {"data": np.array([b"ab", b"c", b""], "S2"), "chunks": (2,)},
    "unicode": {"data": np.array(["ab", "ü", ""], "<U3"), "chunks": (2,)},
    "times": {"data": np.arange(5).astype("<M8[s]"), "chunks": (2,)},
    "booleans": {"data": np.array([True, False, True]), "chunks": (2,)},
    "complex": {"data": np.arange(5) * 1j, "chunks": (2,)},
    "records": {"data": np.array([(1, 2.5), (3, 4.5), (5, 6.5)], [("a", "<i4"), ("b", "<f8")]), "chunks": (2,)},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("fill", [False, True])
def test_values_equal_what_was_written(tmp_path, case, fill):
    """Every kind of array zarr writes comes back value for value, whole or with a chunk missing."""
    given = dict(CASES[case])
    data = given.pop("data")
    options = {"compressors": None, "filters": None, **given}
    fill_value = data.reshape(-1)[-1] if fill and data.dtype.fields is None else None
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    array = group.create_array(
        "x", shape=data.shape, dtype=data.dtype, fill_value=fill_value, config={"write_empty_chunks": True}, **options
    )
    array[...] = data
    refs = refer(tmp_path / "a.zarr")
    found = read_array(refs.arrays["x"], Fetcher())
    assert found.dtype == data.dtype
    assert np.array_equal(found, data)
    assert np.array_equal(through_zarr(refs)["x"], data)
    sparse = refs.arrays["x"].chunks.take(np.arange(1, len(refs.arrays["x"].chunks)))
    some = ReferenceSet({"x": ManifestArray(refs.arrays["x"].meta, sparse)})
    np.testing.assert_array_equal(read_array(some.arrays["x"], Fetcher()), through_zarr(some)["x"])


def test_strings_of_any_length(tmp_path):
    """Objects encoded by vlen-utf8 come back as strings."""
    data = np.array(["a", "", "lång"], object)
    stored = numcodecs.VLenUTF8().encode(data)
    meta = ArrayMeta(shape=(3,), chunk_shape=(3,), dtype=np.dtype("O"), filters=({"id": "vlen-utf8"},), fill_value="")
    array = ManifestArray(meta, ChunkManifest.single(bytes(stored), 0, len(stored), 1))
    assert read_array(array, Fetcher()).tolist() == data.tolist()
    assert through_zarr(ReferenceSet({"x": array}))["x"].tolist() == data.tolist()


@pytest.mark.parametrize("fill", [None, "", "gone"])
def test_missing_strings_read_as_in_zarr(fill):
    """Strings of a missing chunk are what zarr reads there."""
    meta = ArrayMeta(shape=(2,), chunk_shape=(1,), dtype=np.dtype("O"), filters=({"id": "vlen-utf8"},), fill_value=fill)
    array = ManifestArray(meta, ChunkManifest.empty((2,)))
    assert read_array(array, Fetcher()).tolist() == through_zarr(ReferenceSet({"x": array}))["x"].tolist()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_shape_any_chunks_any_holes(tmp_path, data):
    """Whatever the shape, the chunks and the holes, values equal those of numpy, and of zarr through our store."""
    shape = tuple(data.draw(st.lists(st.integers(0, 6), max_size=3)))
    chunk_shape = tuple(data.draw(st.integers(1, 4)) for _ in shape)
    order = data.draw(st.sampled_from("CF"))
    fill = data.draw(st.sampled_from([None, 7]))
    meta = ArrayMeta(shape=shape, chunk_shape=chunk_shape, dtype=np.dtype("<i2"), order=order, fill_value=fill)
    expected = np.full(shape, fill or 0, "<i2")
    coords = list(np.ndindex(*meta.grid_shape))
    held = [coord for coord in coords if data.draw(st.booleans())]
    pieces, offsets, stop = [], [], 3
    for number, coord in enumerate(held):
        chunk = np.arange(np.prod(chunk_shape, dtype=int), dtype="<i2").reshape(chunk_shape) + 100 * number
        place = tuple(slice(c * n, min((c + 1) * n, s)) for c, n, s in zip(coord, chunk_shape, shape, strict=True))
        expected[place] = chunk[tuple(slice(0, p.stop - p.start) for p in place)]
        pieces.append(chunk.tobytes(order=order))
        offsets.append(stop)
        stop += chunk.nbytes
    (tmp_path / "data").write_bytes(b"abc" + b"".join(pieces))
    chunks = ChunkManifest.from_rows(
        meta.grid_shape, held, [str(tmp_path / "data")] * len(held), offsets, [len(p) for p in pieces]
    )
    refs = ReferenceSet({"x": ManifestArray(meta, chunks)})
    assert np.array_equal(read_array(refs.arrays["x"], Fetcher()), expected)
    assert np.array_equal(through_zarr(refs)["x"], expected)


def test_many_arrays_are_one_read_of_each_file(tmp_path, monkeypatch):
    """Arrays in the same files are fetched together: one vectored read for each file."""
    from chunkmap.io import LocalSource

    calls = []
    real = LocalSource.read_many
    monkeypatch.setattr(LocalSource, "read_many", lambda self, ranges: calls.append(len(ranges)) or real(self, ranges))
    for name in "ab":
        (tmp_path / name).write_bytes(np.arange(8, dtype="<i4").tobytes())
    meta = ArrayMeta(shape=(4,), chunk_shape=(2,), dtype=np.dtype("<i4"))
    urls = [str(tmp_path / "a"), str(tmp_path / "b")]
    arrays = [
        ManifestArray(meta, ChunkManifest.from_rows((2,), [[0], [1]], urls, [first, first], [8, 8])) for first in (0, 8)
    ]
    found = read_arrays(arrays, Fetcher())
    assert [f.tolist() for f in found] == [[0, 1, 0, 1], [2, 3, 2, 3]]
    assert calls == [2, 2]


def test_whole_files_and_protocols():
    """A reference without a range is the whole file; URLs without a protocol get the one that is given."""
    fsspec.filesystem("memory").pipe("/whole/a", b"abcdef")
    meta = ArrayMeta(shape=(6,), chunk_shape=(6,), dtype=np.dtype("u1"))
    for url, protocol in (("memory://whole/a", None), ("whole/a", "memory")):
        array = ManifestArray(meta, ChunkManifest.single(url, 0, WHOLE_FILE, 1))
        assert read_array(array, Fetcher(remote_protocol=protocol)).tobytes() == b"abcdef"


def test_many_files_do_not_stay_open(tmp_path):
    """More files than may be open at once are read, local and remote."""
    fs = fsspec.filesystem("memory")
    for n in range(300):
        (tmp_path / f"{n}").write_bytes(bytes([n % 256]))
        fs.pipe(f"/many/{n}", bytes([n % 256]))
    meta = ArrayMeta(shape=(300,), chunk_shape=(1,), dtype=np.dtype("u1"))
    for base in (f"{tmp_path}/", "memory://many/"):
        urls = [f"{base}{n}" for n in range(300)]
        chunks = ChunkManifest.from_rows((300,), [[n] for n in range(300)], urls, [0] * 300, [1] * 300)
        fetcher = Fetcher()
        assert read_array(ManifestArray(meta, chunks), fetcher).tolist() == [n % 256 for n in range(300)]
        assert len(fetcher._sources) <= 256


@pytest.mark.parametrize(
    ("reference", "changes", "error"),
    [
        (("a", 0, 8), {"compressor": {"id": "zlib"}}, FormatError),
        (("a", 0, 7), {}, FormatError),
        (("a", 0, 4), {}, FormatError),
        (("a", 0, 16), {}, FormatError),
        (("a", 12, 8), {}, TruncatedFile),
        (("none", 0, 8), {}, SourceError),
        (("", 0, 8), {}, SourceError),
        (("a", 0, 8), {"compressor": {"id": "no such codec"}}, Unsupported),
        (("a", 0, 8), {"dtype": np.dtype("O")}, FormatError),
    ],
)
def test_what_does_not_decode_is_an_error(tmp_path, reference, changes, error):
    """Bytes that are too few, too many, not encoded so, or not there raise an error, and give no values."""
    (tmp_path / "a").write_bytes(bytes(16))
    meta = ArrayMeta(**{"shape": (2,), "chunk_shape": (2,), "dtype": np.dtype("<i4"), **changes})
    url, offset, length = reference
    chunks = ChunkManifest.single(str(tmp_path / url) if url else "", offset, length, 1)
    with pytest.raises(error) as caught:
        read_array(ManifestArray(meta, chunks), Fetcher())
    assert isinstance(caught.value, Unsupported) or str(tmp_path) in str(caught.value) or not url


def test_a_fetcher_pickles():
    """A fetcher travels without what it holds open."""
    again = pickle.loads(pickle.dumps(Fetcher(storage_options={"anon": True}, remote_protocol="memory")))
    assert (again.storage_options, again.remote_protocol) == ({"anon": True}, "memory")


# ---------------------------------------------------------------------- the store


@pytest.fixture
def refs(tmp_path):
    """Two arrays, one in a group, in one file; the second array has a missing chunk."""
    (tmp_path / "a").write_bytes(np.arange(20, dtype="<i4").tobytes())
    meta = ArrayMeta(shape=(4, 2), chunk_shape=(1, 2), dtype=np.dtype("<i4"), dims=("y", "x"), fill_value=-1)

    def array(first, rows):
        return ManifestArray(
            meta,
            ChunkManifest.from_rows(
                (4, 1),
                [(row, 0) for row in rows],
                [str(tmp_path / "a")] * len(rows),
                [first + 8 * row for row in rows],
                [8] * len(rows),
            ),
        )

    return ReferenceSet({"x": array(0, range(4)), "g/y": array(40, [0, 1, 3])}, {"": {"t": 1}, "g": {"u": 2}})


@pytest.fixture(params=["memory", "parquet"])
def store(request, refs, tmp_path):
    """The store over the set in memory, and over the same set read lazily."""
    if request.param == "memory":
        return ReferenceStore(refs)
    write(refs, tmp_path / "set.parq", record_size=2)
    return ReferenceStore(open_set(tmp_path / "set.parq"))


def ask(coroutine):
    """Run a coroutine of the store."""
    return asyncio.run(coroutine)


async def collect(names):
    """Every item of an asynchronous iterator."""
    return [name async for name in names]


def test_the_store_gives_what_zarr_asks_for(store):
    """Values, attributes and missing chunks through zarr, with and without consolidated metadata."""
    for group in (
        zarr.open_consolidated(store, mode="r", zarr_format=2),
        zarr.open_group(store, mode="r", zarr_format=2, use_consolidated=False),
        zarr.open_group(store, mode="r"),
    ):
        assert dict(group.attrs) == {"t": 1}
        assert dict(group["g"].attrs) == {"u": 2}
        assert sorted(name for name, _ in group.members(max_depth=None)) == ["g", "g/y", "x"]
        assert group["x"][...].tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
        assert group["g/y"][...].tolist() == [[10, 11], [12, 13], [-1, -1], [16, 17]]


def test_keys_are_listed_as_in_a_directory(store):
    """Listing gives every key once, by prefix and by directory."""
    chunks = {"x/0.0", "x/1.0", "x/2.0", "x/3.0", "g/y/0.0", "g/y/1.0", "g/y/3.0"}
    documents = {".zgroup", ".zattrs", ".zmetadata", "g/.zgroup", "g/.zattrs"}
    documents |= {f"{path}/{name}" for path in ("x", "g/y") for name in (".zarray", ".zattrs")}
    everything = ask(collect(store.list()))
    assert len(everything) == len(set(everything))
    assert set(everything) == chunks | documents
    assert set(ask(collect(store.list_prefix("g/")))) == {key for key in everything if key.startswith("g/")}
    assert set(ask(collect(store.list_dir("")))) == {".zgroup", ".zattrs", ".zmetadata", "g", "x"}
    assert set(ask(collect(store.list_dir("g/y")))) == {".zarray", ".zattrs", "0.0", "1.0", "3.0"}


def test_parts_of_values(store):
    """Byte ranges of chunks and documents are those of the whole value."""
    prototype = default_buffer_prototype()

    async def parts(key, *requests):
        found = await store.get_partial_values(prototype, [(key, request) for request in requests])
        return [None if buffer is None else buffer.to_bytes() for buffer in found]

    whole = np.array([2, 3], "<i4").tobytes()
    requests = [None, RangeByteRequest(1, 3), OffsetByteRequest(5), SuffixByteRequest(2), SuffixByteRequest(99)]
    assert ask(parts("x/1.0", *requests)) == [whole, whole[1:3], whole[5:], whole[-2:], whole]
    assert ask(parts("g/y/2.0", None)) == [None]
    assert ask(parts("g/.zattrs", None)) == [b'{"u":2}']


@pytest.mark.parametrize("key", ["g/y/2.0", "x/4.0", "x/0", "x/0.0.0", "x/-1.0", "x/a.0", "x/", "nothing/0", "", "x/²"])
def test_what_is_not_there_is_none(store, key):
    """Missing chunks, cells outside the grid and keys that are none do not exist."""
    assert not ask(store.exists(key))
    assert ask(store.get(key, default_buffer_prototype())) is None


def test_chunks_that_exist(store):
    """Chunks and documents that are there exist."""
    assert all(ask(store.exists(key)) for key in ("x/0.0", "g/y/3.0", "x/.zarray", ".zmetadata"))


def test_the_store_cannot_be_written(store):
    """Writing and deleting are refused."""
    buffer = default_buffer_prototype().buffer.from_bytes(b"")
    for attempt in (store.set("x/0.0", buffer), store.delete("x/0.0")):
        with pytest.raises(ValueError, match="read-only"):
            ask(attempt)
    with pytest.raises(ValueError, match="read-only"):
        store.with_read_only(read_only=False)
    assert store.read_only
    assert not store.supports_writes


def test_the_store_pickles(store):
    """A store that was pickled reads the same, as on a Dask worker."""
    again = pickle.loads(pickle.dumps(store))
    assert zarr.open_group(again, mode="r")["x"][...].tolist() == zarr.open_group(store, mode="r")["x"][...].tolist()


def test_chunks_asked_for_at_once_are_fetched_together(refs, monkeypatch):
    """Chunks that are wanted in the same moment are one round of fetching."""
    fetcher, rounds = Fetcher(), []
    real = fetcher.fetch_many
    monkeypatch.setattr(fetcher, "fetch_many", lambda parts: rounds.append(len(parts)) or real(parts))
    zarr.open_group(ReferenceStore(refs, fetcher), mode="r")["x"][...]
    assert rounds == [4]


def test_an_error_reaches_only_those_who_asked(tmp_path):
    """When one of the chunks fetched together cannot be had, the others are still given."""
    (tmp_path / "a").write_bytes(b"abcd")
    meta = ArrayMeta(shape=(2,), chunk_shape=(1,), dtype=np.dtype("u1"))
    urls = [str(tmp_path / "a"), str(tmp_path / "none")]
    refs = ReferenceSet({"x": ManifestArray(meta, ChunkManifest.from_rows((2,), [[0], [1]], urls, [0, 0], [1, 1]))})
    store = ReferenceStore(refs)

    async def both():
        prototype = default_buffer_prototype()
        return await asyncio.gather(store.get("x/0", prototype), store.get("x/1", prototype), return_exceptions=True)

    first, second = ask(both())
    assert first.to_bytes() == b"a"
    assert isinstance(second, SourceError)


def test_a_damaged_partition_is_an_error_through_zarr(refs, tmp_path):
    """A partition that was lost does not read as fill values."""
    write(refs, tmp_path / "set.parq", record_size=2)
    (tmp_path / "set.parq" / "x" / "refs.1.parq").unlink()
    array = zarr.open_group(ReferenceStore(open_set(tmp_path / "set.parq")), mode="r")["x"]
    assert array[:2].tolist() == [[0, 1], [2, 3]]
    with pytest.raises(StorageError, match=r"x/refs\.1\.parq"):
        array[...]


def test_a_loaded_set_reads_as_the_stored_one(refs, tmp_path):
    """JSON and Parquet give the same values."""
    for name in ("set.json", "set.parq"):
        write(refs, tmp_path / name)
        found = through_zarr(load(tmp_path / name))
        assert {path: array.tolist() for path, array in found.items()} == {
            path: read_array(array, Fetcher()).tolist() for path, array in refs.arrays.items()
        }


def test_missing_values_follow_the_fill_value():
    """Where there is no chunk, the fill value is read, and zeros where there is none."""
    meta = ArrayMeta(shape=(2,), chunk_shape=(1,), dtype=np.dtype(">f8"), fill_value=np.nan)
    assert np.isnan(values_module.empty_array(meta, (2,))).all()


def test_an_array_at_the_root(tmp_path):
    """A set that is one array opens as an array, and lists its keys."""
    meta = ArrayMeta(shape=(2,), chunk_shape=(1,), dtype=np.dtype("u1"))
    chunks = ChunkManifest.from_rows((2,), [[0], [1]], [b"a", b"b"], [0, 0], [1, 1])
    store = ReferenceStore(ReferenceSet({"": ManifestArray(meta, chunks)}, {}))
    assert zarr.open_array(store, mode="r", zarr_format=2)[...].tolist() == [97, 98]
    assert {"0", "1", ".zarray"} <= set(ask(collect(store.list())))
