"""The scheduler of parsers: rounds, requests, and what is kept."""

from itertools import pairwise

import numpy as np
import pytest
from far import Far
from hypothesis import given
from hypothesis import strategies as st

from chunkmap.errors import FormatError, SourceError, TruncatedFile
from chunkmap.io import BytesSource, MemberSource, Range
from chunkmap.io.rounds import Gather, Pieces, Reading, Span, Tally, Together, run, run_many
from chunkmap.io.rounds.extents import Extents

LONG = 9 << 20
"""Longer than what is fetched whole."""


def bytes_of(size):
    return (np.arange(size, dtype=np.uint32) % 251).astype(np.uint8).tobytes()


@pytest.fixture(scope="module")
def long_file():
    return bytes_of(LONG)


def read_span(offset, need, want=None):
    return bytes((yield Span(offset, need, want or need)))


def test_a_file_in_memory_is_never_fetched(long_file):
    """Spans, lists, gathers and members of archives in memory cost no request."""

    def parser():
        one = yield Span(5, 3, 3)
        two = yield [Span(5, 3, 3), Span(9, 1, 4)]
        rows = yield Gather(np.array([7, 100], np.uint64), 2)
        return bytes(one), [bytes(b) for b in two], rows.tolist()

    tally = Tally()
    member = MemberSource(BytesSource(long_file), "member", 0, 1000)
    for source in (BytesSource(long_file), member):
        one, two, rows = run(source, parser(), tally=tally)
        assert one == two[0] == long_file[5:8]
        assert two[1] == long_file[9:13]
        assert rows == [list(long_file[7:9]), list(long_file[100:102])]
    assert tally == Tally()


def test_a_short_file_is_one_request():
    """A file of at most 8 MB is fetched whole, once, whatever is read of it."""
    source, tally = Far(bytes_of(1 << 20)), Tally()
    parsers = [read_span(n * 10_000, 100) for n in range(100)]

    def parser():
        return (yield Together(parsers))

    found = run(source, parser(), tally=tally)
    assert found[7] == source.data[70_000:70_100]
    assert source.asked == [[Range(0, 1 << 20)]]
    assert (tally.rounds, tally.requests, tally.bytes) == (1, 1, 1 << 20)


def test_parsers_side_by_side_share_rounds(long_file):
    """Far spans of a hundred parsers are one round of a hundred requests; a chain of three is three rounds."""
    source, tally = Far(long_file), Tally()
    starts = [1_000_000 + n * 83_000 for n in range(100)]

    def parser():
        return (yield Together([read_span(start, 8) for start in starts]))

    assert run(source, parser(), tally=tally) == [long_file[s : s + 8] for s in starts]
    assert (tally.rounds, tally.requests) == (2, 101)

    def chain():
        yield Span(2_000_000, 8, 8)
        yield Span(4_000_000, 8, 8)
        return bytes((yield Span(6_000_000, 8, 8)))

    tally = Tally()
    assert run(Far(long_file), chain(), tally=tally) == long_file[6_000_000:6_000_008]
    assert tally.rounds == 4


def test_near_spans_are_one_request_and_nothing_is_fetched_twice(long_file):
    """Ranges nearer than 64 KB are joined; bytes that are held are never asked for again."""
    source = Far(long_file)

    def parser():
        yield [Span(1_000_000, 10, 10), Span(1_060_000, 10, 10)]
        return bytes((yield Span(990_000, 200_000, 200_000)))

    assert run(source, parser()) == long_file[990_000:1_190_000]
    assert len(source.asked[1]) == 1
    ranges = sorted(r for asked in source.asked for r in asked)
    assert all(a.offset + a.length <= b.offset for a, b in pairwise(ranges))


def test_rows_that_must_be_fetched_are_the_rows_of_the_file(long_file):
    """A gather over a remote file gives what it gives over a mapped one."""
    offsets = np.array([8_000_000, 300_000, 300_001, 5], np.uint64)

    def parser():
        return (yield Gather(offsets, 300))

    remote, local = run(Far(long_file), parser()), run(BytesSource(long_file), parser())
    assert np.array_equal(remote, local)
    assert bytes(local[0]) == long_file[8_000_000:8_000_300]


