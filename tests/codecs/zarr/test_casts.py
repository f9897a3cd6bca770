"""Zarr v3's codecs of numbers, scale_offset and cast_value: decoded as zarr decodes them."""

import base64
import json
from importlib.util import find_spec

import numpy as np
import pytest
import zarr
from zarr.storage import MemoryStore

import chunkmap
from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.codecs.zarr.cast_value import ZarrCastValue
from chunkmap.codecs.zarr.scale_offset import ZarrScaleOffset
from chunkmap.errors import StorageError, Unsupported
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, ReferenceSet
from chunkmap.model.zarr_v3 import array_document, array_from_document

zarr_has_them = pytest.mark.skipif(not hasattr(zarr.codecs, "ScaleOffset"), reason="this zarr has no such codecs")
zarr_casts = pytest.mark.skipif(
    not hasattr(zarr.codecs, "ScaleOffset") or find_spec("cast_value_rs") is None,
    reason="zarr casts with the package cast-value-rs",
)
INT16 = np.arange(-32768, 32768, dtype="i2")


def codecs_of(*filters, endian="little"):
    """A chain of Zarr v3, and a document around it."""
    return [*filters, {"name": "bytes", "configuration": {"endian": endian}}]


def document(dtype, codecs, n, fill=0):
    """The document of an array of one chunk."""
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [n],
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [n]}},
        "chunk_key_encoding": {"name": "default"},
        "fill_value": fill,
        "codecs": codecs,
    }


def read(described, stored):
    """The values of an array, through its document and one chunk held inline."""
    meta = array_from_document("x", json.loads(json.dumps(described)))
    data = stored.tobytes()
    return read_array(ManifestArray(meta, ChunkManifest.single(data, 0, len(data), 1)), Fetcher())


