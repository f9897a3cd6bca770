"""Sets in the words of Zarr v3 read as in those of v2: by zarr, by xarray, by fsspec, and by our own engine."""

import asyncio
import json
import pickle

import fsspec
import netCDF4
import numcodecs
import numpy as np
import pytest
import xarray as xr
import zarr

from chunkmap import combine, load, open_dataset, open_store, scan, write
from chunkmap.access.store import ReferenceStore
from chunkmap.errors import CombineError, StorageError, Unsupported
from chunkmap.io.filesystem import locate
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, Precedent, ReferenceSet
from chunkmap.storage.spill import read_spill, write_spill

pytestmark = [
    pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3"),
    pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning"),
    pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part"),
]


def write_netcdf(path):
    """Everything that is masked, scaled, decoded or missing, in compressed chunks, and in a group."""
    with netCDF4.Dataset(path, "w") as f:
        f.title = "a file"
        f.createDimension("t", None)
        f.createDimension("x", 3)
        f.createDimension("n", 4)
        time = f.createVariable("t", "f8", ("t",))
        time.units = "days since 2000-01-01"
        time[:] = [0.5, 1, 2, 3]
        for name, dtype, fill in (
            ("packed", "i2", -99),
            ("real", "f4", 1e20),
            ("big", ">i4", 7),
            ("plain", "u1", None),
        ):
            options = {"zlib": True, "shuffle": True, "chunksizes": (2, 2), "fill_value": fill}
            v = f.createVariable(name, dtype, ("t", "x"), endian="big" if name == "big" else "native", **options)
            v[:] = np.arange(12).reshape(4, 3)
        f["packed"].set_auto_maskandscale(False)
        f["packed"].setncatts({"scale_factor": 0.5, "add_offset": 10.0})
        f["packed"][1, 1] = -99
        f["real"][2:, 0] = 1e20
        f.createVariable("nan", "f8", ("x",), fill_value=np.nan)[:] = [1, np.nan, 3]
        f.createVariable("text", "S1", ("x", "n"))[:] = np.array([list("abcd")] * 3, "S1")
        f.createVariable("words", str, ("x",))[:] = np.array(["a", "bb", "\N{GREEK SMALL LETTER PI}"], object)
        f.createVariable("scalar", "i4", ())[...] = 5
        f.createVariable("ragged", "i4", ("t", "x"), chunksizes=(1, 3))[3] = 5
        g = f.createGroup("g")
        g.createVariable("y", "f4", ("x",))[:] = [1, 2, 3]
        g.level = 1


@pytest.fixture
def refs(tmp_path):
    """The set of one file."""
    write_netcdf(tmp_path / "a.nc")
    return scan(str(tmp_path / "a.nc"))


def by_zarr(store, version, **options):
    return xr.open_zarr(store, zarr_format=version, chunks=None, **options).load()


def identical(found, expected):
    """The same names, dimensions, types, values and attributes; text may be of numpy's own type of text."""
    assert set(found.variables) == set(expected.variables)
    assert found.attrs == expected.attrs
    for name, want in expected.variables.items():
        got = found[name].variable
        assert got.dims == want.dims, name
        assert got.dtype == want.dtype or want.dtype.kind in "OT", name
        np.testing.assert_array_equal(got.values.astype(want.dtype), want.values, name)
        assert {k: v for k, v in got.attrs.items() if k != "_FillValue"} == want.attrs, name


def test_xarray_reads_v3_as_v2(refs, tmp_path):
    """Values, masks, times and attributes of both versions, by zarr from our store and from fsspec's, and by us."""
    expected = by_zarr(open_store(refs, zarr_format=2), 2)
    assert np.isnan(expected["packed"].values[1, 1])
    assert expected["ragged"].isnull().sum() in (0, 9)
    identical(by_zarr(open_store(refs, zarr_format=3), 3), expected)
    write(refs, tmp_path / "v3.json", zarr_format=3)
    identical(by_zarr(open_store(tmp_path / "v3.json"), 3), expected)
    identical(open_dataset(tmp_path / "v3.json").load(), expected)
    options = {"fo": str(tmp_path / "v3.json"), "remote_protocol": "file"}
    theirs = xr.open_dataset(
        "reference://", engine="zarr", backend_kwargs={"consolidated": False, "storage_options": options}
    )
    identical(theirs.load(), expected)


