"""What a new user runs into, and what is said to him then."""

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from importlib import import_module
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr
from click.shell_completion import ShellComplete
from invoking import run
from rich.console import Console

import chunkmap as library
from chunkmap.errors import ChunkmapError, FormatError, NoSuchFile, NotInstalled, SkippedFiles, Unsupported
from chunkmap.frontends.command_line import drawing
from chunkmap.frontends.command_line.commands import chunkmap, doctor
from chunkmap.frontends.command_line.contents import contents_of
from chunkmap.io import expand_urls
from chunkmap.packages import require


def write_day(path, day):
    """One day: its time, and a field."""
    with h5py.File(path, "w") as file:
        file["time"] = np.array([float(day)])
        file["time"].make_scale("time")
        file["time"].attrs["units"] = "days since 2015-01-01"
        file.create_dataset("tos", data=np.arange(300.0)[None] + day, chunks=(1, 100))
        file["tos"].dims[0].attach_scale(file["time"])
        file.create_group("inner")["x"] = [1, 2]


@pytest.fixture
def days(tmp_path, monkeypatch):
    """The current directory holds a directory of two days, and beside them a file that was cut short."""
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    for day in range(2):
        write_day(f"data/d{day}.nc", day)
    Path("cut.nc").write_bytes(Path("data/d1.nc").read_bytes()[:700])
    return tmp_path


@pytest.fixture
def without(monkeypatch):
    """Make it that a package is not installed."""

    def hide(package):
        def load(name):
            if name == package:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            return import_module(name)

        monkeypatch.setattr("chunkmap.packages.import_module", load)

    return hide


def test_skipped_files_are_each_named_and_not_counted(days):
    """The report counts the files that were used, and has a line for every one that was not."""
    result = run("build", "data/*.nc", "cut.nc", "-o", "out.json", "--concat", "time", "--skip-errors")
    assert result.exit_code == 0, result.stderr
    skipped, done = result.stderr.splitlines()
    assert skipped.startswith(f"skipped: {days}/cut.nc at byte 700: ")
    assert done.startswith("out.json: 2 of 3 files, 3 arrays, ")


def test_what_is_skipped_is_data_in_the_library(days):
    """The warning of the library holds the error of each file."""
    with pytest.warns(SkippedFiles) as caught:
        library.scan_many(["data/d0.nc", "cut.nc"], on_error="skip")
    (error,) = caught[0].message.errors
    assert error.url == "cut.nc"


def test_one_is_no_plural(days):
    """One file is "1 file"."""
    result = run("build", "data/d0.nc", "-o", "one.json", "--concat", "time")
    assert result.stderr.startswith("one.json: 1 file, 3 arrays, ")


def test_the_advice_of_append_is_an_option_of_append(days):
    """What append says to give is taken when it is given."""
    run("build", "data/d0.nc", "-o", "one.json", "--concat", "time")
    write_day("data/d0-again.nc", 0)
    with h5py.File("data/d0-again.nc", "r+") as file:
        file["tos"][...] += 1
    refused = run("append", "one.json", "data/*.nc", "--concat", "time")
    assert "give --waive overlap" in refused.stderr
    done = run("append", "one.json", "data/*.nc", "--concat", "time", "--waive", "overlap")
    assert done.exit_code == 0, done.stderr
    assert library.load("one.json").arrays["time"].meta.shape == (2,)


def test_appending_to_nothing_says_that_there_is_nothing(days):
    """A set that is not there is missing, whatever else may be said of it."""
    with pytest.raises(NoSuchFile, match=r"nosuch\.json: there is no such file"):
        library.append("nosuch.json", "data/d0.nc")


def test_several_sets_do_not_become_a_directory_called_json(days):
    """The name of one set is refused for the sets of several files, and nothing is made."""
    result = run("scan", "data/*.nc", "-o", "x.json")
    assert result.exit_code == 1
    assert "x.json: expected a directory for the sets of 2 files" in result.stderr
    assert not Path("x.json").exists()


def test_a_wildcard_may_match_one_file(days):
    """One match goes into the directory as several would."""
    result = run("scan", "data/d0*.nc", "-o", "sets")
    assert result.exit_code == 0, result.stderr
    assert [path.name for path in Path("sets").iterdir()] == ["d0.nc.json"]


def test_names_beside_a_wildcard_are_absolute_as_its_matches_are(days):
    """All files of one set are named in one way; without a wildcard names stay as they are given."""
    assert expand_urls(["cut.nc", "data/*0.nc"]) == [f"{days}/cut.nc", f"{days}/data/d0.nc"]
    assert expand_urls(["cut.nc", "data/d0.nc"]) == ["cut.nc", "data/d0.nc"]


