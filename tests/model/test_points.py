"""Restart points as columns, and as bytes."""

import zlib

import numpy as np
import pytest

from chunkmap.errors import StorageError
from chunkmap.model.points import LONGEST_PIECE, Points


def points(**others):
    """Three pieces of 100 bytes."""
    columns = {
        "frame": "gzip",
        "first": 0,
        "length": 300,
        "size": 90,
        "stored": np.array([10, 30, 60, 90], np.uint64),
        "bits": np.array([0, 3, 0], np.uint8),
        "decoded": np.array([0, 100, 200, 300], np.uint64),
        "crc32": np.array([1, 2, 3], np.uint32),
        "windows": (b"", b"one", b"three"),
    }
    return Points(**{**columns, **others})


def same(one, other):
    """Whether all columns are equal."""
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("frame", "first", "length", "size", "stored", "bits", "decoded", "crc32")
    ) and (one.windows == other.windows)


def test_points_as_bytes_are_the_points():
    """What is written is read again."""
    assert same(Points.from_bytes(points().to_bytes()), points())


def test_pieces_share_a_byte():
    """A piece ends with the byte in which the next begins, where that begins within a byte."""
    assert [points().piece(number) for number in range(3)] == [(10, 21), (30, 30), (60, 30)]


@pytest.mark.parametrize(
    ("first", "length", "pieces"),
    [(0, 1, (0, 1)), (99, 1, (0, 1)), (99, 2, (0, 2)), (100, 100, (1, 2)), (0, 300, (0, 3)), (299, 1, (2, 3))],
)
def test_the_pieces_around_a_range(first, length, pieces):
    """Those in which it lies, and no more."""
    assert points().around(first, length) == pieces


def test_a_part_has_its_own_pieces_only():
    """The points of a member of an archive are those around it, with the last piece as long as it was."""
    part = points().part(40, 100)
    assert (part.first, part.length, len(part)) == (40, 100, 2)
    assert [part.piece(number) for number in range(2)] == [(10, 21), (30, 30)]
    assert same(Points.from_bytes(part.to_bytes()), part)
    assert len(points().part(10, 20)) == 1
    assert points().part(10, 20).piece(0) == (10, 21)
    assert len(points().part(300, 0)) == 1
    with pytest.raises(ValueError, match="not in a file"):
        points().part(290, 11)


@pytest.mark.parametrize("cut", [0, 3, 40, 100, -1])
def test_damaged_bytes_are_refused(cut):
    """Points that are cut short, or of which a byte differs, are told by their checksum."""
    data = points().to_bytes()
    with pytest.raises(StorageError):
        Points.from_bytes(data[:cut])
    with pytest.raises(StorageError):
        Points.from_bytes(data[:20] + bytes([data[20] ^ 1]) + data[21:])


def test_a_later_version_is_refused():
    """A version that this one does not know is an error that says so."""
    data = bytearray(points().to_bytes())
    data[4] = 2
    data[-4:] = zlib.crc32(data[:-4]).to_bytes(4, "little")
    with pytest.raises(StorageError, match="later chunkmap"):
        Points.from_bytes(bytes(data))


@pytest.mark.parametrize(
    "wrong",
    [
        {"stored": np.array([10, 30, 60, 91], np.uint64)},
        {"stored": np.array([10, 70, 60, 90], np.uint64)},
        {"decoded": np.array([0, 100, 100, 300], np.uint64)},
        {"decoded": np.array([0, 100, 200, 2**63], np.uint64)},
        {"decoded": np.array([0, 100, 200, 201 + LONGEST_PIECE], np.uint64)},
        {"bits": np.array([0, 8, 0], np.uint8)},
        {"windows": (b"", b"x" * 40_000, b"")},
        {"length": 301},
        {"first": 1},
        {"decoded": np.array([5, 100, 200, 300], np.uint64)},
    ],
)
def test_what_cannot_be_is_refused(wrong):
    """Points that lead out of the file, go back, would fill the memory, or do not hold their file."""
    with pytest.raises(StorageError, match="cannot be right"):
        Points.from_bytes(points(**wrong).to_bytes())
