"""Restart points of bzip2 and Zstandard: its blocks, and its frames."""

import bz2
import struct
import zlib
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.io.compressed.streams import bzipped, check_ranges, framed, members, numbers, points_of, unsaid

from chunkmap.errors import ChunkmapError, FormatError, SourceError, Unsupported
from chunkmap.io import BytesSource
from chunkmap.io.compressed import bzip2, stream
from chunkmap.io.compressed.entering import inflated
from chunkmap.io.compressed.source import CompressedSource
from chunkmap.model import points as model
from chunkmap.model.points import Points

DATA = numbers(700_000)
SKIPPED = b"\x5f\x2a\x4d\x18\x05\0\0\0again"


def read(file, points):
    """What a file decompresses to, each piece from its own point."""
    source = BytesSource(file, "a")
    return b"".join(inflated(points, n, source.read(*points.piece(n)), "a") for n in range(len(points)))


@pytest.mark.parametrize(
    ("file", "least"),
    [
        (bzipped(DATA), 7),
        (bzipped(DATA, level=9), 1),
        (bzipped(DATA[:300_000], b"", DATA[300_000:]), 8),
        (bzipped(DATA[:10], DATA[10:]), 8),
        (bzipped(DATA[:300_000]) + bzipped(DATA[300_000:], level=5) + bzipped(b""), 4),
        (framed(DATA), 1),
        (framed(*[DATA[at : at + 70_000] for at in range(0, 700_000, 70_000)]), 10),
        (framed(*[DATA[at : at + 7_000] for at in range(0, 700_000, 7_000)]), 11),
        (unsaid(DATA[:200_000], b"", DATA[200_000:]) + SKIPPED, 2),
        (SKIPPED + framed(b"", DATA[:100_000], b"") + SKIPPED + framed(DATA[100_000:]), 2),
    ],
)
def test_pieces_are_the_file(file, least):
    """Each block or frame alone, one after the other, is what the file decompresses to; small frames are joined."""
    points = Points.from_bytes(points_of(file).to_bytes())
    assert least <= len(points) < least + 3
    assert read(file, points) == DATA


def test_long_runs_are_one_block():
    """A block of forty megabytes that are all alike is one piece, within what a piece may be."""
    data = bytes(41 << 20)
    points = points_of(bz2.compress(data))
    assert len(points) == 1
    assert zlib.crc32(data) == points.crc32[0]


@pytest.mark.parametrize("magic", [0x314159265359, 0x177245385090])
def test_a_mark_within_a_block_is_no_mark(magic, monkeypatch):
    """The bits that say where a block begins, or the stream ends, may stand in a block by chance: it is read whole."""
    file, found = bzipped(DATA), bzip2._found
    whole = len(points_of(file))

    def with_chance(source, where):
        marks = found(source, where)
        at = int(np.searchsorted(marks.bit, 300_005))
        return bzip2._Marks(np.insert(marks.bit, at, 300_005), np.insert(marks.ends, at, magic == 0x177245385090))

    monkeypatch.setattr(bzip2, "_found", with_chance)
    points = points_of(file)
    assert len(points) == whole
    assert read(file, points) == DATA


def test_marks_are_found_at_every_bit(monkeypatch):
    """A search in small windows finds what stands at any bit of any byte, also where two windows meet."""
    monkeypatch.setattr(bzip2, "_SEARCHED", 16)
    for bit in range(8 * 40):
        data = (bzip2._BEGIN << (8 * 50 - 48 - bit)).to_bytes(50, "big")
        marks = bzip2._found(BytesSource(data, "a"), stream.Stream("bzip2", 0, 50))
        assert marks.bit.tolist() == [bit]
        assert not marks.ends.any()


@pytest.mark.parametrize(
    "file",
    [
        bzipped(DATA)[:-1],
        bzipped(DATA)[:-20],
        bzipped(DATA)[: len(bzipped(DATA)) // 2],
        bzipped(DATA)[:9],
        bzipped(DATA, DATA)[:-3],
        bzipped(DATA) + b"\0",
        bzipped(DATA) + b"something else",
        bzipped(DATA)[:-5] + b"sums!",
        bzipped(DATA)[:50_000] + bytes(20) + bzipped(DATA)[50_020:],
        framed(DATA)[:-1],
        framed(DATA, DATA)[: len(framed(DATA)) + 9],
        framed(DATA) + b"something else",
        framed(DATA) + b"\0",
        unsaid(DATA)[:-1],
        unsaid(DATA) + SKIPPED[:-1],
        SKIPPED[:7],
        b"\x28\xb5\x2f\xfd\x20\0\x07\0\0",
    ],
)
def test_a_damaged_file_has_no_points(file):
    """One that is cut short, has other bytes within or behind it, or another checksum, is an error of our own."""
    with pytest.raises((SourceError, FormatError)):
        points_of(file)


@pytest.mark.parametrize("file", [bzipped(b""), bzipped(b"", b""), framed(b""), SKIPPED])
def test_a_file_of_nothing_is_said_to_be_empty(file):
    """Streams that hold no byte are refused as an empty file is."""
    with pytest.raises(SourceError, match="the file is empty"):
        points_of(file)


def test_a_frame_that_is_too_long_is_refused_by_name(monkeypatch):
    """Of one long frame each read would decompress all; the error says what to do, if it says its length or not."""
    from chunkmap.io.compressed import zstandard

    monkeypatch.setattr(zstandard, "LONGEST_PIECE", 500_000)
    for file in (framed(DATA), unsaid(DATA)):
        with pytest.raises(Unsupported, match="pzstd"):
            points_of(file)


def test_a_dictionary_is_refused_by_name():
    """A frame that needs a dictionary cannot be read by anyone who has only the file."""
    file = b"\x28\xb5\x2f\xfd" + bytes([0x21, 7, 9]) + b"\x01\0\0"
    with pytest.raises(Unsupported, match="dictionary"):
        points_of(file)


@pytest.mark.parametrize("file", [bzipped(bytes(3_000_000)), framed(*[bytes(100_000)] * 30)])
def test_what_never_ends_is_refused(file, monkeypatch):
    """A file that decompresses to far more than it is long, as no data does, is given up."""
    monkeypatch.setattr(stream, "_MOST", 1 << 20)
    monkeypatch.setattr(stream, "_TIMES", 2)
    with pytest.raises(Unsupported, match="decompresses to more than"):
        points_of(file)
    monkeypatch.undo()
    monkeypatch.setattr(bzip2, "MOST_PIECES", 0)
    if file.startswith(b"BZh"):
        with pytest.raises(Unsupported, match="blocks"):
            points_of(file)


FILES = st.tuples(
    st.sampled_from([bzipped, framed, unsaid]),
    st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 150_000)), min_size=1, max_size=4),
)


