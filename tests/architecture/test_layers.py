"""The floors of the house: an arrow of import may only point down."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from sources import SRC, nodes

ROOT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
LAYERS = next(contract["layers"] for contract in CONTRACTS if contract["type"] == "layers")
FLOORS = {name.strip(): height for height, names in enumerate(reversed(LAYERS)) for name in names.split("|")}

# Names of modules, as text, that point up, and why. One that is not needed any more fails the test.
POINT_UP = {
    (
        "chunkmap.storage.stores",
        "chunkmap.execution.json",
    ): "a row of STORES says all; only execution loads this column",
    ("chunkmap.storage.stores", "chunkmap.execution.parquet"): "the same",
    ("chunkmap.storage.stores", "chunkmap.execution.icechunk"): "the same",
    ("chunkmap.notebooks", "chunkmap.frontends.html"): "a notebook asks an object how it looks; drawing is a front end",
}

# Where a file of this machine, or fsspec, is met outside of chunkmap.io, and why.
WAYS_PAST_IO = {
    "chunkmap/frontends/xarray_entries.py": "xarray asks of each local file whether it is a set: a look at its head",
    "chunkmap/settings.py": "the user's own file of settings, which says how io is to be done",
    "chunkmap/storage/publishing.py": "writes; what it reads is what it wrote",
    "chunkmap/storage/icechunk/repository.py": "runs icechunk's coroutines in the loop that fsspec has",
}

LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def test_the_floors_are_kept():
    """Every contract of pyproject.toml holds."""
    words = [sys.executable, "-c", LINT, "--no-cache"]
    result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("chunkmap", "cftime dask distributed fsspec icechunk numcodecs pandas pyarrow xarray zarr"),
        ("chunkmap.model", "cftime dask distributed fsspec numcodecs orjson pandas pyarrow xarray zarr"),
        ("chunkmap.combining", "dask distributed fsspec numcodecs pandas pyarrow xarray zarr"),
        ("chunkmap.execution", "dask distributed icechunk pandas xarray"),
        ("chunkmap.formats", "dask distributed pandas xarray zarr"),
        ("chunkmap.storage", "dask distributed icechunk pandas xarray zarr"),
    ],
)
def test_what_an_import_costs(module, heavy):
    """Importing a floor loads no heavy library that it does not need: not even through another module."""
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not set(heavy.split()) & set(loaded)


def test_the_library_does_not_know_its_doors():
    """Importing every module of chunkmap never imports kerchunk."""
    modules = [
        ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")
        for path in sorted((ROOT / "src" / "chunkmap").rglob("*.py"))
    ]
    code = f"import sys, {', '.join(modules)}; sys.exit('kerchunk' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def floor_of(module):
    """How high the floor of a module is; None for the facade, which is above all."""
    return next((height for name, height in FLOORS.items() if f"{module}.".startswith(f"{name}.")), None)


def module_of(path):
    """The name of the module that a file is."""
    return ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")


def named_as_text():
    """Modules of ours that are named as text, as in rows of tables, or in a stub: who names which."""
    for path in sorted((SRC / "chunkmap").rglob("*.py*")):
        if path.suffix == ".pyi":
            found = (node for node in nodes(path) if isinstance(node, ast.ImportFrom))
            yield from ((module_of(path), node.module) for node in found if node.module.startswith("chunkmap"))
        elif path.suffix == ".py":
            texts = (node.value for node in nodes(path) if isinstance(node, ast.Constant))
            found = (re.fullmatch(r"(chunkmap(?:\.\w+)+)(?::\w+)?", text) for text in texts if isinstance(text, str))
            yield from ((module_of(path), match[1]) for match in found if match and is_module(match[1]))


def is_module(name):
    """Whether there is a module of this name."""
    path = SRC.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def test_modules_that_are_named_as_text_are_below():
    """What is imported by its name, which the contracts do not see, points down as well, but for those that say why."""
    pairs = {(who, which) for who, which in named_as_text() if floor_of(who) is not None}
    assert ("chunkmap.formats", "chunkmap.formats.hdf5") in pairs
    assert any(which == "chunkmap.storage.json.reading" for _, which in pairs)
    assert {pair for pair in pairs if floor_of(pair[1]) > floor_of(pair[0])} == set(POINT_UP)


def test_only_execution_asks_how_sets_are_added_to():
    """The column of STORES that points up is read where it points to, and nowhere below."""
    asked = {
        module_of(path)
        for path in (SRC / "chunkmap").rglob("*.py")
        for node in nodes(path)
        if isinstance(node, ast.Attribute) and node.attr in ("appending", "appends")
    }
    assert asked - {"chunkmap.storage.stores"}
    assert all(floor_of(who) >= floor_of("chunkmap.execution") for who in asked - {"chunkmap.storage.stores"})


def opens(node):
    """Whether a piece of code opens or reads a file by itself, or meets fsspec."""
    if isinstance(node, ast.ImportFrom):
        return node.module.partition(".")[0] == "fsspec"
    if isinstance(node, ast.Import):
        return any(alias.name.partition(".")[0] == "fsspec" for alias in node.names)
    if not isinstance(node, ast.Call):
        return False
    first = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
    if isinstance(node.func, ast.Name):
        return node.func.id == "open" or (node.func.id == "import_module" and str(first).startswith("fsspec"))
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    return name in ("read_bytes", "read_text", "url_to_fs", "filesystem") or (name == "open" and first in ("rb", "xb"))


def test_there_is_one_way_in():
    """From a URL to bytes leads `open_any` and its like in chunkmap.io; who goes past it says why."""
    past = {
        path.relative_to(SRC).as_posix()
        for path in (SRC / "chunkmap").rglob("*.py")
        if not path.is_relative_to(SRC / "chunkmap" / "io") and any(opens(node) for node in nodes(path))
    }
    assert past == set(WAYS_PAST_IO)
    assert all(WAYS_PAST_IO.values())
