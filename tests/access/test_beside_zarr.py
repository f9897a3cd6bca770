"""What is read in bulk is what zarr reads, whatever the shape, the chunks, the codecs, the type and the selection."""

import json
import math
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor

import numcodecs
import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chunkmap.access import bounds, selection, strided
from chunkmap.access import values as values_of_chunks
from chunkmap.access.decoding import make_codec, make_step, make_steps
from chunkmap.access.fetching import Fetcher
from chunkmap.access.selection import ArrayReader
from chunkmap.access.store import ReferenceStore
from chunkmap.access.strided import even_grid, read_grid
from chunkmap.access.values import read_array
from chunkmap.errors import FormatError, TruncatedFile, Unsupported
from chunkmap.frontends.xarray_engine import open_dataset
from chunkmap.io import BytesSource
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, ReferenceSet
from chunkmap.storage import open_set, write

pytestmark = [
    pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning"),
    pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3"),
]

DTYPES = [
    "<i2", ">i4", "<f4", ">f8", "<c8", "|b1", "|u1", "|S3", "<U2", "<M8[s]", "<m8[ns]", [("a", "<i2"), ("b", ">f8")],
]  # fmt: skip
ZLIB, GZIP, SHUFFLE = {"id": "zlib", "level": 1}, {"id": "gzip", "level": 1}, {"id": "shuffle"}