def test_a_set_goes_to_v3_and_back(refs, tmp_path):
    """What comes back is the set; Parquet of what was v3 is what it would have been."""
    write(refs, tmp_path / "v3.json.gz", zarr_format=3)
    again = load(tmp_path / "v3.json.gz")
    assert (again.zarr_format, refs.zarr_format) == (3, 2)
    assert again == refs
    assert ReferenceSet.from_dict(again.to_dict()) == refs
    write(again, tmp_path / "v2.parq")
    assert load(tmp_path / "v2.parq") == refs
    with pytest.raises(Unsupported, match="write JSON"):
        write(refs, tmp_path / "v3.parq", zarr_format=3)
    assert not (tmp_path / "v3.parq").exists()
    with pytest.raises(ValueError, match="zarr_format is 4"):
        refs.to_dict(zarr_format=4)


def test_text_that_is_masked_is_masked_by_the_engine(tmp_path):
    """xarray masks no text in v3; what Zarr v2 says of it is kept, and our engine keeps to it."""
    meta = ArrayMeta(shape=(2,), chunk_shape=(2,), dtype=np.dtype("S2"), fill_value=b"ab", dims=("x",))
    refs = ReferenceSet({"v": ManifestArray(meta, ChunkManifest.single(b"abcd", 0, 4, ndim=1))})
    assert by_zarr(ReferenceStore(refs, zarr_format=3), 3)["v"].values.tolist() == [b"ab", b"cd"]
    stored = refs.to_dict(zarr_format=3)
    assert str(open_dataset(stored)["v"].values.tolist()) == "[nan, b'cd']"
    assert str(open_dataset(refs)["v"].values.tolist()) == "[nan, b'cd']"


NUMBERS = np.array([[0, 1, 5, -3], [100, 7, 7, 8]])
DELTA = {"id": "delta", "dtype": "<i4", "astype": "<i2"}
CHAINS = [
    ("<i4", [DELTA]),
    ("<i4", [DELTA, {"id": "zlib", "level": 1}]),
    (">i4", [{"id": "delta", "dtype": ">i4", "astype": ">i4"}, {"id": "zlib", "level": 1}]),
    ("<i4", [{"id": "shuffle", "elementsize": 4}, {"id": "delta", "dtype": "|u1", "astype": "|u1"}]),
    ("<f8", [{"id": "fixedscaleoffset", "scale": 2, "offset": 1, "dtype": "<f8", "astype": "<i2"}]),
    ("<f8", [{"id": "quantize", "digits": 1, "dtype": "<f8", "astype": "<f4"}, {"id": "gzip", "level": 1}]),
    ("<f4", [{"id": "bitround", "keepbits": 9}, {"id": "zstd", "level": 1}]),
    ("<f4", [{"id": "astype", "encode_dtype": "<i2", "decode_dtype": "<f4"}]),
    ("|b1", [{"id": "packbits"}, {"id": "bz2", "level": 1}]),
    ("<i8", [{"id": "lzma"}, {"id": "crc32"}]),
    ("<i8", [{"id": "lz4"}, {"id": "adler32"}]),
    (">f4", [{"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": -1, "blocksize": 0}, {"id": "crc32c"}]),
    ("|i1", [{"id": "blosc"}, {"id": "crc32c", "location": "start"}]),
    ("<i8", [{"id": "hdf5_lz4"}, {"id": "fletcher32"}]),
]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("dtype", "chain"), CHAINS, ids=lambda value: str(value)[:60])
def test_every_codec_decodes_alike(dtype, chain, order):
    """Chunks that numcodecs encoded, read by zarr in the words of v3 and by us: equal to what zarr reads in v2."""
    values = NUMBERS.astype(dtype)
    data = values.ravel(order=order)
    for config in chain:
        data = numcodecs.get_codec(config).encode(data)
    raw = bytes(np.ascontiguousarray(data).view("u1")) if isinstance(data, np.ndarray) else bytes(data)
    meta = ArrayMeta(
        shape=values.shape,
        chunk_shape=values.shape,
        dtype=values.dtype,
        filters=tuple(chain),
        order=order,
        dims=("a", "b"),
    )
    refs = ReferenceSet({"v": ManifestArray(meta, ChunkManifest.single(raw, 0, len(raw), ndim=2))})
    expected = zarr.open_group(ReferenceStore(refs), mode="r", zarr_format=2)["v"][...]
    np.testing.assert_array_equal(expected, values)
    for store in (ReferenceStore(refs, zarr_format=3), ReferenceStore(load(refs.to_dict(zarr_format=3)))):
        np.testing.assert_array_equal(zarr.open_group(store, mode="r", zarr_format=3)["v"][...], values)
    again = open_dataset(load(refs.to_dict(zarr_format=3)))["v"]
    np.testing.assert_array_equal(again.values, values)