def test_a_directory_or_an_archive_is_told_how_to_name_its_files(days):
    """The wildcard that the error shows is one that finds the files."""
    with pytest.raises(FormatError, match="all of a kind with scan_many or build") as directory:
        library.scan("data")
    with tarfile.open("a.tar", "w") as archive:
        archive.add("data")
    with pytest.raises(FormatError, match="all of a kind with scan_many or build") as whole:
        library.scan("a.tar")
    for error in (directory, whole):
        wildcard = str(error.value).rpartition("build: ")[2].strip("'")
        assert [refs.arrays.keys() for refs in library.scan_many(wildcard)] == [{"time", "tos", "inner/x"}] * 2


def test_a_wildcard_given_to_scan_is_told_which_verbs_take_it(days):
    """`scan` is of one file: the error of a wildcard in an archive says so."""
    with tarfile.open("a.tar", "w") as archive:
        archive.add("data")
    with pytest.raises(NoSuchFile, match="wildcards are for scan_many and build"):
        library.scan("tar://**/*.nc::a.tar")


def test_a_group_that_is_not_there_is_refused_with_the_file_and_its_groups(days):
    """The error names the file, and the groups that there are."""
    with pytest.raises(ValueError, match=r"data/d0\.nc: expected a group 'x', its groups are 'inner'"):
        library.scan("data/d0.nc", group="x")


WRONG = {
    "scan": (lambda: library.scan(3), "expected a path, a URL or an open binary file, found 3"),
    "scan_many": (lambda: library.scan_many(3), "expected a path or a URL, or several, found 3"),
    "write": (lambda: library.write({}, "x.json"), "takes a ReferenceSet, as chunkmap.load gives it, found dict"),
    "load": (lambda: library.load(3), "expected a path or a URL, found 3"),
    "verify": (lambda: library.verify(3), "expected a path or a URL, found 3"),
    "append": (lambda: library.append(3, "a.nc"), "expected a path or a URL, found 3"),
    "build": (lambda: library.build("a.nc", 3, concat_dims="t"), "expected a path or a URL, found 3"),
    "diagnose": (lambda: library.diagnose([3], concat_dims="t"), "expected a path or a URL, found 3"),
    "a number for names": (lambda: library.combine([], concat_dims=3), "concat_dims is 3, expected a name, or several"),
    "a text for bytes": (
        lambda: library.combine([], concat_dims="t", load_below="1 MB"),
        "load_below is '1 MB', expected a number of bytes",
    ),
    "a number for options": (lambda: library.scan("a.nc", storage_options=3), "as a mapping, such as .*, found 3"),
    "combine": (lambda: library.combine(3, concat_dims="t"), "expected reference sets, or names of stored ones"),
}


@pytest.mark.parametrize("verb", WRONG)
def test_a_wrong_type_is_a_type_error_in_words(verb):
    """What is no file and no set is said to be none."""
    call, words = WRONG[verb]
    with pytest.raises(TypeError, match=words):
        call()