@pytest.mark.parametrize("endian", ["little", "big"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_packed_numbers_are_divided_and_cast(dtype, endian):
    """What CF packs is read as the type of the array, in whose arithmetic it is scaled; named values become others."""
    scale, offset = {"scale": 8, "offset": 273.15}, {"data_type": "int16", "scalar_map": {"decode": [[-32768, "NaN"]]}}
    codecs = codecs_of(
        {"name": "scale_offset", "configuration": scale},
        {"name": "cast_value", "configuration": offset},
        endian=endian,
    )
    found = read(document(dtype, codecs, len(INT16)), INT16.astype(">i2" if endian == "big" else "<i2"))
    number = np.dtype(dtype).type
    expected = INT16.astype(dtype) / number(8) + number(273.15)
    expected[0] = np.nan
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_the_document_is_written_as_it_was_read():
    """Both codecs go through metadata unchanged."""
    codecs = codecs_of(
        {"name": "scale_offset", "configuration": {"scale": 0.5, "offset": 3}},
        {"name": "cast_value", "configuration": {"data_type": "int16", "scalar_map": {"decode": [[-9, "NaN"]]}}},
        {"name": "scale_offset", "configuration": {"offset": 7}},
        {"name": "cast_value", "configuration": {"data_type": "uint8", "rounding": "nearest-even"}},
        endian="little",
    )
    codecs[-1] = {"name": "bytes"}
    meta = array_from_document("x", document("float64", codecs, 4))
    assert array_document(meta)["codecs"] == codecs
    assert array_from_document("x", array_document(meta)) == meta


def test_a_missing_chunk_is_the_fill_value_as_it_stands():
    """What is missing was never scaled: it reads as the fill value, and is not decoded."""
    codecs = [{"name": "scale_offset", "configuration": {"offset": 100, "scale": 3}}, {"name": "bytes"}]
    meta = array_from_document("x", document("uint8", codecs, 4, fill=100))
    array = ManifestArray(meta, ChunkManifest.empty(meta.grid_shape))
    assert read_array(array, Fetcher()).tolist() == [100] * 4


@zarr_has_them
@pytest.mark.parametrize("dtype", ["int16", "uint8", "int64", "uint64", "float32", "float64"])
def test_zarr_scales_the_same(dtype):
    """What zarr encodes and decodes is decoded to the same values."""
    values = (np.arange(40) + 100).astype(dtype)
    store = {}
    array = zarr.create_array(
        MemoryStore(store),
        shape=values.shape,
        dtype=dtype,
        chunks=values.shape,
        fill_value=100,
        filters=[zarr.codecs.ScaleOffset(offset=100, scale=3)],
        compressors=None,
    )
    array[...] = values
    stored = np.frombuffer(store["c/0"].to_bytes(), np.uint8)
    found = read(json.loads(store["zarr.json"].to_bytes()), stored)
    np.testing.assert_array_equal(found, array[...])


@zarr_casts
@pytest.mark.parametrize(("dtype", "stored"), [("float32", "int16"), ("float64", "uint8"), ("float32", "int64")])
def test_zarr_casts_the_same(dtype, stored):
    """What zarr casts is cast to the same values, one of which stands for what is missing."""
    values = np.array([0, 1, 2, 100, np.nan], dtype)
    names = {"encode": [["NaN", 99]], "decode": [[99, "NaN"]]}
    store = {}
    array = zarr.create_array(
        MemoryStore(store),
        shape=values.shape,
        dtype=dtype,
        chunks=values.shape,
        filters=[zarr.codecs.CastValue(data_type=stored, scalar_map=names)],
        compressors=None,
    )
    array[...] = values
    found = read(json.loads(store["zarr.json"].to_bytes()), np.frombuffer(store["c/0"].to_bytes(), np.uint8))
    np.testing.assert_array_equal(found, array[...])
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize(
    ("scale", "offset", "values"),
    [(3, 0, [3, 4]), (1, 100, [100]), (-1, 0, [-128])],
    ids=["remainder", "sum", "quotient"],
)
def test_integers_that_do_not_come_out_exactly_are_refused(scale, offset, values):
    """Nothing is rounded, and nothing wraps around."""
    with pytest.raises(ValueError, match=r"exactly|out of the range"):
        ZarrScaleOffset("|i1", scale, offset).decode(np.array(values, "i1"))


def test_integers_of_64_bits_are_scaled_exactly():
    """No number is rounded on the way."""
    most = np.array([2**63, 2**63 + 2], "u8")
    assert ZarrScaleOffset("<u8", 2, 1).decode(most).tolist() == [2**62 + 1, 2**62 + 2]
    assert ZarrScaleOffset("<u8", 2, 1).decode(most[:0]).tolist() == []


def test_what_cannot_be_decoded_exactly_is_refused():
    """Casts that need rules for rounding and ranges, and codecs of what are no numbers, are named."""
    with pytest.raises(Unsupported, match="<f8 to <f4"):
        ZarrCastValue("<f4", "<f8")
    with pytest.raises(Unsupported, match="towards-zero"):
        ZarrCastValue("<f4", "<i4", rounding="towards-zero")
    with pytest.raises(ValueError, match="not cast"):
        ZarrCastValue("<M8[s]", "<i8")
    with pytest.raises(ValueError, match="not scaled"):
        ZarrScaleOffset("<M8[s]")
    with pytest.raises(ValueError, match="scale of 0"):
        ZarrScaleOffset("<f4", 0)
    for codec in (ZarrScaleOffset("<f4"), ZarrCastValue("<f4", "<i2")):
        with pytest.raises(NotImplementedError, match="not written"):
            codec.encode(b"")


def test_damaged_configurations_are_refused():
    """A cast to nothing is no metadata of an array; big-endian bytes below a codec of arrays are not read."""
    with pytest.raises(StorageError, match="data_type"):
        array_from_document("x", document("float32", codecs_of({"name": "cast_value"}), 4))
    with pytest.raises(Unsupported, match="big-endian"):
        array_from_document("x", document("float32", codecs_of({"name": "scale_offset"}, endian="big"), 4))


PACKED = codecs_of(
    {"name": "scale_offset", "configuration": {"scale": 4, "offset": 100}},
    {"name": "cast_value", "configuration": {"data_type": "int16", "scalar_map": {"decode": [[-9, "NaN"]]}}},
)


def packed_set():
    """A set of Zarr v3 that unpacks numbers inside Zarr, and its values."""
    data = np.array([-9, 2, 6], "<i2").tobytes()
    described = {**document("float32", PACKED, 3), "dimension_names": ["x"]}
    refs = {
        "zarr.json": json.dumps({"zarr_format": 3, "node_type": "group", "attributes": {}}),
        "d/zarr.json": json.dumps(described),
        "d/c/0": "base64:" + base64.b64encode(data).decode(),
        "plain/zarr.json": json.dumps({**document("int16", codecs_of(), 1), "dimension_names": ["one"]}),
    }
    return {"version": 1, "refs": refs}, [np.nan, 100.5, 101.5]


def test_sets_that_use_them_are_opened_by_the_engine():
    """Whether zarr has the codecs or not."""
    refs, expected = packed_set()
    found = chunkmap.open_dataset(refs)
    assert found["d"].dtype == np.float32
    np.testing.assert_array_equal(found["d"], expected)
    assert ReferenceSet.from_dict(ReferenceSet.from_dict(refs).to_dict(zarr_format=3)) == ReferenceSet.from_dict(refs)


def test_sets_that_use_them_are_opened_by_zarr_where_it_has_them():
    """Where it has not, the array is left out by its name, and the others are opened."""
    refs, expected = packed_set()
    if hasattr(zarr.codecs, "ScaleOffset") and find_spec("cast_value_rs") is not None:
        group = zarr.open_group(chunkmap.open_store(refs), mode="r")
        np.testing.assert_array_equal(group["d"][:], expected)
    else:
        with pytest.warns(UserWarning, match="zarr .*(no codec|package cast-value-rs).* d, which are left out"):
            group = zarr.open_group(chunkmap.open_store(refs), mode="r")
    assert group["plain"][:].tolist() == [0]


def test_scaling_is_not_unpacking():
    """Why packed variables are not written as `scale_offset`: division by the reciprocal rounds otherwise than CF."""
    meta = ArrayMeta(
        shape=INT16.shape,
        chunk_shape=INT16.shape,
        dtype=np.dtype("<f4"),
        filters=(
            {"id": "zarr_scale_offset", "dtype": "<f4", "scale": 100, "offset": 0},
            {"id": "zarr_cast_value", "dtype": "<f4", "stored": "<i2"},
        ),
    )
    data = INT16.tobytes()
    found = read_array(ManifestArray(meta, ChunkManifest.single(data, 0, len(data), 1)), Fetcher())
    unpacked = INT16.astype("f4") * np.float32(0.01)
    assert 0 < (found != unpacked).mean() < 1
    np.testing.assert_allclose(found, unpacked, rtol=1e-6)
