"""The table of codecs beside what names them elsewhere."""

import subprocess
import sys
import tomllib
from pathlib import Path

import numcodecs
import pytest

from chunkmap.codecs import register
from chunkmap.codecs.table import CODECS, V3_CODECS
from chunkmap.model.trimming import TRIM
from chunkmap.model.v3_codecs import CODEC
from chunkmap.model.v3_imagecodecs import OF_ARRAYS, OF_BYTES, TO_BYTES
from chunkmap.model.variants import VARIANTS

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize(("rows", "group"), [(CODECS, "numcodecs.codecs"), (V3_CODECS, "zarr.codecs")])
def test_the_project_names_the_same_codecs(rows, group):
    """Each row is an entry point, and no other is one."""
    assert {row.id: row.entry_point for row in rows} == PROJECT["entry-points"][group]
    assert len({row.id for row in rows}) == len(rows)


@pytest.mark.parametrize("row", [*CODECS, *V3_CODECS], ids=lambda row: row.id)
def test_codecs_are_documented_under_their_ids(row):
    """docs/spec.md says what each is for."""
    assert f"`{row.id}`" in (ROOT / "docs/spec.md").read_text()


@pytest.mark.parametrize("row", CODECS, ids=lambda row: row.id)
def test_rows_lead_to_codecs_of_their_id(row):
    """numcodecs finds the class of the row, whose extra is one of the project's."""
    register()
    assert row.load().codec_id == row.id
    assert numcodecs.registry.entries[row.id].value == row.entry_point
    assert row.extra is None or row.extra in PROJECT["optional-dependencies"]


def test_codecs_of_zarr_v3_have_the_names_that_sets_use():
    """Those that metadata are written with."""
    of_images = OF_ARRAYS | TO_BYTES | OF_BYTES
    assert [row.id for row in V3_CODECS] == [CODEC, TRIM, VARIANTS, *sorted(of_images)]


def test_codecs_of_other_packages_give_way():
    """A codec that was registered under one of our ids before is replaced, one of ours stays as it is."""
    register()
    ours = type(numcodecs.get_codec({"id": "deflate"}))
    register()
    assert numcodecs.registry.codec_registry["deflate"] is ours

    class Foreign(ours):
        """Another package's."""

        __module__ = "foreign"

    numcodecs.register_codec(Foreign, "deflate")
    register()
    assert type(numcodecs.get_codec({"id": "deflate"})) is ours


def test_registering_imports_no_codec():
    """A codec is imported when a chunk needs it."""
    code = (
        "import sys, chunkmap.codecs as c; c.register();"
        "print(sorted(m for m in sys.modules if m.startswith('chunkmap.codecs.')))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "['chunkmap.codecs.table']"
