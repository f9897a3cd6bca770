"""The documents of Zarr v3: to and from metadata, and as zarr itself writes and reads them."""

import json

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.core.metadata import ArrayV3Metadata

from chunkmap.codecs.zarr.numcodecs_in_v3 import register_with_zarr
from chunkmap.errors import StorageError, Unsupported
from chunkmap.model import ArrayMeta
from chunkmap.model.meta import same_attrs, same_scalar
from chunkmap.model.records import laid_flat
from chunkmap.model.zarr_v3 import array_document, array_from_document, consolidated_documents, group_document, is_array

register_with_zarr()
pytestmark = [
    pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3"),
    pytest.mark.filterwarnings("ignore:The data type"),
]

RECORD = np.dtype([("a", "<i4"), ("b", [("c", "<f8"), ("d", "S2")])])
NUMBERS = ["|i1", "<i2", ">i4", "<u8", "<f2", ">f4", "<f8", ">c16", "|b1"]
OTHERS = ["<U3", ">U2", "|S4", "|V3", "<M8[ns]", ">m8[10s]", "<M8[D]"]
CODECS = [
    {"id": "zlib", "level": 4},
    {"id": "gzip", "level": 2},
    {"id": "zstd", "level": 3, "checksum": False},
    {"id": "blosc", "cname": "zstd", "clevel": 5, "shuffle": 2, "blocksize": 0},
    {"id": "shuffle", "elementsize": 4},
    {"id": "fletcher32"},
    {"id": "crc32c", "location": "end"},
    {"id": "lz4", "acceleration": 1},
    {"id": "hdf5_lz4"},
    {"id": "record_member", "member": "a", "dtype": [["a", "<i4"]]},
    {"id": "imagecodecs_lzw"},
    {"id": "delta", "dtype": ">i4", "astype": ">i4"},
]


def written(meta):
    """The document of an array, as it comes back from JSON."""
    return json.loads(json.dumps(array_document(meta)))


def fill_values(dtype):
    """Fill values of a type, other than what Zarr takes for its default."""
    raw = st.binary(min_size=dtype.itemsize, max_size=dtype.itemsize)
    return {
        "b": st.booleans(),
        "U": st.sampled_from(["a", "\N{GREEK SMALL LETTER MU}"]),
        "S": st.sampled_from([b"ab", b"\xff", b""]),
        "V": raw.map(lambda data: np.frombuffer(data, dtype)[0]),
    }.get(dtype.kind, raw.map(lambda data: np.frombuffer(data, dtype).astype(dtype.newbyteorder("="))[0]))


@st.composite
def metas(draw):
    """Metadata of arrays whose documents say all that there is to say."""
    dtype = np.dtype(draw(st.sampled_from([*NUMBERS, *OTHERS, RECORD])))
    shape = tuple(draw(st.lists(st.integers(0, 9), max_size=3)))
    fill_value = draw(st.none() | fill_values(dtype))
    if dtype.kind in "mM" and fill_value is not None and np.isnat(fill_value):
        fill_value = None
    attrs = draw(st.dictionaries(st.sampled_from(["units", "n"]), st.sampled_from(["m", 1, [1.5, 2]])))
    if fill_value is None and dtype.kind in "if" and draw(st.booleans()):
        attrs["_FillValue"] = draw(st.sampled_from([-99, 7, 0.5, "a", [5]]))
    background = draw(st.none() | st.just(3)) if fill_value is None and dtype.kind in "iuf" else None
    return ArrayMeta(
        shape=shape,
        chunk_shape=tuple(draw(st.integers(1, max(1, n))) for n in shape),
        dtype=dtype,
        filters=tuple(draw(st.lists(st.sampled_from(CODECS), max_size=3))),
        fill_value=fill_value,
        background=background,
        order="C" if len(shape) < 2 else draw(st.sampled_from("CF")),
        dims=draw(st.none() | st.just(tuple("abc"[: len(shape)]))),
        attrs=attrs,
    )


