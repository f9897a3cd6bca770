"""Headers as text, in the notation of netCDF's own tools."""

import json
import shlex

import h5py
import netCDF4
import numpy as np
import pytest
from click.testing import CliRunner

import chunkmap
from chunkmap.errors import CombineError, NoSuchFile
from chunkmap.frontends.cdl import cdl
from chunkmap.frontends.command_line.commands import chunkmap as command

EXPECTED = """\
netcdf tos {
dimensions:
\ttime = 2 ;
\tx = 3 ;
variables:
\tfloat tos(time, x) ;
\t\ttos:units = "K" ;
\t\ttos:note = "a \\"quoted\\" text\\nin two lines" ;
\t\ttos:_FillValue = -1.f ;
\t\ttos:_Storage = "chunked" ;
\t\ttos:_ChunkSizes = 1, 3 ;
\t\ttos:_Shuffle = "true" ;
\t\ttos:_DeflateLevel = 4 ;
\t\ttos:_Endianness = "little" ;

// global attributes:
\t\t:title = "a title" ;

group: inner {
  variables:
  \tint64 n(x) ;
  \t\tn:_Storage = "contiguous" ;
  \t\tn:_Endianness = "little" ;
  } // group inner
}"""


@pytest.fixture
def path(tmp_path):
    """A file with a compressed variable, and a group that uses a dimension of the root."""
    path = tmp_path / "tos.nc"
    with netCDF4.Dataset(path, "w") as dataset:
        dataset.title = "a title"
        dataset.createDimension("time", 2)
        dataset.createDimension("x", 3)
        tos = dataset.createVariable("tos", "f4", ("time", "x"), chunksizes=(1, 3), zlib=True, fill_value=-1.0)
        tos.units = "K"
        tos.note = 'a "quoted" text\nin two lines'
        tos[:] = np.ones((2, 3))
        dataset.createGroup("inner").createVariable("n", "i8", ("x",))[:] = [1, 2, 3]
    return path


def test_a_header_is_printed_in_cdl(path):
    """Dimensions, types, attributes, chunks, filters and groups."""
    assert cdl(chunkmap.scan(path), str(path)) == EXPECTED


def test_dump_takes_a_file_and_its_set(path, tmp_path):
    """The header of a set is that of its file."""
    chunkmap.write(chunkmap.scan(path), tmp_path / "tos.json")
    of_file, of_set = (CliRunner().invoke(command, ["dump", str(p)]) for p in (path, tmp_path / "tos.json"))
    assert of_file.stdout == of_set.stdout == EXPECTED + "\n"


def test_names_that_cdl_would_take_for_something_else(tmp_path):
    """Spaces and leading digits are escaped; an array without names of dimensions has invented ones."""
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["2m temperature"] = np.arange(4.0)
    text = cdl(chunkmap.scan(tmp_path / "f.h5"), "f.h5")
    assert "\tdouble \\2m\\ temperature(phony_dim_" in text


def test_what_a_terminal_would_obey_is_written_out(tmp_path):
    """Control characters of names and of texts are numbers, as `ncdump` writes them."""
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["a\x1bb"] = np.arange(4.0)
        file["a\x1bb"].attrs["units"] = "K\x1b[2J\x7f"
    text = cdl(chunkmap.scan(tmp_path / "f.h5"), "f.h5")
    assert r'a\%1bb:units = "K\033[2J\177"' in text


def test_diagnose_takes_files(path):
    """Files that are no sets are scanned, and looked at as their sets are."""
    result = CliRunner().invoke(command, ["diagnose", str(path), "--concat", "run", "--coord", "run=INDEX"])
    assert result.stdout.startswith("1 input, which fits\n")
    assert result.exit_code == 0, result.output
    assert chunkmap.diagnose([path], concat_dims="run", coo_map={"run": "INDEX"}).fits


def test_diagnose_names_every_file_that_cannot_be_read(path, tmp_path):
    """Those that can are looked at all the same, and the status says that not all is well."""
    words = ["--concat", "run", "--coord", "run=INDEX"]
    bad = [tmp_path / "cut.nc", tmp_path / "gone.nc"]
    bad[0].write_bytes(path.read_bytes()[:100])
    result = CliRunner().invoke(command, ["diagnose", *map(str, [bad[0], path, bad[1]]), *words])
    assert result.exit_code == 1
    first, *named = result.stdout.splitlines()[:3]
    assert first == "2 inputs cannot be read"
    assert all(str(name) in line for name, line in zip(bad, named, strict=True))
    assert "1 input, which fits" in result.stdout
    data = json.loads(CliRunner().invoke(command, ["diagnose", "--json", *map(str, [*bad, path]), *words]).stdout)
    assert (data["fits"], len(data["unread"]), data["inputs"]) == (False, 2, 1)
    nothing = CliRunner().invoke(command, ["diagnose", *map(str, bad), *words])
    assert nothing.exit_code == 1
    assert "2 inputs cannot be read" in nothing.stderr
    how = {"concat_dims": "run", "coo_map": {"run": "INDEX"}}
    found = chunkmap.diagnose([bad[0], path, bad[1]], **how)
    assert ([error.url for error in found.unread], found.fits) == ([str(name) for name in bad], False)
    assert str(found).startswith("2 inputs cannot be read\n")
    assert "gone.nc" in found._repr_html_()
    with pytest.raises(CombineError, match="2 inputs cannot be read"):
        chunkmap.diagnose(bad, **how)
    with pytest.raises(NoSuchFile, match="gone"):
        chunkmap.diagnose(bad[1], **how)


def test_diagnose_ends_with_a_command_that_works(path, tmp_path, monkeypatch):
    """Of files it builds the set that was looked at, of sets it combines them."""
    monkeypatch.chdir(tmp_path)
    chunkmap.write(chunkmap.scan(path), "a set.json")
    for given, verb in ((str(path), "build"), ("a set.json", "combine")):
        said = CliRunner().invoke(command, ["diagnose", given, "--concat", "run", "--coord", "run=INDEX"]).stdout
        program, *words = shlex.split(said.splitlines()[-1])
        assert (program, words[0]) == ("chunkmap", verb)
        result = CliRunner().invoke(command, [f"{verb}.json" if word == "OUT" else word for word in words])
        assert result.exit_code == 0, result.output
        assert "run" in chunkmap.load(f"{verb}.json").arrays
