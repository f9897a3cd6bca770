"""A format of another package: found by its entry point, and used as any other."""

import os
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

import chunkmap

ROOT = Path(__file__).parents[2] / "examples" / "add_a_format"


def installed(folder, points):
    """A directory in which a package with these entry points is installed, as pip would leave it."""
    info = folder / "chunkmap_toy-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: chunkmap-toy\nVersion: 1.0\n")
    lines = "".join(f"{name} = {value}\n" for name, value in points.items())
    (info / "entry_points.txt").write_text(f"[chunkmap.formats]\n{lines}")
    return folder


def python(code, *paths):
    """Run Python with these directories to import from; gives what it printed, and what it warned of."""
    path = os.pathsep.join(map(str, paths))
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": path}
    )


def battery(code, samples, *paths, only=""):
    """Run some Python, and in the same process the battery over the format, with these directories to import from; what
    was printed.
    """
    tests = Path(__file__).parents[1]
    words = ["-q", "-p", "no:cacheprovider", f"--rootdir={tests.parent}", str(tests / "conformance"), "--format=toy"]
    # zarr brings a plugin of pytest, and was imported by the code before
    words += [f"--samples={samples}", "-k", only, "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    done = python(f"{code}\nimport pytest\nprint('exit', int(pytest.main({words!r})))", *paths)
    assert done.stdout.splitlines()[-1] == "exit 0", done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """A file of the format, the same in an archive, and one that is cut short."""
    folder = tmp_path_factory.mktemp("toy")
    data = b"TOY1" + struct.pack("<Q", 100) + struct.pack("<100d", *range(100))
    (folder / "a.toy").write_bytes(data)
    (folder / "short.toy").write_bytes(data[:50])
    with tarfile.open(folder / "a.tar", "w") as archive:
        archive.add(folder / "a.toy", "a.toy")
    return folder


@pytest.fixture(scope="module")
def used(toy):
    """What is printed where the example is installed: by a user of the library, and by the battery."""
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["chunkmap.formats"]
    code = f"""
import chunkmap, xarray as xr
from click.testing import CliRunner
from chunkmap.frontends.command_line.commands import chunkmap as command
refs = chunkmap.scan({str(toy / "a.toy")!r}, name="v")
print(refs.arrays["v"].meta.shape, refs.groups[""])
print(set(chunkmap.scan({"tar://a.toy::" + str(toy / "a.tar")!r}).targets))
print(float(xr.open_dataset({str(toy / "a.toy")!r}, engine="chunkmap", name="w")["w"].sum()))
print("toy\\n  name='values'" in CliRunner().invoke(command, ["formats"]).output)
try:
    chunkmap.scan({str(toy / "short.toy")!r})
except chunkmap.ChunkmapError as error:
    print(type(error).__name__)
"""
    return battery(code, ROOT / "tests", installed(toy / "site", points), ROOT)


def test_the_example_is_scanned_read_and_listed(toy, used):
    """With its entry point alone, the library, the archives, the engine and the command line know the format."""
    expected = ["(100,) {'format': 'toy'}", f"{{{str(toy / 'a.tar')!r}}}", "4950.0", "True", "TruncatedFile"]
    assert used.splitlines()[:5] == expected


def test_the_example_passes_the_battery(used):
    """What every format of chunkmap must hold, one of another package holds, with samples of its own."""
    passed = re.search(r"(\d+) passed", used)
    assert passed is not None
    assert int(passed[1]) >= 12


def files_of(root):
    """The files below a directory, and what is in them."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_recipe_touches_nothing_else(tmp_path):
    """A format added to chunkmap as CONTRIBUTING says is a folder, a row and its samples: all else is as it was, and
    the library, the command line, the options and the battery know it.
    """
    source = Path(chunkmap.__file__).parents[1]
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(source, tmp_path / "src", ignore=skip)
    before = files_of(tmp_path / "src")
    (tmp_path / "src/chunkmap/formats/toy").mkdir()
    shutil.copy(ROOT / "chunkmap_toy_parser.py", tmp_path / "src/chunkmap/formats/toy/__init__.py")
    rows = tmp_path / "src/chunkmap/formats/__init__.py"
    row = '    Format(name="toy", module="chunkmap.formats.toy", begins=(Magic(b"TOY1"),)),\n'
    first = '    Format(name="hdf4"'
    assert rows.read_text().count(first) == 1
    rows.write_text(rows.read_text().replace(first, row + first))
    after = files_of(tmp_path / "src")
    touched = {name for name in after if after[name] != before.get(name)}
    assert touched == {"chunkmap/formats/toy/__init__.py", "chunkmap/formats/__init__.py"}
    assert set(before) <= set(after)
    assert (
        after["chunkmap/formats/__init__.py"].decode().replace(row, "")
        == before["chunkmap/formats/__init__.py"].decode()
    )
    code = """
import chunkmap, chunkmap.formats
from chunkmap.formats.options import options_table
from click.testing import CliRunner
from chunkmap.frontends.command_line.commands import chunkmap as command
print(chunkmap.formats.__file__)
print("name" in options_table().partition("toy")[2].splitlines()[0])
print("toy\\n  name='values'" in CliRunner().invoke(command, ["formats"]).output)
"""
    found = battery(code, ROOT / "tests", tmp_path / "src", only="recognised or equal or archive or front_end")
    assert found.splitlines()[:3] == [str(rows), "True", "True"]
    assert "5 passed" in found


def test_without_its_entry_point_it_is_unknown(toy):
    """Nothing of the library names the example."""
    code = f"""
import chunkmap
try:
    chunkmap.scan({str(toy / "a.toy")!r})
except chunkmap.ChunkmapError as error:
    print(type(error).__name__)
"""
    assert python(code, ROOT).stdout.strip() == "FormatError"


def test_formats_that_cannot_be_used_are_left_out(tmp_path):
    """What is broken, gives no row, or has a name that is taken is warned of; all other formats are there."""
    (tmp_path / "odd.py").write_text(
        "from chunkmap.formats import Format\nNOTHING = 3\nTAKEN = Format(name='hdf5', module='odd')\n"
    )
    site = installed(tmp_path / "site", {"broken": "nowhere:ROW", "none": "odd:NOTHING", "taken": "odd:TAKEN"})
    found = python("from chunkmap.formats import FORMATS; print(len({row.name for row in FORMATS}))", site, tmp_path)
    plain = python("from chunkmap.formats import FORMATS; print(len(FORMATS))")
    assert found.stdout == plain.stdout
    for said in ("'broken' (nowhere:ROW)", "it is no Format but 3", "the name 'hdf5' is taken"):
        assert said in found.stderr
