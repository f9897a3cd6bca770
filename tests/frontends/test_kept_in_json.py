"""What a set as JSON keeps beside its references: its files as they were, its problems, and its recipe."""

import json
import os
from pathlib import Path

import pytest
from days import write_days
from invoking import run

import chunkmap as library
from chunkmap.errors import CombineError, SourceError
from chunkmap.model import Problem, Target


@pytest.fixture
def days(tmp_path, monkeypatch):
    """The current directory holds three days."""
    monkeypatch.chdir(tmp_path)
    return write_days(3)


@pytest.mark.parametrize("name", ["a.json", "a.json.gz", "a.json.zst"])
def test_files_and_problems_are_kept(days, name):
    """A loaded set knows of its files what the scan knew, and what could not be represented."""
    refs = library.scan("d0.nc")
    problem = Problem("x", "feature", "message", "d0.nc")
    library.write(library.ReferenceSet(refs.arrays, refs.groups, (problem,), refs.targets), name)
    loaded = library.load(name)
    assert dict(loaded.targets) == dict(refs.targets) != {}
    assert loaded.problems == (problem,)
    assert "files" not in json.dumps(refs.to_dict())


def test_a_changed_file_is_seen_from_json_and_named_with_dates(days):
    """verify and check="etag" see that a file changed; times of change are dates."""
    library.build(days, "a.json", concat_dims=["time"])
    assert library.verify("a.json")
    os.utime("d1.nc", (1, 1))
    report = library.verify("a.json")
    assert not report
    assert "found 1970-01-01 00:00:01.000 UTC" in str(report)
    with pytest.raises(SourceError, match=r"expected that it was changed at 20\d\d-"):
        library.open_dataset("a.json", check="etag")["tos"].load()


@pytest.mark.parametrize("kept", ["a.json", "a.json.zst"])
def test_json_is_appended_to_by_its_recipe(days, kept):
    """What is not said again is remembered, and the result is that of building from all files."""
    library.build(days[:2], kept, concat_dims=["time"], coo_map={"time": "data:time"}, split=True)
    library.append(kept, days[2:])
    library.build(days, "all.json", concat_dims=["time"], coo_map={"time": "data:time"}, split=True)
    assert library.load(kept) == library.load("all.json")
    library.write(library.load(kept), "forgets.json")
    with pytest.raises(CombineError, match="not written down how this set was made"):
        library.append("forgets.json", days[2:])


def test_convert_keeps_the_recipe(days):
    """From Parquet to JSON and back; files can be added at the end. What is made portable is another set."""
    library.build(days[:2], "a.parq", concat_dims=["time"])
    for source, target in (("a.parq", "b.json"), ("b.json", "c.json.gz"), ("c.json.gz", "d.parq")):
        assert run("convert", source, target).exit_code == 0
    assert dict(library.load("d.parq").targets) == dict(library.load("a.parq").targets)
    library.append("d.parq", days[2:])
    library.build(days, "all.parq", concat_dims=["time"])
    assert library.load("d.parq") == library.load("all.parq")
    assert run("convert", "a.parq", "p.json", "--portable").exit_code == 0
    assert run("append", "p.json", "d2.nc").exit_code == 1


@pytest.mark.parametrize(
    "told",
    ["{", "[]", '{"files": 3}', '{"files": {"url": ["a"], "size": []}}', '{"origin": 3, "problems": [{}, 3]}', 3],
)
def test_what_is_not_understood_says_nothing(days, told):
    """Anybody may have written the entry: what is none is passed over, and values of a wrong type are not known."""
    library.write(library.scan("d0.nc"), "a.json")
    document = json.loads(Path("a.json").read_text())
    Path("a.json").write_text(json.dumps({**document, "chunkmap": told}))
    refs = library.load("a.json")
    assert (dict(refs.targets), refs.problems) == ({}, ())
    files = {"url": ["d0.nc", 3], "size": [-1, 2], "etag": [3, None], "mtime": ["x", None]}
    Path("a.json").write_text(json.dumps({**document, "chunkmap": json.dumps({"files": files})}))
    assert dict(library.load("a.json").targets) == {"d0.nc": Target()}
