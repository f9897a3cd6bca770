"""`chunkmap plot`: where chunks lie in their files and what reads of them touch, as text, as data, as a page."""

import json
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import xarray as xr
from invoking import run

import chunkmap
from chunkmap.frontends.html import reads_page, reads_svg
from chunkmap.frontends.plotting import plot
from chunkmap.model import ReferenceSet


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """A set of three files, in each an array of two chunks behind 100 kB of something else."""
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        values = np.full((2, 100, 100), number, "f4")
        made = xr.Dataset({"before": ("n", np.zeros(100_000, "u1")), "t": (("time", "y", "x"), values)})
        made.to_netcdf(f"f{number}.nc", engine="h5netcdf", encoding={"t": {"chunksizes": (1, 100, 100)}})
    chunkmap.build("f*.nc", "set.json", concat_dims="time", coo_map={"time": "ORDER"}, identical_dims=["before"])
    return chunkmap.load("set.json")


def test_a_file_is_drawn_from_its_first_byte_to_its_last(stored):
    """Parts of a strip are covered where chunks are, and what a read touches is some of it."""
    found = plot(stored, "t", files=2, cells=100)
    assert (found.files, len(found.strips), found.chunks) == (3, 2, 6)
    chunks = stored.arrays["t"].manifest()
    for number, strip in enumerate(found.strips):
        assert strip.size == Path(f"f{number}.nc").stat().st_size
        covered = np.zeros(strip.size)
        for start in chunks.offset[2 * number : 2 * number + 2].tolist():
            covered[start : start + 40_000] = 1
        edges = np.linspace(0, strip.size, 101).astype(int)
        exact = [covered[a:b].mean() for a, b in pairwise(edges)]
        np.testing.assert_allclose(strip.held, exact, atol=2 / (strip.size / 100))
        np.testing.assert_array_equal(strip.touched["everything"], strip.held)
        one = strip.touched["one time, a map"]
        assert one.sum() == pytest.approx(strip.held.sum() / 2 if number == 1 else 0)


def test_on_a_terminal(stored):
    """Numbers and strips, of one array or of all; every line fits."""
    result = run("plot", "set.json", "t")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "t (time: 6, y: 100, x: 100) float32"
    assert "6 chunks of 1 x 100 x 100; 240.0 kB in 3 files" in lines[1]
    (series,) = [line.split() for line in lines if line.startswith("a series")]
    assert series[2:] == ["[:,50,50]", "3", "3", "6", "240.0", "kB", "24", "B", "10,000.0"]
    assert lines[-1].startswith("    everything")
    assert {line[20] for line in lines if line.startswith("    ")} == {"|"}
    assert max(map(len, lines)) <= 100
    both = run("plot", "set.json", "--files", "0").stdout
    assert "before (" in both
    assert "... and 3 more files" in both
    assert both.count("a series") == 1


def test_as_data(stored):
    """--json has the numbers of each read."""
    found = json.loads(run("plot", "set.json", "--json").stdout)["t"]
    assert (found["chunks"], found["files"], found["stored"]) == (6, 3, 240_000)
    assert found["reads"]["one time, a map"] == {
        "selection": "[3, :, :]",
        "requests": 1,
        "files": 1,
        "chunks": 1,
        "bytes_read": 40_000,
        "bytes_wanted": 40_000,
    }


def test_as_a_picture(stored):
    """A page for a set, an SVG for an array; other names, and an SVG of several arrays, are refused."""
    assert run("plot", "set.json", "-o", "set.html").exit_code == 0
    page = Path("set.html").read_text()
    assert page.startswith("<!doctype html>")
    assert page.count("<svg") == 2
    assert page.count("<details open>") == 1
    assert run("plot", "set.json", "t", "-o", "t.svg").exit_code == 0
    assert ET.fromstring(Path("t.svg").read_text()).tag.endswith("svg")
    for words, says in ((["-o", "t.png"], "ends in .html or .svg"), (["-o", "t.svg"], "expected one array for an SVG")):
        result = run("plot", "set.json", *words)
        assert result.exit_code == 1
        assert says in result.stderr


def test_a_file_is_scanned(stored):
    """A file is drawn as a set is."""
    assert "2 chunks of 1 x 100 x 100" in run("plot", "f1.nc", "t").stdout


def test_text_of_files_is_escaped():
    """Names that are markup are text in pages and pictures."""
    name = "<script>x</script>"
    refs = {
        ".zgroup": '{"zarr_format": 2}',
        f"{name}/.zarray": '{"shape": [2], "chunks": [1], "dtype": "<i2", "compressor": null, "filters": null,'
        ' "fill_value": null, "order": "C", "zarr_format": 2}',
        f"{name}/0": [name, 0, 2],
    }
    found = plot(ReferenceSet.from_dict({"version": 1, "refs": refs}), name.replace("/", "/"), files=3)
    for text in (reads_page([found], name), reads_svg(found)):
        assert "<script" not in text
        assert "&lt;script" in text


def test_names_of_arrays_are_completed(stored, monkeypatch):
    """Shells complete the array from the set that was named before it, and nothing of what is no set."""
    from click.shell_completion import BashComplete

    from chunkmap.frontends.command_line.commands import chunkmap as program

    complete = BashComplete(program, {}, "chunkmap", "_CHUNKMAP_COMPLETE")
    for command in ("inspect", "plot"):
        found = complete.get_completions([command, "set.json"], "")
        assert [item.value for item in found] == list(stored.arrays)
        assert [item.value for item in complete.get_completions([command, "set.json"], "be")] == ["before"]
        assert complete.get_completions([command, "nosuch.json"], "") == []