@st.composite
def sets(draw):
    """An array in one block of bytes: its chunks in some order, with gaps or without, some of them missing."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = tuple(draw(st.lists(st.integers(0, 9), max_size=3)))
    chunk_shape = tuple(draw(st.integers(1, 5)) for _ in shape)
    compressor = draw(st.sampled_from([None, None, ZLIB, GZIP]))
    filters = draw(st.sampled_from([(), ({**SHUFFLE, "elementsize": dtype.itemsize},)]))
    order = draw(st.sampled_from("CF"))
    fill = draw(st.sampled_from([None, 1])) if dtype.kind in "iufcb" else None
    fill = None if fill is None else dtype.type(fill)
    meta = ArrayMeta(
        shape=shape, chunk_shape=chunk_shape, dtype=dtype, compressor=compressor, filters=filters, order=order,
        fill_value=fill, dims=tuple("abc"[: len(shape)]),
    )  # fmt: skip
    cells = list(np.ndindex(meta.grid_shape))
    if draw(st.booleans()):
        cells = [cell for cell in cells if draw(st.booleans())]
    written = draw(st.permutations(cells)) if draw(st.booleans()) else cells
    gap, data, ranges = draw(st.sampled_from([0, 0, 3])), b"", {}
    random = np.random.default_rng(draw(st.integers(0, 99)))
    for cell in written:
        raw = random.integers(0, 2 if dtype.kind == "b" else 120, meta.chunk_nbytes, dtype=np.uint8).tobytes()
        if dtype.kind == "U":
            raw = random.integers(32, 120, meta.chunk_nbytes // 4, dtype="<u4").tobytes()
        encoded = raw
        for config in meta.codecs:
            encoded = bytes(numcodecs.get_codec(dict(config)).encode(encoded))
        ranges[cell] = (len(data) + gap, len(encoded))
        data += bytes(gap) + encoded
    return meta, cells, [ranges[cell] for cell in cells], data


def reference(path, made):
    meta, cells, ranges, data = made
    path.write_bytes(data)
    offsets, lengths = [r[0] for r in ranges], [r[1] for r in ranges]
    chunks = ChunkManifest.from_rows(meta.grid_shape, cells, [str(path)] * len(cells), offsets, lengths)
    return ReferenceSet({"x": ManifestArray(meta, chunks)})


def same(found, expected):
    """Equal bytes, of equal type and shape."""
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert np.ascontiguousarray(found).tobytes() == np.ascontiguousarray(expected).tobytes()


def outer(data, shape):
    """A selection of each axis by itself."""
    return tuple(
        data.draw(
            st.builds(slice, *[st.none() | st.integers(-n, n)] * 2)
            | (st.lists(st.integers(0, n - 1), min_size=1, max_size=5).map(np.array) if n else st.just(slice(None)))
        )
        for n in shape
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), made=sets())
def test_every_array_is_what_zarr_reads(tmp_path, monkeypatch, data, made):
    """The whole, an outer and a vectorised selection: in bulk, through xarray, and by zarr from the same store, of
    Zarr v2 and, the whole, of v3.
    """
    monkeypatch.setattr(selection, "_FEW", 1)
    monkeypatch.setattr(selection, "_WORTH_THREADS", data.draw(st.sampled_from([1, 1 << 20])))
    for name in ("_PORTION", "_LONG_PORTION", "_NEAR", "_WORTH_THREADS"):
        monkeypatch.setattr(strided, name, data.draw(st.sampled_from([1, 24, 1 << 20])))
    refs = reference(tmp_path / "data", made)
    meta = refs.arrays["x"].meta
    by_zarr = zarr.open_group(ReferenceStore(refs), mode="r", zarr_format=2)["x"]
    reader = ArrayReader(refs, "x", Fetcher())
    whole = np.asarray(by_zarr[...], meta.dtype).reshape(meta.shape)
    same(reader.read(tuple(slice(None) for _ in meta.shape)), whole)
    in_v3 = zarr.open_group(ReferenceStore(refs, zarr_format=3), mode="r", zarr_format=3)["x"][...]
    same(np.asarray(in_v3).astype(meta.dtype).reshape(meta.shape), whole)
    key = outer(data, meta.shape)
    arrays = [np.atleast_1d(np.arange(n)[pick]) for pick, n in zip(key, meta.shape, strict=True)]
    same(reader.read(key), np.asarray(by_zarr.oindex[tuple(arrays)] if arrays else by_zarr[...], meta.dtype).reshape(
        [len(a) for a in arrays]
    ))  # fmt: skip
    if meta.shape and all(meta.shape) and meta.dtype.kind not in "mMV":
        points = [np.array(data.draw(st.lists(st.integers(0, n - 1), min_size=4, max_size=4))) for n in meta.shape]
        opened = open_dataset(refs, mask_and_scale=False, decode_times=False)["x"]
        picked = opened.isel({d: xr.DataArray(p, dims="p") for d, p in zip(opened.dims, points, strict=True)})
        same(picked.values.astype(meta.dtype), np.asarray(by_zarr.vindex[tuple(points)]))


TEXTS = {
    "vlen-utf8": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
    "vlen-bytes": st.binary(max_size=5),
}


@st.composite
def texts(draw):
    """An array of texts or bytes of any length, some of its chunks missing."""
    kind, shape = draw(st.sampled_from(list(TEXTS))), draw(st.sampled_from([(7,), (3, 4), ()]))
    meta = ArrayMeta(
        shape=shape, chunk_shape=tuple(draw(st.integers(1, 4)) for _ in shape), dtype=np.dtype("O"),
        filters=({"id": kind},), compressor=draw(st.sampled_from([None, ZLIB])), order=draw(st.sampled_from("CF")),
        dims=tuple("ab"[: len(shape)]),
    )  # fmt: skip
    cells = [cell for cell in np.ndindex(meta.grid_shape) if draw(st.sampled_from([True, True, False]))]
    stored, size = [], math.prod(meta.chunk_shape)
    for _ in cells:
        encoded = np.array([*draw(st.lists(TEXTS[kind], min_size=size, max_size=size)), None], object)[:-1]
        for config in meta.codecs:
            encoded = bytes(numcodecs.get_codec(dict(config)).encode(encoded))
        stored.append(encoded)
    offsets = np.cumsum([0, *map(len, stored)])[:-1].tolist()
    return meta, cells, list(zip(offsets, map(len, stored), strict=True)), b"".join(stored)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), made=texts())
def test_texts_of_any_length_are_what_zarr_reads(tmp_path, monkeypatch, data, made):
    """Whole, and by a selection of each axis; zarr is not asked for a chunk.

    The type is that of xarray's engine of zarr, but where the set holds all of them in memory: then it is that of its
    engines of files.
    """
    refs = reference(tmp_path / "data", made)
    meta = made[0]
    by_zarr = zarr.open_group(ReferenceStore(refs), mode="r", zarr_format=2)["x"]
    by_xarray = xr.open_zarr(ReferenceStore(refs), consolidated=False, zarr_format=2, decode_cf=False, chunks=None)["x"]
    expected = np.asarray(by_zarr[...], by_zarr.dtype).reshape(meta.shape)
    opened = open_dataset(refs, decode_cf=False)["x"]
    key = outer(data, meta.shape)
    with monkeypatch.context() as without:
        without.setattr(ReferenceStore, "get", None)
        picked = opened.variable[key].to_numpy()
        whole = opened.to_numpy()
    crossing = [np.atleast_1d(np.arange(n)[pick]) for pick, n in zip(key, meta.shape, strict=True)]
    assert picked.tolist() == (expected[np.ix_(*crossing)] if crossing else expected).tolist()
    assert whole.tolist() == expected.tolist()
    assert whole.dtype == picked.dtype == opened.dtype
    assert whole.dtype == by_xarray.dtype or whole.dtype.kind == "U"


def test_even_chunks_are_copied_at_once(tmp_path, monkeypatch):
    """Records a stride apart, in two axes, need no step a chunk; one that is elsewhere does."""
    meta = ArrayMeta(shape=(4, 6), chunk_shape=(1, 3), dtype=np.dtype("<i4"))
    values = np.arange(24, dtype="<i4").reshape(4, 6)
    path = tmp_path / "data"
    path.write_bytes(b"header" + b"".join(row.tobytes() + b"abc" for row in values))
    offsets = [6 + 27 * i + 12 * j for i in range(4) for j in range(2)]
    decoded = []
    real = values_of_chunks.ChunkDecoder.decode
    monkeypatch.setattr(values_of_chunks.ChunkDecoder, "decode", lambda *a: decoded.append(1) or real(*a))
    for some, steps in ((offsets, 0), ([*offsets[:-2], offsets[-1], offsets[-2]], 8)):
        chunks = ChunkManifest.from_rows((4, 2), list(np.ndindex(4, 2)), [str(path)] * 8, some, [12] * 8)
        refs = ReferenceSet({"x": ManifestArray(meta, chunks)})
        found = ArrayReader(refs, "x", Fetcher()).read((slice(None), slice(None)))
        assert len(decoded) == steps
        assert found[:3].tolist() == values[:3].tolist()
    assert found[3].tolist() == [21, 22, 23, 18, 19, 20]


def test_even_chunks_of_many_partitions_are_read_at_once(tmp_path, monkeypatch):
    """Where the references are cut into partitions, what they name is one piece all the same."""
    values = np.arange(40, dtype="<i4")
    (tmp_path / "data").write_bytes(b"head" + values.tobytes())
    meta = ArrayMeta(shape=(40,), chunk_shape=(2,), dtype=np.dtype("<i4"))
    offsets = [4 + 8 * n for n in range(20)]
    chunks = ChunkManifest.from_rows((20,), list(np.ndindex(20)), [str(tmp_path / "data")] * 20, offsets, [8] * 20)
    write(ReferenceSet({"x": ManifestArray(meta, chunks)}), tmp_path / "set.parq", record_size=7)
    monkeypatch.setattr(selection, "decoder_of", None)
    reader = ArrayReader(open_set(tmp_path / "set.parq"), "x", Fetcher())
    assert reader.read((slice(None),)).tolist() == values.tolist()
    assert reader.read((slice(4, 36),)).tolist() == values[4:36].tolist()


@pytest.mark.parametrize("offset", [40, 2**63 - 8, 2**64 - 32])
def test_even_chunks_out_of_the_file_are_an_error(tmp_path, offset):
    """No byte beyond the mapped file is touched."""
    (tmp_path / "data").write_bytes(bytes(60))
    meta = ArrayMeta(shape=(8,), chunk_shape=(1,), dtype=np.dtype("<i4"))
    offsets = [(offset + 4 * n) % 2**64 for n in range(8)]
    chunks = ChunkManifest.from_rows((8,), [(n,) for n in range(8)], [str(tmp_path / "data")] * 8, offsets, [4] * 8)
    refs = ReferenceSet({"x": ManifestArray(meta, chunks)})
    with pytest.raises(TruncatedFile):
        ArrayReader(refs, "x", Fetcher()).read((slice(None),))


def test_evenness_does_not_overflow():
    """Distances that wrap around 64 bits lead out of the data, and are refused."""
    meta = ArrayMeta(shape=(3,), chunk_shape=(1,), dtype=np.dtype("<i4"))
    even = even_grid(np.array([0, 2**62, -(2**63)]), meta)
    assert read_grid(BytesSource(bytes(60)), even) is None


@pytest.mark.parametrize("size", [1, 2, 3, 4, 8, 16])
def test_the_fast_steps_are_those_of_numcodecs(size):
    """zlib and shuffle decode as numcodecs decodes them, whatever bound is at least as large."""
    data = np.random.default_rng(0).integers(0, 255, 48, dtype=np.uint8).tobytes()
    shuffled = numcodecs.Shuffle(size).encode(data)
    assert bytes(make_step({"id": "shuffle", "elementsize": size}, 48)(shuffled)) == data
    for most in (48, 1000):
        assert bytes(make_step({"id": "zlib"}, most)(numcodecs.Zlib().encode(data))) == data


@pytest.mark.parametrize("size", [2, 4, 8])
@pytest.mark.parametrize(
    "codec", ["zlib", "gzip", "bz2", "lzma", "zstd", "lz4", "blosc", "adler32", "crc32", "fletcher32"]
)
def test_shuffled_bytes_go_to_any_codec(codec, size):
    """What is put back in order is bytes, as which the codec that stood before takes them: filters have any order."""
    data = np.random.default_rng(0).integers(0, 3, 480, dtype=np.uint8).tobytes()
    ends = (end for end in range(48, 480, 2) if len(numcodecs.get_codec({"id": codec}).encode(data[:end])) % size == 0)
    data = data[: next(ends)]
    found = numcodecs.Shuffle(size).encode(numcodecs.get_codec({"id": codec}).encode(data))
    steps = make_steps([{"id": "shuffle", "elementsize": size}, {"id": codec}], 1000, len(data))
    for step in (*steps.first, steps.last):
        found = step(found)
    assert bytes(found) == data


@pytest.mark.parametrize("dtype", ["<u1", "<i2", "<u4", "<i8", ">i2", ">u4", "<f2", "<f4", ">f4", "<f8"])
@pytest.mark.parametrize(("shape", "axis"), [((5, 7), -1), ((5, 7, 3), -2)])
def test_the_fast_predictors_are_those_of_the_codecs(dtype, shape, axis):
    """What undoes TIFF's predictors quickly gives the very numbers that the codecs of these ids give."""
    codec = "imagecodecs_floatpred" if np.dtype(dtype).kind == "f" else "imagecodecs_delta"
    data = np.random.default_rng(0).integers(0, 256, np.prod(shape) * np.dtype(dtype).itemsize, np.uint8).tobytes()
    config = {"id": codec, "shape": list(shape), "dtype": dtype, "axis": axis, "dist": 1}
    expected = np.asarray(make_codec(config).decode(data))
    found = np.asarray(make_step(config, 10_000)(data))
    assert found.tobytes() == expected.tobytes()


