"""Names of chunks, read by columns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkmap.formats.zarr.names import KeyEncoding, cells_of, chunks_of, documents_among, names_of_cells

ENCODINGS = st.builds(KeyEncoding, st.booleans(), st.sampled_from("./"))


@given(ENCODINGS, st.lists(st.integers(1, 12), max_size=3), st.data())
def test_the_names_of_all_cells_are_found_again(encoding, grid, data):
    """Every cell of a grid is told from its name, in any order, among names that are no chunks of it."""
    names = list(names_of_cells("g/x", encoding, grid))
    others = [
        "g/x/.zarray",
        "g/x/zarr.json",
        "g/x/c/00",
        "g/x/00",
        "g/x/c",
        "g/x/0.0.0.0.0",
        "g/x/c/1/é",
        "g/y/c/0",
        "0",
    ]
    others += ["g/x/" + "9" * 30, "g/x/c." + "9" * 18, "g/x/-1", "g/x/c/", "g/xx/c/0", "g/x/1/2.3"]
    mixed = data.draw(st.permutations([*names, *(name for name in others if name not in names)]))
    tails, rows = chunks_of(mixed, ["g/x", "g/y"])["g/x"]
    assert [mixed[row] for row in rows.tolist()] == [f"g/x/{tail}" for tail in tails]
    position, chosen = cells_of(tails, encoding, grid)
    found = [mixed[row] for row in rows[chosen].tolist()]
    assert dict(zip(position.tolist(), found, strict=True)) == dict(enumerate(names))


@pytest.mark.parametrize("shuffled", [False, True])
def test_chunks_of_many_arrays_are_told_apart(shuffled):
    """Names of arrays that are mixed, so that hardly any follow one another, are sorted first."""
    arrays = [f"g{n % 7}/v{n}" for n in range(50)]
    names = [f"{path}/{n}/{m}" for path in arrays for n in range(9) for m in range(11)]
    if shuffled:
        names = np.random.default_rng(0).permutation(names).tolist()
    found = chunks_of(names, arrays)
    assert found.keys() == set(arrays)
    for path, (tails, rows) in found.items():
        position, chosen = cells_of(tails, KeyEncoding(False, "/"), (9, 11))
        assert sorted(position.tolist()) == list(range(99))
        assert {names[row] for row in rows[chosen].tolist()} == {name for name in names if name.startswith(f"{path}/")}


def test_an_array_at_the_root():
    """All names are below the root; those below a directory of another kind are no chunks."""
    tails, rows = chunks_of(["zarr.json", "c/0/1", "c/0/0", "other/c/0/0"], [""])[""]
    position, chosen = cells_of(tails, KeyEncoding(True, "/"), (1, 2))
    assert (position.tolist(), rows[chosen].tolist()) == ([1, 0], [1, 2])


def test_documents_are_told_by_their_names():
    """Only the last part of a name tells, and it must be whole."""
    names = ["zarr.json", "a/.zarray", "zarr.json.bak", "a.zarray", "b/.zmetadata", "c/zarr.json/0", "a/0"]
    assert documents_among(names) == [0, 1, 4]


def test_a_separator_that_is_none_is_refused():
    """Zarr knows two separators."""
    with pytest.raises(ValueError, match="separator"):
        KeyEncoding.of_v2({"dimension_separator": "-"})
