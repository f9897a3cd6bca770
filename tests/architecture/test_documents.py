"""README and docs: what they show runs, and where they point is there.

A block whose fence says `run` (```python run, ```sh run) is run, in the order of its page, in a directory that holds
`data/2024-01.nc` to `data/2024-03.nc`. A block of Python that does not say so must at least be Python.
"""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import netCDF4
import numpy as np
import pytest

import chunkmap

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")


def blocks(page):
    """Each fenced block of a page: its language, whether it is to be run, its code, its first line."""
    text = page.read_text()
    for match in FENCE.finditer(text):
        language, *flags = match["info"].split() or [""]
        yield language, "run" in flags, match["code"], text.count("\n", 0, match.start()) + 2


def write_month(path, month, days):
    """A month of daily temperature, its time counted from the first of the month."""
    with netCDF4.Dataset(path, "w") as dataset:
        for name, size in (("time", None), ("lat", 20), ("lon", 40)):
            dataset.createDimension(name, size)
        time = dataset.createVariable("time", "i4", ("time",), chunksizes=(1,))
        time.units = f"days since 2024-{month:02}-01"
        time.calendar = "standard"
        time[:] = np.arange(days)
        for name, size in (("lat", 20), ("lon", 40)):
            dataset.createVariable(name, "f4", (name,))[:] = np.arange(size)
        field = dataset.createVariable(
            "temperature", "f4", ("time", "lat", "lon"), chunksizes=(1, 20, 40), zlib=True, shuffle=True
        )
        field.units = "K"
        field[:] = np.random.default_rng(month).normal(280, 10, (days, 20, 40))


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A directory as the pages describe it, made the current one."""
    (tmp_path / "data").mkdir()
    for month, days in ((1, 31), (2, 29), (3, 31)):
        write_month(tmp_path / "data" / f"2024-{month:02}.nc", month, days)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_shell(code):
    """Run a block of shell with the programs of this Python's environment first."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    words = ["bash", "-euo", "pipefail", "-c", code]
    result = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.filterwarnings("ignore:The 'generic' unit for NumPy timedelta")  # given by fastparquet
@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3 specification")  # given by zarr
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_shows_runs(page, workplace):
    """The blocks of a page that are marked to be run do run, one after another."""
    del workplace
    names = {"__name__": "__main__"}
    for language, marked, code, line in blocks(page):
        if not marked:
            continue
        assert language in ("python", "sh"), f"{page}:{line}: cannot run {language}"
        if language == "sh":
            run_shell(code)
        else:
            exec(compile("\n" * (line - 1) + code, str(page), "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_shows_is_python(page):
    """Every block that calls itself Python can be parsed."""
    for language, _, code, line in blocks(page):
        if language == "python":
            ast.parse("\n" * (line - 1) + code, filename=str(page))


def test_some_blocks_are_run():
    """The README, and more than half of the how-to pages, show something that is run."""
    ran = [page for page in PAGES if any(marked for _, marked, _, _ in blocks(page))]
    how_to = [page for page in PAGES if page.parent.name == "how-to"]
    assert ROOT / "README.md" in ran
    assert len(set(how_to) & set(ran)) > len(how_to) / 2


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_where_a_page_points_is_there(page):
    """Every relative link leads to a file of the project."""
    assert [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()] == []


def test_the_site_has_every_page():
    """The table of contents of the site names each page of docs, and the page of the library each public name."""
    contents = (ROOT / "site" / "index.md").read_text().split()
    pages = [page.relative_to(ROOT).with_suffix("").as_posix() for page in (ROOT / "docs").rglob("*.md")]
    assert set(pages) <= set(contents)
    documented = set(
        re.findall(r"^```\{auto\w+\} chunkmap\.(\w+)$", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE)
    )
    assert documented == set(chunkmap.__all__)
