"""What is published: the wheel and the source distribution hold what they should, and nothing else."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
import yaml

from chunkmap.version import __version__

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The two files, built by the build backend itself."""
    out = tmp_path_factory.mktemp("dist")
    code = "import hatchling.build as b, sys; print(b.build_wheel(sys.argv[1])); print(b.build_sdist(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, str(out)], cwd=ROOT, capture_output=True, text=True, check=True)
    wheel, sdist = done.stdout.split()[-2:]
    return out / wheel, out / sdist


def test_the_wheel_holds_every_module_and_nothing_else(built):
    """Each file of the two packages is there, with the mark of typed packages, and nothing beside them.

    The names of kerchunk are in a folder at the end of the path, and so overwrite none of kerchunk's files.
    """
    with zipfile.ZipFile(built[0]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        assert wheel.read("chunkmap_doors.pth") == b"chunkmap_doors\n"
    source = ROOT / "src"
    wanted = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    doors = {name for name in wanted if name.startswith("kerchunk/")}
    assert names == wanted - doors | {f"chunkmap_doors/{name}" for name in doors}
    assert "chunkmap/py.typed" in names


def test_the_wheel_says_what_it_is(built):
    """Version, Python, licence, program, codecs and extras stand in its metadata."""
    with zipfile.ZipFile(built[0]) as wheel:
        inside = {name.rpartition("/")[2]: name for name in wheel.namelist() if ".dist-info/" in name}
        metadata = Parser().parsestr(wheel.read(inside["METADATA"]).decode())
        entry_points = wheel.read(inside["entry_points.txt"]).decode()
    assert (metadata["Name"], metadata["Version"]) == ("chunkmap", __version__)
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT"
    assert "LICENSE" in inside
    assert "chunkmap = chunkmap.frontends.command_line:main" in entry_points
    assert "kerchunk = kerchunk.xarray_backend:KerchunkBackend" in entry_points  # another one's would be a second
    assert "hdf5_lzf = chunkmap.codecs.hdf5.lzf:Hdf5Lzf" in entry_points
    assert {"cli", "grib", "fits", "serve", "all"} <= set(metadata.get_all("Provides-Extra"))


def test_the_source_can_be_tested_and_built(built):
    """The source distribution has the tests, the documentation, the commands, and how to cite it."""
    with tarfile.open(built[1]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    for name in (
        "pyproject.toml",
        "Makefile",
        "CITATION.cff",
        "conda.recipe/recipe.yaml",
        "docs/index.md",
        "site/index.md",
        "src/chunkmap/py.typed",
    ):
        assert name in names
    assert "tests/packaging/test_distributions.py" in names
    assert not [name for name in names if "__pycache__" in name or name.startswith((".venv", ".git/"))]


def test_one_version_stands_everywhere():
    """Code, package and citation say the same."""
    for name, pattern in (("pyproject.toml", r'^version = "(.*)"'), ("CITATION.cff", r"^version: (.*)")):
        found = re.search(pattern, (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
        assert found is not None
        assert found[1] == __version__


def test_the_conda_recipe_says_what_the_package_says():
    """Version, Python, program, build backend, and what is needed, by the names that they have there."""
    recipe = yaml.safe_load((ROOT / "conda.recipe" / "recipe.yaml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    core, extras = project["project"]["dependencies"], project["project"]["optional-dependencies"]
    needed = {bound(text.partition(";")[0]) for text in [*core, *extras["cli"], *extras["xarray"]]}
    needed = {(THERE.get(name, name), version) for name, version in needed if name != "chunkmap[xarray]"}
    asked = {tuple(text.split(" ", 1)) for text in recipe["requirements"]["run"]}
    assert asked == needed | {("python", project["project"]["requires-python"])}
    assert recipe["package"] == {"name": "chunkmap", "version": __version__}
    programs = [f"{name} = {where}" for name, where in project["project"]["scripts"].items()]
    assert recipe["build"]["python"]["entry_points"] == programs
    backend = {bound(text) for text in project["build-system"]["requires"]}
    assert backend <= {tuple(text.split(" ", 1)) for text in recipe["requirements"]["host"]}


THERE = {"lazy-loader": "lazy_loader", "zlib-ng": "python-zlib-ng"}
"""What packages of PyPI are called at conda-forge, where that is something else."""


def bound(text):
    """A requirement as its name and its versions.

    >>> bound("numcodecs>=0.16.6,!=0.17.0")
    ('numcodecs', '>=0.16.6,!=0.17.0')
    """
    name = re.match(r"[^<>=!~ ]+", text)[0]
    return name, text.removeprefix(name).strip()


def test_no_dependency_has_an_upper_bound():
    """Nobody is held back who installs chunkmap beside others; versions that do not work are left out by name."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project = text[text.index("dependencies = [") : text.index("[dependency-groups]")]
    assert "<" not in re.sub(r"#.*", "", project)