def test_inflating_knows_no_more_than_it_is_told():
    """What inflates to more or fewer bytes than expected is inflated all the same; damage is an error."""
    coded = zlib.compress(bytes(1000))
    for likely in (None, 1000, 10, 5000):
        assert bytes(make_step({"id": "zlib"}, 1000, likely)(coded + b"behind")) == bytes(1000)
        for damaged in (coded[:-1], coded[:-1] + b"x", b""):
            with pytest.raises((EOFError, bounds._inflater.error)):
                make_step({"id": "zlib"}, 1000, likely)(damaged)
    with pytest.raises(ValueError, match="no more than 999"):
        make_step({"id": "zlib"}, 999, 999)(coded)


def test_damage_is_named(tmp_path):
    """Bytes that do not inflate, or shuffle to no whole number of elements, are an error that says where."""
    for codec, data in (({"id": "zlib"}, b"abcdefgh"), ({"id": "shuffle", "elementsize": 4}, b"abcdefg")):
        (tmp_path / "data").write_bytes(data)
        meta = ArrayMeta(shape=(2,), chunk_shape=(2,), dtype=np.dtype("<i4"), compressor=codec)
        chunks = ChunkManifest.single(str(tmp_path / "data"), 0, len(data), ndim=1)
        with pytest.raises(FormatError, match="data at byte 0"):
            ArrayReader(ReferenceSet({"x": ManifestArray(meta, chunks)}), "x", Fetcher()).read((slice(None),))


