"""Making restart points, and reading by them."""

import zlib

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.io.compressed.streams import CLOSE, bare, check_ranges, gzip_points, members, numbers, with_header

from chunkmap.errors import ChunkmapError, FormatError, SourceError
from chunkmap.io import BytesSource
from chunkmap.io.compressed.building import SPACING, build_points
from chunkmap.io.compressed.entering import inflated
from chunkmap.io.compressed.source import CompressedSource
from chunkmap.io.compressed.stream import Stream
from chunkmap.model.points import Points

DATA = numbers(1_200_000)


def each_alone(file, points):
    """Every piece, decompressed from its own point."""
    source = BytesSource(file, "a")
    return [inflated(points, number, source.read(*points.piece(number)), "a") for number in range(len(points))]


@pytest.mark.parametrize(
    "file",
    [
        *[members(DATA, level=level) for level in (0, 1, 6, 9)],
        members(DATA[:300_000], b"", DATA[300_000:300_001], DATA[300_001:]),
        members(DATA) + bytes(1000),
        members(DATA[:500_000]) + bytes(512) + members(DATA[500_000:]),
        with_header(DATA, name=b"a" * 300_000, comment=b"b", extra=b"AB\4\0data", is_summed=True),
        b"".join(with_header(DATA[at : at + 60_000], extra=b"BC\2\0\0\0") for at in range(0, len(DATA), 60_000)),
    ],
)
def test_pieces_are_the_file(file):
    """Each piece alone, one after the other, is what the file decompresses to, whatever kinds of blocks it has."""
    points = gzip_points(file)
    assert len(points) > 4
    assert b"".join(each_alone(file, points)) == DATA


@pytest.mark.parametrize("strategy", [zlib.Z_FIXED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FILTERED])
def test_a_bare_stream_within_a_file(strategy):
    """The stream of a member of a ZIP archive has neither header nor trailer, and stands somewhere in its file."""
    stream = bare(DATA, strategy=strategy, flush=70_000)
    file = b"before" + stream + b"after"
    where = Stream("deflate", 6, len(stream), len(DATA), zlib.crc32(DATA))
    points = build_points(BytesSource(file, "a.zip"), where, **CLOSE)
    assert len(points) > 4
    assert b"".join(each_alone(file, points)) == DATA


def test_the_index_is_a_hundredth_at_most():
    """At the default spacing, and for a stream whose windows compress worse than the rest, points are left out."""
    noise = np.random.default_rng(0).bytes(1 << 18)
    data = b"".join(noise + bytes(2 << 20) for _ in range(8))
    for file in (members(data), members(numbers(20 << 20), level=1)):
        points = build_points(BytesSource(file, "a.gz"), Stream("gzip", 0, len(file)))
        assert len(points) > 1
        assert 4 / 3 * (len(points.to_bytes()) - 200) < 0.01 * len(file)  # as text in JSON
        assert int(np.diff(points.decoded).max()) < 10 * SPACING


@pytest.mark.parametrize(
    "file",
    [
        members(DATA)[:-5000],
        members(DATA)[:-3],
        members(DATA, DATA)[:-9],
        members(DATA) + b"something else",
        members(DATA)[:-8] + b"abcd" + members(DATA)[-4:],
        members(DATA)[:50_000] + bytes(50) + members(DATA)[50_050:],
        members(DATA)[:12],
    ],
)
def test_a_damaged_file_has_no_points(file):
    """One that is cut short, has other bytes within or behind it, or another checksum, is an error of our own."""
    with pytest.raises(ChunkmapError):
        gzip_points(file)


@pytest.mark.parametrize("count", [1, 3])
def test_a_file_of_nothing_is_said_to_be_empty(count):
    """Members of gzip that hold no byte, or a member of an archive that is so, are refused as an empty file is."""
    empty = members(*[b""] * count)
    with pytest.raises(SourceError, match=r"a\.gz: the file is empty: it decompresses to nothing"):
        gzip_points(empty)
    stream = bare(b"")
    with pytest.raises(SourceError, match="the file is empty"):
        build_points(BytesSource(stream, "a.zip"), Stream("deflate", 0, len(stream), 0, 0), **CLOSE)
    with pytest.raises(SourceError, match="cannot be decompressed"):
        gzip_points(empty[:-1])


@pytest.mark.parametrize("said", [(len(DATA) - 1, 0), (len(DATA) + 1, 0), (10, 0), (len(DATA), 1)])
def test_what_the_archive_says_is_held_against_the_stream(said):
    """A member that decompresses to more or fewer bytes than its archive says, or to others, is refused."""
    stream = bare(DATA)
    where = Stream("deflate", 0, len(stream), said[0], zlib.crc32(DATA) ^ said[1])
    with pytest.raises((SourceError, FormatError)):
        build_points(BytesSource(stream, "a.zip"), where, **CLOSE)


PARTS = st.lists(st.binary(max_size=300), max_size=6).map(b"".join)
RUNS = st.tuples(st.integers(0, 2**16), st.integers(0, 200_000)).map(lambda pair: numbers(pair[1], pair[0]))
STREAMS = st.lists(st.one_of(PARTS, RUNS), min_size=1, max_size=4)


@settings(max_examples=15, deadline=None)
@given(STREAMS, st.integers(0, 9), st.data())
def test_any_range_of_any_file(parts, level, data):
    """Ranges of files of members of any content and level read as those of what was compressed."""
    whole, file = b"".join(parts), members(*parts, level=level)
    assume(whole)
    check_ranges(whole, file, gzip_points(file), data)


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_damage_never_gives_other_bytes(data):
    """A file or points of which any byte differs give an error, or the right bytes."""
    whole = numbers(300_000)
    file = members(whole)
    points = bytearray(gzip_points(file).to_bytes())
    damaged = bytearray(file)
    target = data.draw(st.sampled_from(["file", "points"]))
    body = damaged if target == "file" else points
    body[data.draw(st.integers(0, len(body) - 5))] ^= data.draw(st.integers(1, 255))
    if target == "points":  # and its writer knows how to sum it up
        points[-4:] = zlib.crc32(points[:-4]).to_bytes(4, "little")
    try:
        source = CompressedSource(BytesSource(bytes(damaged), "a.gz"), "a", points=Points.from_bytes(bytes(points)))
        start = source.points.first
        found = bytes(source.read(0, source.size()))
    except ChunkmapError:
        return
    assert found == whole[start : start + len(found)]