@given(metas())
def test_metadata_go_through_the_document(meta):
    """What is read from the document that is written is the metadata, and zarr reads the document too."""
    document = written(meta)
    assert array_from_document("x", document) == meta
    ArrayV3Metadata.from_dict(document)


@given(metas())
def test_zarr_reads_the_same_type_shape_and_fill_value(meta):
    """zarr has the shape, the chunks, the names, the type and the fill value that the document stands for."""
    found = ArrayV3Metadata.from_dict(written(meta))
    assert (found.shape, found.chunk_grid.chunk_shape, found.dimension_names) == (
        meta.shape,
        meta.chunk_shape,
        meta.dims,
    )
    assert found.data_type.to_native_dtype() == meta.dtype.newbyteorder("<")
    if meta.missing is not None:
        assert same_scalar(found.fill_value, meta.missing) or np.array_equal(
            np.asarray(found.fill_value), np.asarray(meta.missing), equal_nan=True
        )


@pytest.mark.parametrize(
    ("dtype", "filters"),
    [
        (np.dtype(object), ({"id": "vlen-utf8"}, {"id": "zlib", "level": 1})),
        (np.dtype(object), ({"id": "vlen-bytes"},)),
        (np.dtype(object), ({"id": "fill_hdf_strings", "dtype": "|S16", "id_map": {"a": "b"}},)),
        (np.dtype("<f8"), ({"id": "fixedscaleoffset", "scale": 10, "offset": 0, "dtype": "<f8", "astype": "<i2"},)),
        (np.dtype("<i4"), ({"id": "delta", "dtype": "<i4", "astype": "<i2"}, {"id": "zlib", "level": 1})),
        (np.dtype("<i4"), ({"id": "zlib", "level": 1}, {"id": "delta", "dtype": "|u1", "astype": "|u1"})),
    ],
)
def test_objects_and_filters_go_through_the_document(dtype, filters):
    """Text and bytes of any length, and filters that zarr has for arrays, where they stand."""
    meta = ArrayMeta(shape=(4,), chunk_shape=(2,), dtype=dtype, filters=filters)
    assert array_from_document("x", written(meta)) == meta
    ArrayV3Metadata.from_dict(written(meta))


def test_records_of_any_byte_order_are_read_alike():
    """Records that are not little-endian are put in order by a codec: the members' values are the same."""
    dtype = np.dtype([("a", ">i4"), ("b", [("c", "<f8"), ("d", ">i2", (2,))])])
    stored = np.array([(1, (2.5, [3, 4])), (-5, (6.5, [7, -8]))], dtype)
    meta = ArrayMeta(shape=(2,), chunk_shape=(2,), dtype=np.dtype([("a", ">i4"), ("b", [("c", "<f8"), ("d", ">i2")])]))
    assert array_document(meta)["data_type"]["name"] == "structured"
    again = array_from_document("x", written(meta))
    assert again.dtype == meta.dtype.newbyteorder("<")
    (codec,) = again.codecs
    assert codec == {"id": "astype", "encode_dtype": ">i4,<f8,>i2", "decode_dtype": "<i4,<f8,<i2"}
    with pytest.raises(Unsupported, match="no data type"):
        array_document(ArrayMeta(shape=(2,), chunk_shape=(2,), dtype=stored.dtype))


