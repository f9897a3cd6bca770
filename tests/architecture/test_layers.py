"""The floors of the house: an arrow of import may only point down."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

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
