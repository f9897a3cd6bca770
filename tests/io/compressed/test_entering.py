"""Entering a stream of deflate at any bit."""

import zlib

import numpy as np
import pytest

from chunkmap.errors import SourceError
from chunkmap.io.compressed.entering import WAYS_IN, inflated
from chunkmap.model.points import Points

BLOCK = b"from here on"


def points_at(bits, data, window=b""):
    """One point, so many bits into the first byte."""
    return Points(
        "deflate",
        0,
        len(data),
        100,
        np.array([0, 100], np.uint64),
        np.array([bits], np.uint8),
        np.array([0, len(data)], np.uint64),
        np.array([zlib.crc32(data)], np.uint32),
        (zlib.compress(window) if window else b"",),
    )


def shifted(stream, bits):
    """A stream that begins so many bits into a byte, of which the lower ones are all set."""
    number = (int.from_bytes(stream, "little") << bits) | ((1 << bits) - 1)
    return memoryview(number.to_bytes(len(stream) + 1, "little"))


@pytest.mark.parametrize("bits", range(8))
def test_a_way_in_is_empty_blocks_that_end_at_the_bit(bits):
    """zlib reads each as blocks that hold nothing, and takes a block that begins at that bit for the next."""
    before, low = WAYS_IN[bits]
    assert low >> bits == 0
    assert zlib.decompressobj(-15).decompress(before) == b""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    stream = deflate.compress(BLOCK) + deflate.flush()
    assert inflated(points_at(bits, BLOCK), 0, shifted(stream, bits), "a") == BLOCK


@pytest.mark.parametrize("bits", range(8))
def test_what_follows_looks_back_into_the_window(bits):
    """A block that copies from what was before the point finds it, behind every way in."""
    window = np.random.default_rng(1).bytes(1 << 15)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, window)
    again = window[20000:29000]
    stream = deflate.compress(again) + deflate.flush()
    assert len(stream) < 200
    assert inflated(points_at(bits, again, window), 0, shifted(stream, bits), "a") == again


@pytest.mark.parametrize("wrong", ["bits", "window", "no window", "checksum", "short", "nothing"])
def test_a_wrong_point_is_an_error(wrong):
    """Another bit, another window, another checksum, or too few bytes: nothing comes that is not what was there."""
    window = np.random.default_rng(1).bytes(1 << 15)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, window)
    again = window[20000:29000]
    data = shifted(deflate.compress(again) + deflate.flush(), 3)
    points = points_at(4 if wrong == "bits" else 3, again, window)
    if wrong == "window":
        points = points_at(3, again, window[::-1])
    if wrong == "no window":
        points = points_at(3, again)
    if wrong == "checksum":
        points.crc32[0] ^= 1
    data = {"short": data[:20], "nothing": data[:0]}.get(wrong, data)
    with pytest.raises(SourceError, match=r"restart point|too early"):
        inflated(points, 0, data, "a")


def test_a_window_is_decompressed_within_bounds():
    """A window that decompresses to more than one is refused before it is held."""
    points = points_at(0, BLOCK, bytes(1 << 26))
    with pytest.raises(SourceError, match="longer"):
        inflated(points, 0, memoryview(b"\0" * 20), "a")
