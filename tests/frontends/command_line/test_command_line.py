"""The command line, run as its users run it, over files that netCDF4 wrote."""

import json
import re
import subprocess
import sys
from importlib.metadata import entry_points
from io import StringIO

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr
from invoking import run

import chunkmap as library
from chunkmap.frontends.command_line.arguments import expand, stored_name
from chunkmap.frontends.command_line.display import counting, describe, warn_of_problems
from chunkmap.model import Problem, ReferenceSet


class Terminal(StringIO):
    """A stream that someone looks at."""

    def isatty(self):
        """Yes."""
        return True


def write_month(path, month):
    """One month: a counter that is 0 in every file, the real time beside it, a field, and a fixed grid."""
    with netCDF4.Dataset(path, "w") as dataset:
        dataset.createDimension("time_counter", None)
        dataset.createDimension("x", 300)
        counter = dataset.createVariable("time_counter", "f8", ("time_counter",), chunksizes=(1,))
        centered = dataset.createVariable("time_centered", "f8", ("time_counter",), chunksizes=(1,))
        field = dataset.createVariable("tos", "f4", ("time_counter", "x"), chunksizes=(1, 300), zlib=True)
        grid = dataset.createVariable("lon", "f8", ("x",))
        centered.units = "days since 2015-01-01"
        counter[:] = [0.0]
        centered[:] = [30.0 * month + 15]
        field[:] = np.random.default_rng(month).normal(size=(1, 300))
        grid[:] = np.linspace(0, 1, 300)


@pytest.fixture
def months(tmp_path):
    """A directory of three months."""
    folder = tmp_path / "data"
    folder.mkdir()
    for month in range(3):
        write_month(folder / f"m{month}.nc", month)
    return folder


CONCAT = ("--concat", "time_counter", "--coord", "time_counter=cf:time_centered", "--identical", "lon")


