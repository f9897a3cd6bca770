"""Results combine again: whatever the tree, what comes out is what combining all at once gives."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sets import file

import chunkmap


@st.composite
def trees(draw, leaves):
    """Neighbours in nested brackets, those of one bracket in any order."""
    if len(leaves) == 1:
        return leaves[0]
    cuts = sorted(draw(st.sets(st.integers(1, len(leaves) - 1), min_size=1, max_size=3)))
    bounds = [0, *cuts, len(leaves)]
    branches = [draw(trees(leaves[low:high])) for low, high in itertools.pairwise(bounds)]
    return draw(st.permutations(branches))


@st.composite
def forests(draw):
    """Files of a grid of times and levels, and a tree of them."""
    chunk = draw(st.integers(1, 3))
    lengths = [chunk * n for n in draw(st.lists(st.integers(1, 3), min_size=2, max_size=7))]
    stops = np.cumsum(lengths)
    how = {"nx": draw(st.integers(1, 7)), "chunk": (chunk, 1, draw(st.integers(1, 4)))}
    how["keep"] = draw(st.sampled_from([None, (True, False, True)]))
    levels = draw(st.sampled_from([[0.5], [0.5, 2.0]]))
    rows = [
        [file(number * 10 + place, range(stop - n, stop), levels=[level], **how) for place, level in enumerate(levels)]
        for number, (stop, n) in enumerate(zip(stops.tolist(), lengths, strict=True))
    ]
    files = [one for row in rows for one in row]
    return files, draw(trees([row if len(row) > 1 else row[0] for row in rows]))


def combined(tree, folder, how, forms):
    """The set that a tree comes to, of which branches may have been at rest."""
    if not isinstance(tree, list):
        return tree
    form = next(forms)
    branches = [combined(branch, folder, how, forms) for branch in tree]
    if form == "memory":
        return chunkmap.combine(branches, **how)
    out = folder / f"{len(list(folder.iterdir()))}.{form}"
    chunkmap.combine(branches, out=out, record_size=7, **how)
    return out


@settings(max_examples=12, deadline=None)
@given(forest=forests(), data=st.data())
def test_any_tree_is_as_flat(forest, data):
    """Combining results of combining, nested in any way, in memory or at rest, equals combining all files."""
    files, tree = forest
    how = {"concat_dims": ["time", "level"]}
    forms = iter(lambda: data.draw(st.sampled_from(["memory", "json", "parq"])), None)
    with tempfile.TemporaryDirectory() as name:
        found = combined(tree, Path(name), how, forms)
        found = found if isinstance(found, chunkmap.ReferenceSet) else chunkmap.load(found)

    assert found == chunkmap.combine(files, **how)
