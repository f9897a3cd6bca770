"""The cases of the battery: every sample of every row, and of a package of its own those in `--samples`."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path

import pytest
from sample import Sample

from chunkmap.formats import FORMATS

HERE = Path(__file__).parents[1] / "formats"


def pytest_addoption(parser):
    """Where the samples of formats of other packages are, each in `<name>/samples.py`."""
    parser.addoption("--format", default=None, help="the battery of one format only")
    parser.addoption("--samples", action="append", default=[], help="a directory with samples of further formats")


@cache
def made(path) -> list[Sample]:
    """The samples of a module, made once."""
    spec = importlib.util.spec_from_file_location(f"samples_of_{path.parent.name}", path)
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found
    spec.loader.exec_module(found)
    return found.samples()


def samples_of(config, name) -> list[Sample]:
    """The samples of a format; nothing where it has none."""
    folders = [HERE, *map(Path, config.getoption("--samples", default=[]) or [])]
    paths = [folder / name / "samples.py" for folder in folders]
    return [sample for path in paths if path.is_file() for sample in made(path)]


def pytest_generate_tests(metafunc):
    """A test of a `row` is run for every format, one of a `row` and a `sample` for every sample."""
    if "row" not in metafunc.fixturenames:
        return
    only = metafunc.config.getoption("--format", default=None)
    # a format that nothing in a file tells, as `raw`, is none that the battery could recognise
    rows = [row for row in FORMATS if only in (None, row.name) and (row.begins or row.is_folder)]
    if "sample" not in metafunc.fixturenames:
        metafunc.parametrize("row", rows, ids=[row.name for row in rows])
        return
    cases = [(row, sample) for row in rows for sample in samples_of(metafunc.config, row.name)]
    metafunc.parametrize(("row", "sample"), cases, ids=[f"{row.name}-{sample.name}" for row, sample in cases])


@pytest.fixture
def samples(row, request):
    """The samples of a row."""
    return samples_of(request.config, row.name)


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """A function that gives the path of the main file of a sample, whose files are written once."""
    known = {}

    def path(row, sample):
        key = row.name, sample.name
        if key not in known:
            known[key] = sample.write(tmp_path_factory.mktemp(row.name))
        return known[key]

    return path