def test_objects_decode_alike():
    """Text and bytes of any length, and text that stands in the configuration of a codec."""
    texts = np.array(["a", "", "\N{GREEK SMALL LETTER PI}"], object)
    ids = {"id": "fill_hdf_strings", "dtype": "|S16", "id_map": {"x" * 16: "a", "y" * 16: "", "z" * 16: texts[2]}}
    blobs = np.array([b"a", b"", b"\xff"], object)
    for codec, values, raw in (
        ({"id": "vlen-utf8"}, texts, numcodecs.VLenUTF8().encode(texts)),
        (ids, texts, b"x" * 16 + b"y" * 16 + b"z" * 16),
        ({"id": "vlen-bytes"}, blobs, numcodecs.VLenBytes().encode(blobs)),
    ):
        meta = ArrayMeta(shape=(6,), chunk_shape=(3,), dtype=np.dtype(object), filters=(codec,), dims=("x",))
        chunks = ChunkManifest.from_rows((2,), [(1,)], [bytes(raw)], [0], [len(raw)])
        refs = ReferenceSet({"v": ManifestArray(meta, chunks)})
        found = zarr.open_group(ReferenceStore(refs, zarr_format=3), mode="r", zarr_format=3)["v"][...]
        empty = b"" if values is blobs else ""
        assert np.asarray(found, object).tolist() == [empty] * 3 + values.tolist()
        if codec is not ids:  # which zarr does not know in v2
            assert open_dataset(refs.to_dict(zarr_format=3))["v"].values.tolist() == [empty] * 3 + values.tolist()


def background(chunks):
    """A set of v3 in which what nobody wrote reads as 7, and nothing is masked."""
    meta = ArrayMeta(shape=(4,), chunk_shape=(2,), dtype=np.dtype("<i2"), background=np.int16(7), dims=("x",))
    return ReferenceSet({"v": ManifestArray(meta, chunks)})


def test_missing_chunks_that_mask_nothing(tmp_path):
    """They read as zarr reads them in v3; v2 has no words for them, and needs none when no chunk is missing."""
    refs = background(ChunkManifest.from_columns((2,), np.array([1]), (None, b"\1\0\7\0"), ONE))
    again = ReferenceSet.from_dict(json.loads(json.dumps(refs.to_dict(zarr_format=3))))
    assert again == refs
    for dataset in (by_zarr(open_store(again), 3), open_dataset(again)):
        assert dataset["v"].values.tolist() == [7, 7, 1, 7]
        assert dataset["v"].dtype == np.dtype("<i2")
    with pytest.raises(Unsupported, match="v: missing chunks read as 7"):
        refs.to_dict()
    with pytest.raises(Unsupported, match="v: missing chunks read as 7"):
        write(refs, tmp_path / "v2.parq")
    whole = background(ChunkManifest.from_columns((2,), np.arange(2), (None, b"\1\0\7\0"), TWO))
    write(whole, tmp_path / "v2.parq")
    assert open_dataset(tmp_path / "v2.parq")["v"].values.tolist() == [1, 7, 1, 7]
    assert by_zarr(open_store(whole, zarr_format=2), 2)["v"].values.tolist() == [1, 7, 1, 7]


