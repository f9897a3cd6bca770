"""A few of the random files that `make fuzz` makes by the thousand."""

import sys
import warnings
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import random_files


@pytest.mark.parametrize("first", [0, 20, 40])
def test_random_files_open_as_by_their_own_engines(tmp_path, first):
    """Values, types, attributes and their types of every group are the native engine's, decoded and not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compared = [random_files.check(seed, tmp_path) for seed in range(first, first + 10)]
    assert sum(compared) > 20