@settings(max_examples=15, deadline=None)
@given(FILES, st.data())
def test_any_range_of_any_file(how, data):
    """Ranges of files of streams and frames of any content read as those of what was compressed."""
    make, runs = how
    parts = [numbers(count, seed) for seed, count in runs]
    whole, file = b"".join(parts), make(*parts)
    assume(whole)
    check_ranges(whole, file, points_of(file), data)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([bzipped, framed, unsaid]), st.booleans(), st.data())
def test_damage_never_gives_other_bytes(make, in_points, data):
    """A file or points of which any byte differs give an error, or the right bytes."""
    whole = numbers(220_000)
    file = make(whole[:90_000], whole[90_000:])
    points = bytearray(points_of(file).to_bytes())
    damaged = bytearray(file)
    body = points if in_points else damaged
    body[data.draw(st.integers(0, len(body) - 5))] ^= data.draw(st.integers(1, 255))
    if in_points:  # and its writer knows how to sum it up
        points[-4:] = zlib.crc32(points[:-4]).to_bytes(4, "little")
    try:
        source = CompressedSource(BytesSource(bytes(damaged), "a"), "a", points=Points.from_bytes(bytes(points)))
        start = source.points.first
        found = bytes(source.read(0, source.size()))
    except ChunkmapError:
        return
    assert found == whole[start : start + len(found)]


@pytest.mark.parametrize("window", [b"", b"BZh9", struct.pack("<4sI", b"BZh0", 800), struct.pack("<4sI", b"BZh9", 79)])
def test_a_block_is_entered_by_its_header_and_its_bits(window):
    """A point of bzip2 without them, or with more bits than there are bytes, is an error."""
    file = bzipped(DATA[:50_000])
    points = points_of(file)
    wrong = [window, struct.pack("<4sI", b"BZh9", 8 * len(file))]
    for entry in wrong:
        damaged = Points(*[getattr(points, name) for name in Points.__slots__[:-1]], (entry,))
        with pytest.raises(SourceError, match="restart point"):
            read(file, damaged)


PARTS = [DATA[at : at + 50_000] for at in range(0, 350_000, 50_000)]


@pytest.mark.parametrize("file", [members(DATA), members(*PARTS), bzipped(DATA), bzipped(*PARTS), unsaid(*PARTS)])
def test_bytes_that_are_in_no_piece_are_missed(file):
    """Points of which one was taken out, as if what it leads to were not there, are an error in the piece before."""
    points = points_of(file)
    assert len(points) > 4
    for taken in range(1, len(points)):
        length = np.uint64(points.decoded_length(taken))
        shifted = np.append(points.decoded[: taken + 1], points.decoded[taken + 2 :] - length)
        wrong = replace(
            points,
            length=points.length - int(length),
            stored=np.delete(points.stored, taken),
            bits=np.delete(points.bits, taken),
            decoded=shifted,
            crc32=np.delete(points.crc32, taken),
            windows=points.windows[:taken] + points.windows[taken + 1 :],
        )
        source = CompressedSource(BytesSource(file, "a"), "a", points=Points.from_bytes(wrong.to_bytes()))
        with pytest.raises(SourceError, match=r"more bytes come|in no piece"):
            source.read(0, source.size())


def test_what_a_hostile_point_asks_for_is_bounded():
    """A piece is decompressed no further than it says, which is at most 64 MB."""
    file = pa.compress(bytes(200 << 20), codec="zstd", asbytes=True)
    with pytest.raises(Unsupported, match="found one of 209,715,200 bytes"):
        points_of(file)
    small = points_of(framed(DATA))
    columns = {name: getattr(small, name) for name in Points.__slots__}
    columns |= {"size": len(file), "stored": np.array([0, len(file)], np.uint64)}
    source = CompressedSource(BytesSource(file, "a"), "a", points=Points(**columns))
    with pytest.raises(SourceError, match=r"(other|more) bytes come"):
        source.read(0, 10)
    assert model.LONGEST_PIECE == 64 << 20