def test_a_bucket_without_credentials_is_one_line(days, monkeypatch):
    """Who has no credentials reads that, and not where in botocore it was noticed."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "nowhere")
    result = run("build", "data/*.nc", "--concat", "time", "-o", "s3://bucket-without-key/x.json")
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: s3://bucket-without-key/x.json: cannot be written: NoCredentialsError: Unable to locate credentials\n"
    )


def test_what_was_not_compared_is_not_called_sound(days):
    """Chunks whose file is not known are counted where the verdict stands."""
    run("build", "data/*.nc", "--inline-threshold", "10000", "--concat", "time", "-o", "inline.json")
    report = library.verify("inline.json", decode="all", compare=True)
    assert str(report).startswith("inline.json: nothing is found wrong, 9 not known (")


def test_a_comparison_without_the_library_is_not_a_success(days, without):
    """Where nothing can be compared, verify says what to install."""
    run("build", "data/*.nc", "-o", "out.json", "--concat", "time")
    without("h5py")
    result = run("verify", "out.json", "--decode", "all", "--compare")
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: comparing with what is in hdf5 files needs the package h5py, which is not installed:"
        " pip install 'chunkmap[compare]'\n"
    )


def test_a_package_that_is_there_but_broken_is_not_called_missing(tmp_path, monkeypatch):
    """What a package itself fails to import is its own error."""
    (tmp_path / "halfway.py").write_text("import nowhere_to_be_found")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="nowhere_to_be_found") as error:
        require("halfway", None, "the test")
    assert not isinstance(error.value, NotInstalled)


def test_without_xarray_a_verb_says_what_to_install():
    """The verbs that stand on xarray name the extra."""
    code = "import sys; sys.modules['xarray'] = None; import chunkmap; chunkmap.open_dataset"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stderr.splitlines()[-1] == (
        "chunkmap.errors.NotInstalled: chunkmap.open_dataset needs the package xarray, which is not installed:"
        " pip install 'chunkmap[xarray]'"
    )


def test_a_narrow_terminal_has_every_number_of_the_table(days, monkeypatch):
    """In 80 columns no line is longer, and nothing of an array is left out."""
    console = Console(force_terminal=True, width=80, color_system=None)
    monkeypatch.setattr(drawing, "Console", lambda: console)
    lines = drawing.drawn(contents_of(library.scan("data/d0.nc"), "a set")).splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("tos (time, ") and "1 x 300 <f8" in line for line in lines)
    assert "  in chunks of 1 x 100; not compressed" in [line.rstrip() for line in lines]
    assert "  3 refs, 0 inline, 0 missing; 2.4 kB stored, 2.4 kB decoded" in [line.rstrip() for line in lines]


@pytest.mark.parametrize("words", [["scan"], ["inspect"], ["build", "-o"], ["verify"]])
def test_names_of_files_are_completed_by_the_shell(words):
    """Where a file is wanted, the shell is told to complete names of files."""
    (item,) = ShellComplete(chunkmap, {}, "chunkmap", "_CHUNKMAP_COMPLETE").get_completions(words, "da")
    assert (item.type, item.value) == ("file", "da")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_a_script_for_completion(shell):
    """What the page on the command line shows prints a script of that shell."""
    environment = {**os.environ, "_CHUNKMAP_COMPLETE": f"{shell}_source"}
    words = [sys.executable, "-c", "import sys; sys.argv = ['chunkmap']; import chunkmap.__main__ as m; m.main()"]
    result = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert f"_CHUNKMAP_COMPLETE={shell}_complete" in result.stdout, result.stderr


def test_the_package_runs_as_a_program():
    """`python -m chunkmap` is the command line."""
    result = subprocess.run(
        [sys.executable, "-m", "chunkmap", "--version"], capture_output=True, text=True, check=False
    )
    assert result.stdout == f"chunkmap, version {library.__version__}\n"


def test_dir_lists_what_the_package_offers():
    """No name of the typing module or of our own machinery is among them."""
    assert set(dir(library)) == {*library.__all__, "__doc__", "__version__"}


def test_icechunk_says_first_what_it_will_not_read_back(days):
    """With Icechunk 1 it is said before a repository is written; its own coloured warnings are not shown."""
    icechunk = pytest.importorskip("icechunk")
    run("build", "data/*.nc", "-o", "out.json", "--concat", "time")
    code = "from chunkmap.frontends.command_line import main; main()"
    words = [sys.executable, "-c", code, "convert", "out.json", "out.icechunk"]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "\x1b" not in result.stderr
    is_first = icechunk.__version__.startswith("1.")
    assert result.stderr.startswith("note: chunkmap will not read this back here: ") == is_first


def test_options_of_the_sets_reach_where_they_are_kept(days):
    """--set-options opens the sets, and nothing else does."""
    run("build", "data/*.nc", "-o", "out.json", "--concat", "time")
    result = run("convert", "out.json", "memory://there/out.json", "--set-options", '{"skip_instance_cache": true}')
    assert result.exit_code == 0, result.stderr
    assert run("inspect", "memory://there/out.json", "--set-options", "{}").stdout.startswith("memory://there/out.json")
    refused = run("inspect", "s3://there/out.json", "--set-options", '{"no_such": 1}')
    assert refused.exit_code == 1


def test_inspect_as_json_is_what_the_library_knows(days):
    """Shapes, counts and attributes of one array, as data."""
    run("scan", "data/d0.nc", "-o", "one.json")
    (array,) = json.loads(run("inspect", "one.json", "time", "--json").stdout)["arrays"].values()
    assert (array["shape"], array["dtype"], array["refs"], array["inline"]) == ([1], "<f8", 0, 1)
    assert array["attrs"]["units"] == "days since 2015-01-01"


def test_inspect_of_an_array_that_is_not_there_names_those_that_are(days):
    """A slip in the name of an array is answered with the names."""
    run("scan", "data/d0.nc", "-o", "one.json")
    result = run("inspect", "one.json", "sst")
    assert result.exit_code == 1
    assert "expected an array 'sst', its arrays are " in result.stderr


def test_inspect_writes_a_page(days):
    """--html writes one file that shows the set, and the picture of each grid."""
    run("scan", "data/d0.nc", "-o", "one.json")
    result = run("inspect", "one.json", "--html", "one.html")
    assert result.exit_code == 0, result.stderr
    text = Path("one.html").read_text()
    assert text.startswith("<!doctype html>")
    assert text.count("<svg") == 3


def test_the_doctor_names_what_is_missing_and_the_line_that_installs_it(monkeypatch):
    """An absent package is named with its extra, and the formats that need it."""
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda package: None if package == "s3fs" else real(package))
    result = run("doctor")
    assert result.exit_code == 0, result.stdout
    assert "  s3: lacks s3fs: pip install 'chunkmap[s3]'" in result.stdout.splitlines()
    assert result.stdout.splitlines()[-1] == "nothing is wrong"


def test_the_doctor_says_what_is_broken(monkeypatch):
    """A missing dependency is wrong; kerchunk in the same environment is not, and is what its name imports."""
    real = doctor._version
    pretend = {"kerchunk": "0.2.10", "zarr": None}
    monkeypatch.setattr(doctor, "_version", lambda package: pretend[package] if package in pretend else real(package))
    result = run("doctor", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["wrong"] == ["zarr is missing: pip install zarr"]
    assert found["import kerchunk"].startswith("kerchunk 0.2.10 itself")


def test_a_file_of_which_nothing_is_left_says_why(days):
    """Where every array was left out, nothing is written, a combine names the reason and not its options, and verify
    does not call it sound.
    """
    shape = '"shape": [2], "chunks": [2], "dtype": "|u1", "order": "C", "fill_value": null'
    document = f'{{"zarr_format": 2, {shape}, "compressor": null, "filters": null}}'
    with zipfile.ZipFile("lost.zarr.zip", "w") as archive:
        archive.writestr(".zgroup", '{"zarr_format": 2}')
        archive.writestr("time/.zarray", document)
        archive.writestr("time/0", "ab", zipfile.ZIP_BZIP2)
    lost = library.scan("lost.zarr.zip")
    for found in (
        run("scan", "lost.zarr.zip", "-o", "a.json"),
        run("build", "lost.zarr.zip", "--concat", "time", "-o", "a.json"),
    ):
        assert found.exit_code == 1
        assert "every array of" in found.stderr
        assert "zip -0" in found.stderr
        assert "--coord" not in found.stderr
    assert not Path("a.json").exists()
    assert "time: the set has no array" in str(library.verify(lost))
    with pytest.raises(Unsupported, match=r"every array of it was left out.*zip -0"):
        library.open_dataset("lost.zarr.zip")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_an_array_alone_is_no_dataset_until_it_has_a_name(tmp_path, monkeypatch, zarr_format):
    """xarray and combines refuse a store that is one array in no group, and say the option by which it is one."""
    monkeypatch.chdir(tmp_path)
    zarr.create_array("a", shape=(3,), chunks=(2,), dtype="i2", zarr_format=zarr_format)[:] = [1, 2, 3]
    for refused in (
        lambda: library.open_dataset("a"),
        lambda: library.build(["a", "a"], "out.json", concat_dims="t", coo_map={"t": "INDEX"}),
        lambda: library.merge([library.scan("a"), library.scan("a")]),
    ):
        with pytest.raises(ChunkmapError, match=r"one array in no group.*name='data'"):
            refused()
    assert library.open_dataset("a", name="data")["data"].dims == ("dim_0",)
    how = {"concat_dims": "t", "coo_map": {"t": "INDEX"}, "scan_options": {"name": "v"}}
    library.build(["a", "a"], "out.json", **how)
    assert library.open_dataset("out.json")["v"].values.tolist() == [[1, 2, 3]] * 2
    zarr.open_group("group", mode="w", zarr_format=zarr_format)
    with pytest.raises(ValueError, match="the store is a group"):
        library.scan("group", name="data")


def test_an_archive_says_what_is_in_it(tmp_path, monkeypatch):
    """Where a store is further inside its URL is said, else the wildcard of the files of which most are there."""
    monkeypatch.chdir(tmp_path)
    zarr.create_group("in/a.zarr").create_array("x", shape=(2,), dtype="i1")[:] = 1
    with tarfile.open("store.tar", "w") as archive:
        archive.add("in")
    with pytest.raises(FormatError, match=r"A store is further inside: scan 'tar://in/a\.zarr::store\.tar'"):
        library.scan("store.tar")
    assert "x" in library.scan("tar://in/a.zarr::store.tar").arrays
    with zipfile.ZipFile("files.zip", "w") as archive:
        for name in ("README", "d/1.grib2", "d/2.grib2"):
            archive.writestr(name, "x")
    with pytest.raises(FormatError, match=r"'zip://\*\*/\*\.grib2::files\.zip'"):
        library.scan("files.zip")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\x93NUMPY\x01\x00", "It is a file to scan"),
        (bytes(344) + b"n+1\0", "It is a file to scan"),
        (bytes(400), "If it is a file to scan"),
        (b'{"version": 1', "cannot be read"),
    ],
)
def test_a_file_that_is_no_set_is_told_to_be_scanned(tmp_path, data, says):
    """Who inspects a file of a format learns that it is to be scanned; a set that is damaged is not called a file."""
    (tmp_path / "a").write_bytes(data)
    error = run("inspect", str(tmp_path / "a")).stderr
    assert says in error
    assert ("file to scan" in error) == ("file to scan" in says)