def _raw(tmp_path, lengths):
    """Two plain chunks of four numbers, of so many bytes, as references."""
    (tmp_path / "raw.bin").write_bytes(bytes(range(64)))
    meta = ArrayMeta(shape=(7,), chunk_shape=(4,), dtype=np.dtype("<i4"))
    chunks = ChunkManifest.from_rows((2,), [[0], [1]], [str(tmp_path / "raw.bin")] * 2, [0, 16], lengths)
    return ReferenceSet({"v": ManifestArray(meta, chunks)})


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_plain_chunks_of_a_wrong_length_are_named(tmp_path, zarr_format):
    """Through zarr too the error says which file, and where; a last chunk that was stored short is filled up."""
    store = ReferenceStore(_raw(tmp_path, [12, 16]), Fetcher(), zarr_format)
    with pytest.raises(FormatError, match=r"raw.bin at byte 0: expected a chunk of 4 values of int32, found 3"):
        zarr.open_array(store, path="v", mode="r")[:]
    short = ReferenceStore(_raw(tmp_path, [16, 12]), Fetcher(), zarr_format)
    expected = np.frombuffer(bytes(range(28)), "<i4")
    np.testing.assert_array_equal(zarr.open_array(short, path="v", mode="r")[:], expected)


def test_arrays_without_names_of_dimensions_are_said_to_xarray(tmp_path):
    """xarray asks the store itself for what says the dimensions, and names the attribute that is not there."""
    store = ReferenceStore(_raw(tmp_path, [16, 16]), Fetcher(), 2)
    with pytest.raises(KeyError, match="_ARRAY_DIMENSIONS"):
        xr.open_zarr(store, consolidated=False, zarr_format=2)


