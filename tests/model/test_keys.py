"""The positions of chunk keys: of one chunk after the other in C order, and of all that are nearly so."""

import itertools

import numpy as np
import pytest

from chunkmap.model.keys import StrayKey, positions_of
from chunkmap.model.printed import Lines

GRIDS = [(3, 60), (4, 8, 9), (2, 1, 100), (1, 50), (12, 51), (3, 2), (7,), (1, 1, 1, 64)]


def names_of(grid):
    """Every chunk index of a grid in C order."""
    return [".".join(map(str, cell)) for cell in itertools.product(*map(range, grid))]


def slow(names, grid):
    """Positions, one name at a time."""
    return [int(np.ravel_multi_index(tuple(map(int, name.split("."))), grid)) for name in names]


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_some_keys_or_all_in_any_order_are_where_they_are(grid):
    every = names_of(grid)
    numbers = np.random.default_rng(len(every))
    for _ in range(60):
        start, stop = sorted(numbers.integers(0, len(every) + 1, 2).tolist())
        some = every[start:stop] or every
        lost, one, other = numbers.integers(0, len(some), 3).tolist()
        swapped = list(some)
        swapped[one], swapped[other] = some[other], some[one]
        for names in (some, swapped, some[:lost] + some[lost + 1 :] or some, [*some, some[one]], some[::-1]):
            assert positions_of("x", Lines.of(names), grid).tolist() == slow(names, grid)


@pytest.mark.parametrize("wrong", ["3.0", "2.60", "02.59x", "2.59.0", "2", "", "2.-1", "2.59 "])
@pytest.mark.parametrize("row", [0, 90, -1])
def test_one_key_that_is_none_of_the_grid_is_found(row, wrong):
    names = names_of((3, 60))
    names[row] = wrong
    with pytest.raises(StrayKey):
        positions_of("x", Lines.of(names), (3, 60))


def test_zeros_before_a_number_are_read_as_they_are_everywhere():
    names = names_of((3, 60))
    names[7] = "00.07"
    assert positions_of("x", Lines.of(names), (3, 60)).tolist() == list(range(180))
