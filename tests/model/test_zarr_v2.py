"""The documents of Zarr v2 as zarr itself writes and reads them."""

import json

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from chunkmap.errors import StorageError
from chunkmap.model import ArrayMeta
from chunkmap.model.meta import same_attrs, same_scalar
from chunkmap.model.zarr_v2 import array_document, array_from_documents, decode_fill_value, encode_fill_value

FILLS = [
    ("<f4", np.float32("nan")),
    (">f8", np.inf),
    ("<f8", -np.inf),
    ("<f8", 0.1),
    (">i2", np.int16(-99)),
    ("<i8", 2**63 - 1),
    ("<u8", 2**64 - 1),
    ("|b1", True),
    ("<c16", complex(1, float("nan"))),
    ("|S3", b"ab"),
    ("<M8[ns]", np.datetime64(5, "ns")),
    ("<M8[ns]", np.datetime64("NaT", "ns")),
    ("|V4", np.void(b"abcd")),
    ("<U3", "ab"),
    ("<f4", None),
]


@pytest.mark.parametrize(("dtype", "value"), FILLS)
def test_fill_values_go_through_json(dtype, value):
    """A fill value written as JSON is the same when it is read."""
    dtype = np.dtype(dtype)
    again = decode_fill_value(json.loads(json.dumps(encode_fill_value(value, dtype))), dtype)
    if dtype.kind in "mM":
        assert np.asarray(again).view("i8") == np.asarray(value).view("i8")
    elif dtype.kind == "c":
        assert str(again) == str(np.complex128(value))
    else:
        assert same_scalar(again, value)


@given(st.sampled_from(["<f4", ">f8", "<i2", ">u4", "|b1", "<i8"]), st.data())
def test_metadata_is_what_zarr_writes(dtype, data):
    """`.zarray` written by zarr is read, and written back, as zarr wrote it."""
    shape = tuple(data.draw(st.lists(st.integers(1, 9), max_size=3)))
    chunks = tuple(data.draw(st.integers(1, n)) for n in shape)
    store: dict = {}
    zarr.create_array(
        zarr.storage.MemoryStore(store),
        shape=shape,
        chunks=chunks,
        dtype=dtype,
        zarr_format=2,
        order=data.draw(st.sampled_from("CF")),
        compressors=None,
        fill_value=data.draw(st.sampled_from([None, 1])),
    )
    document = json.loads(store[".zarray"].to_bytes())
    meta = array_from_documents("x", document, {"_ARRAY_DIMENSIONS": list("abc"[: len(shape)]), "n": 1})
    assert array_document(meta) == document
    assert (meta.shape, meta.chunk_shape, meta.dtype) == (shape, chunks, np.dtype(dtype))
    assert meta.dims == tuple("abc"[: len(shape)])
    assert meta.attrs == {"n": 1}


def test_structured_types_go_through_json():
    """Records of records, with members that are arrays, are the same type when they are read."""
    dtype = np.dtype([("a", "<i4"), ("b", [("c", ">f8"), ("d", "S2", (2, 3))])])
    meta = ArrayMeta(shape=(2,), chunk_shape=(1,), dtype=dtype)
    document = json.loads(json.dumps(array_document(meta)))
    assert array_from_documents("x", document, {}).dtype == dtype


def test_metadata_is_equal_where_it_decodes_alike():
    """NaN equals NaN, a filter equals a compressor in its place, and every other difference is one."""
    meta = ArrayMeta(
        shape=(2,), chunk_shape=(1,), dtype=np.dtype("f4"), fill_value=np.float32("nan"), attrs={"a": np.nan}
    )
    again = ArrayMeta(shape=(2,), chunk_shape=(1,), dtype=np.dtype("f4"), fill_value=float("nan"), attrs={"a": np.nan})
    assert meta == again
    zlib = {"id": "zlib", "level": 1}
    parts = {"shape": (2,), "chunk_shape": (1,), "dtype": np.dtype("f4")}
    assert ArrayMeta(**parts, filters=(zlib,)) == ArrayMeta(**parts, compressor=zlib)
    assert ArrayMeta(**parts, filters=(zlib,)) != ArrayMeta(**parts)
    assert ArrayMeta(**parts, fill_value=0) != ArrayMeta(**parts)
    assert ArrayMeta(**parts) != 1
    assert same_attrs({"a": [float("nan"), 1]}, {"a": [float("nan"), 1]})
    assert not same_attrs({"a": [1]}, {"a": [1, 2]})
    assert not same_scalar("a", 1)


def test_sizes_follow_from_shape_and_type():
    """Sizes in elements and bytes, and the number of chunks."""
    meta = ArrayMeta(shape=(5, 4), chunk_shape=(2, 4), dtype=np.dtype("f4"))
    assert (meta.ndim, meta.size, meta.nbytes, meta.chunk_nbytes, meta.grid_shape) == (2, 20, 80, 32, (3, 1))


@pytest.mark.parametrize(
    "wrong", [{"chunk_shape": (1, 1)}, {"dims": ("a", "b")}, {"shape": (-1,)}, {"chunk_shape": (0,)}]
)
def test_what_does_not_fit_together_is_refused(wrong):
    """Chunks or dimensions of another rank, and lengths that are none, are refused."""
    with pytest.raises(ValueError):
        ArrayMeta(**({"shape": (2,), "chunk_shape": (1,), "dtype": np.dtype("f4")} | wrong))


@pytest.mark.parametrize(
    ("entry", "value", "words"),
    [
        ("compressor", 1, "a codec is 1"),
        ("compressor", {"level": 1}, "an object with an id"),
        ("filters", ["zlib"], "a codec is 'zlib'"),
        ("filters", [["id", "zlib"]], "a codec is"),
        ("shape", [2**40, 2**40], "more than 64 bits count"),
        ("dtype", "2<i4", "that of one element"),
        ("dtype", [["a"]], "out of range"),
        ("order", "K", "order is 'K'"),
        ("shape", [2, 2.5], "are no lengths"),
        ("shape", [True, 2], "are no lengths"),
        ("shape", ["2", 2], "are no lengths"),
        ("chunks", [1, 2**63], "are no lengths"),
        ("chunks", [1, 1e308], "are no lengths"),
    ],
)
def test_what_is_no_metadata_is_refused_with_its_name(entry, value, words):
    """The error names the array, and what is wrong in its document."""
    document = {"shape": [2, 2], "chunks": [1, 1], "dtype": "<i4", "compressor": None, "filters": None, entry: value}
    with pytest.raises(StorageError, match=words) as caught:
        array_from_documents("group/x", document, {})
    assert "group/x/.zarray" in str(caught.value)
