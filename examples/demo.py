"""Three months of a real ocean model become one dataset, without copying a byte; then every value is checked.

    python examples/demo.py [DIRECTORY]

The files are NEMO's, from the wheel `iris-sample-data`: sea surface temperature on a curvilinear grid, one month a
file. `time_counter`, the dimension that they should be joined along, is 0.0 in each of them; the real time stands in
`time_centered`. That makes them a fair example of what archives hold.

Exits with status 1 when anything differs from what h5netcdf reads in the files themselves.
"""

import re
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import chunkmap
from chunkmap.frontends.html import page, reads_page
from chunkmap.frontends.plotting import plot

SELECTOR = {"time_counter": "cf:time_centered"}
GRID = ["nav_lat", "nav_lon", "bounds_lat", "bounds_lon"]


class MismatchError(Exception):
    """What is read through the references is not what the file holds."""


@contextmanager
def step(text: str) -> Iterator[None]:
    """Print what is done, and how long it took."""
    print(f"\n{text}")
    start = time.perf_counter()
    yield
    print(f"   ... {(time.perf_counter() - start) * 1000:.0f} ms")


def size_of(path: Path) -> int:
    """Bytes of a file, or of everything in a directory."""
    found = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in found if file.is_file())


def without_folders(refusal: Exception) -> str:
    """A message with the names of files instead of their whole paths, to fit the page."""
    return re.sub(r"[^\s:]*/(?=nemo_)", "", str(refusal))


def scan_each(months: list[Path]) -> list[chunkmap.ReferenceSet]:
    """Find where the chunks of each file are."""
    with step(f"1. Scan {len(months)} files: find every chunk, read no data but small coordinates."):
        sets = [chunkmap.scan(str(month)) for month in months]
        for month, refs in zip(months, sets, strict=True):
            print(f"   {month.name}: {len(refs.arrays)} arrays, {refs.nchunks} chunks")
            for problem in refs.problems:
                print(f"      not represented: {problem.path}: {problem.feature}: {problem.message}")
    return sets


def be_refused(sets: list[chunkmap.ReferenceSet]) -> None:
    """Combine as the file's own coordinate has it, which cannot be right."""
    with step("2. Combine along time_counter as it stands: 0.0 in all three files."):
        try:
            chunkmap.combine(sets, concat_dims=["time_counter"], identical_dims=GRID)
        except chunkmap.CombineError as refusal:
            print(f"   refused, as it must be: {without_folders(refusal)}")
            return
    raise MismatchError("three files that claim the same time were combined without a word")


def combine_and_write(sets: list[chunkmap.ReferenceSet], out: Path) -> None:
    """Combine by the real time, and write the references as Parquet."""
    with step('3. Combine with the real time: coo_map={"time_counter": "cf:time_centered"}.'):
        refs = chunkmap.combine(sets, concat_dims=["time_counter"], coo_map=SELECTOR, identical_dims=GRID)
        print(f"   {refs!r}")
    with step(f"4. Write the references as Parquet: {out}"):
        chunkmap.write(refs, str(out))


def open_with_chunkmap(out: Path) -> xr.Dataset:
    """Open through our own xarray engine."""
    with step('5. Open it: xr.open_dataset(..., engine="chunkmap").'):
        dataset = xr.open_dataset(out, engine="chunkmap")
        print("   " + repr(dataset).replace("\n", "\n   "))
    return dataset


def open_with_others(out: Path) -> xr.Dataset:
    """Open with what everybody has, fsspec and zarr, and no code of ours."""
    with step('7. Open it without chunkmap: engine="zarr" over fsspec\'s reference file system.'):
        options = {"fo": str(out), "remote_protocol": "file"}
        dataset = xr.open_dataset(
            "reference://", engine="zarr", backend_kwargs={"consolidated": False, "storage_options": options}
        )
        print(f"   sea surface temperature: {dict(dataset.tos.sizes)}, {dataset.tos.dtype}")
    return dataset


def same(ours: NDArray[Any], theirs: NDArray[Any]) -> bool:
    """Whether two arrays hold the same values, NaN where NaN, in one type."""
    if ours.dtype != theirs.dtype or ours.shape != theirs.shape:
        return False
    if ours.dtype.kind == "f":
        return np.array_equal(ours, theirs, equal_nan=True)
    return np.array_equal(ours, theirs)


def check(dataset: xr.Dataset, months: list[Path], title: str) -> None:
    """Compare every variable of every file with what h5netcdf reads there."""
    with step(title):
        compared = 0
        for position, month in enumerate(months):
            with xr.open_dataset(month, engine="h5netcdf") as original:
                for name in original.variables:
                    # 0.0 in the file: the dataset has the real time in its place
                    expected = original["time_centered" if name == "time_counter" else name]
                    found = dataset[name]
                    if "time_counter" in found.dims:
                        found = found.isel(time_counter=slice(position, position + 1))
                    if not same(found.to_numpy(), expected.to_numpy()):
                        raise MismatchError(f"{name} of {month.name} is not what the file holds")
                    compared += expected.size
        print(f"   {len(months)} files, {len(dataset.variables)} variables, {compared:,} values: all equal")


def draw(out: Path) -> list[Path]:
    """Draw what was made as pages: the set with its grids of chunks, and what reads of it would touch in the files."""
    pages = [out.with_name("ocean.html"), out.with_name("ocean-reads.html")]
    with step("9. Draw it: the grids of chunks, and where in the files they are."):
        refs = chunkmap.load(str(out))
        pages[0].write_text(page(refs, "three months of ocean"), encoding="utf-8")
        plots = [plot(refs, path, files=3) for path in refs.arrays]
        pages[1].write_text(reads_page(plots, "three months of ocean"), encoding="utf-8")
        for name in pages:
            print(f"   {name}")
    return pages


def main(directory: Path) -> int:
    """Do the whole job, and return the exit status."""
    folder = files("iris_sample_data") / "sample_data" / "NEMO"
    months = sorted(Path(str(folder)).glob("nemo_1m_*_grid-T.nc"))
    if len(months) != 3:
        print(f"expected three files nemo_1m_*_grid-T.nc in {folder}, found {len(months)}", file=sys.stderr)
        return 1
    warnings.filterwarnings("ignore", "The 'fastparquet' engine is deprecated")  # of fsspec, in steps 7 and 8
    directory.mkdir(parents=True, exist_ok=True)
    out = directory / "ocean.parq"
    try:
        sets = scan_each(months)
        be_refused(sets)
        combine_and_write(sets, out)
        with open_with_chunkmap(out) as dataset:
            check(dataset, months, "6. Read every value so, and compare it with the files.")
        with open_with_others(out) as dataset:
            check(dataset, months, "8. Read every value so, and compare it with the files.")
        pages = draw(out)
    except (MismatchError, chunkmap.ChunkmapError) as error:
        print(f"\nFAILED: {error}", file=sys.stderr)
        return 1
    print(f"\nThe files hold {sum(map(size_of, months)):,} bytes; the dataset adds {size_of(out):,}, in {out}.")
    print(f"See it: open {pages[0].resolve().as_uri()} in a browser.")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".demo")))
