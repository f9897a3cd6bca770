"""Random TIFFs, written by tifffile and by rasterio: read through references as both libraries read them."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import rasterio
import rasterio.errors
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle import assert_same, by_rasterio, by_tifffile, scanned, values

FEW = settings(
    max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

INTEGERS = ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8")
FLOATS = ("f2", "f4", "f8")
COMPLEX = ("c8", "c16")
BYTES = ("zlib", "lzw", "zstd", "lzma")
PREDICTED = {**dict.fromkeys(INTEGERS, (False, 2)), **dict.fromkeys(FLOATS, (False, 3))}


def numbers(seed, shape, dtype):
    """Numbers that compress, and use the whole range of the type."""
    rng, dtype = np.random.default_rng(seed), np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) > 0.5
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    if dtype.kind == "c":
        return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)
    return (rng.normal(size=shape) * 100).astype(dtype)


@st.composite
def written_by_tifffile(draw):
    """An array, and how tifffile is to write it."""
    kind = draw(st.sampled_from((*INTEGERS, *FLOATS, *COMPLEX, "?")))
    height, width = draw(st.integers(1, 70)), draw(st.integers(1, 50))
    bands = draw(st.sampled_from((1, 1, 3, 4)))
    planar = draw(st.sampled_from(("contig", "separate"))) if bands > 1 else None
    pages = draw(st.sampled_from((1, 1, 3)))
    shape = (height, width) if bands == 1 else (height, width, bands) if planar == "contig" else (bands, height, width)
    compressions = (None, *BYTES) if kind != "?" else (None,)
    compression = draw(st.sampled_from(compressions))
    how = {
        "compression": compression,
        "predictor": draw(st.sampled_from(PREDICTED.get(kind, (False,)))) if compression else False,
        "byteorder": draw(st.sampled_from("<>")),
        "bigtiff": draw(st.booleans()),
        "photometric": "rgb" if bands > 1 else "minisblack",
        "planarconfig": planar,
        "extrasamples": ["unspecified"] if bands == 4 else None,
        "metadata": draw(st.sampled_from((None, {}))),
    }
    if kind == "?":
        how.update(photometric="minisblack", planarconfig=None, extrasamples=None)
        shape = (height, width)
    if draw(st.booleans()):
        how["tile"] = (16 * draw(st.integers(1, 3)), 16 * draw(st.integers(1, 3)))
    else:
        how["rowsperstrip"] = draw(st.integers(1, height))
    return draw(st.integers(0, 9)), shape if pages == 1 else (pages, *shape), kind, how


@FEW
@given(case=written_by_tifffile())
def test_what_tifffile_writes(tmp_path, case):
    """Compression x predictor x planes x type x byte order x strips and tiles, as tifffile reads it back."""
    seed, shape, kind, how = case
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, numbers(seed, shape, kind), **{k: v for k, v in how.items() if v is not None})
    found = scanned(path)
    assert found.problems == ()
    assert_same(values(found), by_tifffile(path))


RASTERIO = {
    "uint8": (2,),
    "int8": (2,),
    "uint16": (2,),
    "int16": (2,),
    "uint32": (2,),
    "int32": (2,),
    "uint64": (2,),
    "int64": (2,),
    "float32": (2, 3),
    "float64": (2, 3),
    "complex64": (2,),
    "complex128": (),
    "complex_int16": (),
}
BITS = {"uint8": (1, 2, 3, 4, 7), "uint16": (9, 12, 15), "uint32": (17, 20, 31), "float32": (16, 24)}


@st.composite
def written_by_rasterio(draw):
    """A shape, a type, and how GDAL is to write it."""
    kind = draw(st.sampled_from(sorted(RASTERIO)))
    how = {
        "height": draw(st.integers(1, 70)),
        "width": draw(st.integers(1, 50)),
        "count": draw(st.sampled_from((1, 1, 2, 3, 5))),
        "interleave": draw(st.sampled_from(("pixel", "band"))),
        "endianness": draw(st.sampled_from(("little", "big"))),
        "bigtiff": draw(st.sampled_from(("yes", "no"))),
        "compress": draw(st.sampled_from(("none", "deflate", "lzw", "zstd", "lzma", "packbits"))),
    }
    predicted = how["compress"] in ("deflate", "lzw", "zstd")
    if kind in BITS and draw(st.booleans()):
        how["nbits"] = draw(st.sampled_from(BITS[kind]))
    elif predicted and RASTERIO[kind] and not (kind[0] == "c" and how["endianness"] == "big") and draw(st.booleans()):
        how["predictor"] = draw(st.sampled_from(RASTERIO[kind]))
    if draw(st.booleans()):
        how.update(tiled=True, blockxsize=16 * draw(st.integers(1, 3)), blockysize=16 * draw(st.integers(1, 3)))
    else:
        how["blockysize"] = draw(st.integers(1, how["height"]))
    return draw(st.integers(0, 9)), kind, how


@FEW
@given(case=written_by_rasterio())
def test_what_rasterio_writes(tmp_path, case):
    """The same, with any number of bits, of bands, and complex numbers, as rasterio reads it back."""
    seed, kind, how = case
    path = tmp_path / "a.tif"
    dtype = np.dtype("complex64" if kind == "complex_int16" else kind)
    data = numbers(seed, (how["count"], how["height"], how["width"]), dtype)
    if kind == "complex_int16":
        data = np.round(data * 100)
    if "nbits" in how and dtype.kind == "u":
        data &= dtype.type((1 << how["nbits"]) - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path, "w", driver="GTiff", dtype=kind, **how) as file:
            file.write(data)
    found = scanned(path)
    assert found.problems == ()
    # GDAL has no type of 1 bit, and none of floats of 16
    narrow = how.get("nbits") in (1, 16)
    assert_same(values(found), by_rasterio(path), kind=not narrow)


PICTURES = ("jpeg", "jpeg2000", "lerc", "jpegxl", "png", "packbits")


@pytest.mark.parametrize("tiled", [True, False])
@pytest.mark.parametrize(
    ("compression", "bands"), [*((name, n) for name in PICTURES for n in (1, 3)), ("webp", 3), ("jpegxr", 3)]
)
def test_pictures(tmp_path, compression, bands, tiled):
    """Every scheme that compresses pictures, in strips of which the last is short and in tiles."""
    y, x = np.mgrid[:50, :70]
    data = np.stack([x + y, x * 2, y * 3], -1).astype("u1")[..., :bands].squeeze()
    layout = {"tile": (32, 48)} if tiled else {"rowsperstrip": 16}
    path = tmp_path / "a.tif"
    colours = "minisblack" if bands == 1 else "rgb"
    tifffile.imwrite(path, data, photometric=colours, compression=compression, metadata=None, **layout)
    found = scanned(path)
    assert found.problems == ()
    assert_same(values(found), by_tifffile(path))
    assert math.prod(found.arrays["image"].chunks.grid_shape) == len(found.arrays["image"].chunks) > 1


@pytest.mark.parametrize("scheme", ["ccittrle", "ccittfax3", "ccittfax4"])
@pytest.mark.parametrize("colours", ["MINISBLACK", "MINISWHITE"])
@pytest.mark.parametrize("layout", [{"blockysize": 16}, {"tiled": True, "blockxsize": 32, "blockysize": 48}])
def test_facsimiles(tmp_path, scheme, colours, layout):
    """CCITT's schemes, in strips of which the last is short and in tiles, as GDAL reads them."""
    data = (np.random.default_rng(0).random((1, 50, 75)) > 0.7).astype("uint8")
    path = tmp_path / "a.tif"
    how = {"height": 50, "width": 75, "count": 1, "dtype": "uint8", "nbits": 1, "photometric": colours, **layout}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path, "w", driver="GTiff", compress=scheme, **how) as file:
            file.write(data)
    found = scanned(path)
    assert found.problems == ()
    assert_same(values(found), data[0], kind=False)
