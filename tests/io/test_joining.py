"""What ranges cost, told without fetching any."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkmap.io import Range
from chunkmap.io.joining import GAP, LONGEST, coalesce, cost_of, in_pieces

LENGTH = st.one_of(st.integers(1, 200), st.integers(LONGEST // 3, 3 * LONGEST))
GAPS = st.one_of(st.integers(0, 100), st.integers(GAP - 2, GAP + 2), st.integers(0, 3 * GAP))


@settings(max_examples=200, deadline=None)
@given(files=st.lists(st.lists(st.tuples(GAPS, LENGTH), max_size=8), min_size=1, max_size=3), seed=st.integers(0, 99))
def test_ranges_are_joined_as_they_are_fetched(files, seed):
    """Whatever the ranges and their order: as many requests and bytes as the joiner of fetches makes."""
    rows, requests, read = [], 0, 0
    for number, pairs in enumerate(files, 1):
        ranges, at = [], 0
        for gap, length in pairs:
            ranges.append(Range(at + gap, length))
            at += gap + length
        pieces = [piece for one in coalesce(ranges)[0] for piece in in_pieces(one)]
        requests, read = requests + len(pieces), read + sum(piece.length for piece in pieces)
        rows += [(number, *one) for one in ranges]
    order = np.random.default_rng(seed).permutation(len(rows))
    source, offset, length = np.array(rows, "i8").reshape(-1, 3)[order].T
    assert cost_of(source, offset, length) == (requests, read)