@pytest.mark.parametrize("dtype", ["<u2", "<i4", "<u8", "<f4", "u1"])
@pytest.mark.parametrize("last", ["shuffle", "imagecodecs_delta"])
def test_the_last_codec_is_undone_where_the_values_go(dtype, last):
    """Into a part of a larger array, and nowhere beside it; what is of another size is left to whoever asked."""
    dtype = np.dtype(dtype)
    if last == "shuffle" and dtype.itemsize == 1:
        pytest.skip("there is nothing to shuffle")
    coded = np.random.default_rng(0).integers(0, 256, 12 * dtype.itemsize, np.uint8).tobytes()
    kind = dtype.str.replace("f", "u")
    config = {"id": last, "elementsize": dtype.itemsize, "shape": [3, 4], "dtype": kind, "axis": -1, "dist": 1}
    steps = make_steps([{"id": "zlib"}, config], 10_000, 12 * dtype.itemsize, passing=True)
    whole = np.zeros((9, 9), dtype)
    for data in (coded, bytes(12 * dtype.itemsize), coded):
        assert steps.land(steps.first[0](zlib.compress(data)), whole[2:5, 3:7])
    wanted = np.asarray(make_step(config, 10_000)(coded)).tobytes()
    assert whole[2:5, 3:7].tobytes() == wanted
    whole[2:5, 3:7] = 0
    assert not whole.any()
    assert not steps.land(steps.first[0](zlib.compress(coded)), whole[:2, :2])
    assert not whole.any()


