"""docs/reliability.md and docs/security.md name the tests of what they promise."""

import re
from pathlib import Path

import pytest
from bombs import COUNT
from test_s3 import POINTS
from test_writers import CHANGES, DEATHS

ROOT = Path(__file__).parents[2]
SERVERS = ("test_servers.py", "test_answers.py")
WRITERS = ("test_s3.py", "test_writers.py", "test_systems.py")
COUNTED = (*SERVERS, *WRITERS, "test_bounds.py", "test_linear.py")
NAMED = re.compile(r"`((?:tests/[a-z_/]+/)?test_[a-z0-9_]+\.py)(?:::(test_[a-z0-9_]+))?`")


@pytest.mark.parametrize("page", ["reliability.md", "security.md"])
def test_every_test_that_is_named_exists(page):
    """Each promise names a test that is there."""
    found = NAMED.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))
    assert len(found) > 5
    for file, name in found:
        path = ROOT / file if file.startswith("tests/") else ROOT / "tests" / "reliability" / file
        assert f"def {name}(" in path.read_text(encoding="utf-8"), (file, name)


@pytest.mark.parametrize("page", ["reliability.md", "security.md"])
def test_every_promise_names_a_test(page):
    """Each row of a table of promises names a test, in the second column."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    rows, inside = [], False
    for line in text.splitlines():
        inside = line.startswith("| Promise | Test |") or (inside and line.startswith("|"))
        if inside and not line.startswith(("| Promise |", "|---")):
            rows.append(line)
    assert len(rows) > 5
    for row in rows:
        promise, tests = row.strip("|").rsplit("|", 1)
        assert NAMED.search(tests), promise
        assert not NAMED.search(promise), promise


class _Collected:
    """Notes the cases that pytest makes."""

    def __init__(self):
        self.cases = []

    def pytest_collection_modifyitems(self, items):
        self.cases += [(item.path.name, item.name) for item in items]


def _cases():
    """The cases that pytest makes of the tests of each file."""
    found, files = _Collected(), [str(ROOT / "tests" / "reliability" / file) for file in COUNTED]
    assert pytest.main(["-qqq", "--collect-only", "-p", "no:cacheprovider", "-p", "no:xdist", *files], [found]) == 0
    return {file: [case for one, case in found.cases if one == file] for file in COUNTED}


def test_the_figures_are_those_of_the_tests():
    """What is counted in docs/reliability.md is what there is: cases of servers, points, bombs and codecs."""
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    cases = _cases()
    servers, others = ([case for file in files for case in cases[file]] for files in (SERVERS, WRITERS))
    bounds, linear = cases["test_bounds.py"], cases["test_linear.py"]
    assert f"| faults of servers, each on its roads | {len(servers)} cases of {_tests(servers)} tests |" in text
    assert f"| writers that die, are two, or find no room | {len(others)} cases of {_tests(others)} tests |" in text
    assert (
        f"| ways for a set to grow, of which work is counted | {len(linear)} cases of {_tests(linear)} tests |" in text
    )
    points = " + ".join(str(count) for count in POINTS.values())
    assert f"| points at which a writer into S3 is cut off | {sum(POINTS.values())} ({points}) |" in text
    moments = " + ".join(str(count) for count in CHANGES.values())
    assert f"| {len(DEATHS) * sum(CHANGES.values())} ({len(DEATHS)} x ({moments})) |" in text
    with_codecs = sum("far_too_large" in name for name in bounds)
    assert f"| small inputs that say they are gigabytes | {COUNT}, and {with_codecs} codecs |" in text


def _tests(cases):
    return len({name.partition("[")[0] for name in cases})
