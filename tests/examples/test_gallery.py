"""The pictures of the gallery are what the library draws."""

import runpy
from pathlib import Path
from xml.etree import ElementTree as ET

DOCS = Path(__file__).parents[2] / "docs"


def test_the_pictures_are_those_that_are_made(tmp_path):
    """Making them anew gives the same pictures, but for bytes that depend on versions; the page shows each."""
    runpy.run_path(str(DOCS / "pictures" / "make.py"))["main"](tmp_path)
    made, kept = (sorted(folder.glob("*.svg")) for folder in (tmp_path, DOCS / "pictures"))
    assert [path.name for path in made] == [path.name for path in kept]
    page = (DOCS / "gallery.md").read_text(encoding="utf-8")
    for new, old in zip(made, kept, strict=True):
        drawn = [ET.fromstring(path.read_text(encoding="utf-8")) for path in (new, old)]
        titles = [[title.text for title in root.iter("{http://www.w3.org/2000/svg}title")] for root in drawn]
        assert titles[0] == titles[1]
        assert drawn[0].attrib == drawn[1].attrib
        assert f"](pictures/{old.name})" in page