@pytest.mark.parametrize("command", ["scan", "combine", "merge", "build", "append", "convert", "inspect"])
def test_every_command_explains_itself(command):
    """Each command has a help text."""
    result = run(command, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: chunkmap")


def test_the_version_is_the_librarys():
    """`chunkmap --version` says the version of the library."""
    assert library.__version__ in run("--version").stdout


def test_the_program_is_installed_under_its_name(months):
    """The function that the entry point names runs the command line of its process."""
    (entry,) = entry_points(group="console_scripts", name="chunkmap")
    code = "import sys; from chunkmap.frontends.command_line import main; sys.argv[1:1] = ['inspect']; main()"
    words = [sys.executable, "-c", code, months / "none.json"]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    assert entry.value == "chunkmap.frontends.command_line:main"
    assert result.returncode == 1
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1


def test_without_click_it_says_what_to_install():
    """Where click is not installed, one line says how to get it."""
    code = (
        "import importlib.util as u; found = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'click' else found(name, *a)\n"
        "from chunkmap.frontends.command_line import main; main()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr == "chunkmap: click not installed: pip install 'chunkmap[cli]'\n"


def test_scan_prints_a_table(months):
    """Without -o, a scan draws what it found."""
    result = run("scan", months / "m0.nc")
    assert result.exit_code == 0, result.stderr
    assert re.search(r"tos +time_counter, x +1 x 300 +1 x 300 +<f4 +", result.stdout)


def test_scan_prints_json(months):
    """`-o -` prints version 1 on standard output, and it is what the library gives."""
    path = months / "m0.nc"
    result = run("scan", path, "-o", "-")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout) == library.scan(str(path)).to_dict()


def test_scan_writes_one_set_a_file(months, tmp_path):
    """For several files, -o is a directory with one set a file, each equal to the library's own scan."""
    result = run("scan", f"{months}/*.nc", "-o", tmp_path / "sets")
    assert result.exit_code == 0, result.stderr
    assert sorted(p.name for p in (tmp_path / "sets").iterdir()) == ["m0.nc.json", "m1.nc.json", "m2.nc.json"]
    assert library.load(str(tmp_path / "sets" / "m1.nc.json")) == library.scan(str(months / "m1.nc"))


def test_scan_holds_small_chunks_inline(months):
    """--inline-threshold reaches the scanner: 0 holds nothing inline."""
    result = run("scan", months / "m0.nc", "-o", "-", "--inline-threshold", "0")
    assert result.exit_code == 0, result.stderr
    assert isinstance(json.loads(result.stdout)["refs"]["time_counter/0"], list)


def test_scan_refuses_two_files_of_one_name(months, tmp_path):
    """Two files whose sets would have one name are refused before anything is written."""
    other = tmp_path / "other"
    other.mkdir()
    write_month(other / "m0.nc", 7)
    result = run("scan", months / "m0.nc", other / "m0.nc", "-o", tmp_path / "sets")
    assert result.exit_code == 1
    assert "two files of this name" in result.stderr
    assert not (tmp_path / "sets").exists()


@pytest.mark.parametrize("out", ["cube.json", "cube.parq"])
def test_build_makes_the_dataset_that_the_files_are(months, tmp_path, out):
    """What build writes, opened by xarray, equals the files read one by one."""
    result = run("build", f"{months}/*.nc", "-o", tmp_path / out, *CONCAT)
    assert result.exit_code == 0, result.stderr
    assert "3 files" in result.stderr
    expected = [xr.open_dataset(months / f"m{month}.nc", engine="h5netcdf") for month in range(3)]
    with xr.open_dataset(tmp_path / out, engine="chunkmap") as found:
        np.testing.assert_array_equal(found.tos, np.concatenate([ds.tos for ds in expected]))
        np.testing.assert_array_equal(found.time_counter, np.concatenate([ds.time_centered for ds in expected]))
        np.testing.assert_array_equal(found.lon, expected[0].lon)
    for dataset in expected:
        dataset.close()


def test_build_with_workers_gives_the_same(months, tmp_path):
    """Two processes give the set that one gives."""
    for workers in (1, 2):
        result = run("build", f"{months}/*.nc", "-o", tmp_path / f"{workers}.json", *CONCAT, "--workers", workers)
        assert result.exit_code == 0, result.stderr
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()


def test_append_is_build_of_all(months, tmp_path):
    """A set that is built of some files and appended to is the one that is built of all, without a word about how."""
    files, cache = sorted(months.glob("*.nc")), ("--cache", tmp_path / "cache")
    assert run("build", *files, "-o", tmp_path / "all.parq", *CONCAT).exit_code == 0
    assert run("build", *files[:2], "-o", tmp_path / "grown.parq", *CONCAT, *cache).exit_code == 0
    assert len(list((tmp_path / "cache").rglob("*.table"))) == 2

    result = run("append", tmp_path / "grown.parq", files[2], *cache)

    assert result.exit_code == 0, result.output
    assert "1 file more" in result.stderr
    assert library.load(tmp_path / "grown.parq") == library.load(tmp_path / "all.parq")
    again = run("append", tmp_path / "grown.parq", files[2])
    assert again.exit_code == 1
    assert "one would hide the other" in again.stderr
    assert run("append", tmp_path / "grown.parq", files[2], "--overwrite").exit_code == 0
    assert library.load(tmp_path / "grown.parq") == library.load(tmp_path / "all.parq")


def test_chunks_keep_their_lengths_when_more_are_appended(tmp_path):
    """To a set with chunks of several lengths, which are referred to and not read when that is said again."""
    files, how = [tmp_path / f"{number}.nc" for number in range(3)], ("--concat", "time", "--load-below", 0)
    for file, start, days in zip(files, (0, 31, 59), (31, 28, 31), strict=True):
        month = xr.Dataset({"x": ("time", np.arange(days))}, {"time": np.arange(start, start + days)})
        month.to_netcdf(file, encoding={"x": {"chunksizes": (days,), "zlib": True}}, unlimited_dims=["time"])
    v3 = ("--zarr-format", 3, "--inline-threshold", 0)
    assert run("build", *files, "-o", tmp_path / "all.json", *how, *v3).exit_code == 0
    assert run("build", *files[:2], "-o", tmp_path / "grown.json", *how, *v3).exit_code == 0

    result = run("append", tmp_path / "grown.json", files[2], *how, "--inline-threshold", 0)

    assert result.exit_code == 0, result.output
    grown = library.load(tmp_path / "grown.json")
    assert grown == library.load(tmp_path / "all.json")
    assert grown.arrays["x"].meta.edges
    refused = run("convert", tmp_path / "grown.json", tmp_path / "grown.parq")
    assert refused.exit_code == 1
    assert "--zarr-format 3" in refused.stderr


def test_remedies_are_those_of_the_command_line(tmp_path):
    """What the library advises to pass is said as the option that does it here."""
    for number in range(2):
        time = ("time", [0], {"units": f"days since 2000-01-0{number + 1}"})
        xr.Dataset({"d": ("time", [1.0])}, {"time": time}).to_netcdf(tmp_path / f"{number}.nc")
        run("scan", tmp_path / f"{number}.nc", "-o", tmp_path / f"{number}.json")
    how = ["combine", f"{tmp_path}/?.json", "-o", tmp_path / "a.json", "--concat", "time"]

    refused = run(*how)

    assert "pass --coord time=cf:time" in refused.output
    assert "coo_map" not in refused.output
    assert "--coord: 'cftime:x' for time is no selector" in run(*how, "--coord", "time=cftime:x").output
    assert run(*how, "--coord", "time=cf:time", "--load-below", 0).exit_code == 0


def test_merge_joins_sets_of_different_arrays(months, tmp_path):
    """Sets of an array each become the set of both; what differs under one name is refused, and nothing written."""
    whole = library.scan(str(months / "m0.nc"))
    for name in ("tos", "time_counter"):
        part = library.ReferenceSet({name: whole.arrays[name]}, whole.groups)
        library.write(part, str(tmp_path / f"{name}.json"))
    result = run("merge", f"{tmp_path}/*.json", "-o", tmp_path / "both.json")
    assert result.exit_code == 0, result.stderr
    expected = {name: whole.arrays[name] for name in ("tos", "time_counter")}
    assert library.load(str(tmp_path / "both.json")) == library.ReferenceSet(expected, whole.groups)

    library.write(library.scan(str(months / "m1.nc")), str(tmp_path / "other.json"))
    result = run("merge", tmp_path / "tos.json", tmp_path / "other.json", "-o", tmp_path / "none.json")
    assert result.exit_code == 1
    assert "tos" in result.stderr
    assert not (tmp_path / "none.json").exists()


def test_combine_equals_build(months, tmp_path):
    """Scanning to a directory and combining what is in it gives what build gives."""
    assert run("scan", f"{months}/*.nc", "-o", tmp_path / "sets").exit_code == 0
    result = run("combine", f"{tmp_path}/sets/*.json", "-o", tmp_path / "a.json", *CONCAT)
    assert result.exit_code == 0, result.stderr
    assert run("build", f"{months}/*.nc", "-o", tmp_path / "b.json", *CONCAT).exit_code == 0
    assert library.load(str(tmp_path / "a.json")) == library.load(str(tmp_path / "b.json"))


def test_convert_there_and_back(months, tmp_path):
    """JSON to Parquet to JSON keeps every reference."""
    assert run("scan", months / "m0.nc", "-o", tmp_path / "a.json").exit_code == 0
    for before, after in (("a.json", "b.parq"), ("b.parq", "c.json")):
        result = run("convert", tmp_path / before, tmp_path / after)
        assert result.exit_code == 0, result.stderr
    assert library.load(str(tmp_path / "a.json")) == library.load(str(tmp_path / "c.json"))


def test_convert_to_icechunk(months, tmp_path):
    """A repository is made by its name, and replaced where its directory is one, whatever that is called."""
    run("scan", months / "m0.nc", "-o", tmp_path / "set.parq")
    assert run("convert", tmp_path / "set.parq", tmp_path / "set.icechunk").exit_code == 0
    (tmp_path / "set.icechunk").rename(tmp_path / "repository")
    before = set((tmp_path / "repository" / "snapshots").iterdir())
    run("scan", months / "m0.nc", "-o", tmp_path / "set.json", "--inline-threshold", "0")
    document = json.loads((tmp_path / "set.json").read_text())
    (tmp_path / "set.json").write_text(json.dumps({"version": 1, "refs": document["refs"]}))  # as other tools write it
    result = run("convert", tmp_path / "set.json", f"{tmp_path}/repository/")
    assert result.exit_code == 0, result.stderr
    assert "warning: of 1 of 1 files neither etag nor time of change is known" in result.stderr
    assert set((tmp_path / "repository" / "snapshots").iterdir()) > before


def test_convert_to_the_other_version_of_zarr(months, tmp_path):
    """JSON of Zarr v3 has the references of v2; Parquet is not written in v3."""
    assert run("scan", months / "m0.nc", "-o", tmp_path / "a.json").exit_code == 0
    result = run("convert", tmp_path / "a.json", tmp_path / "b.json", "--zarr-format", "3")
    assert result.exit_code == 0, result.stderr
    assert "tos/c/0/0" in json.loads((tmp_path / "b.json").read_text())["refs"]
    assert library.load(str(tmp_path / "a.json")) == library.load(str(tmp_path / "b.json"))
    result = run("convert", tmp_path / "b.json", tmp_path / "c.parq", "--zarr-format", "3")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "write JSON for Zarr v3" in result.stderr


def test_inspect_counts_what_is_there(tmp_path):
    """The table says how many chunks are references, inline and missing, and names the file."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("x", (8,), "f4", chunks=(2,))
        data[:2], data[4:6] = 1.0, 2.0
    assert run("scan", tmp_path / "a.h5", "-o", tmp_path / "a.json", "--inline-threshold", "0").exit_code == 0
    result = run("inspect", tmp_path / "a.json")
    assert result.exit_code == 0, result.stderr
    row = next(line for line in result.stdout.splitlines() if line.startswith("x "))
    assert re.search(r" 8 +2 +<f4 +2 +0 +2 +16 B +32 B$", row)
    summary = ["1 array, 1 group, 2 chunks, 1 file", f"  {tmp_path / 'a.h5'}", "which readers decode which arrays"]
    assert "\n".join(summary) in result.stdout


def test_inspect_says_what_is_measured_when_and_where(months, tmp_path):
    """Units, the dates that times reach from and to, all attributes of one array; an order to a terminal is text."""
    assert run("build", months / "*.nc", "-o", tmp_path / "a.json", *CONCAT).exit_code == 0
    refs = library.load(tmp_path / "a.json")
    refs.groups[""]["title"] = "a\x1b[2Jb"
    library.write(refs, tmp_path / "b.json")
    lines = run("inspect", tmp_path / "b.json").stdout.splitlines()
    assert next(line for line in lines if line.startswith("time_counter ")).split()[5:8] == [
        "days",
        "since",
        "2015-01-01",
    ]
    assert "  time_counter: 2015-01-16 to 2015-03-17" in lines
    assert r"  title: a\x1b[2Jb" in lines
    one = run("inspect", tmp_path / "b.json", "time_counter").stdout
    assert "attributes of time_counter\n  units: days since 2015-01-01\n" in one
    said = json.loads(run("inspect", tmp_path / "b.json", "--json").stdout)
    assert said["spans"]["time_counter"] == ["2015-01-16", "2015-03-17"]


def test_a_refusal_is_one_line_and_writes_nothing(months, tmp_path):
    """Files that do not fit together: exit status 1, one line that says why, and no half of a set."""
    out = tmp_path / "cube.parq"
    result = run("build", f"{months}/*.nc", "-o", out, "--concat", "time_counter")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert re.fullmatch(r"Error: .*time_counter.*\n", result.stderr)
    assert not out.exists()


def test_a_refusal_shows_its_origin_when_asked(months, tmp_path):
    """With --traceback the error itself comes through."""
    result = run("--traceback", "build", f"{months}/*.nc", "-o", tmp_path / "a.json", "--concat", "time_counter")
    assert isinstance(result.exception, library.ChunkmapError)


def test_a_file_of_no_format_is_one_line(tmp_path):
    """A file that no scanner knows is named in one line."""
    path = tmp_path / "a.nc"
    path.write_bytes(b"not a data file, but a letter")
    result = run("scan", path)
    assert result.exit_code == 1
    assert re.fullmatch(r"Error: .*a\.nc.*\n", result.stderr)


@pytest.mark.parametrize("workers", [1, 2])
def test_files_that_cannot_be_scanned_are_left_out_when_asked(months, tmp_path, workers):
    """With --skip-errors the others are scanned, and one line names what was left out."""
    (months / "m1.nc").write_bytes(b"not a data file, but a letter")
    result = run("scan", f"{months}/*.nc", "-o", tmp_path / "sets", "--skip-errors", "--workers", workers)
    assert result.exit_code == 0, result.stderr
    assert sorted(p.name for p in (tmp_path / "sets").iterdir()) == ["m0.nc.json", "m2.nc.json"]
    warned = [line for line in result.stderr.splitlines() if line.startswith("skipped: ")]
    assert len(warned) == 1
    assert "m1.nc" in warned[0]


def test_progress_is_drawn_where_someone_looks(monkeypatch):
    """On a terminal, counting draws a bar with the number done."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with counting("scanning", 3) as progress:
        progress(2, 3)
        progress(3, 3)
    assert "scanning" in terminal.getvalue()
    assert "3/3" in terminal.getvalue()


def test_progress_is_silent_elsewhere(monkeypatch):
    """In a log file, and for a single file, counting draws nothing."""
    for stream, total in ((StringIO(), 3), (Terminal(), 1)):
        monkeypatch.setattr("sys.stderr", stream)
        with counting("scanning", total) as progress:
            progress(1, total)
        assert stream.getvalue() == ""


def test_a_glob_without_a_match_is_one_line(tmp_path):
    """A glob that matches nothing is an error that quotes it."""
    result = run("scan", f"{tmp_path}/*.nc")
    assert result.exit_code == 1
    assert result.stderr == f"Error: {tmp_path}/*.nc: no file matches\n"


@pytest.mark.parametrize(
    "words",
    [
        ("--coord", "time"),
        ("--coord", "time=a", "--coord", "time=b"),
        ("--coord", "time=re:("),
        ("--storage-options", "{"),
        ("--storage-options", "[]"),
        ("--workers", "0"),
    ],
)
def test_words_that_make_no_sense_are_usage_errors(words):
    """A malformed option is refused with exit status 2 before any file is opened."""
    result = run("build", "a.nc", "-o", "a.json", "--concat", "time", *words)
    assert result.exit_code == 2
    assert "Usage: chunkmap build" in result.stderr


def test_problems_are_counted(capsys):
    """What could not be represented is a warning with its kind and count, the commonest first."""
    problems = [
        Problem("x", "virtual dataset", "not resolved", "a.nc"),
        *[Problem("y", "szip", "no codec", "b.nc")] * 2,
    ]
    warn_of_problems(problems)
    assert capsys.readouterr().err.splitlines() == [
        "warning: 2 x szip; the first: b.nc y: szip: no codec",
        "warning: 1 x virtual dataset; the first: a.nc x: virtual dataset: not resolved",
    ]


def test_a_set_with_problems_lists_them(capsys):
    """The table of a set ends with each problem in full."""
    problems = (Problem("x", "szip", "no codec", "a.nc"), Problem("y", "szip", "no codec", "a.nc"))
    describe(ReferenceSet(problems=problems), "a.nc")
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "2 problems",
        "  a.nc x: szip: no codec",
        "  a.nc y: szip: no codec",
    ]


def test_local_paths_are_made_absolute(tmp_path, monkeypatch):
    """Relative names and globs give absolute paths; URLs stay as they are."""
    monkeypatch.chdir(tmp_path)
    for name in ("b.nc", "a.nc"):
        (tmp_path / name).touch()
    assert expand(["b.nc", "*.nc", "s3://bucket/c.nc"]) == [
        str(tmp_path / "b.nc"),
        str(tmp_path / "a.nc"),
        str(tmp_path / "b.nc"),
        "s3://bucket/c.nc",
    ]


def test_stored_names():
    """A set is named after its file, whether local, remote or inside an archive."""
    assert list(map(stored_name, ["/a/b.nc", "s3://x/c.nc", "tar://d/e.nc::s3://x/y.tar"])) == [
        "b.nc.json",
        "c.nc.json",
        "e.nc.json",
    ]