def test_types_are_spelled_as_every_zarr_3_reads_them():
    """Records are `structured` with pairs of name and type; bytes, and what pads records, are `raw_bytes`; NaN of other
    bits than the usual are hexadecimal.
    """

    def of(dtype, fill=None):
        return written(ArrayMeta(shape=(2,), chunk_shape=(2,), dtype=np.dtype(dtype), fill_value=fill))

    padded = np.dtype([("a", "u1"), ("b", "<f8")], align=True)
    with pytest.raises(Unsupported, match="gaps"):
        of(padded)
    fields = of(laid_flat(padded))["data_type"]["configuration"]["fields"]
    assert of(laid_flat(padded))["data_type"]["name"] == "structured"
    gap = {"name": "raw_bytes", "configuration": {"length_bytes": 7}}
    assert fields == [["a", "uint8"], ["_padding_1", gap], ["b", "float64"]]
    assert of("V5")["data_type"] == {"name": "raw_bytes", "configuration": {"length_bytes": 5}}
    payload = np.array([0x7FC00001], "<u4").view("<f4")[0]
    meta = ArrayMeta(shape=(2,), chunk_shape=(2,), dtype=np.dtype("<f4"), background=payload)
    assert "0x7fc00001" in json.dumps(written(meta))


CREATED = [
    {"dtype": "<i2", "fill_value": 5},
    {"dtype": "<f4", "compressors": [zarr.codecs.ZstdCodec(level=3, checksum=True)]},
    {"dtype": "<f8", "compressors": [zarr.codecs.BloscCodec(cname="lz4", typesize=8, shuffle="bitshuffle")]},
    {"dtype": "<f8", "compressors": [zarr.codecs.GzipCodec(level=1), zarr.codecs.Crc32cCodec()]},
    {"dtype": "<i4", "serializer": zarr.codecs.BytesCodec(endian="big")},
    {"dtype": "<i4", "filters": [zarr.codecs.TransposeCodec(order=(1, 0))]},
    {"dtype": "U3", "fill_value": "b"},
    {"dtype": "S3", "fill_value": b"b"},
    {"dtype": RECORD},
    {"dtype": str},
    {"dtype": "<M8[s]"},
    {"dtype": "<c8", "fill_value": complex("nan+1j")},
    {"dtype": "bool", "chunk_key_encoding": {"name": "v2", "separator": "."}},
]


@pytest.mark.parametrize("arguments", CREATED)
def test_documents_that_zarr_writes_are_read(arguments):
    """What zarr writes is read, and written again means to zarr what it meant."""
    store: dict = {}
    arguments = {"compressors": None, **arguments}
    zarr.create_array(
        zarr.storage.MemoryStore(store),
        shape=(4, 3),
        chunks=(2, 3),
        dimension_names=("y", "x"),
        attributes={"n": 1},
        **arguments,
    )
    document = json.loads(store["zarr.json"].to_bytes())
    meta = array_from_document("x", document)
    again = ArrayV3Metadata.from_dict(written(meta))
    theirs = ArrayV3Metadata.from_dict(document)
    assert (meta.shape, meta.chunk_shape, meta.dims) == ((4, 3), (2, 3), ("y", "x"))
    assert [codec.to_dict() for codec in again.codecs] == [codec.to_dict() for codec in theirs.codecs]
    assert again.data_type == theirs.data_type
    assert str(again.fill_value) == str(theirs.fill_value)
    assert meta.attrs == {"n": 1}


def test_documents_that_virtualizarr_writes_are_read():
    """Its codecs of HDF5's filters, its byte order and its masked value; what we write says the same."""
    document = plain(
        data_type="int16",
        codecs=[
            {"name": "bytes", "configuration": {"endian": "big"}},
            {"name": "numcodecs.shuffle", "configuration": {"elementsize": 2}},
            {"name": "numcodecs.zlib", "configuration": {"level": 4}},
            {"name": "numcodecs.fletcher32", "configuration": {}},
        ],
        attributes={"_FillValue": 7},
        dimension_names=["phony_dim_0", "phony_dim_1"],
        storage_transformers=[],
    )
    meta = array_from_document("x", document)
    assert (meta.dtype, meta.dims, meta.attrs) == (
        np.dtype(">i2"),
        ("phony_dim_0", "phony_dim_1"),
        {"_FillValue": 7},
    )
    assert [codec["id"] for codec in meta.codecs] == ["shuffle", "zlib", "fletcher32"]
    assert {**written(meta), "storage_transformers": []} == document


