"""Sets, arrays and reports as HTML, and the picture of the grid of chunks."""

from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from chunkmap.access.verifying import Finding, Report
from chunkmap.combining import Recipe, diagnose_sets
from chunkmap.frontends.html import as_html, page
from chunkmap.frontends.html.grid import INLINE, MISSING, grid_svg, squares
from chunkmap.model import ChunkManifest, ManifestArray, Problem, ReferenceSet

ARRAY = (
    '{"shape": [3, 4], "chunks": [1, 2], "dtype": "<i2", "compressor": null, "filters": null,'
    ' "fill_value": null, "order": "C", "zarr_format": 2}'
)
HOSTILE = "<script>alert('x')</script>"


def made():
    """A set of one array: a chunk of one file, two of another, one inline, two missing."""
    names = {"x/0.0": ["a.nc", 0, 4], "x/0.1": ["b.nc", 0, 4], "x/1.0": ["b.nc", 4, 4], "x/1.1": "text"}
    refs = {".zgroup": '{"zarr_format": 2}', "x/.zarray": ARRAY, "x/.zattrs": '{"_ARRAY_DIMENSIONS": ["t", "y"]}'}
    return ReferenceSet.from_dict({"version": 1, "refs": {**refs, **names}}, name="set.json")


class Balance(HTMLParser):
    """Checks that every element that is opened is closed, and remembers which there were."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen = [], set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)


def diagnosed():
    """The diagnosis of one set."""
    recipe = Recipe(concat_dims="t", coo_map={"t": "INDEX"})
    return diagnose_sets([made()], recipe, lambda arrays: [np.zeros(a.meta.shape) for a in arrays])


SHOWN = {
    "set": made,
    "array": lambda: made().arrays["x"],
    "diagnosis": diagnosed,
    "report": lambda: Report("set.json", (Finding("x/0.0", HOSTILE),), counts={"files": 2}),
}


@pytest.mark.parametrize("kind", SHOWN)
def test_what_notebooks_show_is_whole_and_runs_nothing(kind):
    """Every element is closed, none is a script, and text of files stays text."""
    text = SHOWN[kind]()._repr_html_()
    seen = Balance(text)
    assert seen.open == []
    assert "script" not in seen.seen


def test_a_set_shows_its_counts_and_its_problems():
    """Chunks, bytes and problems are those of the set."""
    refs = made()
    text = as_html(ReferenceSet(refs.arrays, {"": {"title": HOSTILE}}, (Problem("y", "link", HOSTILE),), name=HOSTILE))
    assert "4, 1 of them inline; 2 missing" in text
    assert text.count("&lt;script&gt;") == 3
    assert "<script>" not in text


def test_a_page_has_a_title_and_both_schemes():
    """A page of its own is light or dark as its reader has it."""
    text = page(made(), "a & b")
    assert text.startswith("<!doctype html>")
    assert "<title>a &amp; b</title>" in text
    assert 'content="light dark"' in text
    assert Balance(text.removeprefix("<!doctype html>")).open == []


def test_the_squares_are_the_chunks():
    """In a small grid every square is one chunk: its file, inline, or missing."""
    chunks = made().arrays["x"].chunks
    found = squares(chunks)
    names = [[chunks.sources[n] if n >= 0 else n for n in row] for row in found.kind.tolist()]
    assert names == [["a.nc", "b.nc"], ["b.nc", INLINE], [MISSING, MISSING]]
    assert found.is_exact


def test_a_large_grid_is_looked_up_in_part_and_says_so():
    """The picture of 10**7 chunks has a bounded number of squares, each with the file that is there."""
    count = 10**7
    source = (np.arange(count) // (count // 4) + 1).astype(np.uint32)
    offset = np.zeros(count, np.uint64)
    chunks = ChunkManifest((10_000, 1_000), (None, "a", "b", "c", "d"), source, offset, offset)
    found = squares(chunks)
    assert found.kind.shape == (32, 96)
    assert [np.unique(rows).tolist() for rows in np.split(found.kind, 4)] == [[1], [2], [3], [4]]
    assert not found.is_exact
    svg = grid_svg(chunks)
    assert len(svg) < 10_000
    assert "at most 25 chunks looked up" in svg


@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 1), (2, 3, 4), (1, 500)])
def test_every_grid_has_a_picture(shape):
    """Grids of any number of axes are drawn, those without a chunk as well, as XML that is whole."""
    assert ET.fromstring(grid_svg(ChunkManifest.empty(shape))).tag.endswith("svg")
    assert ET.fromstring(grid_svg(ChunkManifest.single("a&b", 0, 1, len(shape)))) is not None


def test_a_grid_without_cells_has_none():
    """Where there is nothing to draw, nothing is drawn."""
    assert grid_svg(ChunkManifest.empty((0, 3))) == ""


def test_an_array_is_shown_with_its_compression():
    """Where every chunk is stored and of known length, the ratio is that of the bytes."""
    array = made().arrays["x"]
    chunks = ChunkManifest.from_rows((3, 2), [(i, j) for i in range(3) for j in range(2)], ["a"] * 6, range(6), [2] * 6)
    assert "<th>compression</th><td>2.00</td>" in as_html(ManifestArray(array.meta, chunks))


def test_one_is_said_as_one_and_is_open():
    """A set of one array says so, and shows it without a click; of several each is folded."""
    alone, several = made(), made()
    several = ReferenceSet(arrays={**several.arrays, "y": several.arrays["x"]})
    assert "1 array, 4 chunks" in as_html(alone)
    assert as_html(alone).count("<details open>") == as_html(several).count("<details open>") + 1
    assert "1 input, which fits" in as_html(
        diagnose_sets([alone], Recipe(concat_dims="run", coo_map={"run": "INDEX"}), None)
    )