ONE = (np.ones(1, np.uint32), np.zeros(1, np.uint64), np.full(1, 4, np.uint64))
TWO = (np.ones(2, np.uint32), np.zeros(2, np.uint64), np.full(2, 4, np.uint64))


def collect(iterator):
    async def run():
        return [key async for key in iterator]

    return asyncio.run(run())


def test_keys_of_the_store(refs):
    """Documents and chunks as they stand in directories; keys that name nothing are not there."""
    store = open_store(refs, zarr_format=3)
    everything = set(collect(store.list()))
    chunks = set(refs.to_dict(zarr_format=3)["refs"])
    assert everything == chunks
    assert {"zarr.json", "g/zarr.json", "g/y/c/0", "scalar/c", "packed/c/1/1"} <= everything
    assert set(collect(store.list_dir("packed"))) == {"zarr.json", "c"}
    assert set(collect(store.list_dir("packed/c"))) == {"0", "1"}
    assert set(collect(store.list_dir("packed/c/0/"))) == {"0", "1"}
    assert set(collect(store.list_prefix("g/"))) == {"g/zarr.json", "g/y/zarr.json", "g/y/c/0"}
    assert all(asyncio.run(store.exists(key)) for key in ("scalar/c", "packed/c/1/1", "zarr.json"))
    for key in (
        "packed/c/2/0",
        "packed/1.1",
        "packed/c/1.1",
        "packed/c",
        "scalar/c/0",
        "none/c/0",
        "c/0",
        "packed/.zarray",
    ):
        assert not asyncio.run(store.exists(key)), key
    again = pickle.loads(pickle.dumps(store))
    assert again.zarr_format == store.with_read_only(True).zarr_format == 3
    assert store != ReferenceStore(refs, zarr_format=2)


def test_metadata_are_consolidated(refs):
    """A group and all below it open from one document."""
    store = open_store(refs, zarr_format=3)
    group = zarr.open_consolidated(store, mode="r", zarr_format=3)
    assert group["g/y"][:].tolist() == [1, 2, 3]
    assert group.metadata.consolidated_metadata is not None
    assert zarr.open_group(store, mode="r", use_consolidated=False)["g"].attrs.asdict() == {"level": 1}
    tree = xr.open_datatree(store, engine="zarr", zarr_format=3)
    assert tree["g/y"].values.tolist() == [1, 2, 3]


def test_an_array_at_the_root():
    """A set that is one array, with axes or without."""
    for shape, name in (((4,), "c/0"), ((), "c")):
        meta = ArrayMeta(shape=shape, chunk_shape=shape, dtype=np.dtype("|u1"))
        size = int(np.prod(shape))
        refs = ReferenceSet({"": ManifestArray(meta, ChunkManifest.single(b"abcd", 0, size, ndim=len(shape)))}, {})
        stored = refs.to_dict(zarr_format=3)["refs"]
        assert set(stored) == {"zarr.json", name}
        assert ReferenceSet.from_dict(stored) == refs
        found = zarr.open_array(ReferenceStore(refs, zarr_format=3), mode="r", zarr_format=3)[...]
        assert np.asarray(found).ravel().tolist() == [97, 98, 99, 100][:size]


def test_types_that_v3_does_not_have_are_left_out():
    """The rest of the set opens; what is left out is told, and a dictionary of all is refused."""
    chunks = ChunkManifest.single(bytes(16), 0, 16, ndim=1)
    arrays = {
        name: ManifestArray(ArrayMeta(shape=(n,), chunk_shape=(n,), dtype=np.dtype(dtype), dims=("x",)), chunks)
        for name, n, dtype in (("a", 1, "<f16"), ("b", 1, "<c16"))
    }
    refs = ReferenceSet(arrays)
    with pytest.warns(UserWarning, match="does not know the types or the codecs of a"):
        store = open_store(refs, zarr_format=3)
    assert set(by_zarr(store, 3).variables) == {"b"}
    with pytest.raises(Unsupported, match="a: Zarr v3 has no data type for float128"):
        refs.to_dict(zarr_format=3)