def test_what_masks_is_apart_from_what_is_missing():
    """The attribute and the value of missing chunks, as v2 and v3 have them."""
    document = written(ArrayMeta(shape=(1,), chunk_shape=(1,), dtype=np.dtype("<f4"), fill_value=np.float32(5)))
    assert (document["fill_value"], document["attributes"]) == (5.0, {"_FillValue": "AAAAAAAAFEA="})
    assert "chunkmap" not in document
    unmasked = array_from_document("x", {**document, "attributes": {}})
    assert (unmasked.fill_value, unmasked.background) == (None, 5.0)
    other = array_from_document("x", {**document, "fill_value": 1.0})
    assert (other.fill_value, other.background, other.attrs) == (None, 1.0, {"_FillValue": 5.0})
    zero = array_from_document("x", {**document, "fill_value": 0.0})
    assert (zero.fill_value, zero.background, zero.attrs) == (None, None, {"_FillValue": 5.0})
    nan = array_from_document("x", {**document, "fill_value": "NaN", "attributes": {}})
    assert same_scalar(nan.fill_value, float("nan"))


def test_what_xarray_would_fail_on_stands_beside_the_attributes():
    """Masked text, and a `_FillValue` that is no number, are kept where other readers leave them alone."""
    text = ArrayMeta(shape=(1,), chunk_shape=(1,), dtype=np.dtype("S2"), fill_value=b"ab")
    assert written(text)["chunkmap"] == {"must_understand": False, "fill_value": "YWI="}
    attribute = ArrayMeta(shape=(1,), chunk_shape=(1,), dtype=np.dtype("<f4"), attrs={"_FillValue": "x", "n": 1})
    assert written(attribute)["attributes"] == {"n": 1}
    assert array_from_document("x", written(attribute)) == attribute


def plain(**changes):
    """A document, changed."""
    return {**written(ArrayMeta(shape=(4, 4), chunk_shape=(2, 2), dtype=np.dtype("<i4"))), **changes}


BYTES = {"name": "bytes", "configuration": {"endian": "little"}}


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"codecs": [{"name": "sharding_indexed", "configuration": {}}]}, StorageError, "no entry 'chunk_shape'"),
        ({"codecs": [BYTES, {"name": "sharding_indexed", "configuration": {}}]}, Unsupported, "x: its shards"),
        ({"codecs": [BYTES, {"name": "acme"}]}, Unsupported, "'acme'"),
        ({"codecs": [{"name": "acme"}]}, Unsupported, "'acme'"),
        ({"codecs": []}, StorageError, "turns arrays into bytes"),
        ({"codecs": ["bytes"]}, StorageError, "in which order"),
        ({"codecs": [{"name": "transpose", "configuration": {"order": [0, 2]}}, BYTES]}, StorageError, "transpose"),
        ({"data_type": "int2"}, Unsupported, "'int2'"),
        ({"data_type": 5}, StorageError, "a name"),
        ({"chunk_grid": {"name": "acme"}}, Unsupported, "'acme'"),
        ({"chunk_key_encoding": {"name": "acme"}}, Unsupported, "'acme'"),
        ({"storage_transformers": [{"name": "acme"}]}, Unsupported, "storage transformers"),
        ({"acme": {"must_understand": True}}, Unsupported, "'acme'"),
        ({"fill_value": None}, StorageError, "null"),
        ({"fill_value": "a"}, StorageError, "x/zarr.json"),
        ({"fill_value": 1.5}, StorageError, "fill_value"),
        ({"shape": [4]}, StorageError, "as many axes"),
        ({"shape": [4, 4.5]}, StorageError, "no lengths"),
        ({"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 2**63]}}}, StorageError, "no lengths"),
        ({"zarr_format": 2}, StorageError, "zarr_format 2"),
        ({"node_type": "group"}, StorageError, "expected 'array'"),
        (
            {"codecs": [{"name": "numcodecs.delta"}, {"name": "bytes", "configuration": {"endian": "big"}}]},
            Unsupported,
            "big",
        ),
    ],
)
def test_what_is_not_read_is_named(changes, error, message):
    """What is not understood is refused by its name, what is damaged by what is wrong with it."""
    with pytest.raises(error, match=message):
        array_from_document("x", plain(**changes))