@pytest.mark.parametrize("name", ["zstd", "blosc", "lz4", "hdf5_lz4"])
def test_what_says_its_length_is_undone_where_the_values_go(name):
    """Into whole rows of a larger array; nothing is touched where lengths differ, or the place is in pieces."""
    values = np.arange(12, dtype="<i4").reshape(3, 4)
    codec = numcodecs.get_codec({"id": name})
    stored, whole = bytes(codec.encode(values.tobytes())), np.zeros((9, 4), "<i4")
    steps = make_steps([{"id": name}], 10_000, 48)
    assert steps.land(stored, whole[2:5])
    np.testing.assert_array_equal(whole[2:5], values)
    whole[2:5] = 0
    for place in (whole[:2], whole[:4], whole[:6, :2]):
        assert not steps.land(stored, place)
    assert not whole.any()
    with pytest.raises((EOFError, ValueError, RuntimeError)):
        steps.land(stored[:-1], whole[2:5])


def test_every_thread_inflates_into_memory_of_its_own():
    """What one thread decodes stays until it decodes again, whatever others do; no memory is kept for huge chunks."""
    chunks = [zlib.compress(bytes([n]) * 1000) for n in range(50)]
    steps = make_steps([{"id": "zlib"}], 10_000, 1000, passing=True)
    together = threading.Barrier(2)

    def read(numbers):
        for number in numbers:
            found = steps.last(chunks[number])
            together.wait(10)
            assert bytes(found) == bytes([number]) * 1000
            together.wait(10)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(read, (range(0, 50, 2), range(1, 50, 2))))
    assert make_steps([{"id": "zlib"}], 1 << 60, 1 << 60, passing=True).last is not None


@pytest.mark.parametrize(("codec", "extra"), [("zfpy", "zfpy"), ("pcodec", "pcodec"), ("msgpack2", "msgpack")])
def test_extras_of_numcodecs_are_named(codec, extra, monkeypatch):
    """A codec that numcodecs has only with a package more says how to install it."""
    monkeypatch.delitem(numcodecs.registry.codec_registry, codec, raising=False)
    monkeypatch.delitem(numcodecs.registry.entries, codec, raising=False)
    with pytest.raises(Unsupported, match=rf"pip install 'numcodecs\[{extra}\]'"):
        make_codec({"id": codec})


@pytest.mark.parametrize("told", [None, "", "AAAA", "aGV5", "aGV5AA=="])
def test_fill_values_of_bytes_of_any_length_are_those_of_zarr(tmp_path, told):
    """A fill value is base64 in the document of zarr-python 3, bytes here, and base64 again where it is written."""
    document = {"shape": [2], "chunks": [1], "dtype": "|O", "compressor": None, "filters": [{"id": "vlen-bytes"}]}
    document |= {"zarr_format": 2, "order": "C", "fill_value": told}
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / ".zarray").write_text(json.dumps(document))
    expected = zarr.open_array(tmp_path / "v", mode="r")[...].tolist()
    refs = ReferenceSet.from_dict({".zgroup": '{"zarr_format": 2}', "v/.zarray": json.dumps(document)})
    for version in (2, 3):
        again = ReferenceSet.from_dict(refs.to_dict(zarr_format=version))
        assert read_array(again.arrays["v"], Fetcher()).tolist() == expected
        assert zarr.open_array(ReferenceStore(refs, zarr_format=version), path="v", mode="r")[...].tolist() == expected
