"""Small sets as earlier versions wrote them are read as they were meant, by this one and by every later one."""

import warnings
from pathlib import Path

import numpy as np
import pytest

import chunkmap
from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.model import Problem, Target

HERE = Path(__file__).parent
DATA = bytes(range(240))
SETS = sorted(path.relative_to(HERE).as_posix() for path in HERE.glob("[0-9]*/*"))


def test_something_is_kept():
    """There are sets of several versions, in every form."""
    assert {name.partition("/")[2] for name in SETS} == {
        "set.json",
        "set.json.zst",
        "set.json.gz",
        "set.parq",
        "v3.json",
    }
    assert len({name.partition("/")[0] for name in SETS}) >= 2


@pytest.mark.parametrize("name", SETS)
def test_a_set_of_an_earlier_version_is_read(tmp_path, monkeypatch, name):
    """Values, types, attributes, missing chunks and groups are what was written, as is what is kept beside them."""
    (tmp_path / "data.bin").write_bytes(DATA)
    monkeypatch.chdir(tmp_path)
    refs = chunkmap.load(HERE / name)
    values = {path: read_array(array, Fetcher()) for path, array in refs.arrays.items()}
    assert set(values) == {"time", "v", "group/s"}
    assert values["time"].tolist() == np.frombuffer(DATA[:16], "<i4").tolist()
    rows = [np.frombuffer(DATA[16:22], ">i2").tolist(), [1, 2, 3], [-1] * 3, np.frombuffer(DATA[22:28], ">i2").tolist()]
    assert values["v"].tolist() == rows
    assert values["v"].dtype.itemsize == 2
    assert values["group/s"].tolist() == [a + 256 * b for a, b in zip(DATA[30:33], DATA[33:36], strict=True)]
    assert dict(refs.arrays["v"].meta.attrs) == {"scale_factor": 0.5, "standard_name": "air_temperature"}
    assert refs.arrays["v"].meta.dims == ("time", "x")
    assert {path: dict(attrs) for path, attrs in refs.groups.items()} == {
        "": {"title": "as written once", "years": [1, 2.5]},
        "group": {"level": 1},
    }
    if name.endswith(".parq") or name >= "2026-11-29":  # since when JSON keeps them as well
        assert refs.problems == (Problem(path="lost", feature="a feature", message="cannot be represented"),)
        assert dict(refs.targets) == {"data.bin": Target(size=240, etag="e1", mtime=1.5e9)}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        opened = chunkmap.open_dataset(HERE / name)
    assert ["'lost': cannot be represented" in str(one.message) for one in said] == [True] * len(refs.problems)
    assert opened["v"].dims == ("time", "x")
