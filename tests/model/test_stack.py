"""Manifests put together in a few columns, and taken apart again."""

from __future__ import annotations

import pickle

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkmap.model import ChunkManifest
from chunkmap.model.sources import MANY, Sources
from chunkmap.model.stack import Stack


@st.composite
def manifests(draw):
    """Chunks of files and held inline, some missing, some of other variants; few of many grids, and none at all."""
    grid = draw(st.sampled_from([(), (1,), (0,), (4,), (2, 3), (3, 0), (70_000, 70_000)]))
    cells = min(int(np.prod(grid, dtype=np.int64)), 6)
    index = np.flatnonzero(draw(st.lists(st.booleans(), min_size=cells, max_size=cells)))
    sources = draw(st.sampled_from([(None, "a.nc"), (None, "b.nc", b"inline"), (None, b"\0" * 40)]))
    number = np.resize(np.arange(1, len(sources), dtype=np.uint32), len(index))
    columns = number, index.astype(np.uint64) * 7, np.full(len(index), 5, np.uint64)
    if draw(st.booleans()):
        columns = (*columns, index.astype(np.uint16))
    return ChunkManifest.from_columns(grid, index, sources, columns)


@settings(max_examples=60, deadline=None)
@given(st.lists(manifests(), max_size=6))
def test_what_is_put_together_comes_apart(some):
    """The same rows, positions, sources and variants, in columns that nobody can write to."""
    again = list(pickle.loads(pickle.dumps(Stack.of(some))).manifests())
    assert again == some
    for mine, own in zip(again, some, strict=True):
        assert mine.sources == own.sources
        assert (mine.index is None) == (own.index is None)
        assert (mine.variant is None) == (own.variant is None)
        assert [column.dtype for column in mine.columns()[:3]] == [column.dtype for column in own.columns()[:3]]
        assert not any(column.flags.writeable for column in mine.columns()[:3])


def test_tables_that_are_alike_are_one():
    """A file's table of sources is sent once for all its arrays; a large one too."""
    many = Sources.of((None, *(f"s3://b/{number}" for number in range(MANY))))
    rows = np.ones(1, np.uint32), np.zeros(1, np.uint64), np.ones(1, np.uint64)
    some = [ChunkManifest((1,), Sources((None, "a.nc")), *rows) for _ in range(2)]
    some += [ChunkManifest((1,), many, *rows) for _ in range(2)]
    stack = pickle.loads(pickle.dumps(Stack.of(some)))
    assert len({id(table) for table in stack.tables}) == 2
    assert list(stack.manifests()) == some