def test_permutations_of_axes_are_refused():
    """Only the reversal of all axes has a counterpart."""
    document = written(ArrayMeta(shape=(4,) * 3, chunk_shape=(2,) * 3, dtype=np.dtype("<i4")))
    for order, expected in ([0, 1, 2], "C"), ([2, 1, 0], "F"):
        codecs = [{"name": "transpose", "configuration": {"order": order}}, BYTES]
        assert array_from_document("x", {**document, "codecs": codecs}).order == expected
    codecs = [{"name": "transpose", "configuration": {"order": [1, 0, 2]}}, BYTES]
    with pytest.raises(Unsupported, match="transposition"):
        array_from_document("x", {**document, "codecs": codecs})


@pytest.mark.parametrize("dtype", ["<f2", ">c8"])
def test_fill_values_of_other_writers_are_read(dtype):
    """Bits of a NaN, bytes as numbers, no time, and records by member."""
    half = "0x7e01" if dtype == "<f2" else "0x7fc00001"
    value = half if dtype == "<f2" else [half, 1.0]
    document = plain(data_type=np.dtype(dtype).name, fill_value=value)
    assert np.isnan(array_from_document("x", document).missing)


def test_types_of_other_writers_are_read():
    """Raw bits by the specification's name, and records by their later one."""
    raw = array_from_document("x", plain(data_type="r24", fill_value=[1, 2, 3], codecs=["bytes"]))
    assert raw.dtype == np.dtype("V3")
    assert raw.missing.tobytes() == b"\1\2\3"
    fields = [{"name": "a", "data_type": "int32"}, {"name": "b", "data_type": "float64"}]
    record = {"name": "struct", "configuration": {"fields": fields}}
    big = {"name": "bytes", "configuration": {"endian": "big"}}
    found = array_from_document("x", plain(data_type=record, fill_value={"a": 1}, codecs=[big]))
    assert found.dtype == np.dtype([("a", ">i4"), ("b", ">f8")])
    assert found.missing.tolist() == (1, 0.0)
    time = {"name": "numpy.datetime64", "configuration": {"unit": "\N{GREEK SMALL LETTER MU}s", "scale_factor": 10}}
    times = array_from_document("x", plain(data_type=time, fill_value="NaT"))
    assert (times.dtype, times.missing) == (np.dtype("<M8[10us]"), None)


def test_what_v3_has_no_words_for_is_refused():
    """Types of no counterpart, and objects of other codecs."""
    for dtype, filters in ((np.dtype("longdouble"), ()), (np.dtype(object), ({"id": "json2"},)), (np.dtype("O"), ())):
        with pytest.raises(Unsupported, match="Zarr v3 has no data type"):
            array_document(ArrayMeta(shape=(1,), chunk_shape=(1,), dtype=dtype, filters=filters))


def test_documents_of_groups():
    """A group says what it is, and what is below it."""
    array = written(ArrayMeta(shape=(1,), chunk_shape=(1,), dtype=np.dtype("<i4")))
    group = json.loads(json.dumps(group_document({"a": 1}, {"x": array})))
    assert not is_array(group)
    assert consolidated_documents(group) == {"x": array}
    assert consolidated_documents(group_document({})) == {}
    assert same_attrs(group["attributes"], {"a": 1})
    with pytest.raises(StorageError, match="node_type 'tree'"):
        is_array({"zarr_format": 3, "node_type": "tree"})
