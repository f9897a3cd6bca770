"""What imagecodecs decodes, in Zarr v3 under the names that it has there, by whichever package zarr-python finds."""

import json
import warnings
from importlib.util import find_spec

import numpy as np
import pytest
import tifffile
import zarr
from fsspec.implementations.reference import ReferenceFileSystem
from zarr.registry import get_codec_class
from zarr.storage import FsspecStore

import chunkmap
from chunkmap.codecs.zarr import imagecodecs_in_v3
from chunkmap.errors import Unsupported
from chunkmap.model.v3_codecs import decode_codecs

GREY = (np.add.outer(np.arange(64), np.arange(96)) % 251).astype(np.uint8)
COLOURS = np.dstack([GREY, GREY[::-1], GREY[:, ::-1]])
TILES = {"tile": (32, 32)}
FILES = {
    "lzw": (GREY, {"compression": "lzw", **TILES}, ["bytes", "imagecodecs_lzw"]),
    "packbits": (GREY, {"compression": "packbits", **TILES}, ["bytes", "imagecodecs_packbits"]),
    "differences": (
        GREY * np.uint16(200),
        {"compression": "lzw", "predictor": 2, **TILES},
        ["imagecodecs_delta", "bytes", "imagecodecs_lzw"],
    ),
    "of colours": (
        COLOURS,
        {"compression": "zstd", "predictor": 2, "photometric": "rgb", **TILES},
        ["imagecodecs_delta", "bytes", "imagecodecs_zstd"],
    ),
    "of floats": (
        GREY / np.float32(7),
        {"compression": "lzw", "predictor": 3, **TILES},
        ["imagecodecs_floatpred", "imagecodecs_lzw"],
    ),
    "big-endian": (
        GREY * np.uint16(200),
        {"compression": "lzw", "predictor": 2, "byteorder": ">", **TILES},
        ["bytes", "chunkmap.numcodecs", "imagecodecs_lzw"],
    ),
    "short strips": (
        GREY * np.uint16(200),
        {"compression": "lzw", "predictor": 2, "rowsperstrip": 17},
        ["imagecodecs_delta", "bytes", "chunkmap.numcodecs", "imagecodecs_lzw"],
    ),
    "jpeg": (GREY, {"compression": "jpeg", **TILES}, ["imagecodecs_jpeg"]),
    "jpeg with tables": (COLOURS, {"compression": "jpeg", "photometric": "ycbcr", **TILES}, ["imagecodecs_jpeg"]),
    "jpeg2000": (GREY * np.uint16(200), {"compression": "jpeg2000", **TILES}, ["imagecodecs_jpeg2k"]),
    "jpegxl": (GREY, {"compression": "jpegxl", **TILES}, ["imagecodecs_jpegxl"]),
    "jpegxr": (COLOURS, {"compression": "jpegxr", "photometric": "rgb", **TILES}, ["imagecodecs_jpegxr"]),
    "png": (GREY * np.uint16(200), {"compression": "png", **TILES}, ["imagecodecs_png"]),
    "webp": (COLOURS, {"compression": "webp", "photometric": "rgb", **TILES}, ["bytes", "chunkmap.numcodecs"]),
}


@pytest.mark.parametrize("case", FILES)
def test_images_are_read_by_zarr_under_names_of_imagecodecs(tmp_path, case):
    """Where a codec decodes the same under such a name it has it; the set is the same when it is loaded again."""
    image, how, names = FILES[case]
    tifffile.imwrite(tmp_path / "a.tif", image, **how)
    refs = chunkmap.scan(tmp_path / "a.tif")
    (path,) = (path for path, array in refs.arrays.items() if array.meta.ndim == image.ndim)
    chunkmap.write(refs, tmp_path / "set.json", zarr_format=3)
    document = json.loads(json.loads((tmp_path / "set.json").read_text())["refs"][f"{path}/zarr.json"])
    assert [codec["name"] for codec in document["codecs"]] == names
    assert chunkmap.load(tmp_path / "set.json").arrays == refs.arrays
    expected = tifffile.imread(tmp_path / "a.tif")
    store = FsspecStore(ReferenceFileSystem(str(tmp_path / "set.json"), asynchronous=True), read_only=True, path="")
    np.testing.assert_array_equal(zarr.open_array(store, path=path, mode="r")[...], expected)


def test_each_name_leads_to_one_class():
    """imagecodecs' own where it has one, which zarr-python is told of once, so that it warns of nothing."""
    theirs = find_spec("imagecodecs.zarr") is not None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = get_codec_class("imagecodecs_lzw")
    assert found.__module__ == ("imagecodecs.zarr" if theirs else imagecodecs_in_v3.__name__)
    with pytest.raises(AttributeError, match="Nosuch"):
        _ = imagecodecs_in_v3.Nosuch


@pytest.mark.parametrize(
    ("codecs", "chunk_shape"),
    [
        ([{"name": "imagecodecs_delta", "configuration": {"axis": -1, "dist": 2}}, "bytes"], (4, 4)),
        (["imagecodecs_delta", "bytes"], None),
        ([{"name": "transpose", "configuration": {"order": [1, 0]}}, "imagecodecs_delta", "bytes"], (4, 4)),
        (["imagecodecs_delta", {"name": "bytes", "configuration": {"endian": "big"}}], (4, 4)),
    ],
    ids=["distance", "chunks of several lengths", "turned", "big-endian"],
)
def test_differences_of_another_kind_are_refused(codecs, chunk_shape):
    """They are not guessed to be those along rows of little-endian chunks of one shape."""
    codecs = [
        {"name": "bytes", "configuration": {"endian": "little"}} if codec == "bytes" else codec for codec in codecs
    ]
    with pytest.raises(Unsupported):
        decode_codecs(codecs, np.dtype("<u2"), 2, chunk_shape)