def test_pieces_are_joined_in_the_order_of_the_request(long_file):
    """Ranges of several lengths come one behind the other, from a remote file as from a mapped one."""
    offsets, lengths = [8_000_000, 300_000, 300_001, 5], [3, 70_000, 1, 20]

    def parser():
        return (yield Pieces(np.array(offsets), np.array(lengths)))

    remote, local = run(Far(long_file), parser()), run(BytesSource(long_file), parser())
    assert remote == local == b"".join(long_file[o : o + n] for o, n in zip(offsets, lengths, strict=True))


@pytest.mark.parametrize("source", [BytesSource(b"x" * 100, "u"), Far(b"x" * 100, "u")], ids=["local", "remote"])
@pytest.mark.parametrize(
    "request_",
    [Span(90, 11, 11), Gather(np.array([3, 95], np.uint64), 6), Pieces(np.array([3, 95]), np.array([1, 6]))],
    ids=["span", "rows", "pieces"],
)
def test_reading_past_the_end_is_refused_with_its_offset(source, request_):
    """A range that reaches past the end raises TruncatedFile, and says where."""

    def parser():
        yield request_

    with pytest.raises(TruncatedFile) as caught:
        run(source, parser())
    assert caught.value.url == "u"
    assert caught.value.offset in (90, 95)


def test_a_wish_is_cut_at_the_end_of_the_file():
    """What is wanted, but not needed, may be more than there is."""
    for source in (BytesSource(b"0123456789"), Far(b"0123456789")):
        assert run(source, read_span(6, 2, 100)) == b"6789"


def test_one_file_that_fails_leaves_the_others_alone(long_file):
    """Errors of a parser or a source are the outcome of that file only."""

    def bad():
        yield Span(5_000_000, 1, 1)
        raise FormatError("wrong", url="bad")

    class Gone(Far):
        def read_many(self, ranges):
            raise SourceError("gone", url=self.url)

    good = Far(long_file, "good")
    outcomes = run_many(
        [
            Reading(good, read_span(5_000_000, 4)),
            Reading(Far(long_file, "bad"), bad()),
            Reading(Gone(long_file, "gone"), read_span(0, 4)),
        ]
    )
    assert outcomes[0] == long_file[5_000_000:5_000_004]
    assert isinstance(outcomes[1], FormatError)
    assert isinstance(outcomes[2], SourceError)


def test_files_share_rounds(long_file):
    """Two files that each need a second read wait together: two rounds, not four."""
    tally = Tally()
    sources = [Far(long_file, "a"), Far(long_file, "b")]
    run_many([Reading(s, read_span(5_000_000, 4)) for s in sources], tally=tally)
    assert tally.rounds == 2
    assert tally.requests == 4


def test_nothing_to_do_together_is_no_wait():
    """An empty list of parsers is answered at once, and nested ones in order."""

    def leaf(n):
        yield []
        return n

    def parser():
        empty = yield Together([])
        return empty, (yield Together([leaf(1), leaf(2), leaf(3)]))

    assert run(BytesSource(b""), parser()) == ([], [1, 2, 3])


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 60)), max_size=12), st.integers(0, 30))
def test_extents_never_overlap_and_hold_what_was_asked_for(wanted, gap):
    """Whatever is asked for in whatever order is held afterwards, right, and no byte is fetched twice."""
    data = bytes_of(300)
    extents, fetched = Extents(), np.zeros(300, int)
    for offset, length in wanted:
        for start, size in extents.missing([Range(offset, length)], gap=gap):
            fetched[start : start + size] += 1
            extents.add(start, memoryview(data)[start : start + size])
        assert bytes(extents.find(offset, length)) == data[offset : offset + length]
        assert extents.held(offset, length) == length
    assert fetched.max(initial=0) <= 1
