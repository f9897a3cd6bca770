"""The codecs of TIFF: configurations and stored bytes that never change, beside those of the package imagecodecs."""

import imagecodecs
import numcodecs
import numpy as np
import pytest

from chunkmap.codecs import register
from chunkmap.codecs.tiff.imagecodecs_ids import ImagecodecsDelta, ImagecodecsFloatpred

register()

GOLDEN = {
    "tiff_pad": ({"size": 4}, "0102", "01020000"),
    "tiff_bits": ({"bits": 12, "run": 3, "dtype": "<u2"}, "abcdef1230", "bc0aef0d2301"),
    "tiff_bits of 1": ({"bits": 1, "run": 5, "dtype": "|b1"}, "a850", "01000100010001000100"),
    "tiff_float24": ({"byteorder": ">"}, "3f0000bf8000ff0000000001", "0000803f0000c0bf000080ff00008018"),
    "imagecodecs_delta": ({"shape": [1, 3], "dtype": ">u2", "axis": -1, "dist": 1}, "000100ff0001", "000101000101"),
    "imagecodecs_floatpred": ({"shape": [1, 2], "dtype": "<f4", "axis": -1, "dist": 1}, "3f0141800000", None),
    "imagecodecs_bitorder": ({}, "01f0", "800f"),
    "imagecodecs_ccittrle": ({"height": 1, "width": 8}, "1f8438", "0001010000000100"),
    "imagecodecs_ccittfax3": ({"height": 1, "width": 8, "t4options": 0}, "0011f84380", "0001010000000100"),
    "imagecodecs_ccittfax4": ({"height": 2, "width": 8}, "23e128008008", "00010100000001000000000000000000"),
    "imagecodecs_packbits": ({}, "fe07010809", "0707070809"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_stored_bytes_decode(name):
    """Bytes as files have them decode to what they did when the id was given."""
    config, stored, wanted = GOLDEN[name]
    codec = numcodecs.get_codec({"id": name.split()[0], **config})
    assert numcodecs.get_codec(codec.get_config()).get_config() == codec.get_config()
    if wanted is None:
        with pytest.raises(ValueError, match="reshape"):
            codec.decode(bytes.fromhex(stored))
    else:
        assert np.asarray(codec.decode(bytes.fromhex(stored))).tobytes().hex() == wanted


@pytest.mark.parametrize("bits", [n for n in range(1, 32) if n != 16])
def test_numbers_of_any_count_of_bits(bits):
    """Numbers are taken apart as the package imagecodecs does it, and put together again."""
    rng = np.random.default_rng(bits)
    dtype = np.dtype("u1" if bits < 9 else "<u2" if bits < 17 else "<u4")
    values = rng.integers(0, 1 << bits, (7, 11), dtype="u8").astype(dtype)
    codec = numcodecs.get_codec({"id": "tiff_bits", "bits": bits, "run": 11, "dtype": dtype.str})
    packed = codec.encode(values)
    assert codec.decode(packed).tobytes() == values.tobytes()
    assert imagecodecs.packints_decode(packed, dtype, bits, runlen=11).tobytes() == values.tobytes()


def test_floats_of_24_bits():
    """Every float of 24 bits is the one that the package imagecodecs makes of it, zeros, endless and tiny ones too."""
    raw = np.arange(0, 1 << 24, 251, dtype="<u4").view("u1").reshape(-1, 4)[:, :3].tobytes()
    for order in "<>":
        found = numcodecs.get_codec({"id": "tiff_float24", "byteorder": order}).decode(raw)
        wanted = imagecodecs.float24_decode(raw, byteorder=order)
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("dtype", ["<u2", ">u2", "<i4", ">u8", "|u1"])
@pytest.mark.parametrize("samples", [1, 3])
def test_differences(dtype, samples):
    """Horizontal differences, in either byte order, with samples side by side."""
    shape = (5, 8) if samples == 1 else (5, 8, samples)
    axis = 1 - len(shape)
    values = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    stored = imagecodecs.delta_encode(values.astype(np.dtype(dtype).newbyteorder("=")), axis=axis).astype(dtype)
    codec = ImagecodecsDelta(shape=shape, dtype=dtype, axis=axis)
    assert codec.decode(stored.tobytes()).tobytes() == values.tobytes()


@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f4", "<f8", ">f8"])
@pytest.mark.parametrize("samples", [1, 3])
def test_differences_of_floats(dtype, samples):
    """Those of floating point, whose bytes stand by their significance."""
    shape = (5, 8) if samples == 1 else (5, 8, samples)
    axis = 1 - len(shape)
    values = np.random.default_rng(0).normal(size=shape).astype(dtype)
    stored = imagecodecs.floatpred_encode(values.astype(np.dtype(dtype).newbyteorder("=")), axis=axis)
    codec = ImagecodecsFloatpred(shape=shape, dtype=dtype, axis=axis)
    assert codec.decode(stored.tobytes()).tobytes() == values.tobytes()


@pytest.mark.parametrize(
    ("config", "data"),
    [
        ({"id": "tiff_pad", "size": 2}, b"123"),
        ({"id": "tiff_bits", "bits": 12, "run": 3, "dtype": "<u2"}, b"12"),
        ({"id": "tiff_float24", "byteorder": "<"}, b"12"),
        ({"id": "imagecodecs_lzw"}, b"\xff" * 9),
    ],
)
def test_wrong_bytes_are_refused(config, data):
    """What cannot be is an error, never other numbers."""
    with pytest.raises((ValueError, RuntimeError)):
        numcodecs.get_codec(config).decode(data)
