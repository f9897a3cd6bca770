"""Pages of the documentation as notebooks: text as it stands, and each block that is run as a cell.

    python site/notebooks.py FOLDER

Beside the notebooks lie the files that the pages speak of, so that they run there. `make docs` runs them by nbconvert.
"""

import json
import re
import sys
from pathlib import Path

import numpy as np
import xarray as xr

ROOT = Path(__file__).parents[1]
PAGES = ("docs/how-to/combine.md", "docs/how-to/look.md")
FENCE = re.compile(r"^```(python|sh) run\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ENVIRONMENT = "import os, sys\n\nos.environ['PATH'] = os.path.dirname(sys.executable) + os.pathsep + os.environ['PATH']"


def notebook(page: str) -> dict[str, object]:
    """A page as a notebook."""
    cells = [_code(ENVIRONMENT)]
    at = 0
    for block in FENCE.finditer(page):
        cells.append(_text(page[at : block.start()]))
        cells.append(_code(block[2] if block[1] == "python" else f"%%bash\n{block[2]}"))
        at = block.end()
    cells.append(_text(page[at:]))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": kernel, "cells": cells}


def write_months(folder: Path) -> None:
    """The files that the pages speak of: three months of maps, whose time counts from the first of each."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = np.random.default_rng(0)
    for month, days in ((1, 31), (2, 29), (3, 31)):
        time = (
            "time",
            np.arange(days, dtype="i4"),
            {"units": f"days since 2024-{month:02}-01", "calendar": "standard"},
        )
        grid = {"lat": np.arange(20, dtype="f4"), "lon": np.arange(40, dtype="f4")}
        values = (("time", "lat", "lon"), numbers.normal(280, 10, (days, 20, 40)), {"units": "K"})
        dataset = xr.Dataset({"temperature": values}, {"time": time, **grid})
        how = {"temperature": {"chunksizes": (1, 20, 40), "zlib": True, "dtype": "f8"}, "time": {"chunksizes": (1,)}}
        dataset.to_netcdf(folder / f"2024-{month:02}.nc", engine="h5netcdf", encoding=how)


def main(folder: Path) -> None:
    """Write them all."""
    write_months(folder / "data")
    for name in PAGES:
        made = notebook((ROOT / name).read_text(encoding="utf-8"))
        (folder / Path(name).with_suffix(".ipynb").name).write_text(json.dumps(made, indent=1), encoding="utf-8")


def _code(text: str) -> dict[str, object]:
    return {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": text.strip()}


def _text(text: str) -> dict[str, object]:
    return {"cell_type": "markdown", "metadata": {}, "source": text.strip()}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