def stored(name="x", **changes):
    """A set of v3, its document changed."""
    document = ReferenceSet(
        {
            "x": ManifestArray(
                ArrayMeta(shape=(4, 4), chunk_shape=(2, 2), dtype=np.dtype("|u1")), ChunkManifest.empty((2, 2))
            )
        }
    ).to_dict(zarr_format=3)["refs"]["x/zarr.json"]
    return {
        "zarr.json": '{"zarr_format":3,"node_type":"group"}',
        f"{name}/zarr.json": {**json.loads(document), **changes},
    }


ENCODINGS = [("default", "/", "x/c/1/0"), ("default", ".", "x/c.1.0"), ("v2", ".", "x/1.0"), ("v2", "/", "x/1/0")]


@pytest.mark.parametrize("documents_first", [True, False])
@pytest.mark.parametrize(("name", "separator", "key"), ENCODINGS)
def test_every_encoding_of_chunk_keys_is_read(name, separator, key, documents_first):
    """Keys of other writers, before their documents or after."""
    encoding = {"name": name, "configuration": {"separator": separator}}
    parts = [stored(chunk_key_encoding=encoding), {key: ["a.nc", 5, 4], key.replace("1", "0"): ["a.nc", 9, 4]}]
    document = {k: v for part in (parts if documents_first else parts[::-1]) for k, v in part.items()}
    chunks = ReferenceSet.from_dict(document).arrays["x"].chunks
    assert chunks.keys() == ["0.0", "1.0"]
    assert chunks[1, 0].offset == 5


def test_one_precedent_reads_a_series():
    """Sets with the same keys, whose documents are the same or not, are read as each is read alone."""
    same, ints = stored(), stored(data_type="uint16", codecs=[{"name": "bytes", "configuration": {"endian": "big"}}])
    dotted = stored(chunk_key_encoding={"name": "default", "configuration": {"separator": "."}})
    group = {**stored(), "x/zarr.json": '{"zarr_format":3,"node_type":"group"}'}
    precedent = Precedent()
    for documents in (same, same, ints, dotted, same):
        refs = {**documents, "x/c/0/1": ["a.nc", 5, 4], "x/c/1/1": "abcd"}
        assert ReferenceSet.from_dict(refs, precedent=precedent) == ReferenceSet.from_dict(refs)
        without = ReferenceSet.from_dict({**refs, **group}, precedent=precedent)
        assert (dict(without.arrays), without.problems[0].feature) == ({}, "stray key")


def test_what_is_consolidated_alone_is_read():
    """Documents that stand in that of a group only are those of arrays below it."""
    own = stored("g/x")
    group = {"zarr_format": 3, "node_type": "group", "attributes": {"a": 1}}
    group["consolidated_metadata"] = {
        "kind": "inline",
        "must_understand": False,
        "metadata": {"x": own["g/x/zarr.json"]},
    }
    refs = ReferenceSet.from_dict({"zarr.json": own["zarr.json"], "g/zarr.json": group, "g/x/c/0/1": "abcd"})
    assert refs.arrays["g/x"].chunks.keys() == ["0.1"]
    assert refs.groups == {"": {}, "g": {"a": 1}}


@pytest.mark.parametrize(
    ("refs", "message"),
    [
        ({**stored(), "x/.zarray": stored()["x/zarr.json"]}, "of Zarr v2 and of v3"),
        ({**stored(), "x/c/0/0": "abcd", "x/c.0.0": "abcd"}, "one cell"),
        ({"zarr.json": {"zarr_format": 3, "node_type": "group", "consolidated_metadata": {"metadata": {"x": 1}}}}, "x"),
    ],
)
def test_what_is_told_twice_is_refused(refs, message):
    """Arrays of both versions at once, two chunks in one cell, and documents that are none."""
    with pytest.raises(StorageError, match=message):
        ReferenceSet.from_dict(refs)


@pytest.mark.parametrize("key", ["x/0.0", "x/c/0", "x/c/0/9", "x/c/a/b", "y/c/0/0"])
def test_keys_that_fit_no_array_are_passed_over(key):
    """Chunks that are not named as the document says are never asked for, and named in a problem."""
    refs = {**stored(), "x/c/0/0": "abcd"}
    found = ReferenceSet.from_dict({**refs, key: "efgh"})
    assert found == ReferenceSet.from_dict(refs)
    assert [problem.feature for problem in found.problems] == ["stray key"]


