"""Manifests of chunks against brute force over dictionaries and dense arrays."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkmap.model import WHOLE_FILE, ChunkManifest, Placement, Reference, SourceTable, place
from chunkmap.model.moving import moved

SHAPES = st.lists(st.integers(0, 4), min_size=0, max_size=4).map(tuple)


@st.composite
def manifests(draw, shape=None):
    """A manifest, and the dictionary {cell: reference} that it stands for."""
    shape = draw(SHAPES) if shape is None else shape
    cells = draw(st.permutations(list(np.ndindex(*shape))))
    cells = cells[: draw(st.integers(0, len(cells)))]
    urls = draw(st.lists(st.sampled_from(["a.nc", "b.nc", b"inline", b""]), min_size=len(cells), max_size=len(cells)))
    offsets = draw(st.lists(st.integers(0, 2**63), min_size=len(cells), max_size=len(cells)))
    offsets = [0 if isinstance(u, bytes) else o for u, o in zip(urls, offsets, strict=True)]
    lengths = [len(u) if isinstance(u, bytes) else n + 1 for n, u in enumerate(urls)]
    manifest = ChunkManifest.from_rows(shape, cells, urls, offsets, lengths)
    expected = {c: Reference(*r) for c, *r in zip(cells, urls, offsets, lengths, strict=True)}
    return manifest, expected


def as_dict(manifest):
    """{cell: reference}, one cell at a time."""
    found = {cell: manifest[cell] for cell in np.ndindex(*manifest.grid_shape)}
    return {cell: reference for cell, reference in found.items() if reference is not None}


@given(manifests())
def test_rows_in_any_order_are_found_by_cell(pair):
    """Every row is found at its cell, and nothing elsewhere; keys and coordinates name the cells in C order."""
    manifest, expected = pair
    assert as_dict(manifest) == expected
    cells = sorted(expected)
    assert manifest.keys("p/") == ["p/" + (".".join(map(str, c)) or "0") for c in cells]
    assert manifest.keys(separator="/") == ["/".join(map(str, c)) or "0" for c in cells]
    if manifest.ndim:
        assert list(zip(*(c.tolist() for c in manifest.coords()), strict=True)) == cells
    assert list(manifest.rows()) == [expected[c] for c in cells]
    assert pickle.loads(pickle.dumps(manifest)) == manifest


@given(st.data())
def test_placing_is_what_numpy_assignment_is(data):
    """Parts placed into a larger grid stand where assignment to a block of an array puts them."""
    shape = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple))
    count = data.draw(st.integers(1, 3))
    axis = data.draw(st.integers(0, len(shape) - 1))
    parts, expected = [], {}
    for number in range(count):
        manifest, cells = data.draw(manifests(shape))
        origin = tuple(number * n if a == axis else 0 for a, n in enumerate(shape))
        parts.append(Placement(manifest, origin))
        expected |= {tuple(c + o for c, o in zip(cell, origin, strict=True)): r for cell, r in cells.items()}
    total = tuple(n * count if a == axis else n for a, n in enumerate(shape))
    order = data.draw(st.permutations(parts))
    assert as_dict(place(total, order)) == expected


def test_placing_refuses_what_does_not_fit():
    """A part outside the grid, or two parts in one cell, are refused."""
    one = ChunkManifest.single("a.nc", 0, 1, 1)
    with pytest.raises(ValueError, match="outside"):
        place((2,), [Placement(one, (2,))])
    with pytest.raises(ValueError, match="outside"):
        place((2,), [Placement(one, (-1,))])
    with pytest.raises(ValueError, match="one cell"):
        place((2,), [Placement(one, (1,)), Placement(one, (1,))])


@given(manifests(), st.data())
def test_selecting_is_what_numpy_slicing_is(pair, data):
    """A block of the grid has the rows that lie in it, counted from its own first cell."""
    manifest, expected = pair
    start = [data.draw(st.integers(0, n)) for n in manifest.grid_shape]
    stop = [data.draw(st.integers(low, n)) for low, n in zip(start, manifest.grid_shape, strict=True)]
    found = as_dict(manifest.select(start, stop))
    inside = {
        tuple(c - low for c, low in zip(cell, start, strict=True)): reference
        for cell, reference in expected.items()
        if all(low <= c < high for c, low, high in zip(cell, start, stop, strict=True))
    }
    assert found == inside


def test_selecting_outside_is_refused():
    """A block that is not inside the grid is refused."""
    for start, stop in (([-1], [1]), ([0], [3]), ([2], [1])):
        with pytest.raises(ValueError, match="not inside"):
            ChunkManifest.empty((2,)).select(start, stop)


@given(manifests(), st.data())
def test_taking_rows_and_reshaping(pair, data):
    """Some rows keep their cells; a grid of the same size has the same rows."""
    manifest, expected = pair
    keep = np.array([data.draw(st.booleans()) for _ in range(len(manifest))], bool)
    cells = [c for c, kept in zip(sorted(expected), keep.tolist(), strict=True) if kept]
    assert as_dict(manifest.take(keep)) == {c: expected[c] for c in cells}
    assert as_dict(manifest.reshape_grid((1, *manifest.grid_shape))) == {(0, *c): r for c, r in expected.items()}
    if manifest.size != 7:
        with pytest.raises(ValueError, match="cannot be read as"):
            manifest.reshape_grid((7,))


@given(manifests())
def test_inlining_keeps_the_bytes(pair):
    """Rows that become inline hold the bytes handed in, the others what they held."""
    manifest, expected = pair
    rows = np.arange(len(manifest))[::2]
    data = [b"x" * n for n in range(len(rows))]
    found = manifest.with_inline(rows, data)
    for row in range(len(manifest)):
        if row in rows:
            assert found.inline_bytes(row) == data[row // 2]
        elif isinstance(expected[sorted(expected)[row]].source, str):
            assert found.row(row) == manifest.row(row)
    with pytest.raises(TypeError, match="not inline"):
        ChunkManifest.single("a.nc", 0, 1, 1).inline_bytes(0)


def test_equality_is_of_chunks_not_of_tables():
    """Tables in another order, and inline bytes in other blobs, are the same chunks; other bytes are not."""
    a = ChunkManifest.from_rows((3,), [[0], [1], [2]], ["a", "b", b"cd"], [1, 2, 0], [1, 1, 2])
    b = ChunkManifest.from_rows((3,), [[2], [1], [0]], [b"xcdx", "b", "a"], [1, 2, 1], [2, 1, 1])
    assert a == b
    for wrong in (
        ChunkManifest.from_rows((3,), [[0], [1], [2]], ["a", "b", b"ce"], [1, 2, 0], [1, 1, 2]),
        ChunkManifest.from_rows((3,), [[0], [1], [2]], ["a", "a", b"cd"], [1, 2, 0], [1, 1, 2]),
        ChunkManifest.from_rows((3,), [[0], [1], [2]], ["a", "b", b"cd"], [1, 3, 0], [1, 1, 2]),
        ChunkManifest.from_rows((3,), [[0], [1]], ["a", "b"], [1, 2], [1, 1]),
        ChunkManifest.empty((3,)),
        ChunkManifest.from_rows((4,), [[0], [1], [2]], ["a", "b", b"cd"], [1, 2, 0], [1, 1, 2]),
    ):
        assert a != wrong
    assert a != 3


def test_urls_are_renamed_and_merged():
    """Two URLs renamed to one share one entry of the table."""
    manifest = ChunkManifest.from_rows((2,), [[0], [1]], ["a", "b"], [1, 2], [1, 1]).map_urls(lambda _: "c")
    assert manifest.urls == ("c",)
    assert [r.source for r in manifest.rows()] == ["c", "c"]


def test_moving_ranges_into_an_outer_file():
    """Ranges of a member become ranges of its archive, whole files too; one that goes past the member is refused."""
    manifest = ChunkManifest.from_rows((3,), [[0], [1], [2]], ["m", "m", "other"], [0, 5, 7], [WHOLE_FILE, 5, 1])
    outer = moved(manifest, {"m": ("outer", 100, 10)})
    assert list(outer.rows()) == [Reference("outer", 100, 10), Reference("outer", 105, 5), Reference("other", 7, 1)]
    with pytest.raises(ValueError, match="past the end of 'm'"):
        moved(manifest, {"m": ("outer", 100, 9)})


def test_memory_follows_references_not_the_grid():
    """A grid of 10^18 cells costs nothing; a row of it twenty-eight bytes."""
    empty = ChunkManifest.empty((10**9, 10**9))
    assert empty.nbytes == 0
    assert empty[5, 5] is None
    one = ChunkManifest.from_rows((10**9, 10**9), [[5, 10**9 - 1]], ["a"], [0], [1])
    assert one.nbytes == 28
    assert one.keys() == ["5.999999999"]
    assert ChunkManifest.single("a", 0, 1, 3).nbytes == 20


def test_wrong_rows_are_refused():
    """Rows outside the grid, rows that do not fill it, and looking outside it are refused."""
    with pytest.raises(ValueError, match="outside"):
        ChunkManifest.from_rows((2,), [[2]], ["a"], [0], [1])
    with pytest.raises(ValueError, match="one cell"):
        ChunkManifest.from_rows((2,), [[1], [1]], ["a", "a"], [0, 1], [1, 1])
    with pytest.raises(ValueError, match="do not fill"):
        ChunkManifest((3,), (None, "a"), np.ones(1, "u4"), np.zeros(1, "u8"), np.ones(1, "u8"))
    with pytest.raises(IndexError, match="outside the grid"):
        ChunkManifest.empty((2,))[2,]
    with pytest.raises(ValueError, match="outside"):
        ChunkManifest.from_columns(
            (2,), np.array([2]), (None, "a"), (np.ones(1, "u4"), np.zeros(1, "u8"), np.ones(1, "u8"))
        )


def test_columns_are_read_only():
    """No one changes a manifest that others hold."""
    manifest = ChunkManifest.single("a", 0, 1, 1)
    with pytest.raises(ValueError, match="read-only"):
        manifest.offset[0] = 5


def test_source_numbers_are_stable():
    """A table gives each source one number, and none to no source."""
    table = SourceTable()
    assert table.numbers([None, "a", b"x", "a"]).tolist() == [0, 1, 2, 1]
    assert table.sources == (None, "a", b"x")
