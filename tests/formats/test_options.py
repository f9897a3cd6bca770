"""Options of formats, from their dataclasses to the documentation and the command line."""

import re
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

import chunkmap as library
from chunkmap.formats import FORMATS
from chunkmap.formats.options import from_words, options_in, options_table
from chunkmap.frontends.command_line.commands import chunkmap

PAGE = Path(__file__).parents[2] / "docs/how-to/scan.md"


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.name)
def test_every_option_says_what_it_is_for(row):
    """Below each field of `Options` is a text, and it may be left out."""
    for option in options_in(row):
        assert option.what.endswith(".")
        assert "default_factory" not in repr(option.default)
    assert row.load().Options() == row.load().Options()


def test_the_documentation_lists_them():
    """The table of docs/how-to/scan.md is the one that the fields make."""
    (found,) = re.findall(r"<!-- options -->\n(.*)<!-- end of options -->", PAGE.read_text(), re.DOTALL)
    assert found == options_table()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("chunk_nbytes", "1000", 1000),
        ("chunk_nbytes", "none", None),
        ("linked_datasets", "True", True),
        ("wcs", "false", False),
        ("group", "12", "12"),
        ("vlen_encode", "null", "null"),
        ("hdu", "2", 2),
        ("hdu", "SCI", "SCI"),
        ("ycbcr", "stored", "stored"),
        ("zarr_format", "3", 3),
        ("shape", "4, 5", (4, 5)),
        ("shape", "none", None),
        ("dims", "x", ("x",)),
        ("filter_by_keys", '{"level": [500, 850]}', {"level": [500, 850]}),
    ],
)
def test_words_have_the_type_of_the_field(name, text, value):
    """A word of the command line becomes what the dataclass says."""
    found = from_words({name: text})[name]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "text", "format_name", "said"),
    [
        ("grop", "a", None, "no option 'grop'; there are .*group"),
        ("hdu", "1", "hdf5", "no option 'hdu'; there are group, linked_datasets, long_doubles, portable, strict, .*"),
        ("chunk_nbytes", "many", None, "'many', expected a whole number or none"),
        ("vlen_encode", "x", None, "'x', expected embed or null or leave"),
        ("wcs", "1", None, "expected true or false"),
        ("filter_by_keys", "level=500", None, "expected an object of JSON, such as"),
        ("filter_by_keys", "[1]", "grib", "expected an object of JSON, such as"),
        ("shape", "4,x", None, "expected none or a whole number, or several parted by commas"),
    ],
)
def test_wrong_words_are_refused(name, text, format_name, said):
    """The message names the options there are, or what was expected."""
    with pytest.raises(ValueError, match=said):
        from_words({name: text}, format_name)


@pytest.fixture
def linked(tmp_path):
    """A file with a group and a link to a dataset of another one outside its directory."""
    outside, data = tmp_path / "outside", tmp_path / "data"
    outside.mkdir()
    data.mkdir()
    with h5py.File(outside / "o.h5", "w") as f:
        f["x"] = np.arange(5.0)
    with h5py.File(data / "a.h5", "w") as f:
        f["g/own"] = np.arange(5.0)
        f["g/far"] = h5py.ExternalLink("../outside/o.h5", "x")
    return data / "a.h5"


def test_library_command_line_and_engine_take_the_same(linked, tmp_path):
    """`group`, `linked_datasets` and `allow` give one set, however they are said."""
    allow = [str(tmp_path / "outside")]
    want = library.scan(linked, group="g", linked_datasets=True, allow=allow)
    assert set(want.arrays) == {"own", "far"}
    words = [str(linked), "-o", str(tmp_path / "s.json"), "--option", "group=g", "--option", "linked_datasets=true"]
    result = CliRunner().invoke(chunkmap, ["scan", *words, "--allow", allow[0]])
    assert result.exit_code == 0, result.output
    assert set(library.load(tmp_path / "s.json").arrays) == {"own", "far"}
    with xr.open_dataset(
        linked, engine="chunkmap", linked_datasets=True, scan_options={"group": "g"}, allow=[str(tmp_path)]
    ) as opened:
        assert opened["far"].values.tolist() == [0, 1, 2, 3, 4]
        assert opened["own"].values.tolist() == [0, 1, 2, 3, 4]


def test_a_refusal_is_spelled_as_the_command_line_has_it(linked):
    """Words that are no options, options of another format and of a stored set are refused, in a line each."""
    result = CliRunner().invoke(chunkmap, ["scan", str(linked), "--option", "shards=whole"])
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert "hdf5: no option 'shards'; its options are" in result.output
    result = CliRunner().invoke(chunkmap, ["scan", str(linked), "--option", "nothing=1"])
    assert result.exit_code == 1
    assert "no option 'nothing'" in result.output
    result = CliRunner().invoke(chunkmap, ["scan", str(linked), "--option", "nothing"])
    assert result.exit_code == 2
    refs = library.scan(linked)
    with pytest.raises(TypeError, match="'hdu': options of a scan, but a set is not scanned"):
        xr.open_dataset(refs, engine="chunkmap", hdu=3)


def test_the_command_line_lists_formats():
    """`chunkmap formats` names every format and option."""
    text = CliRunner().invoke(chunkmap, ["formats"]).output
    for row in FORMATS:
        assert f"{row.name}\n" in text
        assert all(f"  {option.name}=" in text for option in options_in(row))