def test_mixed_hierarchies_are_read():
    """A set may hold arrays of both versions; it is then stored as v3 says it is."""
    v2 = {"y/.zarray": {"shape": [2], "chunks": [2], "dtype": "|u1", "zarr_format": 2}, "y/0": "ab"}
    refs = ReferenceSet.from_dict({**stored(), "x/c/0/0": "abcd", **v2})
    assert (set(refs.arrays), refs.zarr_format) == ({"x", "y"}, 3)
    assert zarr.open_group(ReferenceStore(refs), mode="r")["y"][:].tolist() == [97, 98]


def test_fsspec_reads_the_documents_and_chunks(refs, tmp_path):
    """The files of fsspec's own view of a v3 set."""
    write(refs, tmp_path / "v3.json", zarr_format=3)
    fs = fsspec.filesystem("reference", fo=str(tmp_path / "v3.json"), remote_protocol="file")
    assert json.loads(fs.cat("packed/zarr.json"))["node_type"] == "array"
    assert sorted(fs.ls("packed/c/0", detail=False)) == ["packed/c/0/0", "packed/c/0/1"]


def test_sets_of_v3_are_combined_as_those_of_v2(tmp_path):
    """What comes of stored sets does not depend on the version of Zarr in which they are stored."""
    names = {2: [], 3: []}
    for n in range(2):
        with netCDF4.Dataset(tmp_path / f"{n}.nc", "w") as f:
            f.createDimension("t", None)
            f.createVariable("t", "f8", ("t",), chunksizes=(2,))[:] = [2 * n, 2 * n + 1]
            f.createVariable("v", "i2", ("t",), chunksizes=(2,), fill_value=-1)[:] = [n, -1]
        for version, written in names.items():
            written.append(str(tmp_path / f"{n}-v{version}.json"))
            write(scan(str(tmp_path / f"{n}.nc")), written[-1], zarr_format=version)
    both = {version: combine(paths, concat_dims=["t"]) for version, paths in names.items()}
    assert both[2] == both[3]
    assert open_dataset(both[3])["v"].fillna(9).values.tolist() == [0, 9, 1, 9]


def test_what_missing_chunks_read_as_is_compared_and_kept():
    """Sets that differ in it do not combine; where no input has a chunk, it is read."""
    chunk = ChunkManifest.from_columns((2,), np.array([1]), (None, b"\1\0\7\0"), ONE)
    times = ManifestArray(
        ArrayMeta(shape=(4,), chunk_shape=(4,), dtype=np.dtype("|u1"), dims=("x",)),
        ChunkManifest.single(b"\0\1\2\3", 0, 4, ndim=1),
    )
    later = ManifestArray(times.meta, ChunkManifest.single(b"\4\5\6\7", 0, 4, ndim=1))
    first, second = (
        ReferenceSet({**background(chunk).arrays, "x": axis}, name=name) for name, axis in (("a", times), ("b", later))
    )
    both = combine([first, second], concat_dims=["x"])
    assert both.arrays["v"].meta.background == 7
    assert open_dataset(both)["v"].values.tolist() == [7, 7, 1, 7] * 2
    other = ReferenceSet({**second.arrays, "v": second.arrays["v"].with_meta(background=np.int16(8))}, name="b")
    with pytest.raises(CombineError, match="value of missing chunks"):
        combine([first, other], concat_dims=["x"])


def test_tables_between_workers_keep_it(tmp_path):
    """A set that workers hand on, or that is cached, says of missing chunks what it said."""
    refs = ReferenceSet.from_dict(
        background(ChunkManifest.from_columns((2,), np.array([1]), (None, b"\1\0\7\0"), ONE)).to_dict(zarr_format=3)
    )
    write_spill(refs, locate(tmp_path / "table"))
    again = read_spill(locate(tmp_path / "table"))
    assert again == refs
    assert again.zarr_format == 3
